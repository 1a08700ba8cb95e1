"""Work queue: each key at most once, never in two passes at a time, with retry backoff."""

import asyncio
import heapq
import itertools

from simulacra_operator import metrics
from simulacra_operator.observed.custom_resource import Key

FIRST_RETRY_S = 0.2
LAST_RETRY_S = 30.0


class WorkQueue:
    """Keys and when each is due (seconds of the event loop's clock)."""

    def __init__(self) -> None:
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._order = itertools.count()
        self._busy: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._changed = asyncio.Condition()

    def __len__(self) -> int:
        return len(self._due)

    async def add(self, key: Key, delay: float = 0.0) -> None:
        """Make a key due after a delay, unless it is due earlier already."""
        due = asyncio.get_running_loop().time() + delay
        async with self._changed:
            if due < self._due.get(key, float("inf")):
                self._due[key] = due
                heapq.heappush(self._heap, (due, next(self._order), key))
                self._changed.notify()
            metrics.QUEUE_DEPTH.set(len(self._due))

    async def retry(self, key: Key, last: float = LAST_RETRY_S) -> float:
        """Requeue a key after twice the last delay, at most `last` seconds; return the delay."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = min(FIRST_RETRY_S * 2.0 ** min(failures, 20), last)
        await self.add(key, delay)
        return delay

    def forgive(self, key: Key) -> None:
        """Reset the backoff of a key."""
        self._failures.pop(key, None)

    async def get(self) -> Key:
        """Wait for a key that is due and in no pass; call `done` after its pass."""
        loop = asyncio.get_running_loop()
        async with self._changed:
            while True:
                key, wait = self._pop(loop.time())
                if key is not None:
                    return key
                try:
                    async with asyncio.timeout(wait):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    async def done(self, key: Key) -> None:
        """End the pass of a key."""
        async with self._changed:
            self._busy.discard(key)
            if key in self._due:  # added during its pass
                heapq.heappush(self._heap, (self._due[key], next(self._order), key))
                self._changed.notify()

    def _pop(self, now: float) -> tuple[Key | None, float | None]:
        """Return a key that is due, or how long to wait for one."""
        while self._heap:
            due, _, key = self._heap[0]
            if self._due.get(key) != due or key in self._busy:
                heapq.heappop(self._heap)  # superseded, or pushed again by `done`
                continue
            if due > now:
                return None, due - now
            heapq.heappop(self._heap)
            del self._due[key]
            self._busy.add(key)
            metrics.QUEUE_LAG.observe(now - due)
            return key, None
        return None, None
