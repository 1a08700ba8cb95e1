"""Rotates a tenant's key when its annotation asks for it, and wraps again what the old version has wrapped.

`kubectl annotate tenant acme simulacra.dev/rotate-key=2026-03` starts it; any other value starts the next one. The old
version is destroyed last: once every live resource, every sealed secret and every Job that still runs (a Job's pods
know the token that it was made with) is under the new one. Until then nothing is lost, whatever is cut off when.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from simulacra_crds.contract.names import tenant_namespace
from simulacra_crds.contract.tasks import TASK_ENV, KeyedRef, TaskSpec
from simulacra_crds.contract.webhook import SELECTOR, id_of, is_webhook, sealing_purpose
from simulacra_crds.kinds.base import GROUP
from simulacra_crds.kinds.tenant import KeyRotation
from simulacra_crds.kube.client import (
    CONFIGMAPS,
    JOBS,
    TENANTS,
    ClusterError,
    Conflict,
    NotFound,
    Object,
)
from simulacra_custody.audit.event import EventType
from simulacra_custody.errors import CustodyError
from simulacra_custody.refs import ResourceRef
from simulacra_operator.kinds.tenant.observe import WORK_RESOURCES
from simulacra_operator.runtime.controller import Engine
from simulacra_operator.runtime.job_slots import job_ended
from simulacra_operator.work.custom_resource import Subject, parse

log = logging.getLogger(__name__)
ROTATE = f"{GROUP}/rotate-key"
INTERVAL_S = 10.0
SETTLED = timedelta(seconds=60)
"""The old version lives at least so long: a token made with it may still be on its way into status."""


class Rotation:
    """The duty; create it inside the event loop that it runs in."""

    def __init__(self, engine: Engine) -> None:
        self._cluster, self._custodian, self._now = engine.cluster, engine.custodian, engine.now
        self._scope = engine.scope

    async def run(self) -> None:
        """Look at every tenant, every ten seconds, until cancelled."""
        while True:
            try:
                async for body in self._cluster.list(TENANTS):
                    if self._scope.serves((tenant := parse(body)).key):
                        await self._guarded(tenant)
            except ClusterError as error:
                log.warning(
                    "tenants were not looked at for rotation", extra={"error": type(error).__name__}
                )
            await asyncio.sleep(INTERVAL_S)

    async def _guarded(self, tenant: Subject) -> None:
        try:
            await self._step(tenant)
        except (Conflict, NotFound):
            return  # somebody else wrote: the next look sees it
        except (ClusterError, CustodyError) as error:
            log.warning(
                "a rotation waits",
                extra={"tenant": tenant.meta.name, "error": type(error).__name__},
            )
        except (
            Exception
        ):  # what people make in one tenant's namespace must not end the operator of all
            log.exception("a rotation failed", extra={"tenant": tenant.meta.name})

    async def _step(self, tenant: Subject) -> None:
        name, asked = tenant.meta.name, tenant.meta.annotations.get(ROTATE)
        state: KeyRotation | None = tenant.status.rotation
        if tenant.deleting or tenant.condition("KeyReady") != "True" or asked is None:
            return
        if state is None or state.asked != asked[:63]:
            await self._custodian.record(EventType.KEY_ROTATED, name)
            await self._custodian.rotate_tenant_key(name)
            await self._note(
                tenant, KeyRotation(asked=asked[:63], started_at=self._now().replace(microsecond=0))
            )
            return
        if state.finished_at is not None:
            return
        outdated = await self._rewrap(name) + await self._reseal(name)
        if outdated or self._now() < state.started_at + SETTLED or await self._old_jobs(name):
            return
        await self._custodian.record(EventType.KEY_RETIRED, name)
        await self._custodian.retire_old_keys(name)
        await self._note(
            tenant, state.model_copy(update={"finished_at": self._now().replace(microsecond=0)})
        )

    async def _note(self, tenant: Subject, rotation: KeyRotation) -> None:
        version = {"resourceVersion": tenant.meta.resource_version}
        body = {"metadata": version, "status": {"rotation": rotation.to_wire()}}
        await self._cluster.patch(TENANTS, tenant.meta.name, body, subresource="status")

    async def _rewrap(self, tenant: str) -> int:
        """Wrap the data key of every live resource again; return how many were of an old version."""
        outdated, namespace = 0, tenant_namespace(tenant)
        for resource in WORK_RESOURCES:
            async for body in self._cluster.list(resource, namespace):
                wrapped = body.get("status", {}).get("wrappedKey")
                if wrapped is None or body["metadata"].get("deletionTimestamp"):
                    continue
                ref = ResourceRef(tenant, resource.plural, body["metadata"]["uid"])
                fresh = await self._custodian.rewrap(ref, wrapped)
                if fresh != wrapped:
                    outdated += 1
                    patch = {"metadata": _version(body), "status": {"wrappedKey": fresh}}
                    name = body["metadata"]["name"]
                    await self._cluster.patch(
                        resource, name, patch, namespace, subresource="status"
                    )
        return outdated

    async def _reseal(self, tenant: str) -> int:
        """Seal the secrets of the tenant's webhooks again; return how many were of an old version."""
        outdated, namespace = 0, tenant_namespace(tenant)
        async for body in self._cluster.list(CONFIGMAPS, namespace, labels=SELECTOR):
            if not is_webhook(body):
                continue
            sealed = body["data"]["sealed"]
            fresh = await self._custodian.reseal(tenant, sealing_purpose(id_of(body)), sealed)
            if fresh != sealed:
                outdated += 1
                patch = {"metadata": _version(body), "data": {"sealed": fresh}}
                await self._cluster.patch(CONFIGMAPS, body["metadata"]["name"], patch, namespace)
        return outdated

    async def _old_jobs(self, tenant: str) -> bool:
        """Whether a Job that has not ended knows a token of an old version."""
        async for job in self._cluster.list(JOBS, tenant_namespace(tenant)):
            tokens = () if job_ended(job) else _tokens(job)
            if not await self._custodian.are_current(tenant, tokens):
                return True
        return False


def _version(body: Object) -> Object:
    """Return the part of a patch that makes it refer to the object as it was seen."""
    return {"resourceVersion": body["metadata"]["resourceVersion"]}


def _tokens(job: Object) -> tuple[str, ...]:
    env = {
        one["name"]: one.get("value", "")
        for one in job["spec"]["template"]["spec"]["containers"][0].get("env", ())
    }
    if TASK_ENV not in env:
        return ()
    task = TaskSpec.model_validate_json(env[TASK_ENV])
    known: tuple[KeyedRef | None, ...] = (task.resource, task.dataset, task.model)
    return tuple(ref.wrapped_key for ref in known if ref is not None)
