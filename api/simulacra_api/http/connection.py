"""HTTP connections with time limits on heads, on bodies after their answer, and on readers."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 15.0
"""From the connection, or from the end of an answer, to the end of the next request's head.

A body that goes on after its answer has the same time. Idle connections end before, by uvicorn's
own keep-alive of 5 seconds.
"""
DRAIN_SECONDS = 120.0
"""How long a client may leave a full buffer unread: a download reads on in pieces of a mebibyte.

A reader that waits longer would hold its answer's rows in memory for as long as it likes.
"""


class TimedProtocol(H11Protocol):
    """uvicorn's protocol, which by itself waits for a client for as long as the client likes."""

    _timer: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Parse what arrived."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next head."""
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not read."""
        super().pause_writing()
        self._unread = self.loop.call_later(DRAIN_SECONDS, self._close)

    def resume_writing(self) -> None:
        """Stop waiting: the client has read."""
        super().resume_writing()
        self._stop_unread()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop()
        self._stop_unread()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Let the timer run while no request is being answered; bytes do not restart it."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()
        elif self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._close)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _close(self) -> None:
        self.transport.abort()
