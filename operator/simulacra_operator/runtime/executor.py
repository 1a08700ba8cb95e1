"""Does what reconcilers decide. Each action is safe to repeat, since any pass may be cut off after any of them."""

from __future__ import annotations

import functools
import logging
import uuid
from datetime import datetime
from typing import Protocol

from simulacra_crds.auth0 import Auth0
from simulacra_crds.kinds.base import LABEL_UID
from simulacra_crds.kinds.tenant import Encryption
from simulacra_crds.kube.client import (
    CUSTOM,
    JOBS,
    SERVICES,
    AlreadyExists,
    ApiResource,
    Cluster,
    Conflict,
    NotFound,
    Object,
    Propagation,
)
from simulacra_custody.audit.event import EventType, Outcome
from simulacra_custody.refs import ResourceRef
from simulacra_operator.kinds.tenant.observed import KeyCheck
from simulacra_operator.runtime import actions as act
from simulacra_operator.runtime import events
from simulacra_operator.runtime.custody_client import Custodian
from simulacra_operator.runtime.signing_keys import Installation
from simulacra_operator.work import tombstones
from simulacra_operator.work.custom_resource import Key, Subject, tenant_of
from simulacra_operator.work.eraser import Eraser, TenantEraser

log = logging.getLogger(__name__)


class Memory(Protocol):
    """What the engine remembers between passes, because the API has no place for it."""

    auth0: Auth0 | None
    checks: dict[str, KeyCheck]
    installation: Installation

    def release(self, uid: str) -> None:
        """Let the deletion handler of a resource return."""

    def written(self, key: Key, version: str) -> None:
        """Take note of the version that a resource has by a write of ours."""

    def now(self) -> datetime:
        """Return the time."""


class Executor:
    """Runs the actions of one pass over one resource."""

    def __init__(
        self, cluster: Cluster, custodian: Custodian, memory: Memory, subject: Subject
    ) -> None:
        self._cluster, self._custodian, self._memory = cluster, custodian, memory
        self._subject = subject
        self._version = subject.meta.resource_version
        self._wrapped_key: str | None = getattr(subject.status, "wrapped_key", None)

    async def run(self, action: act.Action) -> None:
        """Do one action. Raises ClusterError or CustodyError."""
        match action:
            case act.PatchStatus(patch):
                await self._patch({"status": patch}, "status")
                await events.tell(self._cluster, self._subject, patch)
            case act.PatchMeta(patch):
                await self._patch({"metadata": patch}, None)
            case (
                act.MakeKey()
                | act.DropKey()
                | act.WriteRequest()
                | act.Erase()
                | act.RecordRead()
                | act.Discard()
            ):
                await self._custody(action)
            case act.CreateJob() | act.CreateService() | act.SuspendJob() | act.DeleteJob():
                await self._job(action)
            case act.DeleteResource(key, uid):
                await self._cluster.delete(CUSTOM[key.kind], key.name, key.namespace, uid=uid)
            case act.Remember(manifest):
                await tombstones.leave(self._cluster, manifest)
            case act.Release():
                self._memory.release(self._subject.meta.uid)
            case act.LogFailure(reason, stated, support, code):
                fields = {"reason": reason, "stated": stated, "support": support, "exit_code": code}
                log.warning(
                    "the work of a resource failed", extra={**fields, "uid": self._subject.meta.uid}
                )
            case _:
                await self._tenant(action)

    async def _patch(self, patch: Object, subresource: str | None) -> None:
        """Patch the resource as it was seen: a stale view ends in a Conflict, never in an overwrite."""
        key = self._subject.key
        body = {
            **patch,
            "metadata": {**patch.get("metadata", {}), "resourceVersion": self._version},
        }
        answer = await self._cluster.patch(
            CUSTOM[key.kind], key.name, body, key.namespace, subresource=subresource
        )
        self._version = answer["metadata"]["resourceVersion"]
        self._memory.written(key, self._version)

    async def _patch_status(self, status: Object) -> None:
        await self._patch({"status": status}, "status")

    @property
    def _ref(self) -> ResourceRef:
        tenant = tenant_of(self._subject.meta.namespace)
        if tenant is None:
            raise ValueError("the resource is in no tenant's namespace")
        return ResourceRef(tenant, self._subject.plural, self._subject.meta.uid)

    async def _custody(
        self,
        action: act.MakeKey
        | act.DropKey
        | act.WriteRequest
        | act.Erase
        | act.RecordRead
        | act.Discard,
    ) -> None:
        match action:
            case act.MakeKey(patch):
                self._wrapped_key = await self._custodian.new_key(self._ref)
                await self._patch({"status": {**patch, "wrappedKey": self._wrapped_key}}, "status")
                await events.tell(self._cluster, self._subject, patch)
            case act.DropKey():
                await self._eraser.shred()
            case act.WriteRequest(content):
                await self._confirm_view()
                await self._custodian.write_request(self._ref, self._wrapped_key or "", content)
            case act.Erase():
                await self._eraser.erase(action)
            case act.RecordRead(read):
                await self._confirm_view()  # who saw it earlier has recorded it
                await self._custodian.record_read(self._ref, read)
            case act.Discard(sha256, size):
                await self._confirm_view()  # who saw it earlier has erased and recorded it
                await self._custodian.discard(self._ref, sha256, size)

    @functools.cached_property
    def _eraser(self) -> Eraser:
        """One a pass: it remembers what it wrote to status."""
        memory = self._memory
        return Eraser(
            self._custodian,
            memory.installation,
            self._subject,
            self._ref,
            self._patch_status,
            memory.now,
        )

    @functools.cached_property
    def _tenant_eraser(self) -> TenantEraser:
        memory = self._memory
        return TenantEraser(
            self._custodian, memory.installation, self._subject, self._patch_status, memory.now
        )

    async def _job(
        self, action: act.CreateJob | act.CreateService | act.SuspendJob | act.DeleteJob
    ) -> None:
        namespace = self._subject.meta.namespace
        match action:
            case act.CreateJob(manifest):
                await self._create_job(manifest)
            case act.CreateService(manifest):
                await self._create_service(manifest)
            case act.SuspendJob(name, suspend):
                await self._cluster.patch(JOBS, name, {"spec": {"suspend": suspend}}, namespace)
            case act.DeleteJob(name, uid, wait):
                mode: Propagation = "Foreground" if wait else "Background"
                await self._cluster.delete(JOBS, name, namespace, uid=uid, propagation=mode)

    async def _create_job(self, manifest: Object) -> None:
        namespace, name = self._subject.meta.namespace, manifest["metadata"]["name"]
        await self._confirm_view()
        try:
            await self._cluster.create(JOBS, manifest, namespace)
        except AlreadyExists as error:
            found = await self._cluster.find(JOBS, name, namespace)
            if (
                found is None
                or found["metadata"].get("labels", {}).get(LABEL_UID) != self._subject.meta.uid
            ):
                raise Conflict(
                    error.status, error.reason, "a Job of another resource has this name"
                ) from error

    async def _create_service(self, manifest: Object) -> None:
        namespace, name = self._subject.meta.namespace, manifest["metadata"]["name"]
        try:
            await self._cluster.create(SERVICES, manifest, namespace)
        except AlreadyExists as error:
            found = await self._cluster.find(SERVICES, name, namespace)
            owners = (found or {}).get("metadata", {}).get("ownerReferences") or ()
            if manifest["metadata"]["ownerReferences"][0]["uid"] not in [
                one["uid"] for one in owners
            ]:
                raise Conflict(
                    error.status, error.reason, "the Service of an earlier Job is not gone yet"
                ) from error

    async def _confirm_view(self) -> None:
        """Raise Conflict when the resource changed since it was seen.

        A second operator may have finished the work and deleted its Job, or erased the resource, since our look:
        without this the work would run once more, or a request would be left behind.
        """
        key = self._subject.key
        found = await self._cluster.get(CUSTOM[key.kind], key.name, key.namespace)
        if found["metadata"]["resourceVersion"] != self._version:
            raise Conflict(409, "Conflict", "the resource changed since it was seen")

    async def _tenant(self, action: act.Action) -> None:
        name = self._subject.meta.name
        match action:
            case act.Ensure(resource, manifest, exists):
                await self._ensure(resource, manifest, exists)
            case act.CreateTenantKey(provider):
                await self._custodian.create_tenant_key(name, provider)
                # Also of a key that was there: it may have been made by a pass that could not record it. Who reads the
                # log can tell a repetition, which has the same id.
                same = str(
                    uuid.uuid5(
                        uuid.NAMESPACE_URL, f"{EventType.KEY_CREATED}/{self._subject.meta.uid}"
                    )
                )
                await self._custodian.record(EventType.KEY_CREATED, name, event_id=same)
            case act.CheckTenantKey(encryption):
                await self._check_key(name, encryption)
            case act.DestroyTenantKey():
                await self._tenant_eraser.shred()
            case act.DeleteObject(resource, namespace, object_name, uid):
                await self._cluster.delete(resource, object_name, namespace, uid=uid)
            case act.RecordDecision(event, tenant):
                await self._custodian.record(event, tenant)
            case act.RegisterClient(tenant):
                assert self._memory.auth0 is not None, "planned only where there is one"
                client_id = await self._memory.auth0.ensure_client(self._subject.meta.uid, tenant)
                await self._patch({"status": {"clientId": client_id}}, "status")
            case act.RecordTenantErased():
                await self._tenant_eraser.certify()
            case _:
                raise TypeError(f"no such action: {type(action).__name__}")

    async def _check_key(self, tenant: str, encryption: Encryption) -> None:
        step = await self._custodian.check_tenant_key(tenant, encryption)
        before = self._memory.checks.get(self._subject.meta.uid)
        self._memory.checks[self._subject.meta.uid] = KeyCheck(self._memory.now(), step, encryption)
        if before is not None and (before.failed_step is None) != (step is None):
            outcome = Outcome.SUCCESS if step is None else Outcome.FAILED
            await self._custodian.record(EventType.KEY_CHECKED, tenant, outcome=outcome)

    async def _ensure(self, resource: ApiResource, manifest: Object, exists: bool) -> None:
        namespace, name = manifest["metadata"].get("namespace"), manifest["metadata"]["name"]
        try:
            if exists:
                await self._cluster.patch(resource, name, manifest, namespace)
            else:
                if namespace is not None:
                    await (
                        self._confirm_view()
                    )  # of a tenant that went meanwhile nothing may be left
                await self._cluster.create(resource, manifest, namespace)
        except (AlreadyExists, NotFound) as error:
            raise Conflict(error.status, error.reason, "the object changed meanwhile") from error
