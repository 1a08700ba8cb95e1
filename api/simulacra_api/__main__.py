"""`python -m simulacra_api --port N [--host 127.0.0.1]`: serve the API.

Prints one JSON line with the URL on stdout when it is ready.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import socket
import sys

import uvicorn

from simulacra_api import log
from simulacra_api.app import create_app
from simulacra_api.services import Stores
from simulacra_api.settings import Settings
from simulacra_custody.core_dumps import forbid_core_dumps
from simulacra_custody.errors import SettingsError


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
    config = uvicorn.Config(
        create_app(settings, lambda: stores),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )
    server = _Server(config)
    asyncio.run(server.serve(sockets=[listener]))
    return 0 if server.started else 1


if __name__ == "__main__":
    raise SystemExit(main())
