"""Bodies of a tenant's quotas, audit events and support access."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, create_model

from simulacra_api.account.audit_cursor import AuditCursor
from simulacra_api.http.pagination import ListQuery, Page
from simulacra_crds.registry import WITH_JOB
from simulacra_custody.audit.event import EventType
from simulacra_schema.base import optional


class Gauge(BaseModel):
    """One quota."""

    used: int
    limit: int
    window_seconds: int | None = optional("Absent for a quota of what exists now.")


class _Quotas(BaseModel):
    requests: Gauge
    rows: Gauge = Field(description="Rows requested, with those of deleted generations.")
    stored_bytes: Gauge
    running_jobs: Gauge
    unfinished_jobs: Gauge = Field(description="Running and waiting.")


_COUNTS: dict[str, Any] = {info.collection: (int, ...) for info in WITH_JOB}


class UsageBody(create_model("_Counts", __base__=_Quotas, **_COUNTS)):  # type: ignore[misc]
    """The tenant's quotas and their use."""


SupportId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,128}$")]


class AuditQuery(ListQuery):
    """Filters of the list of audit events."""

    cursor: AuditCursor | None = optional(
        "`next_cursor` of the page before; opaque, of the same tenant."
    )
    type: EventType | None = optional("Only events of this type.")
    reads: bool = Field(
        default=True, description="`false`: without reads of content, so what changed stands alone."
    )
    support_id: SupportId | None = optional(
        "Only events of the resource with this support id or uid, or of the request "
        "with this `request_id`."
    )
    order: Literal["newest", "oldest"] = Field(
        default="newest", description="Which events come first. Take `oldest` to follow the log."
    )
    format: Literal["simulacra", "ocsf"] = Field(
        default="simulacra",
        description="`ocsf`: items are API Activity events of OCSF 1.8.0, for a SIEM.",
    )


class AuditEventBody(BaseModel):
    """One record: who did what to which resource, with what outcome.

    `uid` stays the same for the life of a resource; its id can be used again.
    """

    id: str
    time: datetime
    type: EventType
    source: str
    outcome: str
    client: str | None = None
    request_id: str | None = None
    kind: str | None = None
    uid: str | None = None
    support_id: str | None = optional("That of the resource's job.")
    operation: str | None = optional("operationId of the request, of a use of support access.")
    artefact: str | None = None
    sha256: str | None = None
    counts: dict[str, int] | None = None
    expires_at: datetime | None = None


class AuditIntegrity(BaseModel):
    """What the operator's check of the whole audit log found."""

    status: Literal["intact", "unchecked", "corrupt"] = Field(
        description="corrupt: the log was changed. What is listed may be false, and no checkpoint "
        "is signed. unchecked: no whole check has ended yet."
    )
    checked_events: int | None = optional(
        "Events that the last whole check covered, of all tenants."
    )
    checked_at: datetime | None = optional("When it ended.")
    kept_days: int = Field(description="For how many days records are kept.")
    pruned_until: datetime | None = optional(
        "Records from before this time were deleted; absent: none was."
    )


class AuditEventList(Page):
    """A page of audit events, newest first.

    It may have fewer items than `limit`, or none, and still have a next page.
    """

    items: list[AuditEventBody] | list[dict[str, Any]]
    integrity: AuditIntegrity
    resume_cursor: str | None = optional(
        "With `order=oldest`: `cursor` of the next request, also after the last page; "
        "events that are written meanwhile follow."
    )
    events_skipped: bool = Field(
        default=False,
        description="With `order=oldest`: events after `cursor` were pruned before they were "
        "read. The page begins with the first that is left, see `integrity.pruned_until`.",
    )


class SupportAccessBody(BaseModel):
    """A person of the operator with support access, now or before."""

    support_access_id: str = Field(description="`uid` of its audit events.")
    status: Literal["open", "ended"]
    person: str = Field(description="As the operator named the person.")
    client: str = Field(description="The person in audit events.")
    reason: str
    opened_at: datetime
    ends_at: datetime = Field(description="When it ends by itself.")
    ended_at: datetime | None = None


class SupportAccessList(BaseModel):
    """Support access, newest first; the audit events have what is no longer here."""

    items: list[SupportAccessBody]
