"""Erasure certificates: signed statements of what was erased, when, and where the log records it.

They contain no customer data. They are stored beside the audit log, in the clear, outside of every
tenant's prefix, and outlive the tenant's key and data. See ``docs/adr`` for the reasons.
"""

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, Field, NonNegativeInt

from simulacra_custody.audit.event import Sha256
from simulacra_custody.audit.log import AuditPosition
from simulacra_custody.errors import ObjectExists
from simulacra_custody.refs import check_part
from simulacra_custody.stores.base import ObjectStore, read_object

RETENTION_S = 400 * 86_400.0
"""Certificates are kept for 400 days, longer than a yearly audit needs."""
_ROOT = "certificates/"


class _Stated(BaseModel, extra="forbid", frozen=True):
    """Base of what a certificate states."""


class ErasedArtifact(_Stated):
    """One erased artifact: its name, plaintext bytes and their SHA-256."""

    name: str = Field(max_length=128)
    bytes: NonNegativeInt
    sha256: Sha256


class SummaryKept(_Stated):
    """A wave summary that the customer may have kept: its digest, and when it was last read.

    "Erased" does not mean that nothing is left with the customer.
    """

    sha256: Sha256
    read_at: AwareDatetime | None


class ErasureCertificate(_Stated):
    """The statement that is signed.

    Attributes:
        installation: name of the installation's audit log.
        tenant_uid: uid of the tenant, since a name can be used again.
        kind: lower-case plural of the resource's kind; `tenants` for a whole tenant.
        id: name of the resource.
        cause: why it was deleted: a request, or the end of its retention.
        artefacts: the artifacts of the resource before the erasure.
        objects: number of stored objects erased, with old versions and unfinished puts.
        stored_bytes: their size, encrypted.
        key_shredded_at: when the only copy of the data key was destroyed; None if none was found.
        verified_absent_at: when a listing of the resource's prefix found no object.
        audit: position of the erasure in the audit log.
        summary: the wave summary that was made, of a Model.
    """

    version: Literal[1] = 1
    installation: str
    tenant: str
    tenant_uid: str
    kind: str
    id: str
    uid: str
    cause: Literal["deleted", "expired"]
    created_at: AwareDatetime
    deletion_requested_at: AwareDatetime
    artefacts: tuple[ErasedArtifact, ...]
    objects: NonNegativeInt
    stored_bytes: NonNegativeInt
    key_shredded_at: AwareDatetime | None
    verified_absent_at: AwareDatetime
    audit: AuditPosition
    summary: SummaryKept | None = None

    def statement(self) -> bytes:
        """Return the bytes to sign; a verifier of an earlier release knows no summary."""
        absent = {"summary"} if self.summary is None else None
        return self.model_dump_json(exclude=absent).encode()


def statement_of(signed: str) -> dict[str, Any]:
    """Return the statement of a signed certificate (compact JWS), without a check of it."""
    payload = signed.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))


@dataclass(frozen=True, slots=True, order=True)
class CertificateEntry:
    """A certificate in a listing: seconds since the epoch, id and uid of the resource."""

    issued: float
    id: str
    uid: str


class Certificates:
    """Signed certificates in an object store.

    The key is ``certificates/<tenant uid>/<resource id>.<resource uid>``. It has the tenant's uid,
    so that a new tenant with an old name cannot read its predecessor's certificates.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def exists(self, tenant_uid: str, resource_id: str, uid: str) -> bool:
        """Return whether the resource has a certificate."""
        return self._store.stat(_key(tenant_uid, resource_id, uid)) is not None

    def issue(self, certificate: ErasureCertificate, signed: str) -> None:
        """Store a signed certificate, unless the resource has one."""
        key = _key(certificate.tenant_uid, certificate.id, certificate.uid)
        try:
            self._store.put(key, [signed.encode()], if_absent=True)
        except ObjectExists:
            return

    def entries(self, tenant_uid: str) -> list[CertificateEntry]:
        """Return a tenant's certificates, newest first."""
        check_part(tenant_uid, "tenant uid")
        found = []
        for info in self._store.list(f"{_ROOT}{tenant_uid}/"):
            resource_id, _, uid = info.key.rpartition("/")[2].rpartition(".")
            found.append(CertificateEntry(info.modified, resource_id, uid))
        return sorted(found, reverse=True)

    def find(self, tenant_uid: str, name: str) -> CertificateEntry | None:
        """Return the newest certificate of a resource, found by its id or uid."""
        return next((one for one in self.entries(tenant_uid) if name in (one.id, one.uid)), None)

    def read(self, tenant_uid: str, entry: CertificateEntry) -> str:
        """Return a certificate as a compact JSON Web Signature. Raises `ArtifactMissing`."""
        return read_object(self._store, _key(tenant_uid, entry.id, entry.uid)).decode()

    def read_all(self) -> Iterator[str]:
        """Yield every signed certificate, also those of deleted tenants."""
        for info in self._store.list(_ROOT):
            yield read_object(self._store, info.key).decode()

    def sweep(self, *, max_age_s: float = RETENTION_S) -> int:
        """Erase certificates older than ``max_age_s``; return their number."""
        limit = time.time() - max_age_s
        old = [info.key for info in self._store.list(_ROOT) if info.modified < limit]
        for key in old:
            self._store.delete(key)
        return len(old)


def _key(tenant_uid: str, resource_id: str, uid: str) -> str:
    for part, field in ((tenant_uid, "tenant uid"), (resource_id, "resource id"), (uid, "uid")):
        check_part(part, field)
    if "." in uid:
        raise ValueError("uid must not contain '.'")
    return f"{_ROOT}{tenant_uid}/{resource_id}.{uid}"
