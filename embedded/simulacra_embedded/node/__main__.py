"""`python -m simulacra_embedded.node --data-dir DIR`: run the node agent against the cluster of KUBECONFIG."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
from pathlib import Path

from simulacra_crds.cluster import Cluster
from simulacra_embedded.node.agent import NodeAgent


async def _run(args: argparse.Namespace) -> None:
    cluster = await Cluster.connect()
    agent = NodeAgent(cluster, args.data_dir.absolute(), args.slots, args.bind, frozenset(args.image))
    task = asyncio.ensure_future(agent.run())
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        logging.getLogger("simulacra.node").info("stopped")
    finally:
        await cluster.close()


def main() -> None:
    """Parse arguments and run until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="simulacra_embedded.node", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True, help="folder of this agent alone")
    parser.add_argument("--bind", action="store_true", help="assign pending pods to this node (no scheduler runs)")
    parser.add_argument("--slots", type=int, default=os.cpu_count() or 1, help="pods that run at once")
    parser.add_argument("--image", action="append", default=[], help="an image to run besides simulacra/trainer")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    asyncio.run(_run(args))


if __name__ == "__main__":
    main()
