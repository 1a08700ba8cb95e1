"""Erasure certificates: what was erased, when, and where that is on record, signed by the installation.

They hold no customer data, so they are kept beside the audit log: outside of every tenant's prefix, in clear, past the
end of the tenant's key, and for longer than any data. See ``docs/adr`` for why.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, NonNegativeInt

from simulacra_custody.audit.event import Sha256
from simulacra_custody.audit.log import AuditPosition
from simulacra_custody.errors import ObjectExists
from simulacra_custody.refs import check_part
from simulacra_custody.stores.base import ObjectStore

RETENTION_S = 400 * 86_400.0
"""Certificates are kept for 400 days: past a yearly audit."""
_ROOT = "certificates/"


class _Stated(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ErasedArtifact(_Stated):
    """One artifact that there was: its name, plaintext bytes and their SHA-256."""

    name: str = Field(max_length=128)
    bytes: NonNegativeInt
    sha256: Sha256


class ErasureCertificate(_Stated):
    """The statement that is signed.

    Attributes:
        installation: name of the installation's audit log.
        tenant: tenant name; `tenant_uid`: which one of that name.
        kind: lower-case plural of the resource's kind, `tenants` of the tenant as a whole; `id`: its name; `uid`: which
            one of that name.
        cause: why it was deleted: retention ended, or someone asked.
        created_at: when the resource was made.
        deletion_requested_at: when its deletion was asked for.
        artefacts: everything that the resource was known to hold, as it was before it was erased.
        objects: stored objects (versions and unfinished ones included) that were erased.
        stored_bytes: their size, encrypted.
        key_shredded_at: when the only copy of the resource's data key was destroyed; None if it never had one.
        verified_absent_at: when the store was listed and had nothing left under the resource's prefix.
        audit: where the erasure is on record.
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

    def statement(self) -> bytes:
        """The bytes that are signed."""
        return self.model_dump_json().encode()


@dataclass(frozen=True, slots=True, order=True)
class CertificateEntry:
    """One certificate of a tenant: when it was issued (seconds since the epoch), and of which resource."""

    issued: float
    id: str
    uid: str


class Certificates:
    """Signed certificates in an object store, under ``certificates/<tenant uid>/<resource id>.<resource uid>``.

    Tenants are told apart by uid: one that is made again under an old name must not read what was its namesake's.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def exists(self, tenant_uid: str, resource_id: str, uid: str) -> bool:
        """Whether a resource has its certificate."""
        return self._store.stat(_key(tenant_uid, resource_id, uid)) is not None

    def issue(self, certificate: ErasureCertificate, signed: str) -> None:
        """Keep a signed certificate; the first one of a resource stays."""
        key = _key(certificate.tenant_uid, certificate.id, certificate.uid)
        try:
            self._store.put(key, [signed.encode()], if_absent=True)
        except ObjectExists:
            return

    def entries(self, tenant_uid: str) -> list[CertificateEntry]:
        """Every certificate of a tenant, newest first."""
        check_part(tenant_uid, "tenant uid")
        found = []
        for info in self._store.list(f"{_ROOT}{tenant_uid}/"):
            resource_id, _, uid = info.key.rpartition("/")[2].rpartition(".")
            found.append(CertificateEntry(info.modified, resource_id, uid))
        return sorted(found, reverse=True)

    def find(self, tenant_uid: str, name: str) -> CertificateEntry | None:
        """The newest certificate of a resource, by its id or its uid."""
        return next((one for one in self.entries(tenant_uid) if name in (one.id, one.uid)), None)

    def read(self, tenant_uid: str, entry: CertificateEntry) -> str:
        """The signed certificate, a JSON Web Signature in compact form. Raises `ArtifactMissing`."""
        return b"".join(self._store.open_range(_key(tenant_uid, entry.id, entry.uid))).decode()

    def every(self) -> Iterator[str]:
        """Every signed certificate, of tenants that are gone as well."""
        for info in self._store.list(_ROOT):
            yield b"".join(self._store.open_range(info.key)).decode()

    def sweep(self, *, max_age_s: float = RETENTION_S) -> int:
        """Erase certificates whose retention is over; how many."""
        limit = time.time() - max_age_s
        old = [info.key for info in self._store.list(_ROOT) if info.modified < limit]
        for key in old:
            self._store.delete(key)
        return len(old)


def _key(tenant_uid: str, resource_id: str, uid: str) -> str:
    for part, field in ((tenant_uid, "tenant uid"), (resource_id, "resource id"), (uid, "uid")):
        check_part(part, field)
    if "." in uid:
        raise ValueError("a uid holds no '.'")
    return f"{_ROOT}{tenant_uid}/{resource_id}.{uid}"
