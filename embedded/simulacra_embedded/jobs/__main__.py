"""`python -m simulacra_embedded.jobs`: run the Job controller against the cluster of KUBECONFIG."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
from datetime import timedelta

from simulacra_crds.cluster import Cluster
from simulacra_embedded.jobs.controller import JobController


async def _run(backoff: timedelta) -> None:
    cluster = await Cluster.connect()
    task = asyncio.ensure_future(JobController(cluster, backoff).run())
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        logging.getLogger("simulacra.jobs").info("stopped")
    finally:
        await cluster.close()


def main() -> None:
    """Parse arguments and run until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="simulacra_embedded.jobs", description=__doc__)
    parser.add_argument("--backoff-seconds", type=float, default=10.0, help="pause after a pod's first failure")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    asyncio.run(_run(timedelta(seconds=args.backoff_seconds)))


if __name__ == "__main__":
    main()
