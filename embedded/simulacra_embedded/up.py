"""`python -m simulacra_embedded.up --data-dir DIR [--port N]`: the whole product on this machine.

When everything is ready, it prints one JSON line on stdout: api_url, kubeconfig, connection (path),
pid. Progress goes to stderr, the output of the programs to DIR/logs. Exit code 0 after SIGINT or
SIGTERM, 2 when it cannot start or continue.
"""

import argparse
import asyncio
import logging
import os
from pathlib import Path

from simulacra_crds.kube.client import ClusterError
from simulacra_embedded.processes import fork_server
from simulacra_embedded.processes.forks import Forks
from simulacra_embedded.supervisor import UpError
from simulacra_embedded.supervisor.datadir import DataDir
from simulacra_embedded.supervisor.supervise import Supervisor, say


async def _up(data_dir: Path, port: int | None, forks: Forks) -> None:
    await Supervisor(DataDir(data_dir), port, forks).run()


def main(argv: list[str] | None = None) -> int:
    """Parse arguments and run in the foreground; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="simulacra up", description="The whole product on this machine."
    )
    data_dir = "data directory; made if missing"
    parser.add_argument("--data-dir", type=Path, required=True, help=data_dir)
    port = "port of the API on 127.0.0.1 (by default the last one or a free one)"
    parser.add_argument("--port", type=int, help=port)
    args = parser.parse_args(argv)
    if args.port is not None and not 1 <= args.port <= 65535:
        parser.error(f"--port {args.port}: a port must be 1 to 65535")
    forks = Forks(fork_server.__name__, os.environ, fork_server.begin())
    logging.basicConfig(level=logging.WARNING)
    try:
        asyncio.run(_up(args.data_dir, args.port, forks))
    except BaseExceptionGroup as group:
        known, unknown = group.split((UpError, ClusterError))
        if unknown or not known:
            raise
        return _explain(_first(known))
    except (UpError, ClusterError) as error:
        return _explain(error)
    return 0


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _explain(error: BaseException) -> int:
    where = "the control plane refused: " if isinstance(error, ClusterError) else ""
    say(f"error: {where}{error}")
    return 2


if __name__ == "__main__":
    raise SystemExit(main())
