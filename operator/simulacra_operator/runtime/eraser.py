"""Erasure of a resource or tenant: shred the key, erase the objects, record and certify it.

Any step may be the last before a crash, so each may be repeated. What a repetition could not find
out again (when the key was shredded, how much was stored) is in status before the next step. The
certificate is the last step: where it exists, the erasure is complete and on record.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Literal

from simulacra_crds.kinds.base import ANNOTATION_KEY_LOST, ANNOTATION_SUMMARY_READ, Erasure
from simulacra_crds.kube.client import Object
from simulacra_crds.tasks import SUMMARY, UPLOAD
from simulacra_custody.audit.certificates import ErasedArtifact, ErasureCertificate, SummaryKept
from simulacra_custody.audit.event import Counts, EventType
from simulacra_custody.audit.installation_keys import InstallationKeys
from simulacra_custody.audit.log import AuditPosition
from simulacra_custody.errors import KeyMissing
from simulacra_custody.refs import ResourceRef
from simulacra_operator.observed.custom_resource import CustomResource
from simulacra_operator.runtime.custody_client import CustodyClient, record_id
from simulacra_operator.runtime.signing_keys import SigningKeys
from simulacra_operator.work.actions import Erase

PatchStatus = Callable[[Object], Awaitable[None]]
"""Merges fields into status, if the resource has not changed since it was read."""


class _Erasure:
    """What both erasures have: status that is written step by step, and the certificate."""

    def __init__(
        self,
        custody: CustodyClient,
        signing_keys: SigningKeys,
        resource: CustomResource,
        patch: PatchStatus,
        now: Callable[[], datetime],
    ) -> None:
        self._custody = custody
        self._signing_keys = signing_keys
        self._resource = resource
        self._patch = patch
        self._now = now
        self._known: Erasure = resource.status.erasure or Erasure()

    async def _is_certified(self, tenant_uid: str) -> bool:
        meta, exists = self._resource.meta, self._custody.certificates.exists
        return await self._custody.run("isCertified", exists, tenant_uid, meta.name, meta.uid)

    async def _certify(
        self,
        keys: InstallationKeys,
        *,
        tenant: str,
        tenant_uid: str,
        cause: Literal["deleted", "expired"],
        artifacts: tuple[ErasedArtifact, ...],
        counts: Counts,
        absent_at: datetime,
        audit: AuditPosition,
    ) -> None:
        meta = self._resource.meta
        certificate = ErasureCertificate(
            installation=keys.log_name,
            tenant=tenant,
            tenant_uid=tenant_uid,
            kind=self._resource.plural,
            id=meta.name,
            uid=meta.uid,
            cause=cause,
            created_at=self._resource.created,
            deletion_requested_at=meta.deletion_timestamp or absent_at,
            artefacts=artifacts,
            objects=counts.objects or 0,
            stored_bytes=counts.bytes or 0,
            key_shredded_at=self._known.key_shredded_at,
            verified_absent_at=absent_at,
            audit=audit,
            summary=kept_summary(self._resource),
        )
        signed = keys.sign_certificate(certificate.statement())
        await self._custody.run("certify", self._custody.certificates.issue, certificate, signed)
        self._custody.certified_at = max(self._custody.certified_at or absent_at, absent_at)


class Eraser(_Erasure):
    """Erasure of one resource. One instance per pass, because it knows what it wrote to status."""

    async def shred(self) -> None:
        """Remove the wrapped key and write the time to status."""
        now = self._now().replace(microsecond=0)
        self._known = self._known.model_copy(update={"key_shredded_at": now})
        await self._patch({"wrappedKey": None, "erasure": self._known.to_wire()})

    async def erase(self, ref: ResourceRef, action: Erase) -> None:
        """Erase and verify, then record and certify once.

        Nothing is recorded that could not be signed, and nothing twice.
        """
        keys = await self._signing_keys.keys()
        await self._count(ref)
        report = await self._custody.erase("erase", self._custody.service.erase, ref)
        absent_at = self._now()
        if await self._is_certified(action.tenant_uid):
            return
        # the API may have written more after they were counted
        counts = Counts(
            objects=max(self._known.objects or 0, report.objects),
            bytes=max(self._known.stored_bytes or 0, report.bytes),
        )
        if action.expired:
            await self._custody.record(EventType.RESOURCE_EXPIRED, resource=ref)
        erased = EventType.RESOURCE_ERASED
        await self._certify(
            keys,
            tenant=ref.tenant,
            tenant_uid=action.tenant_uid,
            cause="expired" if action.expired else "deleted",
            artifacts=tuple(erased_artifacts(self._resource)),
            counts=counts,
            absent_at=absent_at,
            audit=await self._custody.record(erased, resource=ref, counts=counts),
        )

    async def _count(self, ref: ResourceRef) -> None:
        """Write to status what is stored, before it is erased."""
        if self._known.objects is None:
            counts = await self._custody.count(ref)
            update = {"objects": counts.objects, "stored_bytes": counts.bytes}
            self._known = self._known.model_copy(update=update)
            await self._patch({"erasure": self._known.to_wire()})


class TenantEraser(_Erasure):
    """Erasure of a tenant whose resources are gone."""

    async def shred(self) -> None:
        """Destroy the key and write the time to status; after a crash in between, a later time.

        Raises:
            KeyMissing: no provider has the key, and no record says that it was destroyed here.
        """
        meta, event = self._resource.meta, EventType.KEY_DESTROYED
        own_id = record_id(f"{event}/{meta.uid}")
        exists = await self._custody.run("hasKey", self._custody.keys.has_tenant_key, meta.name)
        if exists:
            await self._custody.record(event, meta.name, event_id=own_id)
            await self._custody.run("destroyKey", self._custody.keys.destroy_tenant_key, meta.name)
        if self._known.key_shredded_at is None and (exists or await self._was_destroyed(own_id)):
            self._known = Erasure(key_shredded_at=self._now().replace(microsecond=0))
        # without a key an empty erasure is written too, so that no pass looks for the key again
        if self._known != self._resource.status.erasure:
            await self._patch({"erasure": self._known.to_wire()})

    async def _was_destroyed(self, own_id: str) -> bool:
        """Return whether an earlier pass destroyed the key that is not found now.

        Without a record of that, a volume may not be mounted or a provider's address be wrong.
        """
        if self._resource.condition("KeyReady") == "Unknown":
            return False  # it never had a key
        meta = self._resource.meta
        if await self._custody.is_recorded(own_id, meta.deletion_timestamp or self._now()):
            return True
        if meta.annotations.get(ANNOTATION_KEY_LOST) != "true":
            raise KeyMissing(f"no provider has the key of tenant {meta.name}, which is on record")
        return False

    async def certify(self) -> None:
        """Erase what is left under the tenant's prefix, verify, then record and certify once."""
        keys, meta = await self._signing_keys.keys(), self._resource.meta
        erase, owner = self._custody.service.erase_tenant, self._custody.owner
        report = await self._custody.erase("eraseTenant", erase, meta.name, owner)
        absent_at = self._now()
        if await self._is_certified(meta.uid):
            return
        counts = Counts(objects=report.objects, bytes=report.bytes)
        await self._certify(
            keys,
            tenant=meta.name,
            tenant_uid=meta.uid,
            cause="deleted",
            artifacts=(),
            counts=counts,
            absent_at=absent_at,
            audit=await self._custody.record(EventType.TENANT_ERASED, meta.name, counts=counts),
        )


def erased_artifacts(resource: CustomResource) -> list[ErasedArtifact]:
    """Return the artifacts in a resource's status, preceded by a Dataset's upload.

    An object that a Dataset was read from is not ours: it was never stored, and it stays.
    """
    known = [
        ErasedArtifact(name=one.name, bytes=one.bytes, sha256=one.sha256)
        for one in resource.status.artefacts
    ]
    if resource.kind != "Dataset" or resource.spec is None:
        return known
    source = resource.spec.source
    if source.type != "Upload" or source.sha256 is None:
        return known
    upload = ErasedArtifact(name=UPLOAD, bytes=source.bytes or 0, sha256=source.sha256)
    return [upload, *(one for one in known if one.name != UPLOAD)]


def kept_summary(resource: CustomResource) -> SummaryKept | None:
    """Return the wave summary of a Model, and when a client last read it; None of others."""
    if resource.kind != "Model":
        return None
    made = {one.name: one.sha256 for one in resource.status.artefacts}
    if SUMMARY not in made:
        return None
    read = resource.meta.annotations.get(ANNOTATION_SUMMARY_READ)
    at = None if read is None else datetime.fromisoformat(read)
    return SummaryKept(sha256=made[SUMMARY], read_at=at)
