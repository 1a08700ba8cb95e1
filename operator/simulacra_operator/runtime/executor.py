"""Runs the actions of a pass. Each may be repeated, because a pass may be cut off after any."""

import functools
import logging
import time
from datetime import datetime
from typing import Protocol

from simulacra_crds.auth0 import Auth0
from simulacra_crds.kinds.dataset import ReadSource
from simulacra_crds.kinds.support_access import KIND as SUPPORT_ACCESS
from simulacra_crds.kinds.support_access import SupportAccess
from simulacra_crds.kinds.tenant import Encryption, Suspension
from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import Cluster, Object
from simulacra_crds.names import support_id
from simulacra_crds.tasks import REQUEST, STATED_DESCRIPTION, SUMMARY_SIGNATURE
from simulacra_custody.audit.event import Counts, EventType, Outcome
from simulacra_custody.audit.summaries import SummaryStatement
from simulacra_custody.refs import ResourceRef
from simulacra_operator import metrics
from simulacra_operator.kinds.tenant.observe import KeyCheck
from simulacra_operator.observed.custom_resource import CustomResource, Key, tenant_of
from simulacra_operator.observed.read_cache import FRESH_S
from simulacra_operator.runtime import events
from simulacra_operator.runtime.custody_client import CustodyClient, record_id
from simulacra_operator.runtime.eraser import Eraser, TenantEraser
from simulacra_operator.runtime.signing_keys import SigningKeys
from simulacra_operator.work import actions as act
from simulacra_operator.work import tombstones

CONFIRMED_S = FRESH_S
"""How long a resource counts as unchanged after our write or read. An operator that takes over
waits for longer."""
log = logging.getLogger(__name__)


class ControllerState(Protocol):
    """What an executor uses of the controller's memory between passes."""

    auth0: Auth0 | None
    checks: dict[str, KeyCheck]
    signing_keys: SigningKeys

    def release(self, uid: str) -> None:
        """Let the deletion handler of a resource return."""

    def written(self, key: Key, body: Object) -> None:
        """Note a resource after our own write."""

    def now(self) -> datetime:
        """Return the time."""


class Executor:
    """Runs the actions of one pass over one resource."""

    def __init__(
        self,
        cluster: Cluster,
        custody: CustodyClient,
        state: ControllerState,
        resource: CustomResource,
    ) -> None:
        self._cluster = cluster
        self._custody = custody
        self._state = state
        self._resource = resource
        self._version = resource.meta.resource_version
        self._wrapped_key: str | None = getattr(resource.status, "wrapped_key", None)
        self._confirmed = float("-inf")

    async def run(self, action: act.Action) -> None:
        """Run one action. Raises ClusterError or CustodyError."""
        match action:
            case act.PatchStatus(patch):
                await self._patch_status(patch)
                await events.emit(self._cluster, self._resource, patch)
            case act.PatchMeta(patch):
                await self._patch({"metadata": patch}, None)
            case act.DeleteResource(key, uid):
                await self._cluster.delete(kube.CUSTOM[key.kind], key.name, key.namespace, uid=uid)
            case act.LeaveTombstone(manifest):
                await tombstones.leave(self._cluster, manifest)
            case act.ReleaseFinalizer():
                if self._resource.kind == "Dataset":
                    # a deletion requested since its expiry takes the results, too
                    await self._confirm_unchanged()
                self._state.release(self._resource.meta.uid)
            case act.LogFailure():
                self._log_failure(action)
            case act.JobAction():
                await self._run_job(action)
            case act.CustodyAction():
                await self._run_custody(action)
            case act.TenantAction():
                await self._run_tenant(action)
            case _:
                raise _unknown(action)

    def _log_failure(self, failure: act.LogFailure) -> None:
        fields: dict[str, object] = {**self._resource.log_fields()}
        fields |= {"reason": failure.reason, "detail": failure.message}
        fields |= {"support": failure.support, "exit_code": failure.exit_code}
        if failure.retried:
            log.warning("pod failed, the job retries", extra=fields)
            return
        log.warning("work failed", extra=fields)
        metrics.WORK_FAILED.labels(self._resource.kind, failure.reason).inc()

    async def _patch(self, patch: Object, subresource: str | None) -> None:
        """Patch the resource; if it changed since it was read, raise Conflict."""
        key = self._resource.key
        metadata = {**patch.get("metadata", {}), "resourceVersion": self._version}
        body, api = {**patch, "metadata": metadata}, kube.CUSTOM[key.kind]
        patched = await self._cluster.patch(
            api, key.name, body, key.namespace, subresource=subresource
        )
        self._version = patched["metadata"]["resourceVersion"]
        self._confirmed = time.monotonic()
        self._state.written(key, patched)

    async def _patch_status(self, status: Object) -> None:
        await self._patch({"status": status}, "status")

    async def _confirm_unchanged(self) -> None:
        """Raise Conflict if the resource changed since it was read.

        A second operator may have finished the work and deleted its Job, or erased the resource.
        Without this, the work would run again or a request would be left behind.
        """
        key = self._resource.key
        found = await self._cluster.get(kube.CUSTOM[key.kind], key.name, key.namespace)
        if found["metadata"]["resourceVersion"] != self._version:
            raise kube.Conflict(409, "Conflict", "the resource changed since it was read")
        self._confirmed = time.monotonic()

    async def _confirm_lately(self) -> None:
        """Do the same, unless our own read or write has shown it a moment ago."""
        if time.monotonic() - self._confirmed >= CONFIRMED_S:
            await self._confirm_unchanged()

    @property
    def _ref(self) -> ResourceRef:
        tenant = tenant_of(self._resource.meta.namespace)
        if tenant is None:
            raise ValueError("The resource is in no tenant's namespace.")
        return ResourceRef(tenant, self._resource.plural, self._resource.meta.uid)

    async def _run_custody(self, action: act.CustodyAction) -> None:
        custody, service = self._custody, self._custody.service
        match action:
            case act.CreateKey(patch):
                new_key = service.new_resource_key
                self._wrapped_key = await custody.run("newKey", new_key, self._ref)
                await self._patch_status({**patch, "wrappedKey": self._wrapped_key})
                await events.emit(self._cluster, self._resource, patch)
            case act.ShredKey():
                await self._eraser.shred()
            case act.WriteDescription(content):
                await self._write(STATED_DESCRIPTION, content)
            case act.WriteRequest(content):
                await self._write(REQUEST, content)
            case act.SignSummary():
                await self._sign_summary(action)
            case act.Erase():
                await self._eraser.erase(self._ref, action)
            case act.RecordRead(read):
                await self._confirm_unchanged()  # whoever changed it has recorded the read
                await self._record_read(read)
            case act.RecordGiven(uid, rows):
                await self._confirm_lately()  # whoever changed it has recorded the read
                ref = ResourceRef(self._ref.tenant, kube.DATASETS.plural, uid)
                await custody.record(EventType.SOURCE_READ, resource=ref, counts=Counts(rows=rows))
            case act.DiscardArtifacts(sha256, size):
                await self._confirm_unchanged()  # whoever changed it has erased them
                await custody.discard(self._ref, sha256, size)
            case act.EraseSource(artifact):
                await self._confirm_unchanged()
                await custody.erase_source(self._ref, artifact)
            case _:
                raise _unknown(action)

    async def _write(self, artifact: str, content: bytes) -> None:
        await self._confirm_lately()
        ref, key = self._ref.artifact(artifact), self._wrapped_key or ""
        await self._custody.run("writeRequest", self._custody.service.write, ref, key, [content])

    async def _sign_summary(self, action: act.SignSummary) -> None:
        keys = await self._state.signing_keys.keys()
        statement = SummaryStatement(
            installation=keys.log_name,
            tenant_uid=action.tenant_uid,
            dataset=action.dataset,
            model_uid=self._resource.meta.uid,
            sha256=action.sha256,
            issued_at=self._state.now().replace(microsecond=0),
        )
        signed = keys.sign_summary(statement.model_dump_json().encode())
        await self._write(SUMMARY_SIGNATURE, signed.encode())

    async def _record_read(self, read: ReadSource | None) -> None:
        event, ref = EventType.SOURCE_READ, self._ref
        if read is None:
            await self._custody.record(event, resource=ref, outcome=Outcome.FAILED)
            return
        counts = Counts(bytes=read.bytes)
        await self._custody.record(event, resource=ref, counts=counts, sha256=read.sha256)

    @functools.cached_property
    def _eraser(self) -> Eraser:
        state, patch = self._state, self._patch_status
        return Eraser(self._custody, state.signing_keys, self._resource, patch, state.now)

    @functools.cached_property
    def _tenant_eraser(self) -> TenantEraser:
        state, patch = self._state, self._patch_status
        return TenantEraser(self._custody, state.signing_keys, self._resource, patch, state.now)

    async def _run_job(self, action: act.JobAction) -> None:
        namespace = self._resource.meta.namespace
        match action:
            case act.CreateJob(manifest):
                await self._create_job(manifest)
            case act.RecordJob(uid, outcome):
                await self._record_job(EventType.JOB_ENDED, uid, outcome)
            case act.CreateService(manifest):
                await self._create_service(manifest)
            case act.SuspendJob(name, suspend):
                await self._cluster.patch(
                    kube.JOBS, name, {"spec": {"suspend": suspend}}, namespace
                )
            case act.DeleteJob(name, uid, wait):
                if wait and not self._resource.finished:
                    await self._record_job(EventType.JOB_STOPPED, uid)
                mode: kube.Propagation = "Foreground" if wait else "Background"
                await self._cluster.delete(kube.JOBS, name, namespace, uid=uid, propagation=mode)
            case _:
                raise _unknown(action)

    async def _create_job(self, manifest: Object) -> None:
        namespace = self._resource.meta.namespace
        await self._confirm_lately()
        # Before the Job, so that none runs without a record. An attempt is known by the version.
        await self._record_job(EventType.JOB_STARTED, f"{self._ref.uid}/{self._version}")
        try:
            await self._cluster.create(kube.JOBS, manifest, namespace)
            support = support_id(self._resource.meta.uid)
            log.info("job created", extra={**self._resource.log_fields(), "support": support})
        except kube.AlreadyExists as error:
            # Of an earlier pass, or foreign: the next pass reads it.
            message = "there is a Job of this name"
            raise kube.Conflict(error.status, error.reason, message) from error

    async def _record_job(
        self, event: EventType, of: str, outcome: Outcome = Outcome.SUCCESS
    ) -> None:
        """Record an event of a Job once; one repeated over a restart has the same id."""
        event_id = record_id(f"{event}/{of}")
        if event_id in self._custody.written:
            return
        support, ref = support_id(self._resource.meta.uid), self._ref
        await self._custody.record(
            event, resource=ref, outcome=outcome, event_id=event_id, support=support
        )
        self._custody.written.append(event_id)

    async def _create_service(self, manifest: Object) -> None:
        namespace, meta = self._resource.meta.namespace, manifest["metadata"]
        try:
            await self._cluster.create(kube.SERVICES, manifest, namespace)
        except kube.AlreadyExists as error:
            found = await self._cluster.find(kube.SERVICES, meta["name"], namespace)
            owners = (found or {}).get("metadata", {}).get("ownerReferences") or ()
            if meta["ownerReferences"][0]["uid"] not in [one["uid"] for one in owners]:
                message = "the Service of an earlier Job is not deleted yet"
                raise kube.Conflict(error.status, error.reason, message) from error

    async def _run_tenant(self, action: act.TenantAction) -> None:
        name = self._resource.meta.name
        match action:
            case act.EnsureObject():
                await self._ensure(action)
            case act.CreateTenantKey(provider):
                await self._create_key(name, provider)
            case act.CheckTenantKey(encryption):
                await self._check_key(name, encryption)
            case act.DestroyTenantKey():
                await self._tenant_eraser.shred()
            case act.DeleteObject(api, namespace, object_name, uid):
                await self._cluster.delete(api, object_name, namespace, uid=uid)
            case act.RecordDecision(event, tenant):
                await self._custody.record(event, tenant)
            case act.RecordSupport(access):
                await self._record_support(access)
            case act.RecordSuspension(suspension):
                await self._record_suspension(suspension)
            case act.RegisterClient(tenant):
                assert self._state.auth0 is not None, "planned only with an identity provider"
                client_id = await self._state.auth0.ensure_client(self._resource.meta.uid, tenant)
                await self._patch_status({"clientId": client_id})
            case act.RecordTenantErased():
                await self._tenant_eraser.certify()
            case _:
                raise _unknown(action)

    async def _record_suspension(self, suspension: Suspension) -> None:
        await self._confirm_unchanged()  # whoever changed it has recorded it
        meta, ended = self._resource.meta, suspension.ended_at
        event = EventType.TENANT_SUSPENDED if ended is None else EventType.TENANT_RESUMED
        at = ended or suspension.began_at
        event_id = record_id(f"{event}/{meta.uid}/{at.isoformat()}")
        await self._custody.record_once(event, event_id, at, tenant=meta.name)

    async def _record_support(self, access: SupportAccess) -> None:
        await self._confirm_unchanged()  # whoever changed it has recorded it
        meta, ended = self._resource.meta, access.ended_at
        event = EventType.SUPPORT_OPENED if ended is None else EventType.SUPPORT_ENDED
        await self._custody.record_once(
            event,
            record_id(f"{event}/{meta.uid}/{access.id}/{access.opened_at.isoformat()}"),
            ended or access.opened_at,
            resource=ResourceRef(meta.name, SUPPORT_ACCESS, access.id),
            client=access.subject,
            expires_at=access.ends_at,
        )

    async def _create_key(self, tenant: str, provider: str | None) -> None:
        """Create and record a key.

        An existing key is recorded again: the pass that created it may have failed to. A reader of
        the log recognizes the repetition by its id.
        """
        await self._custody.create_tenant_key(tenant, provider)
        event = EventType.KEY_CREATED
        event_id = record_id(f"{event}/{self._resource.meta.uid}")
        await self._custody.record(event, tenant, event_id=event_id)

    async def _check_key(self, tenant: str, encryption: Encryption) -> None:
        uid = self._resource.meta.uid
        step = await self._custody.check_tenant_key(tenant, encryption)
        before = self._state.checks.get(uid)
        self._state.checks[uid] = KeyCheck(self._state.now(), step, encryption)
        if before is not None and (before.failed_step is None) != (step is None):
            outcome = Outcome.SUCCESS if step is None else Outcome.FAILED
            await self._custody.record(EventType.KEY_CHECKED, tenant, outcome=outcome)

    async def _ensure(self, action: act.EnsureObject) -> None:
        meta = action.manifest["metadata"]
        name, namespace = meta["name"], meta.get("namespace")
        try:
            if action.exists:
                await self._cluster.patch(action.resource, name, action.manifest, namespace)
                return
            if namespace is not None:
                await self._confirm_unchanged()  # nothing may be left of a tenant deleted meanwhile
            await self._cluster.create(action.resource, action.manifest, namespace)
        except (kube.AlreadyExists, kube.NotFound) as error:
            message = "the object changed meanwhile"
            raise kube.Conflict(error.status, error.reason, message) from error


def _unknown(action: act.Action) -> TypeError:
    return TypeError(f"unknown action: {type(action).__name__}")
