"""`main` of a program that works on the cluster until a signal, and its readiness line."""

import asyncio
import json
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from simulacra_crds.kube.client import Cluster

Work = Callable[[Cluster], Coroutine[Any, Any, None]]


def run_until_signal(work: Work, logger: str) -> None:
    """Run the work on the cluster of KUBECONFIG until SIGINT or SIGTERM."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(_run(work, logger))


async def _run(work: Work, logger: str) -> None:
    cluster = await Cluster.connect()
    task = asyncio.ensure_future(work(cluster))
    for signum in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(signum, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        logging.getLogger(logger).info("stopped")
    finally:
        await cluster.close()


def announce_ready() -> None:
    """Print the JSON line that tells the supervisor that this program is ready."""
    sys.stdout.write(json.dumps({"ready": True}) + "\n")
    sys.stdout.flush()
