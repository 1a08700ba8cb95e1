"""Audit records: a closed set of event types and fields, in a CloudEvents envelope.

A record has no field for rows, column names, levels, conditions, secrets, tokens or keys. An
unknown field is an error, and each text field is an identifier without spaces.
"""

import uuid
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    Field,
    NonNegativeInt,
    StringConstraints,
    ValidationError,
)

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,252}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class EventType(StrEnum):
    """Every audited event, as CloudEvents ``type``."""

    ACCESS_REQUESTED = "dev.simulacra.access.requested"
    ACCESS_APPROVED = "dev.simulacra.access.approved"
    ACCESS_DENIED = "dev.simulacra.access.denied"
    TENANT_SUSPENDED = "dev.simulacra.tenant.suspended"
    TENANT_RESUMED = "dev.simulacra.tenant.resumed"
    TENANT_ERASED = "dev.simulacra.tenant.erased"
    KEY_CREATED = "dev.simulacra.key.created"
    KEY_CHECKED = "dev.simulacra.key.checked"
    KEY_ROTATED = "dev.simulacra.key.rotated"
    KEY_RETIRED = "dev.simulacra.key.retired"
    KEY_DESTROYED = "dev.simulacra.key.destroyed"
    TOKEN_ISSUED = "dev.simulacra.token.issued"  # noqa: S105 - an event's name
    TOKEN_REFUSED = "dev.simulacra.token.refused"  # noqa: S105 - an event's name
    CREDENTIAL_APPROVED = "dev.simulacra.credential.approved"
    CREDENTIAL_OFFERED = "dev.simulacra.credential.offered"
    CREDENTIAL_CLAIMED = "dev.simulacra.credential.claimed"
    CREDENTIAL_REFUSED = "dev.simulacra.credential.refused"
    SUPPORT_OPENED = "dev.simulacra.support.opened"
    SUPPORT_USED = "dev.simulacra.support.used"
    SUPPORT_ENDED = "dev.simulacra.support.ended"
    WEBHOOK_CREATED = "dev.simulacra.webhook.created"
    WEBHOOK_DELETED = "dev.simulacra.webhook.deleted"
    RESOURCE_CREATED = "dev.simulacra.resource.created"
    RESOURCE_EXTENDED = "dev.simulacra.resource.extended"
    RESOURCE_CANCELLED = "dev.simulacra.resource.cancelled"
    RESOURCE_DELETED = "dev.simulacra.resource.deleted"
    RESOURCE_EXPIRED = "dev.simulacra.resource.expired"
    RESOURCE_ERASED = "dev.simulacra.resource.erased"
    JOB_STARTED = "dev.simulacra.job.started"
    JOB_ENDED = "dev.simulacra.job.ended"
    JOB_STOPPED = "dev.simulacra.job.stopped"
    SOURCE_READ = "dev.simulacra.source.read"
    ARTEFACT_WRITTEN = "dev.simulacra.artefact.written"
    ARTEFACT_READ = "dev.simulacra.artefact.read"
    ARTEFACT_ERASED = "dev.simulacra.artefact.erased"
    ORPHANS_SWEPT = "dev.simulacra.orphans.swept"
    CANARY_SEARCHED = "dev.simulacra.canary.searched"
    AUDIT_ACCEPTED = "dev.simulacra.audit.accepted"
    AUDIT_PRUNED = "dev.simulacra.audit.pruned"


class Outcome(StrEnum):
    """Result of the audited action."""

    SUCCESS = "success"
    REFUSED = "refused"
    FAILED = "failed"


class Component(StrEnum):
    """The recording component, as CloudEvents ``source``."""

    API = "/simulacra/api"
    OPERATOR = "/simulacra/operator"


class _Closed(BaseModel, extra="forbid", frozen=True, hide_input_in_errors=True):
    """An invalid value may be one that must not be written down, so errors do not repeat it."""


class Counts(_Closed):
    """Sizes that reveal nothing about content."""

    objects: NonNegativeInt | None = None
    bytes: NonNegativeInt | None = None
    rows: NonNegativeInt | None = None
    columns: NonNegativeInt | None = None


class AuditData(_Closed):
    """The lifecycle fields of a record.

    Attributes:
        client: id of the tenant's client, or the Kubernetes user that acted.
        request: id of the API request.
        kind: lower-case plural of the resource's kind.
        artefact: name of the artifact.
        sha256: digest of the artifact's plaintext.
        counts: sizes.
        expires_at: when the resource now expires.
        support: support id of the resource, of a Job's record.
        operation: operationId of the request in the OpenAPI document.
    """

    outcome: Outcome = Outcome.SUCCESS
    tenant: Identifier | None = None
    client: Identifier | None = None
    request: Identifier | None = None
    kind: Identifier | None = None
    uid: Identifier | None = None
    artefact: Identifier | None = None
    sha256: Sha256 | None = None
    counts: Counts | None = None
    expires_at: AwareDatetime | None = None
    support: Identifier | None = None
    operation: Identifier | None = None


class AuditEvent(_Closed):
    """A record as a CloudEvent 1.0 in JSON: ``AuditEvent(type=..., source=..., data=...)``."""

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(default_factory=lambda: str(uuid.uuid4()), pattern=r"^[0-9a-f-]{36}$")
    type: EventType
    source: Component
    time: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    datacontenttype: Literal["application/json"] = "application/json"
    data: AuditData

    def line(self) -> bytes:
        """Return the bytes to store and hash: one line of JSON without its newline."""
        return self.model_dump_json(exclude_none=True).encode()


class LaterEvent(BaseModel, frozen=True, hide_input_in_errors=True):
    """A record of a type that a later release writes; the log has such ones after a rollback."""

    type: str = Field(pattern=r"^dev\.simulacra\.[a-z.]+$")
    time: AwareDatetime
    data: dict[str, Any]


_TYPES = frozenset(one.value for one in EventType)


def read_event(line: bytes) -> AuditEvent | LaterEvent:
    """Return the event of a stored line. Raises ValidationError, which repeats no value of it."""
    try:
        return AuditEvent.model_validate_json(line)
    except ValidationError:
        later = LaterEvent.model_validate_json(line)
        if later.type in _TYPES:
            raise
        return later
