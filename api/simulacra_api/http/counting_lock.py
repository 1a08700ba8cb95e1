"""A lock with a queue that can be too long."""

from __future__ import annotations

import asyncio


class CountingLock(asyncio.Lock):
    """A lock that knows how many wait for it."""

    waiting = 0

    async def __aenter__(self) -> None:
        """Wait for the turn."""
        self.waiting += 1
        try:
            await super().__aenter__()
        finally:
            self.waiting -= 1
