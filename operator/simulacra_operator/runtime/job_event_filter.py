"""Filter of Job events: most do not concern a reconciler."""

from collections.abc import Sequence

from simulacra_crds.kube.client import Object
from simulacra_operator.observed.conditions import has_condition
from simulacra_operator.observed.custom_resource import CustomResource
from simulacra_operator.observed.ended_jobs import job_ended
from simulacra_operator.work.actions import Action, DeleteJob, PatchStatus

MOST = 1000
"""Deletions to ignore that are kept; a forgotten one costs a pass without actions."""
ENDS = ("SuccessCriteriaMet", "FailureTarget", "Complete", "Failed", "Suspended")
"""Conditions of a Job that ends its pods, or has ended them."""


class JobEventFilter:
    """Compares each Job with its last version, by the fields that reconcilers use."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[object, int, frozenset[str]]] = {}
        """By uid: the fields, the number of active pods, and the ended pods that are named."""
        self._ignored: set[str] = set()

    def ignore_deletion(self, uid: str) -> None:
        """Ignore the end of a Job that is being deleted after its resource's work ended."""
        if len(self._ignored) >= MOST:
            self._ignored.clear()
        self._ignored.add(uid)

    def is_relevant(self, body: Object, event: str | None) -> bool:
        """Return whether an event needs a pass. One of a pass's own creation does not."""
        uid, spec, status = body["metadata"]["uid"], body["spec"], body.get("status") or {}
        if event == "DELETED":
            self._last.pop(uid, None)
            if uid in self._ignored:
                self._ignored.remove(uid)
                return False
            return True
        sharded = int(spec.get("completions") or 1) > 1
        facts = (
            job_ended(body),
            body["metadata"].get("deletionTimestamp") is not None,
            bool(spec.get("suspend")),
            status.get("failed") or 0,
            (status.get("succeeded") or 0) if sharded else 0,
            status.get("ready") or 0,
        )
        active = int(status.get("active") or 0)
        uncounted = (status.get("uncountedTerminatedPods") or {}).values()
        ended = frozenset(uid for uids in uncounted for uid in uids)
        last, self._last[uid] = self._last.get(uid), (facts, active, ended)
        if last is None:
            return event != "ADDED" or facts[0] or active > 0
        known, before, told = last
        # A pod whose failure is ignored only leaves: no count and no condition tells of it.
        left = active < before and ended <= told and not has_condition(body, *ENDS)
        return known != facts or left


def last_deletion(resource: CustomResource, actions: Sequence[Action]) -> str | None:
    """Return the uid of the Job whose deletion is the last action ever for a resource, if any."""
    last = actions[-1] if actions else None
    if not isinstance(last, DeleteJob) or resource.deleting:
        return None
    ends = any(isinstance(one, PatchStatus) and one.patch.get("finishedAt") for one in actions)
    return last.uid if ends or resource.finished else None
