"""The custody port: custody and audit calls, off the event loop and never more than a few at once.

A pool of threads is both: a call that hangs costs a thread, never the loop, and the pool's size bounds how hard a slow
store or key provider is pressed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from simulacra_crds.contract.tasks import FAILURE, PROGRESS, REQUEST, UPLOAD, ProgressReport
from simulacra_crds.kinds.dataset import ReadSource
from simulacra_crds.kinds.tenant import Encryption
from simulacra_custody.audit.certificates import Certificates, ErasureCertificate
from simulacra_custody.audit.checkpoints import Checkpoint, CheckpointSigner
from simulacra_custody.audit.event import (
    AuditData,
    AuditEvent,
    Component,
    Counts,
    EventType,
    Outcome,
)
from simulacra_custody.audit.installation_keys import InstallationKeys
from simulacra_custody.audit.log import AuditPosition, SegmentedAuditLog
from simulacra_custody.errors import ArtifactMissing, KeyCheckError, StoreForeign, StoreUnavailable
from simulacra_custody.keys.sealed_secrets import reseal, unseal
from simulacra_custody.keys.tenant_keys import TenantKeys
from simulacra_custody.refs import ResourceRef
from simulacra_custody.service import Custody, ErasureReport, SweepReport
from simulacra_custody.stores.base import Presigning
from simulacra_custody.stores.owner import StoreOwner
from simulacra_operator import metrics

Result = TypeVar("Result")
_THREADS = 8
_PROGRESS_LIMIT = 4096


class Custodian:
    """What the operator asks of custody. Every method may raise a `CustodyError`."""

    def __init__(
        self, custody: Custody, audit: SegmentedAuditLog, certificates: Certificates
    ) -> None:
        self._custody, self._audit, self._certificates = custody, audit, certificates
        self._owner: StoreOwner | None = None
        self._signer: CheckpointSigner | None = None
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="custody")

    async def _call(self, verb: str, function: Callable[[], Result]) -> Result:
        with (
            metrics.CUSTODY_CALLS.labels(verb).time(),
            metrics.CUSTODY_ERRORS.labels(verb).count_exceptions(),
        ):
            return await asyncio.get_running_loop().run_in_executor(self._pool, function)

    async def own_store(self, installation: str, take_over: str | None) -> None:
        """Claim the store for an installation, before anything is swept. Raises `StoreForeign` when it is another's."""
        self._owner = StoreOwner(self._custody.store, installation, take_over)
        await self._call("ownStore", self._owner.confirm)

    def _claim(self) -> StoreOwner:
        if self._owner is None:
            raise StoreForeign("it is not known yet whose store it is")
        return self._owner

    async def new_key(self, resource: ResourceRef) -> str:
        """Return a new data key for a resource, wrapped by its tenant's key."""
        return await self._call("newKey", lambda: self._custody.new_resource_key(resource))

    async def write_request(self, resource: ResourceRef, wrapped_key: str, content: bytes) -> None:
        """Store the parameters of the work, replacing those that are there."""
        ref = resource.artifact(REQUEST)
        await self._call("writeRequest", lambda: self._custody.write(ref, wrapped_key, [content]))

    async def progress(self, resource: ResourceRef, wrapped_key: str) -> ProgressReport | None:
        """Return what the pod last said about its progress; None before it said anything."""
        ref = resource.artifact(PROGRESS)
        try:
            raw = await self._call(
                "readProgress",
                lambda: self._custody.read_bytes(ref, wrapped_key, limit=_PROGRESS_LIMIT),
            )
        except ArtifactMissing:
            return None
        return ProgressReport.model_validate_json(raw)

    async def erase(self, resource: ResourceRef) -> ErasureReport:
        """Erase every object of a resource; StoreUnavailable when something is left."""
        return await self._erased("erase", lambda: self._custody.erase(resource))

    async def discard(self, dataset: ResourceRef, sha256: str | None, size: int | None) -> None:
        """Erase what a Dataset that failed for good has stored, its upload above all, and record that; what tells its
        customer why stays. StoreUnavailable when something else is left.
        """
        await self._erased("discard", lambda: self._custody.erase_except(dataset, FAILURE))
        upload = None if sha256 is None else UPLOAD
        await self.record(
            EventType.ARTEFACT_ERASED,
            resource=dataset,
            counts=Counts(bytes=size),
            sha256=sha256,
            artefact=upload,
        )

    async def erase_tenant(self, tenant: str) -> ErasureReport:
        """Erase whatever is left under a tenant's prefix, its key first; StoreUnavailable when something stays."""
        return await self._erased(
            "eraseTenant", lambda: self._custody.erase_tenant(tenant, self._claim())
        )

    async def _erased(self, name: str, erase: Callable[[], ErasureReport]) -> ErasureReport:
        report = await self._call(name, erase)
        if not report.verified_empty:
            raise StoreUnavailable("objects are left after the erasure")
        return report

    async def count(self, resource: ResourceRef) -> Counts:
        """Count what is stored for a resource, unfinished objects and old versions included, in encrypted bytes."""

        def look() -> Counts:
            store, prefix = self._custody.store, resource.prefix
            sizes = [
                info.size for info in (*store.list_incomplete(prefix), *store.list_versions(prefix))
            ]
            return Counts(objects=len(sizes), bytes=sum(sizes))

        return await self._call("count", look)

    async def is_certified(self, tenant_uid: str, name: str, uid: str) -> bool:
        """Whether the erasure of a resource has its certificate."""
        return await self._call(
            "isCertified", lambda: self._certificates.exists(tenant_uid, name, uid)
        )

    async def certify(self, certificate: ErasureCertificate, signed: str) -> None:
        """Keep a signed certificate."""
        await self._call("certify", lambda: self._certificates.issue(certificate, signed))

    async def sweep_certificates(self) -> None:
        """Forget certificates whose retention is over."""
        await self._call("sweepCertificates", self._certificates.sweep)

    async def sign_checkpoint(self, keys: InstallationKeys) -> Checkpoint | None:
        """Verify what is new in the audit log and sign a checkpoint if one is due. Raises `AuditCorrupt`."""
        if self._signer is None:
            self._signer = CheckpointSigner(self._audit.store, keys.log_name, keys.checkpoint)
        return await self._call("checkpoint", self._signer.step)

    async def sweep_orphans(
        self, live: frozenset[tuple[str, str, str]], tenants: frozenset[str] | None = None
    ) -> SweepReport:
        """Erase what belongs to resources that are gone, but nothing that was written lately; some tenants' or all."""
        return await self._call(
            "sweepOrphans",
            lambda: self._custody.sweep_orphans(live, self._claim(), tenants=tenants),
        )

    async def create_tenant_key(self, tenant: str, provider: str | None) -> None:
        """Make a tenant's key with a provider, None: the first; one that there is, wherever, stays."""

        def create() -> None:
            keys = self._custody.keys
            if keys.has_tenant_key(tenant):
                return
            chosen = (
                keys.provider(provider)
                if provider is not None and isinstance(keys, TenantKeys)
                else keys
            )
            chosen.create_tenant_key(tenant)

        await self._call("createKey", create)

    async def has_tenant_key(self, tenant: str) -> bool:
        """Whether the tenant has a key."""
        return await self._call("hasKey", lambda: self._custody.keys.has_tenant_key(tenant))

    async def destroy_tenant_key(self, tenant: str) -> None:
        """Destroy a tenant's key."""
        await self._call("destroyKey", lambda: self._custody.keys.destroy_tenant_key(tenant))

    async def check_tenant_key(self, tenant: str, encryption: Encryption) -> str | None:
        """Prove that a tenant's key works, and a customer's; return the step that failed, None when all passed."""
        try:
            await self._call("checkKey", lambda: self._custody.keys.check(tenant))
        except KeyCheckError as error:
            return error.step
        if encryption.key_arn is None:
            return None
        from simulacra_custody.keys.customer_kms import (  # boto3, which few installations have
            CustomerKey,
            check_customer_key,
        )

        key = CustomerKey(encryption.key_arn, encryption.role_arn, encryption.external_id)
        try:
            if not isinstance(self._custody.store, Presigning):
                raise KeyCheckError(
                    "links", "the object store gives out no links, which customers read by"
                )
            await self._call("checkKey", lambda: check_customer_key(key, tenant))
        except KeyCheckError as error:
            return f"customer {error.step}"
        return None

    async def rotate_tenant_key(self, tenant: str) -> None:
        """Give a tenant's key a new version."""
        await self._call("rotateKey", lambda: self._custody.keys.rotate_tenant_key(tenant))

    async def retire_old_keys(self, tenant: str) -> None:
        """Destroy every version of a tenant's key but the newest."""
        await self._call("retireKeys", lambda: self._custody.keys.retire_old_keys(tenant))

    async def rewrap(self, resource: ResourceRef, wrapped_key: str) -> str:
        """Return a data key under the newest version of its tenant's key; the same token if it is."""
        return await self._call("rewrap", lambda: self._custody.rewrap(resource, wrapped_key))

    async def are_current(self, tenant: str, tokens: Iterable[str]) -> bool:
        """Whether all tokens are of the newest version of the tenant's key."""
        keys = self._custody.keys
        return await self._call(
            "isCurrent", lambda: all(keys.is_current(tenant, token) for token in tokens)
        )

    async def reseal(self, tenant: str, purpose: str, sealed: str) -> str:
        """Return a small secret sealed under the newest version of its tenant's key; the same if it is."""
        return await self._call(
            "reseal", lambda: reseal(self._custody.keys, tenant, purpose, sealed)
        )

    async def unseal(self, tenant: str, purpose: str, sealed: str) -> bytes:
        """Return a small secret of a tenant that is sealed under its key."""
        return await self._call(
            "unseal", lambda: unseal(self._custody.keys, tenant, purpose, sealed)
        )

    async def record(
        self,
        event: EventType,
        tenant: str | None = None,
        resource: ResourceRef | None = None,
        counts: Counts | None = None,
        outcome: Outcome = Outcome.SUCCESS,
        sha256: str | None = None,
        event_id: str | None = None,
        artefact: str | None = None,
    ) -> AuditPosition:
        """Write an audit record; `AuditUnavailable` stops whatever destructive step was to follow.

        With an id (a UUID) it may be written again, by who does not know whether it was.
        """
        data = AuditData(
            outcome=outcome,
            tenant=resource.tenant if resource else tenant,
            kind=resource.kind if resource else None,
            uid=resource.uid if resource else None,
            artefact=artefact,
            sha256=sha256,
            counts=counts,
        )
        own = {"id": event_id} if event_id is not None else {}
        entry = AuditEvent(type=event, source=Component.OPERATOR, data=data, **own)
        return await self._call("audit", lambda: self._audit.append(entry))

    async def record_read(self, dataset: ResourceRef, read: ReadSource | None) -> None:
        """Write the audit record of an object that was read into a Dataset; None: it is not known whether any came."""
        if read is None:
            await self.record(EventType.SOURCE_READ, resource=dataset, outcome=Outcome.FAILED)
            return
        counts = Counts(bytes=read.bytes)
        await self.record(
            EventType.SOURCE_READ, resource=dataset, counts=counts, sha256=read.sha256
        )

    def close(self) -> None:
        """Let running calls end and take no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
