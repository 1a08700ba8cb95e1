"""Faults for tests: ASGI middleware that makes requests fail, hang, break off or kill the server.

The product never adds it; a test wraps the application with it (`serve(..., wrap=...)`).
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from simulacra_controlplane.errors import ApiError
from simulacra_controlplane.verbs.handlers import answer

Action = Literal["fail", "hang", "cut", "silence", "crash-before", "crash-after"]


@dataclass
class Fault:
    """What happens to some of the requests that match.

    Attributes:
        action: `fail` answers with `code`; `hang` never answers; `cut` breaks the connection after
            `lines` chunks of the answer; `silence` stops sending after them and leaves the
            connection open; `crash-before` and `crash-after` kill the process before the request is
            handled, or after it is and before it is answered.
        method: HTTP method.
        path: Regular expression that the path and query match from the start.
        skip: How many matching requests pass first.
        times: How many are hit after those.
        code: For `fail`.
        retry_after: Seconds in the Retry-After header of `fail`, or None.
        lines: For `cut` and `silence`.
    """

    action: Action
    method: str
    path: str
    skip: int = 0
    times: int = 1
    code: int = 500
    retry_after: int | None = None
    lines: int = 0

    def hits(self, method: str, path: str) -> bool:
        """Return whether this request is hit, and count it."""
        if method != self.method or self.times <= 0 or not re.match(self.path, path):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class FaultInjector:
    """Applies the first fault that hits a request."""

    def __init__(self, app: ASGIApp, faults: Sequence[Fault]) -> None:
        self._app, self._faults = app, faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or apply the fault that hits it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"] + (
            "?" + scope["query_string"].decode() if scope["query_string"] else ""
        )
        fault = next((f for f in self._faults if f.hits(scope["method"], path)), None)
        if fault is None:
            await self._app(scope, receive, send)
        else:
            await self._go_wrong(fault, scope, receive, send)

    async def _go_wrong(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.action == "fail":
            headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            error = ApiError(
                fault.code, "InjectedFault", "a test made this request fail", headers=headers
            )
            response = answer(error.body(), error.code)
            response.headers.update(error.headers)
            await response(scope, receive, send)
        elif fault.action == "hang":
            while (await receive())["type"] != "http.disconnect":
                pass
        elif fault.action == "crash-before":
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            await self._app(scope, receive, _limited(fault, send))


def _limited(fault: Fault, send: Send) -> Send:
    """Return a `send` that kills the process, or stops after `lines` chunks."""
    left = fault.lines

    async def limited(message: Message) -> None:
        nonlocal left
        if fault.action == "crash-after":
            os.kill(os.getpid(), signal.SIGKILL)
        if message["type"] == "http.response.body" and message.get("body"):
            left -= 1
        if left >= 0:
            await send(message)
        elif fault.action == "cut":
            raise ConnectionAbortedError("a test cut this answer")
        else:
            await asyncio.Event().wait()

    return limited
