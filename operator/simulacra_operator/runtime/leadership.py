"""Leader election: a Lease says which operator acts; the others stand by.

The protocol is that of client-go (k8s.io/client-go/tools/leaderelection): the leader renews; a
standby takes over a Lease that it has seen unchanged for the Lease's duration, by its own clock;
every write carries the version that it is based on. Two differences. A process with the leader's
name takes over at once: it is the same pod, restarted. And a leader that cannot reach the API
server waits instead of ending: nothing can be read, so nothing is started, and the first answer
says whether it still leads.
"""

import asyncio
import logging
import secrets
from contextlib import suppress
from time import monotonic
from typing import Never

from simulacra_crds.kinds.base import utcnow
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import Cluster, Object
from simulacra_crds.names import system_namespace
from simulacra_operator import metrics

log = logging.getLogger(__name__)

LEASE = "simulacra-operator"
LEASE_S = 15
"""A standby takes over a Lease that was not renewed for this long."""
RENEW_S = 5.0
RETRY_S = 2.0
RELEASE_S = 2.0


class LeadershipLost(Exception):
    """Another process leads: this one must end, and may stand by again."""


class Leadership:
    """The Lease as one process sees it; `name` is that of the pod, or unique in another way."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self._name = name
        self._identity = f"{name}_{secrets.token_hex(4)}"
        self._version = ""
        self._seen: tuple[str, float] = ("", 0.0)
        self.leading = False

    async def acquire(self) -> None:
        """Return once this process leads."""
        metrics.LEADER.set(0)
        waits = False
        while not await self._taken():
            if not waits:
                log.info("standby started", extra={"lease": LEASE})
            waits = True
            await asyncio.sleep(RETRY_S)
        self.leading = True
        metrics.LEADER.set(1)
        log.info("leadership acquired", extra={"lease": LEASE})

    async def hold(self) -> Never:
        """Renew the Lease until cancelled.

        Raises:
            LeadershipLost: another process leads, or a person deleted the Lease.
        """
        pause = RENEW_S
        while True:
            await asyncio.sleep(pause)
            pause = RENEW_S if await self._renewed() else RETRY_S

    async def release(self) -> None:
        """Release the Lease, so that the next leader need not wait for its expiry."""
        if not self.leading:
            return
        self.leading = False
        metrics.LEADER.set(0)
        with suppress(kube.ClusterError, TimeoutError):
            async with asyncio.timeout(RELEASE_S):
                await self._write({"holderIdentity": "", "renewTime": _now()})

    async def _taken(self) -> bool:
        try:
            lease = await self._cluster.find(kube.LEASES, LEASE, system_namespace())
            if lease is None:
                await self._create()
                return True
            self._version = lease["metadata"]["resourceVersion"]
            spec = lease.get("spec") or {}
            if not self._is_free(spec):
                return False
            transitions = int(spec.get("leaseTransitions") or 0) + 1
            await self._write({**self._claim(), "leaseTransitions": transitions})
        except (kube.AlreadyExists, kube.Conflict):
            return False
        except kube.ClusterError as error:
            log.warning("lease not read or written", extra={"status": error.status})
            return False
        return True

    def _is_free(self, spec: Object) -> bool:
        """Return whether the Lease has no holder, is ours from before a restart, or has expired."""
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
        except kube.Conflict:  # taken over, or our own write whose answer was lost
            return await self._is_still_ours()
        except kube.ClusterError as error:
            if error.status == 404:
                raise LeadershipLost from error
            log.warning("lease not renewed", extra={"status": error.status})
            return False
        return True

    async def _is_still_ours(self) -> bool:
        """Raise LeadershipLost if another process leads, else return False: not renewed yet."""
        with suppress(kube.ClusterError):
            lease = await self._cluster.get(kube.LEASES, LEASE, system_namespace())
            if (lease.get("spec") or {}).get("holderIdentity") != self._identity:
                raise LeadershipLost
            self._version = lease["metadata"]["resourceVersion"]
        return False

    def _claim(self) -> Object:
        now = _now()
        claim = {"holderIdentity": self._identity, "leaseDurationSeconds": LEASE_S}
        return {**claim, "acquireTime": now, "renewTime": now}

    async def _create(self) -> None:
        body = {
            "apiVersion": kube.LEASES.api_version,
            "kind": kube.LEASES.kind,
            "metadata": {"name": LEASE},
        }
        made = await self._cluster.create(
            kube.LEASES, {**body, "spec": self._claim()}, system_namespace()
        )
        self._version = made["metadata"]["resourceVersion"]

    async def _write(self, spec: Object) -> None:
        patch = {"metadata": {"resourceVersion": self._version}, "spec": spec}
        written = await self._cluster.patch(kube.LEASES, LEASE, patch, system_namespace())
        self._version = written["metadata"]["resourceVersion"]


def _now() -> str:
    """Return the time in the format of a MicroTime."""
    return utcnow().isoformat(timespec="microseconds").replace("+00:00", "Z")
