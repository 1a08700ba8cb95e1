"""Resources as the control plane had them a moment ago, shared by all requests of this process.

A value is used for `seconds` from the moment that its read began, and no longer. Whoever changes a
resource through this API answers only after `settle`, when every value that any process read before
the change has run out. So a caller that was told of a change never sees what was before it,
whichever process it asks next; what the operator writes shows that much later at most. Nothing is
shared between the processes but the length of the moment.
"""

from __future__ import annotations

import asyncio
import time
from typing import TypeVar

from simulacra_crds.kinds.base import Resource
from simulacra_crds.kube.client import CUSTOM, Cluster

R = TypeVar("R", bound=Resource)
CACHE_SECONDS = 0.25
_MARGIN = 1.1
"""Clocks of two machines do not run equally fast."""


class ReadCache:
    """Reads single resources; one read serves all who ask while it runs and for a moment after."""

    def __init__(self, cluster: Cluster, seconds: float = CACHE_SECONDS) -> None:
        self._cluster = cluster
        self._seconds = seconds
        self._reads: dict[
            tuple[type[Resource], str, str], tuple[float, asyncio.Task[Resource | None]]
        ] = {}

    async def find(
        self, kind: type[R], name: str, namespace: str, *, fresh: bool = False
    ) -> R | None:
        """Return a resource, None when there is none. Absence and errors are not remembered.

        Args:
            kind: its model.
            name: its name.
            namespace: its namespace.
            fresh: read it now, for who is about to change it.
        """
        key, now = (kind, name, namespace), time.monotonic()
        began, task = self._reads.get(key, (0.0, None))
        if fresh or task is None or now - began > self._seconds:
            task = asyncio.create_task(self._read(kind, name, namespace))
            if self._seconds:
                self._reads[key] = now, task
                asyncio.get_running_loop().call_later(self._seconds, self._drop, key, task)
        try:
            found = await asyncio.shield(task)  # who hangs up does not end the read of the others
        finally:
            if task.done() and (task.cancelled() or task.exception() or task.result() is None):
                self._drop(key, task)
        return found if isinstance(found, kind) else None

    async def settle(self) -> None:
        """Wait until nothing that was read before this call is used any more, in any process."""
        self._reads.clear()
        await asyncio.sleep(self._seconds * _MARGIN)

    async def _read(self, kind: type[R], name: str, namespace: str) -> R | None:
        found = await self._cluster.find(CUSTOM[kind.__name__], name, namespace)
        return kind.model_validate(found) if found else None

    def _drop(
        self, key: tuple[type[Resource], str, str], task: asyncio.Task[Resource | None]
    ) -> None:
        if self._reads.get(key, (0.0, None))[1] is task:
            del self._reads[key]
