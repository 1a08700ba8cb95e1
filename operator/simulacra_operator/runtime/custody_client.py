"""Custody and audit calls from the event loop: timed, counted, and a few at a time.

A pool of threads runs them. A call that hangs costs a thread, never the loop, and the size of the
pool limits the load on a slow store or key provider.
"""

import asyncio
import uuid
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, ParamSpec, TypeVar

from simulacra_crds.kinds.base import Artifact
from simulacra_crds.kinds.tenant import Encryption
from simulacra_crds.tasks import FAILURE, PROGRESS, RESULT_LIMIT, UPLOAD, ProgressReport
from simulacra_custody.audit.certificates import Certificates
from simulacra_custody.audit.event import (
    AuditData,
    AuditEvent,
    Component,
    Counts,
    EventType,
    Outcome,
)
from simulacra_custody.audit.log import AuditPosition, SegmentedAuditLog
from simulacra_custody.audit.reader import AuditReader
from simulacra_custody.errors import (
    ArtifactMissing,
    AuditUnavailable,
    KeyCheckError,
    StoreForeign,
    StoreUnavailable,
)
from simulacra_custody.keys.tenant_keys import TenantKeys
from simulacra_custody.refs import ArtifactRef, ResourceRef
from simulacra_custody.service import Custody, ErasureReport
from simulacra_custody.stores.base import ObjectStore, Presigning
from simulacra_custody.stores.owner import StoreOwner
from simulacra_operator import metrics

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")
_THREADS = 8
_PROGRESS_LIMIT = 4096
REMEMBERED = 4096
CLOCK_SKEW = timedelta(minutes=1)
"""How much the clocks of two writers of the audit log may differ."""


def record_id(named: str) -> str:
    """Return the id of an audit record by what it is of: a repetition has the same."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, named))


class CustodyClient:
    """Runs calls of custody. Every method may raise a `CustodyError`.

    Attributes:
        written: ids of this process's newest records of Jobs.
        certified_at: when the last erasure that this process certified was verified, None before.
    """

    def __init__(
        self, service: Custody, audit: SegmentedAuditLog, certificates: Certificates
    ) -> None:
        self.service = service
        self.keys = service.keys
        self.certificates = certificates
        self.certified_at: datetime | None = None
        self.audit = audit
        self.written: deque[str] = deque(maxlen=REMEMBERED)
        self._absent: dict[str, datetime] = {}
        self._owner: StoreOwner | None = None
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="custody")

    async def run(
        self,
        verb: str,
        call: Callable[Arguments, Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Return the result of a blocking call; `verb` is its name in the metrics."""
        loop = asyncio.get_running_loop()
        with (
            metrics.CUSTODY_CALLS.labels(verb).time(),
            metrics.CUSTODY_ERRORS.labels(verb).count_exceptions(),
        ):
            return await loop.run_in_executor(self._pool, partial(call, *args, **kwargs))

    @property
    def audit_store(self) -> ObjectStore:
        """The store of the audit log."""
        return self.audit.store

    async def claim_store(self, installation: str, take_over: str | None, claimed: bool) -> None:
        """Claim the store for an installation; see `StoreOwner`. Raises `StoreForeign`."""
        if self._owner is None:
            self._owner = StoreOwner(self.service.store, installation, take_over)
        self._owner.claimed |= claimed
        await self.run("ownStore", self._owner.confirm)

    @property
    def owner(self) -> StoreOwner:
        """The claim to the store, which erasing and sweeping confirm again."""
        if self._owner is None:
            raise StoreForeign("The owner of the store is not known yet. Retry later.")
        return self._owner

    async def erase(
        self,
        verb: str,
        call: Callable[Arguments, ErasureReport],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> ErasureReport:
        """Return the report of an erasure.

        Raises:
            StoreUnavailable: an object is left.
            StoreForeign: what was found empty is not this installation's store.
        """

        def verified() -> ErasureReport:
            report = call(*args, **kwargs)
            if not report.verified_empty:
                raise StoreUnavailable("Objects are left after the erasure. Retry.")
            self.owner.confirm()
            return report

        return await self.run(verb, verified)  # which counts what is raised

    async def discard(self, dataset: ResourceRef, sha256: str | None, size: int | None) -> None:
        """Erase and record the artifacts of a failed Dataset, keeping its failure report."""
        await self.erase("discard", self.service.erase_except, dataset, FAILURE)
        counts, upload = Counts(bytes=size), None if sha256 is None else UPLOAD
        event = EventType.ARTEFACT_ERASED
        await self.record(event, resource=dataset, counts=counts, sha256=sha256, artifact=upload)

    async def erase_source(self, dataset: ResourceRef, source: Artifact) -> None:
        """Erase and record what a Dataset could be read again from; all else stays."""
        ref = dataset.artifact(source.name)
        await self.erase("eraseSource", self.service.erase_artifact, ref)
        await self.record(
            EventType.ARTEFACT_ERASED,
            resource=dataset,
            counts=Counts(bytes=source.bytes),
            sha256=source.sha256,
            artifact=source.name,
        )

    async def progress(self, resource: ResourceRef, wrapped_key: str) -> ProgressReport | None:
        """Return the pod's last progress report, None before the first."""

        def read() -> bytes | None:
            ref = resource.artifact(PROGRESS)
            try:
                return self.service.read_bytes(ref, wrapped_key, limit=_PROGRESS_LIMIT)
            except ArtifactMissing:  # before the first report: no error of the store
                return None

        raw = await self.run("readProgress", read)
        return None if raw is None else ProgressReport.model_validate_json(raw)

    async def result(self, result: ArtifactRef, wrapped_key: str) -> bytes:
        """Return a pod's result that is longer than a termination message."""
        read = partial(self.service.read_bytes, limit=RESULT_LIMIT)
        return await self.run("readResult", read, result, wrapped_key)

    async def count(self, resource: ResourceRef) -> Counts:
        """Return the number and encrypted bytes of a resource's objects.

        Unfinished objects and old versions are included. Raises `StoreForeign` for a store that is
        not this installation's, where there would be none.
        """

        def sizes() -> list[int]:
            store, prefix = self.service.store, resource.prefix
            found = (*store.list_incomplete(prefix), *store.list_versions(prefix))
            self.owner.confirm()
            return [info.size for info in found]

        counted = await self.run("count", sizes)
        return Counts(objects=len(counted), bytes=sum(counted))

    async def create_tenant_key(self, tenant: str, provider: str | None) -> None:
        """Create a tenant's key unless any provider has one; provider None: the first."""

        def create() -> None:
            if self.keys.has_tenant_key(tenant):
                return
            chosen = self.keys
            if provider is not None and isinstance(self.keys, TenantKeys):
                chosen = self.keys.provider(provider)
            chosen.create_tenant_key(tenant)

        await self.run("createKey", create)

    async def check_tenant_key(self, tenant: str, encryption: Encryption) -> str | None:
        """Check a tenant's key and a customer's; return the failed step, None when both work."""
        try:
            await self.run("checkKey", self.keys.check, tenant)
        except KeyCheckError as error:
            return error.step
        if encryption.key_arn is None:
            return None
        from simulacra_custody.keys.customer_kms import (  # boto3, which few installations have
            CustomerKey,
            check_customer_key,
        )

        if not isinstance(self.service.store, Presigning):
            return "customer links"  # customers read by links, which this store does not give out
        key = CustomerKey(encryption.key_arn, encryption.role_arn, encryption.external_id)
        try:
            await self.run("checkKey", check_customer_key, key, tenant)
        except KeyCheckError as error:
            return f"customer {error.step}"
        return None

    async def record(
        self,
        event: EventType,
        tenant: str | None = None,
        resource: ResourceRef | None = None,
        counts: Counts | None = None,
        outcome: Outcome = Outcome.SUCCESS,
        sha256: str | None = None,
        event_id: str | None = None,
        artifact: str | None = None,
        **more: Any,
    ) -> AuditPosition:
        """Write an audit record; `AuditUnavailable` must stop the destructive step after it.

        With an id (a UUID), a caller that does not know whether it was written may repeat it.
        `more` are further fields of AuditData.
        """
        data = AuditData(
            outcome=outcome,
            tenant=resource.tenant if resource else tenant,
            kind=resource.kind if resource else None,
            uid=resource.uid if resource else None,
            artefact=artifact,
            sha256=sha256,
            counts=counts,
            **more,
        )
        own = {"id": event_id} if event_id is not None else {}
        entry = AuditEvent(type=event, source=Component.OPERATOR, data=data, **own)
        return await self.run("audit", self.audit.append, entry)

    async def record_once(
        self, event: EventType, event_id: str, since: datetime, **fields: Any
    ) -> None:
        """Write a record unless the log has one of this id since a time, as `record`."""
        if not await self.is_recorded(event_id, since):
            await self.record(event, event_id=event_id, **fields)
            self._absent.pop(event_id, None)

    async def is_recorded(self, event_id: str, since: datetime) -> bool:
        """Return whether the log has a record of this id since a time.

        What was read in vain is not read again: a deletion may wait for weeks, and asks each time.
        """
        has, began = AuditReader(self.audit).has, datetime.now(UTC)
        since = max(since, self._absent.get(event_id, since)) - CLOCK_SKEW
        try:
            found = await self.run("findAudit", has, event_id, since)
        except StoreUnavailable as error:
            raise AuditUnavailable(f"the audit log was not read: {error}") from error
        if not found:
            self._absent[event_id] = began
        return found

    def close(self) -> None:
        """Let running calls end, and accept no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
