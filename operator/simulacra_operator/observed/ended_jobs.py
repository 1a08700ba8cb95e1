"""Ended Jobs as their last event showed them, so that the pass it starts need not read them.

A Job that has ended changes no more: it is only deleted, and a deletion of its uid may be repeated.
"""

from __future__ import annotations

from simulacra_crds.kube.client import Object

MOST = 1000
"""Ended Jobs that are kept; one more is read from the API server."""


class EndedJobs:
    """Takes each Job from its event to the one pass that needs it."""

    def __init__(self) -> None:
        self._jobs: dict[tuple[str, str], Object] = {}

    def note(self, body: Object, *, gone: bool) -> None:
        """Keep a Job that has ended, and drop one that is deleted."""
        meta = body["metadata"]
        place = (meta.get("namespace", ""), meta["name"])
        if gone or meta.get("deletionTimestamp") is not None:
            self._jobs.pop(place, None)
        elif job_ended(body) and len(self._jobs) < MOST:
            self._jobs[place] = body

    def take(self, namespace: str | None, name: str) -> Object | None:
        """Return a Job that has ended, once; the next pass reads it."""
        return self._jobs.pop((namespace or "", name), None)


def job_ended(job: Object) -> bool:
    """Return whether a Job is complete or has failed."""
    conditions = job.get("status", {}).get("conditions") or []
    return any(
        one["type"] in ("Complete", "Failed") and one["status"] == "True" for one in conditions
    )
