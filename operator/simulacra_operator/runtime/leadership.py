"""One operator acts at a time: a Lease says which one; others stand by.

The protocol is client-go's leader election (k8s.io/client-go/tools/leaderelection): the holder renews, a stand-by takes
over a Lease that it has seen unchanged for as long as the Lease says, by its own clock, and every write holds the
version that it was decided on. Two differences. A process with the holder's name takes over at once: it is the same pod
started anew. And a holder that cannot reach the API server waits instead of ending: nothing can be read meanwhile, so
nothing is begun, and its first answer tells whether it still leads.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import suppress
from time import monotonic
from typing import Never

from simulacra_crds.contract.names import system_namespace
from simulacra_crds.kinds.base import utcnow
from simulacra_crds.kube.client import (
    LEASES,
    AlreadyExists,
    Cluster,
    ClusterError,
    Conflict,
    Object,
)
from simulacra_operator import metrics

log = logging.getLogger(__name__)

LEASE = "simulacra-operator"
LEASE_S = 15
"""A stand-by takes over when the holder was silent for so long."""
RENEW_S = 5.0
LOOK_S = 2.0
RELEASE_S = 2.0


class LeadershipLost(Exception):
    """Another process holds the Lease: this one must end, and may stand by again."""


class Leadership:
    """The Lease as one process sees it. `name` is that of the pod, or whatever there is one of at a time."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster, self._name = cluster, name
        self._identity = f"{name}_{secrets.token_hex(4)}"
        self._version = ""
        self._seen: tuple[str, float] = ("", 0.0)
        self.leading = False

    async def acquire(self) -> None:
        """Return once the Lease is ours."""
        metrics.LEADER.set(0)
        waits = False
        while not await self._taken():
            if not waits:
                log.info("standing by", extra={"lease": LEASE})
            waits = True
            await asyncio.sleep(LOOK_S)
        self.leading = True
        metrics.LEADER.set(1)
        log.info("leading", extra={"lease": LEASE})

    async def hold(self) -> Never:
        """Renew the Lease until cancelled.

        Raises:
            LeadershipLost: another process took it, or a person deleted it.
        """
        pause = RENEW_S
        while True:
            await asyncio.sleep(pause)
            pause = RENEW_S if await self._renewed() else LOOK_S

    async def release(self) -> None:
        """Give the Lease back, so that a successor need not wait for it to run out."""
        if not self.leading:
            return
        self.leading = False
        metrics.LEADER.set(0)
        with suppress(ClusterError, TimeoutError):
            async with asyncio.timeout(RELEASE_S):
                await self._write({"holderIdentity": "", "renewTime": _now()})

    async def _taken(self) -> bool:
        try:
            lease = await self._cluster.find(LEASES, LEASE, system_namespace())
            if lease is None:
                await self._create()
                return True
            self._version = lease["metadata"]["resourceVersion"]
            spec = lease.get("spec") or {}
            if not self._is_free(spec):
                return False
            transitions = int(spec.get("leaseTransitions") or 0) + 1
            await self._write({**self._claim(), "leaseTransitions": transitions})
        except (AlreadyExists, Conflict):
            return False
        except ClusterError as error:
            log.warning("the lease cannot be read or written", extra={"status": error.status})
            return False
        return True

    def _is_free(self, spec: Object) -> bool:
        """Return whether nobody holds the Lease, we did before a restart, or its holder was silent for too long."""
        holder = str(spec.get("holderIdentity") or "")
        if not holder or holder.rpartition("_")[0] == self._name:
            return True
        now = monotonic()
        if self._seen[0] != self._version:
            self._seen = (self._version, now)
        return now - self._seen[1] >= int(spec.get("leaseDurationSeconds") or LEASE_S)

    async def _renewed(self) -> bool:
        try:
            await self._write({"renewTime": _now()})
        except Conflict:  # taken over, or written by us without our seeing the answer
            return await self._is_still_ours()
        except ClusterError as error:
            if error.status == 404:
                raise LeadershipLost from error
            log.warning("the lease was not renewed", extra={"status": error.status})
            return False
        return True

    async def _is_still_ours(self) -> bool:
        """Look who holds the Lease; always return False: it is still to be renewed."""
        with suppress(ClusterError):
            lease = await self._cluster.get(LEASES, LEASE, system_namespace())
            if (lease.get("spec") or {}).get("holderIdentity") != self._identity:
                raise LeadershipLost
            self._version = lease["metadata"]["resourceVersion"]
        return False

    def _claim(self) -> Object:
        now = _now()
        claim = {"holderIdentity": self._identity, "leaseDurationSeconds": LEASE_S}
        return {**claim, "acquireTime": now, "renewTime": now}

    async def _create(self) -> None:
        body = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": {"name": LEASE}}
        made = await self._cluster.create(
            LEASES, {**body, "spec": self._claim()}, system_namespace()
        )
        self._version = made["metadata"]["resourceVersion"]

    async def _write(self, spec: Object) -> None:
        patch = {"metadata": {"resourceVersion": self._version}, "spec": spec}
        written = await self._cluster.patch(LEASES, LEASE, patch, system_namespace())
        self._version = written["metadata"]["resourceVersion"]


def _now() -> str:
    """Return the time as a MicroTime."""
    return utcnow().isoformat(timespec="microseconds").replace("+00:00", "Z")
