"""When a resource is due to be deleted, from facts alone, so that it survives restarts and clock changes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.storage_usage import UPLOAD_TIMEOUT
from simulacra_crds.kinds.base import (
    ANNOTATION_UPLOAD_LEASE,
    ANNOTATION_UPLOAD_STARTED,
    DEFAULT_RETENTION_SECONDS,
    WorkStatus,
    expires_at,
)
from simulacra_operator.work.custom_resource import Subject

UPLOAD_STARTED = ANNOTATION_UPLOAD_STARTED
"""Annotation by which the API says when an upload began (RFC 3339)."""
UPLOAD_LEASE = ANNOTATION_UPLOAD_LEASE
"""Annotation that the API renews while bytes arrive: the writer's nonce, a space, the time (RFC 3339)."""
PROMPT = timedelta(seconds=5)
"""A deletion asked for so shortly before the expiry counts as one: it is stamped by a clock that is not ours."""
_FROM_CREATION = ("Dataset", "Model")


class Due(NamedTuple):
    """A deletion that is to come, and why."""

    at: datetime
    reason: Reason


def expiry(subject: Subject, max_retention_s: int) -> datetime:
    """Return when the bytes of a resource expire; a spec that does not parse gets the default retention."""
    retention = subject.spec.retention_seconds if subject.spec else DEFAULT_RETENTION_SECONDS
    finished = None if subject.kind in _FROM_CREATION else subject.status.finished_at
    return expires_at(subject.created, finished, min(retention, max_retention_s))


def due(subject: Subject, max_retention_s: int) -> Due:
    """Return the next deletion of a resource: its expiry, or the end of the time an upload may take."""
    end = Due(expiry(subject, max_retention_s), Reason.EXPIRED)
    source = subject.spec.source if subject.kind == "Dataset" and subject.spec is not None else None
    if source is None or source.type != "Upload" or source.sha256 is not None:
        return end
    abandoned = Due(_upload_alive(subject) + UPLOAD_TIMEOUT, Reason.UPLOAD_ABANDONED)
    return min(end, abandoned, key=lambda one: one.at)


def deleted_by_expiry(subject: Subject, max_retention_s: int) -> bool:
    """Whether a resource that is being deleted had expired when its deletion was asked for.

    What status said counts as well: a retention extended during the deletion changes nothing. A person who deletes
    in the last seconds is taken for the expiry, which spares finished results: they have an expiry of their own.
    """
    asked = subject.meta.deletion_timestamp
    if asked is None:
        return False
    stated: WorkStatus = subject.status
    last = asked + PROMPT
    return expiry(subject, max_retention_s) <= last or (
        stated.expires_at is not None and stated.expires_at <= last
    )


def _upload_alive(subject: Subject) -> datetime:
    """Return when an upload was last seen to go on: its creation, its beginning, the renewal of its lease."""
    notes = subject.meta.annotations
    stated = (notes.get(UPLOAD_STARTED, ""), notes.get(UPLOAD_LEASE, "").partition(" ")[2])
    return max([subject.created, *(time for text in stated if (time := _time(text)) is not None)])


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else None
