"""What a pass does: observes a resource and asks the reconciler of its kind for actions."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from importlib import import_module

from simulacra_crds.kube.client import Cluster
from simulacra_crds.registry import WORK
from simulacra_operator.kinds import access_request
from simulacra_operator.kinds.access_request import AccessObserved
from simulacra_operator.kinds.tenant import reconcile as tenant
from simulacra_operator.kinds.tenant.observe import KeyCheck, TenantObserved, TenantObserver
from simulacra_operator.observed.custom_resource import Key
from simulacra_operator.observed.observe import Fault, Observed, WorkObserver
from simulacra_operator.runtime.job_slots import JobSlots
from simulacra_operator.settings import Settings
from simulacra_operator.work import lifecycle
from simulacra_operator.work.actions import Action, CreateJob, CreateKey
from simulacra_operator.work.kind import WorkKind

KINDS: dict[str, WorkKind] = {
    info.kind: import_module(f"simulacra_operator.kinds.{info.module}").KIND for info in WORK
}
RECONCILERS: dict[str, Callable[[Observed], list[Action]]] = {
    kind: partial(lifecycle.reconcile, one) for kind, one in KINDS.items()
}
Seen = Observed | TenantObserved | AccessObserved
Plan = tuple[Seen, list[Action]]


class Planner:
    """Reads what a reconciler needs and returns its actions; checks: last key checks, by uid."""

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        works: WorkObserver,
        slots: JobSlots,
        checks: dict[str, KeyCheck],
    ) -> None:
        self._cluster = cluster
        self._slots = slots
        self._checks = checks
        self._external_clients = settings.auth0 is not None
        self._prepared = not settings.scope.everywhere
        self._works = works
        self._tenants = TenantObserver(cluster, settings.pod_access, prepared=self._prepared)

    async def plan(self, key: Key, now: datetime, fault: Fault | None) -> Plan | None:
        """Return the observed state of a resource and its actions; None when it is gone."""
        match key.kind:
            case "AccessRequest":
                request = await access_request.observe(
                    self._cluster,
                    key,
                    now,
                    external=self._external_clients,
                    prepared=self._prepared,
                )
                return None if request is None else (request, access_request.reconcile(request))
            case "Tenant":
                found = await self._tenants.observe(key, now, fault, self._checks)
                return None if found is None else (found, tenant.reconcile(found))
            case _:
                return await self._plan_work(key, now, fault)

    async def _plan_work(self, key: Key, now: datetime, fault: Fault | None) -> Plan | None:
        """Plan a resource with a Job. One that would start it acquires a quota slot first."""
        seen = await self._works.observe(key, now, fault)
        if seen is None:
            await self._slots.release(key)
            return None
        reconcile = RECONCILERS[key.kind]
        actions = reconcile(seen)
        if any(isinstance(action, CreateJob | CreateKey) for action in actions):
            limit = seen.tenant_spec.quotas.concurrent_jobs
            if not await self._slots.acquire(key, seen.resource.created, limit):
                seen = replace(seen, slot=False)
                actions = reconcile(seen)
        elif seen.job is not None:
            await self._slots.observe_job(seen.job)
        else:
            await self._slots.release(key)
        return seen, actions
