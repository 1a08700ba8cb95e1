"""The process's log: lines are gathered for a moment, since a write a request would cost a tenth of
the request.

A warning or worse is written at once, with all that came before it, so the order holds and nothing
that matters waits. A kill -9 loses the access lines of the last moment; what must not be lost is in
the audit log, which is no log of this kind.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TextIO

GATHER_SECONDS = 0.1
FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


class GatheringHandler(logging.Handler):
    """Writes lines to a stream, many at once; outside of an event loop each at once."""

    def __init__(self, stream: TextIO, seconds: float = GATHER_SECONDS) -> None:
        super().__init__()
        self._stream = stream
        self._seconds = seconds
        self._lines: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line."""
        try:
            self._lines.append(self.format(record))
            if record.levelno >= logging.WARNING or not self._is_timed():
                self.flush()
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        """Write what was gathered."""
        self.acquire()
        try:
            lines, self._lines = self._lines, []
            if lines:
                self._stream.write("\n".join([*lines, ""]))
                self._stream.flush()
        finally:
            self.release()

    def _is_timed(self) -> bool:
        """Return whether a flush is to come, which only an event loop can arrange."""
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
    """Log from INFO on to stderr; never what libraries say of URLs, for ours says templates."""
    handler = GatheringHandler(sys.stderr)
    logging.basicConfig(level=logging.INFO, handlers=[handler], format=FORMAT)
    for chatty in ("httpx2", "httpcore2", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
