"""`python -m simulacra_embedded.node --data-dir DIR`: run the node agent."""

import argparse
import os
from pathlib import Path

from simulacra_embedded.node.agent import NodeAgent
from simulacra_embedded.processes.program import run_until_signal


def main() -> None:
    """Parse arguments and run until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="simulacra_embedded.node", description=__doc__)
    add = parser.add_argument
    add("--data-dir", type=Path, required=True, help="directory of this agent alone")
    add("--bind", action="store_true", help="assign pending pods to this node (no scheduler runs)")
    add("--slots", type=int, default=os.cpu_count() or 1, help="number of pods that run at once")
    add("--image", action="append", default=[], help="an image to run besides simulacra/trainer")
    args = parser.parse_args()
    root = args.data_dir.absolute()
    images = frozenset(args.image)
    run_until_signal(
        lambda cluster: NodeAgent(cluster, root, args.slots, args.bind, images).run(),
        "simulacra.node",
    )


if __name__ == "__main__":
    main()
