"""Shreds the key of a resource or a tenant, erases its objects, and states it: in audit log and signed certificate.

Each step may be the last before a crash, so each is safe to repeat, and what a repetition could not find out any more
(when the key went, how much there was) is in status before the step after it. The certificate is the last step: where
it is, the erasure is complete and on record.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from simulacra_crds.kinds.base import Erasure
from simulacra_crds.kube.client import Object
from simulacra_custody.audit.certificates import ErasedArtifact, ErasureCertificate
from simulacra_custody.audit.event import Counts, EventType
from simulacra_custody.audit.log import AuditPosition
from simulacra_custody.refs import ResourceRef
from simulacra_operator.runtime.actions import Erase
from simulacra_operator.runtime.custody_client import Custodian
from simulacra_operator.runtime.signing_keys import Installation
from simulacra_operator.work.custom_resource import Subject


class Eraser:
    """Ends one resource.

    Args:
        custodian: the custody port.
        installation: whose keys sign the certificate.
        subject: the resource as it was seen.
        ref: the name that custody knows it by.
        patch: merges fields into its status, if it is still as it was seen.
        now: the clock.
    """

    def __init__(
        self,
        custodian: Custodian,
        installation: Installation,
        subject: Subject,
        ref: ResourceRef,
        patch: Callable[[Object], Awaitable[None]],
        now: Callable[[], datetime],
    ) -> None:
        self._custodian, self._installation = custodian, installation
        self._subject, self._ref = subject, ref
        self._patch, self._now = patch, now
        self._known: Erasure = subject.status.erasure or Erasure()

    async def shred(self) -> None:
        """Drop the wrapped key and note when."""
        self._known = self._known.model_copy(
            update={"key_shredded_at": self._now().replace(microsecond=0)}
        )
        await self._patch({"wrappedKey": None, "erasure": self._known.to_wire()})

    async def erase(self, action: Erase) -> None:
        """Erase and verify, then state it once. Nothing is recorded that could not be signed, and nothing twice."""
        keys = await self._installation.keys()
        await self._count()
        report = await self._custodian.erase(self._ref)
        absent_at = self._now()
        meta = self._subject.meta
        if await self._custodian.is_certified(action.tenant_uid, meta.name, meta.uid):
            return
        counts = Counts(
            objects=max(self._known.objects or 0, report.objects),
            bytes=max(self._known.stored_bytes or 0, report.bytes),
        )  # an API that still streamed while they were counted added to them
        if action.expired:
            await self._custodian.record(EventType.RESOURCE_EXPIRED, resource=self._ref)
        position = await self._custodian.record(
            EventType.RESOURCE_ERASED, resource=self._ref, counts=counts
        )
        certificate = self._certificate(action, counts, absent_at, position, keys.log_name)
        await self._custodian.certify(certificate, keys.sign_certificate(certificate.statement()))

    async def _count(self) -> None:
        if self._known.objects is None:
            counts = await self._custodian.count(self._ref)
            update = {"objects": counts.objects, "stored_bytes": counts.bytes}
            self._known = self._known.model_copy(update=update)
            await self._patch({"erasure": self._known.to_wire()})

    def _certificate(
        self,
        action: Erase,
        counts: Counts,
        absent_at: datetime,
        position: AuditPosition,
        installation: str,
    ) -> ErasureCertificate:
        subject = self._subject
        return ErasureCertificate(
            installation=installation,
            tenant=self._ref.tenant,
            tenant_uid=action.tenant_uid,
            kind=subject.plural,
            id=subject.meta.name,
            uid=subject.meta.uid,
            cause="expired" if action.expired else "deleted",
            created_at=subject.created,
            deletion_requested_at=subject.meta.deletion_timestamp or absent_at,
            artefacts=tuple(_artefacts(subject)),
            objects=counts.objects or 0,
            stored_bytes=counts.bytes or 0,
            key_shredded_at=self._known.key_shredded_at,
            verified_absent_at=absent_at,
            audit=position,
        )


class TenantEraser:
    """Ends a tenant whose resources are gone: its key, then whatever is left, then the certificate of the whole.

    Args: as of `Eraser`.
    """

    def __init__(
        self,
        custodian: Custodian,
        installation: Installation,
        subject: Subject,
        patch: Callable[[Object], Awaitable[None]],
        now: Callable[[], datetime],
    ) -> None:
        self._custodian, self._installation = custodian, installation
        self._subject, self._patch, self._now = subject, patch, now
        self._known: Erasure = subject.status.erasure or Erasure()

    async def shred(self) -> None:
        """Destroy the key and note when; a crash in between notes a moment at which it was gone already."""
        name = self._subject.meta.name
        there = await self._custodian.has_tenant_key(name)
        if there:
            await self._custodian.record(EventType.KEY_DESTROYED, name)
            await self._custodian.destroy_tenant_key(name)
        had_one = there or self._subject.condition("KeyReady") != "Unknown"
        if had_one and self._known.key_shredded_at is None:
            self._known = Erasure(key_shredded_at=self._now().replace(microsecond=0))
        if (
            self._known != self._subject.status.erasure
        ):  # also that there was none: it is not looked for again
            await self._patch({"erasure": self._known.to_wire()})

    async def certify(self) -> None:
        """Erase what no resource's erasure found, verify, and state it once: in the audit log and in a certificate."""
        keys, meta = await self._installation.keys(), self._subject.meta
        report = await self._custodian.erase_tenant(meta.name)
        absent_at = self._now()
        if await self._custodian.is_certified(meta.uid, meta.name, meta.uid):
            return
        counts = Counts(objects=report.objects, bytes=report.bytes)
        certificate = ErasureCertificate(
            installation=keys.log_name,
            tenant=meta.name,
            tenant_uid=meta.uid,
            kind=self._subject.plural,
            id=meta.name,
            uid=meta.uid,
            cause="deleted",
            created_at=self._subject.created,
            deletion_requested_at=meta.deletion_timestamp or absent_at,
            artefacts=(),
            objects=report.objects,
            stored_bytes=report.bytes,
            key_shredded_at=self._known.key_shredded_at,
            verified_absent_at=absent_at,
            audit=await self._custodian.record(EventType.TENANT_ERASED, meta.name, counts=counts),
        )
        await self._custodian.certify(certificate, keys.sign_certificate(certificate.statement()))


def _artefacts(subject: Subject) -> list[ErasedArtifact]:
    """Return what the resource was known to hold: a Dataset's upload, and what its work made.

    An object that a Dataset was read from is not ours: it was never stored, and it stays where it is.
    """
    known = [
        ErasedArtifact(name=one.name, bytes=one.bytes, sha256=one.sha256)
        for one in subject.status.artefacts
    ]
    source = subject.spec.source if subject.kind == "Dataset" and subject.spec is not None else None
    if source is not None and source.type == "Upload" and source.sha256 is not None:
        known.insert(
            0, ErasedArtifact(name="upload", bytes=source.bytes or 0, sha256=source.sha256)
        )
    return known
