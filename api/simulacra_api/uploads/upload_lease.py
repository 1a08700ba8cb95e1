"""The right to write one Dataset's upload: an annotation with its owner's nonce and the time of the
last renewal.

Every change is a JSON patch that tests the value it replaces, so that of two processes one wins,
and a writer that lost its lease (it was silent for a minute, another took over) cannot complete the
upload.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from simulacra_api.settings import LEASE_SECONDS
from simulacra_api.tenancy.idempotency import in_flight
from simulacra_crds.kinds.base import ANNOTATION_UPLOAD_LEASE, ANNOTATION_UPLOAD_STARTED
from simulacra_crds.kube.client import (
    DATASETS,
    Cluster,
    ClusterError,
    Conflict,
    Invalid,
    NotFound,
    Object,
)

ANNOTATION = ANNOTATION_UPLOAD_LEASE
STARTED = ANNOTATION_UPLOAD_STARTED
"""Annotation: when the upload began, ISO 8601; the operator gives up on uploads that are neither done nor leased."""
RESTING = "-"
"""In place of the owner's nonce: an upload in pieces is between two of them, and free to be taken."""
_POINTER = "/metadata/annotations/" + ANNOTATION.replace("/", "~1")
_RENEWALS_A_LEASE = 4


def new_value() -> str:
    """Return the annotation's value for a new owner, from now on."""
    return f"{secrets.token_hex(8)} {datetime.now(UTC).isoformat()}"


def resting_value() -> str:
    """Return the annotation's value for an upload that waits for its next piece, from now on."""
    return f"{RESTING} {datetime.now(UTC).isoformat()}"


def is_stale(value: str) -> bool:
    """Return whether nobody owns this value, or its owner has been silent for too long."""
    if value.startswith(f"{RESTING} "):
        return True
    try:
        renewed = datetime.fromisoformat(value.partition(" ")[2])
        return (datetime.now(UTC) - renewed).total_seconds() > LEASE_SECONDS
    except (ValueError, TypeError):
        return True


def is_held(dataset: Object) -> bool:
    """Return whether some process is writing a Dataset's upload, as far as its lease says."""
    value = _value(dataset)
    return bool(value) and not is_stale(value)


def _value(dataset: Object) -> str:
    return str(dataset["metadata"].get("annotations", {}).get(ANNOTATION, ""))


class Lease:
    """A lease that this process holds."""

    def __init__(self, cluster: Cluster, dataset: Object, value: str) -> None:
        metadata = dataset["metadata"]
        self._cluster = cluster
        self._name, self._namespace, self._uid = (
            metadata["name"],
            metadata["namespace"],
            metadata["uid"],
        )
        self._value = value
        self._lock = asyncio.Lock()

    @classmethod
    async def take_over(cls, cluster: Cluster, dataset: Object) -> Lease:
        """Take the lease of a Dataset from a silent owner; 409 in flight when it is held or was just taken."""
        if is_held(dataset):
            raise in_flight("the first upload with this key is still arriving")
        lease = cls(cluster, dataset, _value(dataset))
        await lease.renew(new_value())
        return lease

    async def renew(self, value: str | None = None) -> None:
        """Say that the owner is alive; 409 in flight when the lease is lost."""
        async with self._lock:
            value = value or f"{self._value.partition(' ')[0]} {datetime.now(UTC).isoformat()}"
            await self._patch([{"op": "add", "path": _POINTER, "value": value}])
            self._value = value

    async def complete(self, operations: Sequence[Object]) -> Object:
        """Apply the operations and give the lease back, in one step; 409 in flight when the lease is lost."""
        async with self._lock:
            return await self._patch([*operations, {"op": "remove", "path": _POINTER}])

    async def note(self, operations: Sequence[Object]) -> Object:
        """Apply the operations and keep the lease; 409 in flight when it is lost."""
        async with self._lock:
            return await self._patch(operations)

    async def rest(self, operations: Sequence[Object] = ()) -> Object:
        """Apply the operations and leave the upload to whoever sends its next piece, in one step."""
        async with self._lock:
            return await self._patch(
                [*operations, {"op": "add", "path": _POINTER, "value": resting_value()}]
            )

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Renew in the background until the block ends. A lost lease shows at `complete`."""
        task = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / _RENEWALS_A_LEASE)
            with suppress(ClusterError):
                await self.renew()

    async def _patch(self, operations: Sequence[Object]) -> Object:
        guard: list[dict[str, Any]] = [{"op": "test", "path": "/metadata/uid", "value": self._uid}]
        if self._value:
            guard.append({"op": "test", "path": _POINTER, "value": self._value})
        try:
            return await self._cluster.patch(
                DATASETS, self._name, [*guard, *operations], self._namespace
            )
        except (Conflict, Invalid, NotFound):
            raise in_flight("another request has taken this upload over") from None
