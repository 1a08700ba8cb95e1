"""Reads of resources: a cache that lives for a moment, and polling until something changes.

A cached value is used for `seconds` from the moment its read began. A request that changes a
resource answers only after `settle`, when every value that any process read before the change has
expired. So a caller whose change was confirmed never sees the state before it, from whichever
process; what the operator writes shows at most that much later. The processes share nothing but the
length of the moment.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from simulacra_crds.kinds.base import Resource
from simulacra_crds.kube.client import CUSTOM, Cluster

R = TypeVar("R", bound=Resource)
T = TypeVar("T")
_MARGIN = 1.1
"""Clocks of two machines do not run equally fast."""
_Key = tuple[type[Resource], str, str]
_Read = asyncio.Task[Resource | None]


class ReadCache:
    """Reads single resources; one read serves concurrent callers, and later ones for a moment."""

    def __init__(self, cluster: Cluster, seconds: float) -> None:
        self._cluster = cluster
        self._seconds = seconds
        self._reads: dict[_Key, tuple[float, _Read]] = {}

    async def find(
        self, kind: type[R], name: str, namespace: str, *, fresh: bool = False
    ) -> R | None:
        """Return a resource, None when there is none; absence and errors are not cached.

        With `fresh`, it is read now, because the caller is about to change it.
        """
        key = (kind, name, namespace)
        now = time.monotonic()
        began, task = self._reads.get(key, (0.0, None))
        if fresh or task is None or now - began > self._seconds:
            task = asyncio.create_task(self._read(kind, name, namespace))
            if self._seconds:
                self._reads[key] = now, task
                asyncio.get_running_loop().call_later(self._seconds, self._drop, key, task)
        try:
            found = await asyncio.shield(task)  # a caller that hangs up must not end a shared read
        finally:
            if task.done() and (task.cancelled() or task.exception() or task.result() is None):
                self._drop(key, task)
        return found if isinstance(found, kind) else None

    async def settle(self) -> None:
        """Wait until every value that was read before this call has expired, in every process."""
        self._reads.clear()
        await asyncio.sleep(self._seconds * _MARGIN)

    async def _read(self, kind: type[R], name: str, namespace: str) -> R | None:
        found = await self._cluster.find(CUSTOM[kind.__name__], name, namespace)
        return kind.model_validate(found) if found else None

    def _drop(self, key: _Key, task: _Read) -> None:
        if self._reads.get(key, (0.0, None))[1] is task:
            del self._reads[key]


async def poll(
    read: Callable[[], Awaitable[T]], seconds: float, *, first: float = 0.1, most: float = 1.0
) -> AsyncIterator[T]:
    """Yield what `read` returns, again and again; the caller breaks when it has what it wants.

    The last value is read after `seconds`. The first pause is `first`, each later one 1.5 times as
    long, up to `most`.
    """
    deadline = time.monotonic() + seconds
    pause = first
    while True:
        yield await read()
        left = deadline - time.monotonic()
        if left <= 0:
            return
        await asyncio.sleep(min(pause, left))
        pause = min(1.5 * pause, most)
