"""Which tokens of a client are revoked: by an emergency rotation, or by the end of a session.

Both are in the client's Secret. It is read at most every few seconds, one read for all
concurrent requests of a client, so a revocation holds in every process that much later.
"""

import asyncio
import time
from typing import NamedTuple

from simulacra_api.auth.clients import SPENT, record_name, stored_list, watermark_of
from simulacra_crds.kube.client import SECRETS, Cluster
from simulacra_crds.names import clients_namespace

CACHE_SECONDS = 3.0
"""Maximum age of what is known of a client, and so the delay of a revocation."""
CACHED_CLIENTS = 4096
"""Size of the cache; the client read first is dropped first."""


class Revoked(NamedTuple):
    """Revoked tokens: those issued before a time (seconds since the epoch), and single ones."""

    before: int
    spent: frozenset[str]


class Revocations:
    """Reads what is revoked of clients."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._reads: dict[str, tuple[float, asyncio.Task[Revoked]]] = {}

    def forget(self, client_id: str) -> None:
        """Read the client's Secret again at the next request."""
        self._reads.pop(client_id, None)

    async def of(self, client_id: str) -> Revoked:
        """Return what is revoked of a client's tokens.

        Raises:
            ClusterError: the control plane cannot be read.
        """
        now = time.monotonic()
        began, task = self._reads.get(client_id, (0.0, None))
        failed = task is not None and task.done() and (task.cancelled() or task.exception())
        if task is None or failed or now - began > CACHE_SECONDS:
            task = asyncio.create_task(self._read(client_id))
            self._reads.pop(client_id, None)
            self._reads[client_id] = now, task
            if len(self._reads) > CACHED_CLIENTS:
                del self._reads[next(iter(self._reads))]
        return await asyncio.shield(task)  # a caller that hangs up must not end a shared read

    async def _read(self, client_id: str) -> Revoked:
        found = await self._cluster.find(SECRETS, record_name(client_id), clients_namespace())
        data = found and found.get("data")
        spent = frozenset(str(token_id) for token_id, _ in stored_list(data, SPENT))
        return Revoked(watermark_of(data), spent)
