"""What is kept of Jobs from event to pass, and from pass to pass.

A Job that has ended changes no more: it is only deleted, and a deletion of its uid may be repeated.
So the pass that its last event starts need not read it. A drained pod is soon gone, and its Job
counts no failure: it is missed among the pods of the last pass.
"""

from collections.abc import Iterable

from simulacra_crds.kube.client import Object
from simulacra_operator.observed.conditions import has_condition
from simulacra_operator.observed.stored_results import ended_states

MOST = 1000
"""Of each, Jobs that are kept: one more that has ended is read from the API server, and a forgotten
one that runs costs the line of a pod that is missed."""


class EndedJobs:
    """Jobs that have ended, from event to pass; of the others the live pods, from pass to pass."""

    def __init__(self) -> None:
        self._jobs: dict[tuple[str, str], Object] = {}
        self._alive: dict[str, set[str]] = {}

    def note(self, body: Object, *, gone: bool) -> None:
        """Keep a Job that has ended, and drop one that is deleted."""
        meta = body["metadata"]
        if gone:
            self._alive.pop(meta["uid"], None)
        place = (meta.get("namespace", ""), meta["name"])
        if gone or meta.get("deletionTimestamp") is not None:
            self._jobs.pop(place, None)
        elif job_ended(body) and len(self._jobs) < MOST:
            self._jobs[place] = body

    def take(self, namespace: str | None, name: str) -> Object | None:
        """Return a Job that has ended, once; the next pass reads it."""
        return self._jobs.pop((namespace or "", name), None)

    def misses(self, job: Object, pods: Iterable[Object]) -> bool:
        """Return whether a pod that was alive in the last pass was deleted before its end."""
        alive = {
            pod["metadata"]["uid"]
            for pod in pods
            if pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
            and pod["metadata"].get("deletionTimestamp") is None
        }
        read = {pod["metadata"]["uid"] for pod in pods if ended_states(pod)}
        uid = job["metadata"]["uid"]
        before = self._alive.pop(uid, set())
        if len(self._alive) >= MOST:  # of Jobs whose deletion no event told
            self._alive.clear()
        self._alive[uid] = alive
        return not before <= alive | read


def job_ended(job: Object) -> bool:
    """Return whether a Job is complete or has failed."""
    return has_condition(job, "Complete", "Failed")
