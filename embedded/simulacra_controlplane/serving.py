"""Serves a data folder: port, token and certificate are kept there across restarts, and a
kubeconfig is written.

Layout of the folder (mode 0700): `objects.sqlite`, `port`, `token`, `ca.crt`, `tls.crt`, `tls.key`,
`kubeconfig` (secrets mode 0600) and `pods/<uid>/<container>.log`, which the node agent writes.
"""

import asyncio
import base64
import contextlib
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import uvicorn
import yaml
from starlette.types import ASGIApp

from simulacra_controlplane import certificates
from simulacra_controlplane.app import create_app
from simulacra_controlplane.state import ControlPlane
from simulacra_controlplane.store import Store

HOST = "127.0.0.1"
_GRACE_SECONDS = 3
_ANSWER_SECONDS = 0.5
"""Time for requests in flight when the server stops."""


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner may read, replacing it in one step."""
    scratch = path.with_suffix(".new")
    scratch.unlink(missing_ok=True)
    scratch.touch(mode=0o600)
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)


def token_of(folder: Path) -> str:
    """The bearer token of a data folder, generated on first use."""
    path = folder / "token"
    if not path.exists():
        write_secret(path, secrets.token_urlsafe(32))
    return path.read_text(encoding="utf-8").strip()


def kubeconfig(server: str, token: str, authority: bytes) -> str:
    """A kubeconfig (YAML) with one cluster, user and context, all named `simulacra`."""
    cluster = {"server": server, "certificate-authority-data": base64.b64encode(authority).decode()}
    name = "simulacra"
    context = {"cluster": name, "user": name, "namespace": "default"}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": name, "context": context}],
            "current-context": name,
        }
    )


def bind(folder: Path, port: int) -> socket.socket:
    """A listening socket on loopback: the given port, else the folder's last one if it is free,
    else any.

    Raises:
        OSError: The given port is taken.
    """
    remembered = folder / "port"
    wanted = [port]
    if not port and remembered.exists():
        wanted = [int(remembered.read_text(encoding="utf-8")), 0]
    for candidate in wanted:
        # The protocol is named because asyncio sets TCP_NODELAY only where it is: else 40 ms a call
        # (delayed ACKs).
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, candidate))
            break
        except OSError:
            listener.close()
            if candidate == wanted[-1]:
                raise
    remembered.write_text(str(listener.getsockname()[1]), encoding="utf-8")
    return listener


class _Server(uvicorn.Server):
    """Says when it is ready, and ends its watches before it waits for open connections."""

    def __init__(self, config: uvicorn.Config, plane: ControlPlane, url: str) -> None:
        super().__init__(config)
        self._plane, self._url = plane, url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        sys.stdout.write(json.dumps({"server": self._url}) + "\n")
        sys.stdout.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._plane.hub.close()
        # An idle TLS peer does not answer our closing of the connection, and asyncio waits 30 s for
        # that.
        asyncio.get_running_loop().call_later(_ANSWER_SECONDS, self._abort_connections)
        await super().shutdown(sockets)

    def _abort_connections(self) -> None:
        for connection in list(self.server_state.connections):
            connection.transport.abort()


def serve(folder: Path, port: int, wrap: Callable[[ASGIApp], ASGIApp] = lambda app: app) -> None:
    """Serve until SIGTERM or SIGINT.

    Port 0 takes the folder's last one, or any free one. `wrap` puts a middleware around the
    application, for tests.
    """
    for number in (
        signal.SIGTERM,
        signal.SIGINT,
    ):  # uvicorn raises the signal again once it has stopped
        signal.signal(number, lambda *_: None)
    os.umask(0o077)  # the database holds Secrets
    folder.mkdir(parents=True, exist_ok=True)
    token = token_of(folder)
    authority, certificate, key = certificates.ensure(folder)
    listener = bind(folder, port)
    url = f"https://{HOST}:{listener.getsockname()[1]}"
    write_secret(folder / "kubeconfig", kubeconfig(url, token, authority.read_bytes()))
    with contextlib.closing(Store(folder / "objects.sqlite")) as store:
        app = create_app(store, [token], folder / "pods")
        config = uvicorn.Config(
            wrap(app),
            ssl_certfile=str(certificate),
            ssl_keyfile=str(key),
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            timeout_keep_alive=75,
            server_header=False,
        )
        _Server(config, app.state.plane, url).run([listener])
