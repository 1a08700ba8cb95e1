"""`python -m simulacra_controlplane --data-dir DIR [--port N]`: serve a data folder.

Prints {"server": URL} on stdout when it is ready.
"""

import argparse
from pathlib import Path

from simulacra_controlplane.serving import serve


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="simulacra_controlplane", description=__doc__)
    parser.add_argument(
        "--data-dir", type=Path, required=True, help="folder of objects, token, port and kubeconfig"
    )
    parser.add_argument(
        "--port", type=int, default=0, help="port on 127.0.0.1 (0: the last one, or a free one)"
    )
    arguments = parser.parse_args()
    serve(arguments.data_dir, arguments.port)


if __name__ == "__main__":
    main()
