"""Everything that a reconciler may decide to do. Data only: `simulacra_operator.runtime.executor` does it.

Actions run in order; the first that fails ends the pass, which is then tried again from a fresh look at the world.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from simulacra_crds.kinds.dataset import ReadSource
from simulacra_crds.kinds.tenant import Encryption
from simulacra_crds.kube.client import ApiResource, Object
from simulacra_custody.audit.event import EventType
from simulacra_operator.work.custom_resource import Key


@dataclass(frozen=True)
class PatchStatus:
    """Merge these fields into status, if the resource is still as it was seen."""

    patch: Object


@dataclass(frozen=True)
class PatchMeta:
    """Merge these fields into metadata, if the resource is still as it was seen."""

    patch: Object


@dataclass(frozen=True)
class MakeKey:
    """Make the resource's data key and keep its wrapped form in status.wrappedKey, the only copy.

    `patch` is what else changes in status: one write for both.
    """

    patch: Object = field(default_factory=dict)


@dataclass(frozen=True)
class WriteRequest:
    """Store the parameters of the work, encrypted."""

    content: bytes


@dataclass(frozen=True)
class CreateJob:
    """Create the Job; one of this name counts as ours only if it carries our uid."""

    manifest: Object


@dataclass(frozen=True)
class CreateService:
    """Create the headless Service of a Job's workers."""

    manifest: Object


@dataclass(frozen=True)
class SuspendJob:
    """Suspend or resume the Job."""

    name: str
    suspend: bool


@dataclass(frozen=True)
class DeleteJob:
    """Delete the Job and its pods; with `wait` it stays until the pods are gone."""

    name: str
    uid: str
    wait: bool


@dataclass(frozen=True)
class DeleteResource:
    """Delete a custom resource, this incarnation only."""

    key: Key
    uid: str


@dataclass(frozen=True)
class DropKey:
    """Forget the wrapped data key: from now on no copy of the bytes can be read, wherever it is."""


@dataclass(frozen=True)
class Erase:
    """Erase every object of the resource, verify that none is left, record it and certify it to its tenant."""

    expired: bool
    tenant_uid: str


@dataclass(frozen=True)
class Remember:
    """Leave a tombstone of the resource's Idempotency-Key; one that is there is kept."""

    manifest: Object


@dataclass(frozen=True)
class RecordRead:
    """Record that the object of a Dataset was read, with digest and size; None: it was tried, and ended badly."""

    read: ReadSource | None


@dataclass(frozen=True)
class Discard:
    """Erase what is stored for a Dataset that failed for good, but what tells its customer why; verify and record it.

    `sha256` and `bytes` are those of its upload, None where it was not complete.
    """

    sha256: str | None
    bytes: int | None


@dataclass(frozen=True)
class Release:
    """Everything is gone: the finalizer may be removed."""


@dataclass(frozen=True)
class LogFailure:
    """Leave what support needs to know in the log: constants and ids only."""

    reason: str
    message: str
    support: str
    exit_code: int | None


@dataclass(frozen=True)
class Ensure:
    """Create an object of the tenant or bring it back to what the manifest says (which may hold credentials)."""

    resource: ApiResource
    manifest: Object = field(repr=False)
    exists: bool


@dataclass(frozen=True)
class CreateTenantKey:
    """Make the tenant's key with a provider (None: the installation's first); one that is there is kept."""

    provider: str | None


@dataclass(frozen=True)
class CheckTenantKey:
    """Prove that the tenant's key works, in mode Customer the customer's as well, and remember the answer."""

    encryption: Encryption


@dataclass(frozen=True)
class DestroyTenantKey:
    """Record, then destroy the tenant's key; status keeps when, for the certificate."""


@dataclass(frozen=True)
class DeleteObject:
    """Delete a tenant's namespace, or an object in one, this incarnation only."""

    resource: ApiResource
    namespace: str | None
    name: str
    uid: str


@dataclass(frozen=True)
class RecordDecision:
    """Record that a person approved or denied an AccessRequest."""

    event: EventType
    tenant: str | None


@dataclass(frozen=True)
class RegisterClient:
    """Have the external identity provider make the client of an AccessRequest, and keep its id in status."""

    tenant: str


@dataclass(frozen=True)
class RecordTenantErased:
    """Verify that nothing of the tenant is left, record it and certify it."""


Action = (
    PatchStatus
    | PatchMeta
    | MakeKey
    | WriteRequest
    | CreateJob
    | CreateService
    | SuspendJob
    | DeleteJob
    | DeleteResource
    | DropKey
    | Erase
    | Remember
    | RecordRead
    | Discard
    | Release
    | LogFailure
    | Ensure
    | CreateTenantKey
    | CheckTenantKey
    | DestroyTenantKey
    | DeleteObject
    | RecordDecision
    | RegisterClient
    | RecordTenantErased
)
