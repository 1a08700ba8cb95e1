"""The process log on stderr, buffered for a moment.

One write per request would cost a tenth of the request's time. A warning or worse is written at
once, after all earlier lines, so the order holds and important lines do not wait. A kill -9 loses
the access lines of the last 0.1 s; what must not be lost is in the audit log.
"""

import asyncio
import logging
import os
import sys
from contextvars import ContextVar
from typing import TextIO

from simulacra_crds.logs import configure

GATHER_SECONDS = 0.1
REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""Id of the request that is being answered; empty outside of one."""


class GatheringHandler(logging.Handler):
    """Writes lines to a stream in batches; outside of an event loop, each line at once."""

    def __init__(self, stream: TextIO, seconds: float = GATHER_SECONDS) -> None:
        super().__init__()
        self._stream = stream
        self._seconds = seconds
        self._lines: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Buffer a line; flush at once for a warning or worse."""
        try:
            self._lines.append(self.format(record))
            if record.levelno >= logging.WARNING or not self._is_timed():
                self.flush()
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        """Write the buffered lines."""
        self.acquire()
        try:
            lines, self._lines = self._lines, []
            if lines:
                self._stream.write("\n".join([*lines, ""]))
                self._stream.flush()
        finally:
            self.release()

    def _is_timed(self) -> bool:
        """Return whether a flush is scheduled; only an event loop can schedule one."""
        if self._timer is None:
            try:
                self._timer = asyncio.get_running_loop().call_later(self._seconds, self._on_time)
            except RuntimeError:
                return False
        return True

    def _on_time(self) -> None:
        self._timer = None
        self.flush()


def to_stderr() -> None:
    """Log to stderr, in the form and from the level that the environment sets."""
    configure(os.environ, GatheringHandler(sys.stderr))
