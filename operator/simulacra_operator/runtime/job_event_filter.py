"""Which events of Jobs are worth a pass over their owners."""

from __future__ import annotations

from simulacra_crds.kube.client import Object
from simulacra_operator.runtime.job_slots import job_ended

MOST = 1000
"""Jobs being deleted that are kept in mind."""


class JobsSeen:
    """What was last seen of each Job, so far as a reconciler cares: most of its events are about nothing else."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[object, ...]] = {}
        self._over: set[str] = set()

    def over(self, uid: str) -> None:
        """Take note that a Job is being deleted whose owner's work has ended: that it is gone is no news then."""
        if len(self._over) >= MOST:
            self._over.clear()  # what is forgotten costs a pass that finds nothing to do
        self._over.add(uid)

    def news(self, body: Object, event: str | None) -> bool:
        """Return whether an event is worth a pass. A Job without status was just made by a pass of ours."""
        uid, spec, status = body["metadata"]["uid"], body["spec"], body.get("status") or {}
        if event == "DELETED":
            self._seen.pop(uid, None)
            if uid in self._over:
                self._over.remove(uid)
                return False
            return True
        shards = status.get("succeeded") if int(spec.get("completions") or 1) > 1 else None
        going = body["metadata"].get("deletionTimestamp") is not None
        counts = (
            status.get("failed") or 0,
            shards or 0,
            status.get("ready") or 0,
        )  # none and 0 say the same
        facts = (job_ended(body), going, bool(spec.get("suspend")), *counts)
        known = self._seen.get(uid)
        self._seen[uid] = facts
        if known is None:
            return event != "ADDED" or facts[0] or bool(status.get("active"))
        return known != facts
