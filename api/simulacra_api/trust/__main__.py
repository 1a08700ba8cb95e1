"""``python -m simulacra_api.trust -o DIR``: write the trust package of this environment.

With the settings of an installation in the environment it is the package of the installation, and
without them that of the release. Exits with 2 when the folder is not empty or a document is wrong.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from simulacra_api.trust.package import Trust, write_folder


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m simulacra_api.trust", description="Write the trust package."
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="new or empty folder")
    folder = parser.parse_args(arguments).output
    try:
        trust = Trust.read(os.environ)
        write_folder(trust.files(), folder)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    figures = {"claims": trust.results(), "documents": trust.figures()}
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
