"""When a resource is due for deletion, computed from the resource alone.

Nothing is kept in memory, so restarts and clock changes have no effect.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from simulacra_crds.kinds.base import (
    ANNOTATION_DELETED,
    ANNOTATION_UPLOAD_LEASE,
    ANNOTATION_UPLOAD_STARTED,
    DEFAULT_RETENTION_SECONDS,
    WorkStatus,
    expires_at,
)
from simulacra_crds.reasons import Reason
from simulacra_crds.storage_usage import UPLOAD_TIMEOUT
from simulacra_operator.observed.custom_resource import CustomResource

TOLERANCE = timedelta(seconds=5)
"""A deletion this shortly before the expiry counts as one: the API server's clock stamps it."""
_FROM_CREATION = ("Dataset", "Model")


class Due(NamedTuple):
    """Time of and reason for the next deletion."""

    at: datetime
    reason: Reason


def expiry(resource: CustomResource, max_retention_s: int) -> datetime:
    """Return when the bytes of a resource expire; an invalid spec gets the default retention."""
    retention = resource.spec.retention_seconds if resource.spec else DEFAULT_RETENTION_SECONDS
    finished = None if resource.kind in _FROM_CREATION else resource.status.finished_at
    return expires_at(resource.created, finished, min(retention, max_retention_s))


def due(resource: CustomResource, max_retention_s: int) -> Due:
    """Return the next deletion of a resource: its expiry, or the timeout of its upload."""
    end = Due(expiry(resource, max_retention_s), Reason.EXPIRED)
    if resource.kind != "Dataset" or resource.spec is None:
        return end
    source = resource.spec.source
    if source.type != "Upload" or source.sha256 is not None:
        return end
    abandoned = Due(_upload_active(resource) + UPLOAD_TIMEOUT, Reason.UPLOAD_ABANDONED)
    return min(end, abandoned, key=lambda one: one.at)


def ended_by_expiry(
    resource: CustomResource, dataset: CustomResource | None, max_retention_s: int
) -> bool:
    """Return whether a resource was deleted because it, or a Model's Dataset, had expired.

    A deletion through the API never counts as an expiry. With kubectl, one in the last seconds
    does: it spares finished results, which have their own expiry.
    """
    ones = [one for one in (resource, dataset) if one is not None]
    if any(ANNOTATION_DELETED in one.meta.annotations for one in ones):
        return False
    return any(_expired(one, max_retention_s) for one in ones)


def _expired(resource: CustomResource, max_retention_s: int) -> bool:
    """Return whether a resource had expired when its deletion was requested.

    The expiry in status counts as well: extending the retention during a deletion has no effect.
    """
    requested = resource.meta.deletion_timestamp
    if requested is None:
        return False
    stated: WorkStatus = resource.status
    last = requested + TOLERANCE
    return expiry(resource, max_retention_s) <= last or (
        stated.expires_at is not None and stated.expires_at <= last
    )


def _upload_active(resource: CustomResource) -> datetime:
    """Return the last sign of an upload: its creation, its start or the renewal of its lease."""
    notes = resource.meta.annotations
    started = notes.get(ANNOTATION_UPLOAD_STARTED, "")
    renewed = notes.get(ANNOTATION_UPLOAD_LEASE, "").partition(" ")[2]
    times = (_time(started), _time(renewed))
    return max([resource.created, *(time for time in times if time is not None)])


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else None
