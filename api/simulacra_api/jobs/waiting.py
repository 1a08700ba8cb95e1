"""Why nothing works on a job, in words."""

from datetime import timedelta

from simulacra_api.tenancy.repository import is_deleting, status_of
from simulacra_crds.kinds.base import WorkResource, utcnow
from simulacra_crds.reasons import Reason

UNSEEN = timedelta(seconds=60)
"""The operator gives a new resource its phase within seconds; after this it counts as absent."""
_SENTENCES: dict[str, str] = {
    Reason.AWAITING_QUOTA: "The quota of concurrent jobs or of stored bytes is used up."
    " It starts when others have ended, or something is deleted.",
    Reason.QUEUED_BY_KUEUE: "It waits in a queue of the cluster until there is room.",
    Reason.SUSPENDED: "It is suspended, or its tenant is. Ask the people who run the service.",
    Reason.AWAITING_TENANT: "The tenant is not ready. Ask the people who run the service.",
    Reason.POD_NOT_STARTING: "Its pod does not start. Ask the people who run the service.",
    Reason.SOURCE_SECRET_MISSING: "The access to its source is missing, so its pod does not start."
    " Ask the people who run the service.",
    Reason.CUSTODY_UNAVAILABLE: "The store, the keys or the audit log of the service do not answer."
    " It starts when they do.",
}


def waiting_reason(resource: WorkResource) -> str | None:
    """Return why nothing works on a resource, None if something does or its job has ended.

    The API sees no heartbeat of the operator. A resource that still has no phase after a minute
    shows that it is absent; one that the operator saw before it went away does not.
    """
    status = resource.status
    if status_of(resource) not in ("queued", "running") or is_deleting(resource):
        return None
    created = resource.metadata.creation_timestamp
    if status.phase is None and created is not None and utcnow() - created > UNSEEN:
        since = f"{created:%Y-%m-%d %H:%M} UTC"
        absent = "the operator of the service is away or overloaded. It starts once it is seen."
        return f"Nothing has worked on it since {since}: {absent}"
    reasons = (one.reason for one in status.conditions if one.type == "Ready")
    return _SENTENCES.get(next(reasons, ""))
