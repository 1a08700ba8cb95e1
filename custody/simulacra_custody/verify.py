"""``python -m simulacra_custody.verify DIR``: verifies an audit log in a local directory.

Writes the log's size and RFC 6962 root to standard output and ends with 0, or says what is wrong on standard error
and ends with 1.
"""

import argparse
import sys
from pathlib import Path

from simulacra_custody.audit import verify_log
from simulacra_custody.errors import CustodyError
from simulacra_custody.local_store import LocalStore


def main(arguments: list[str] | None = None) -> int:
    """Run the verifier; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m simulacra_custody.verify", description="Verify an audit log.")
    parser.add_argument("directory", type=Path, metavar="DIR", help="the directory that SIMULACRA_AUDIT names")
    directory: Path = parser.parse_args(arguments).directory
    if not directory.is_dir():
        parser.error("DIR is no directory")
    try:
        head = verify_log(LocalStore(directory))
    except CustodyError as error:
        sys.stderr.write(f"audit log does not verify: {error}\n")
        return 1
    sys.stdout.write(f"audit log verified: {head.size} events in {head.segment} segments, root {head.root}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
