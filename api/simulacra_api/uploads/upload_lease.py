"""Upload leases: the exclusive right to write one Dataset's upload.

A lease is an annotation with its owner's nonce and the time of the last renewal. Every change is a
JSON patch that tests the value it replaces: of two processes one wins, and a writer that lost its
lease (it was silent for a minute, another took over) cannot complete the upload.
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
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import Cluster, Object

ANNOTATION = ANNOTATION_UPLOAD_LEASE
STARTED = ANNOTATION_UPLOAD_STARTED
"""Annotation: start of the upload, ISO 8601; the operator abandons stale, incomplete uploads."""
RESTING = "-"
"""Instead of the owner's nonce: an upload between two pieces, free to be taken."""
_POINTER = "/metadata/annotations/" + ANNOTATION.replace("/", "~1")
_RENEWALS_PER_LEASE = 4


def lease_value(owner: str = "") -> str:
    """Return the annotation's value for an owner (default: a new one), renewed now."""
    return f"{owner or secrets.token_hex(8)} {datetime.now(UTC).isoformat()}"


def is_held(dataset: Object) -> bool:
    """Return whether a process is writing a Dataset's upload, according to its lease."""
    owner, _, renewed = _value(dataset).partition(" ")
    if owner in ("", RESTING):
        return False
    try:
        age = datetime.now(UTC) - datetime.fromisoformat(renewed)
    except (ValueError, TypeError):
        return False
    return age.total_seconds() <= LEASE_SECONDS


def _value(dataset: Object) -> str:
    return str(dataset["metadata"].get("annotations", {}).get(ANNOTATION, ""))


class Lease:
    """The lease of a Dataset, held by this process: the one in its annotations as it was read."""

    def __init__(self, cluster: Cluster, dataset: Object) -> None:
        self._cluster = cluster
        self._metadata = dataset["metadata"]
        self._value = _value(dataset)
        self._lock = asyncio.Lock()

    @classmethod
    async def take_over(cls, cluster: Cluster, dataset: Object) -> Lease:
        """Take the lease of a Dataset from a silent owner; 409 in flight while it is held."""
        if is_held(dataset):
            raise in_flight("The first upload with this Idempotency-Key is still arriving.")
        lease = cls(cluster, dataset)
        await lease._renew(lease_value())
        return lease

    async def renew(self) -> None:
        """Show that the owner is alive; 409 in flight when the lease is lost."""
        await self._renew(lease_value(self._value.partition(" ")[0]))

    async def complete(self, operations: Sequence[Object]) -> Object:
        """Apply the operations and release the lease, in one step; 409 when it is lost."""
        return await self._apply([*operations, {"op": "remove", "path": _POINTER}])

    async def note(self, operations: Sequence[Object]) -> Object:
        """Apply the operations and keep the lease; 409 in flight when it is lost."""
        return await self._apply(operations)

    async def rest(self, operations: Sequence[Object] = ()) -> Object:
        """Apply the operations and free the lease for the next piece, in one step."""
        return await self._apply([*operations, _setting(lease_value(RESTING))])

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
            await asyncio.sleep(LEASE_SECONDS / _RENEWALS_PER_LEASE)
            with suppress(kube.ClusterError):
                await self.renew()

    async def _renew(self, value: str) -> None:
        await self._apply([_setting(value)], value)

    async def _apply(self, operations: Sequence[Object], value: str | None = None) -> Object:
        """Patch the Dataset while the lease has our value, which then becomes `value` if given."""
        name, namespace = self._metadata["name"], self._metadata["namespace"]
        uid = self._metadata["uid"]
        guard: list[dict[str, Any]] = [{"op": "test", "path": "/metadata/uid", "value": uid}]
        async with self._lock:
            if self._value:
                guard.append({"op": "test", "path": _POINTER, "value": self._value})
            try:
                patch = [*guard, *operations]
                changed = await self._cluster.patch(kube.DATASETS, name, patch, namespace)
            except (kube.Conflict, kube.Invalid, kube.NotFound):
                raise in_flight("Another request has taken this upload over.") from None
            self._value = value or self._value
        return changed


def _setting(value: str) -> Object:
    return {"op": "add", "path": _POINTER, "value": value}
