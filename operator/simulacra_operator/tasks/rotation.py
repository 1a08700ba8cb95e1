"""Key rotation: an annotation of the Tenant starts it, and all wrapped keys move to the new key.

`kubectl annotate tenant acme simulacra.dev/rotate-key=2026-03` starts a rotation; another value
starts the next one. The old version is destroyed last: once every live resource, sealed secret and
running Job (whose pods know the token that it was created with) uses the new one. Until then,
nothing is lost whatever is interrupted.
"""

from datetime import datetime, timedelta
from typing import Never

from simulacra_crds.kinds.base import GROUP
from simulacra_crds.kinds.tenant import KeyRotation
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import Object
from simulacra_crds.names import tenant_namespace
from simulacra_crds.tasks import TASK_ENV, KeyedRef, TaskSpec
from simulacra_crds.webhook import SELECTOR, id_of, is_webhook, sealing_purpose
from simulacra_custody.audit.event import EventType
from simulacra_custody.keys.sealed_secrets import reseal
from simulacra_custody.refs import ResourceRef
from simulacra_operator.observed.custom_resource import CustomResource, parse
from simulacra_operator.observed.ended_jobs import job_ended
from simulacra_operator.runtime.controller import Controller
from simulacra_operator.tasks.periodic import Periodic, logged

ROTATE = f"{GROUP}/rotate-key"
INTERVAL_S = 10.0
SETTLED = timedelta(seconds=60)
"""Minimum life of the old version: a token made with it may not be in a status yet."""


class Rotation:
    """Rotates the keys of the served tenants."""

    def __init__(self, controller: Controller) -> None:
        self._cluster = controller.cluster
        self._custody = controller.custody
        self._now = controller.now
        self._scope = controller.scope

    async def run(self) -> Never:
        """Check every tenant every ten seconds until cancelled."""
        await Periodic("key rotation", INTERVAL_S, self._check_all).run()

    async def _check_all(self) -> None:
        async for body in self._cluster.list(kube.TENANTS):
            if self._scope.serves((tenant := parse(body)).key):
                await self.check(tenant)

    async def check(self, tenant: CustomResource) -> None:
        """Do the next step for one tenant; objects that its users create cannot stop others."""
        with logged(f"key rotation of {tenant.meta.name}", survive=True):
            try:
                await self._step(tenant)
            except (kube.Conflict, kube.NotFound):
                return  # the next check reads the new version

    async def _step(self, tenant: CustomResource) -> None:
        name, requested = tenant.meta.name, tenant.meta.annotations.get(ROTATE)
        state: KeyRotation | None = tenant.status.rotation
        keys = self._custody.keys
        if tenant.deleting or tenant.condition("KeyReady") != "True" or requested is None:
            return
        if state is None or state.asked != requested[:63]:
            await self._custody.record(EventType.KEY_ROTATED, name)
            await self._custody.run("rotateKey", keys.rotate_tenant_key, name)
            started = KeyRotation(asked=requested[:63], started_at=self._second())
            await self._write(tenant, started)
            return
        if state.finished_at is not None:
            return
        outdated = await self._rewrap(name) + await self._reseal(name)
        if outdated or self._now() < state.started_at + SETTLED or await self._old_jobs(name):
            return
        await self._custody.record(EventType.KEY_RETIRED, name)
        await self._custody.run("retireKeys", keys.retire_old_keys, name)
        await self._write(tenant, state.model_copy(update={"finished_at": self._second()}))

    def _second(self) -> datetime:
        return self._now().replace(microsecond=0)

    async def _write(self, tenant: CustomResource, rotation: KeyRotation) -> None:
        version = {"resourceVersion": tenant.meta.resource_version}
        body = {"metadata": version, "status": {"rotation": rotation.to_wire()}}
        await self._cluster.patch(kube.TENANTS, tenant.meta.name, body, subresource="status")

    async def _rewrap(self, tenant: str) -> int:
        """Rewrap the data key of every live resource; return how many had an old version."""
        outdated, namespace, rewrap = 0, tenant_namespace(tenant), self._custody.service.rewrap
        for api in kube.WORK_RESOURCES:
            async for body in self._cluster.list(api, namespace):
                meta, wrapped = body["metadata"], body.get("status", {}).get("wrappedKey")
                if wrapped is None or meta.get("deletionTimestamp"):
                    continue
                ref = ResourceRef(tenant, api.plural, meta["uid"])
                fresh = await self._custody.run("rewrap", rewrap, ref, wrapped)
                if fresh != wrapped:
                    outdated += 1
                    patch = {"metadata": _version(body), "status": {"wrappedKey": fresh}}
                    name = meta["name"]
                    await self._cluster.patch(api, name, patch, namespace, subresource="status")
        return outdated

    async def _reseal(self, tenant: str) -> int:
        """Reseal the secrets of the tenant's webhooks; return how many had an old version."""
        outdated, namespace, keys = 0, tenant_namespace(tenant), self._custody.keys
        async for body in self._cluster.list(kube.CONFIGMAPS, namespace, labels=SELECTOR):
            if not is_webhook(body):
                continue
            sealed, purpose = body["data"]["sealed"], sealing_purpose(id_of(body))
            fresh = await self._custody.run("reseal", reseal, keys, tenant, purpose, sealed)
            if fresh != sealed:
                outdated += 1
                patch = {"metadata": _version(body), "data": {"sealed": fresh}}
                await self._cluster.patch(
                    kube.CONFIGMAPS, body["metadata"]["name"], patch, namespace
                )
        return outdated

    async def _old_jobs(self, tenant: str) -> bool:
        """Return whether a Job that has not ended knows a token of an old version."""
        keys = self._custody.keys

        def are_current(tokens: tuple[str, ...]) -> bool:
            return all(keys.is_current(tenant, token) for token in tokens)

        async for job in self._cluster.list(kube.JOBS, tenant_namespace(tenant)):
            tokens = () if job_ended(job) else _tokens(job)
            if not await self._custody.run("isCurrent", are_current, tokens):
                return True
        return False


def _version(body: Object) -> Object:
    """Return the metadata by which a patch applies to this version only."""
    return {"resourceVersion": body["metadata"]["resourceVersion"]}


def _tokens(job: Object) -> tuple[str, ...]:
    (container, *_) = job["spec"]["template"]["spec"]["containers"]
    env = {one["name"]: one.get("value", "") for one in container.get("env", ())}
    if TASK_ENV not in env:
        return ()
    task = TaskSpec.model_validate_json(env[TASK_ENV])
    known: tuple[KeyedRef | None, ...] = (task.resource, task.dataset, task.model)
    return tuple(ref.wrapped_key for ref in known if ref is not None)
