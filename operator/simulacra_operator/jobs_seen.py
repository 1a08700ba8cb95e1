"""Which events of Jobs are worth a pass over their owners."""

from __future__ import annotations

from simulacra_crds.cluster import Object
from simulacra_operator.places import job_ended


class JobsSeen:
    """What was last seen of each Job, so far as a reconciler cares: most of its events are about nothing else."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[object, ...]] = {}

    def news(self, body: Object, event: str | None) -> bool:
        """Return whether an event is worth a pass. A Job without status was just made by a pass of ours."""
        uid, spec, status = body["metadata"]["uid"], body["spec"], body.get("status") or {}
        if event == "DELETED":
            self._seen.pop(uid, None)
            return True
        shards = status.get("succeeded") if int(spec.get("completions") or 1) > 1 else None
        going = body["metadata"].get("deletionTimestamp") is not None
        facts = (job_ended(body), going, bool(spec.get("suspend")), status.get("failed"), shards, status.get("ready"))
        known = self._seen.get(uid)
        self._seen[uid] = facts
        if known is None:
            return event != "ADDED" or facts[0] or bool(status.get("active"))
        return known != facts
