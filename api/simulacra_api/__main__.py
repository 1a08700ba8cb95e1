"""`python -m simulacra_api --port N [--host 127.0.0.1]`: serve the API.

Prints one JSON line with the URL on stdout when it is ready.
"""

import argparse
import asyncio
import gc
import json
import os
import socket
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from simulacra_api import log
from simulacra_api.app import create_app
from simulacra_api.http.connection import TimedProtocol
from simulacra_api.metrics import Metrics, metrics_app
from simulacra_api.services import Stores
from simulacra_api.settings import Settings
from simulacra_custody.core_dumps import forbid_core_dumps
from simulacra_custody.errors import SettingsError

METRICS_CONNECTIONS = 32
"""Connections of the metrics' own port; more get 503."""


class _Server(uvicorn.Server):
    """Prints the URL once it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # Code and models live as long as the process: later collections need not scan them.
        gc.collect()
        gc.freeze()
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            sys.stdout.write(json.dumps({"url": f"http://{host}:{port}"}) + "\n")
            sys.stdout.flush()


class _SideServer(uvicorn.Server):
    """Leaves the signals to the API's server."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """Bind a TCP socket."""
    # asyncio sets TCP_NODELAY only where the protocol is named; without it a call takes 40 ms.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; the exit code is 2 when a setting is missing or malformed."""
    parser = argparse.ArgumentParser(prog="python -m simulacra_api", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    port = "port to listen on; 0 takes a free one"
    parser.add_argument("--port", type=int, required=True, help=port)
    args = parser.parse_args(argv)
    log.to_stderr()
    forbid_core_dumps()
    listener = listen(args.host, args.port)
    try:
        settings = Settings.from_env(f"http://{args.host}:{listener.getsockname()[1]}", os.environ)
        stores = Stores.open()  # here, so that a wrong setting gives a sentence and no traceback
    except (ValueError, SettingsError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    app = create_app(settings, lambda: stores)
    server = _Server(server_config(app, os.environ))
    asyncio.run(_serve(server, listener, app.state.metrics, settings))
    return 0 if server.started else 1


def server_config(app: ASGIApp, env: Mapping[str, str]) -> uvicorn.Config:
    """Return how to serve: forwarded addresses count only from the proxies that are named."""
    proxies = env.get("FORWARDED_ALLOW_IPS", "")
    return uvicorn.Config(
        app,
        http=TimedProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        timeout_graceful_shutdown=10,
    )


async def _serve(
    server: uvicorn.Server, listener: socket.socket, metrics: Metrics, settings: Settings
) -> None:
    if settings.metrics_listen is None:
        await server.serve(sockets=[listener])
        return
    config = server_config(metrics_app(metrics), {})
    config.lifespan, config.limit_concurrency = "off", METRICS_CONNECTIONS
    side = _SideServer(config)
    async with asyncio.TaskGroup() as group:
        group.create_task(side.serve(sockets=[listen(*settings.metrics_listen)]))
        await server.serve(sockets=[listener])
        side.should_exit = True


if __name__ == "__main__":
    raise SystemExit(main())
