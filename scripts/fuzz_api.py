"""A long run of schemathesis against its own `simulacra up`.

    python scripts/fuzz_api.py --minutes 30

Everything after the known options goes to schemathesis: `-- --phases stateful`. Exit status 0:
nothing was found.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from installation import Installation
from schemathesis_run import run


def main() -> int:
    """Start the product, run, stop it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("options", nargs="*", help="further options of schemathesis")
    args = parser.parse_args()
    seconds = round(args.minutes * 60)
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation(Path(folder) / "data")
        installation.start()
        try:
            done = run(
                installation,
                *("--max-time", str(seconds), *args.options),
                folder=Path(folder),
                timeout=2 * seconds + 600,
            )
        finally:
            installation.stop()
    print(done.stdout)
    return done.returncode


if __name__ == "__main__":
    raise SystemExit(main())
