"""Actions that a reconciler may return: data only, run in order by `runtime.executor`.

The first action that fails ends the pass, which is then retried from a fresh observation.
"""

from dataclasses import dataclass, field

from simulacra_crds.kinds.base import Artifact
from simulacra_crds.kinds.dataset import ReadSource
from simulacra_crds.kinds.support_access import SupportAccess
from simulacra_crds.kinds.tenant import Encryption, Suspension
from simulacra_crds.kube.client import ApiResource, Object
from simulacra_custody.audit.event import EventType, Outcome
from simulacra_operator.observed.custom_resource import Key


class Action:
    """What a pass may have to do."""


class CustodyAction(Action):
    """An action on keys, artifacts or the audit log."""


class JobAction(Action):
    """An action on the Job of a resource."""


class TenantAction(Action):
    """An action of the reconcilers of Tenants and AccessRequests."""


@dataclass(frozen=True)
class PatchStatus(Action):
    """Merge these fields into status, if the resource has not changed since it was read."""

    patch: Object


@dataclass(frozen=True)
class PatchMeta(Action):
    """Merge these fields into metadata, if the resource has not changed since it was read."""

    patch: Object


@dataclass(frozen=True)
class CreateKey(CustodyAction):
    """Create the data key; store its wrapped form, the only copy, in status.wrappedKey.

    `patch` holds the other changes of status: one write for both.
    """

    patch: Object = field(default_factory=dict)


@dataclass(frozen=True)
class WriteRequest(CustodyAction):
    """Store the encrypted parameters of the work."""

    content: bytes


@dataclass(frozen=True)
class WriteDescription(CustodyAction):
    """Store, encrypted, the description that is in a Dataset's spec."""

    content: bytes


@dataclass(frozen=True)
class SignSummary(CustodyAction):
    """Sign the digest of a Model's wave summary, and store the signature, encrypted."""

    sha256: str
    tenant_uid: str
    dataset: str


@dataclass(frozen=True)
class CreateJob(JobAction):
    """Create the Job. One of this name is a conflict, after which the next pass reads it."""

    manifest: Object


@dataclass(frozen=True)
class RecordJob(JobAction):
    """Record that the Job with this uid ended; repeated, the record has the same id."""

    uid: str
    outcome: Outcome


@dataclass(frozen=True)
class CreateService(JobAction):
    """Create the headless Service of a Job's workers."""

    manifest: Object


@dataclass(frozen=True)
class SuspendJob(JobAction):
    """Suspend or resume the Job."""

    name: str
    suspend: bool


@dataclass(frozen=True)
class DeleteJob(JobAction):
    """Delete the Job and its pods; with `wait`, the Job stays until its pods are gone."""

    name: str
    uid: str
    wait: bool


@dataclass(frozen=True)
class DeleteResource(Action):
    """Delete a custom resource with this uid."""

    key: Key
    uid: str


@dataclass(frozen=True)
class ShredKey(CustodyAction):
    """Remove the wrapped data key; after that, no copy of the bytes can be decrypted."""


@dataclass(frozen=True)
class Erase(CustodyAction):
    """Erase every object of the resource, verify that, record it and certify it to the tenant."""

    expired: bool
    tenant_uid: str


@dataclass(frozen=True)
class LeaveTombstone(Action):
    """Create a tombstone of the resource's Idempotency-Key; an equal one is kept."""

    manifest: Object


@dataclass(frozen=True)
class RecordRead(CustodyAction):
    """Record the digest and size of the object that a Dataset was read from.

    None: the read failed.
    """

    read: ReadSource | None


@dataclass(frozen=True)
class RecordGiven(CustodyAction):
    """Record that the rows of a Dataset are read to be completed, before their Job is there."""

    uid: str
    rows: int | None


@dataclass(frozen=True)
class DiscardArtifacts(CustodyAction):
    """Erase, verify and record all artifacts of a failed Dataset except its failure report.

    `sha256` and `bytes` are those of its upload, None if the upload was incomplete.
    """

    sha256: str | None
    bytes: int | None


@dataclass(frozen=True)
class EraseSource(CustodyAction):
    """Erase, verify and record an artifact from which a Dataset could be read again."""

    artifact: Artifact


@dataclass(frozen=True)
class ReleaseFinalizer(Action):
    """Let kopf remove the finalizer: everything is erased."""


@dataclass(frozen=True)
class LogFailure(Action):
    """Log a failure for support: constants and ids only.

    The pod's own log goes with it, so each failure is logged, also one that is retried.
    """

    reason: str
    message: str
    support: str
    exit_code: int | None
    retried: bool = False


@dataclass(frozen=True)
class EnsureObject(TenantAction):
    """Create or repair an object of the tenant; the manifest may hold credentials."""

    resource: ApiResource
    manifest: Object = field(repr=False)
    exists: bool


@dataclass(frozen=True)
class CreateTenantKey(TenantAction):
    """Create the tenant's key unless there is one; provider None: the installation's first."""

    provider: str | None


@dataclass(frozen=True)
class CheckTenantKey(TenantAction):
    """Prove that the tenant's key (and in mode Customer the customer's) works; keep the result."""

    encryption: Encryption


@dataclass(frozen=True)
class DestroyTenantKey(TenantAction):
    """Record and destroy the tenant's key; write the time to status for the certificate."""


@dataclass(frozen=True)
class DeleteObject(TenantAction):
    """Delete a tenant's namespace or an object in it, with this uid."""

    resource: ApiResource
    namespace: str | None
    name: str
    uid: str


@dataclass(frozen=True)
class RecordDecision(TenantAction):
    """Record that a person approved or denied an AccessRequest."""

    event: EventType
    tenant: str | None


@dataclass(frozen=True)
class RecordSupport(TenantAction):
    """Record the begin of a support access, or its end, unless the log has it already."""

    access: SupportAccess


@dataclass(frozen=True)
class RecordSuspension(TenantAction):
    """Record the begin of a tenant's suspension, or its end, unless the log has it already."""

    suspension: Suspension


@dataclass(frozen=True)
class RegisterClient(TenantAction):
    """Create the client of an AccessRequest at the identity provider; write its id to status."""

    tenant: str


@dataclass(frozen=True)
class RecordTenantErased(TenantAction):
    """Verify that nothing of the tenant is left, record it and certify it."""
