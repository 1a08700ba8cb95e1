"""From a deletion to nothing left: drain what depends on it, forget the key, erase the bytes, then let go.

The order is what makes it safe: no pod can write once the erasure begins, and the finalizer stays until the bytes
are verified absent and that is on record. Nothing here needs the spec, so that no spec can stand in the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.tasks import TaskResult
from simulacra_crds.kinds.base import LABEL_UID
from simulacra_crds.kube.client import Object
from simulacra_operator.runtime.actions import (
    Action,
    DeleteJob,
    DeleteResource,
    DropKey,
    Erase,
    PatchStatus,
    Release,
)
from simulacra_operator.work import outcome
from simulacra_operator.work.conditions import Finding
from simulacra_operator.work.custom_resource import Subject
from simulacra_operator.work.expiry import deleted_by_expiry
from simulacra_operator.work.observed import Observed
from simulacra_operator.work.status import deletion_status
from simulacra_operator.work.tombstones import remember

WITHOUT_TENANT = "without-tenant"
"""In the place of the tenant's uid when somebody removed a Tenant by force before its resources were gone."""


def reconcile(
    seen: Observed, record: Callable[[Sequence[TaskResult]], tuple[Action, ...]] = lambda _: ()
) -> list[Action]:
    """Return the next steps of a deletion; `record` is what the audit log is to say of work that it cuts off."""
    if not seen.subject.guarded:
        return []  # somebody else's finalizer keeps it; our part is done
    waiting = list(_doomed(seen))
    job = _own_job(seen)
    drained = not waiting and job is None and not seen.pods
    patch = deletion_status(seen, _finding(seen, len(waiting), drained))
    actions: list[Action] = [PatchStatus(patch)] if patch else []
    if not drained:
        actions += [DeleteResource(one.key, one.meta.uid) for one in waiting if not one.deleting]
        if job is not None and job["metadata"].get("deletionTimestamp") is None:
            if not seen.subject.finished:
                actions += record(_results(seen, job))
            actions.append(DeleteJob(seen.job_name, job["metadata"]["uid"], wait=True))
        return actions
    if seen.tenant_name is None:
        return [*actions, Release()]  # outside of every tenant's namespace no byte was ever made
    actions += remember(seen)
    if seen.subject.status.wrapped_key is not None:
        actions.append(DropKey())
    tenant_uid = seen.tenant.meta.uid if seen.tenant is not None else WITHOUT_TENANT
    return [*actions, Erase(by_expiry(seen), tenant_uid), Release()]


def by_expiry(seen: Observed) -> bool:
    """Whether retention ended, of the resource or of the Dataset that takes a Model with it."""
    limit = seen.tenant_spec.max_retention_seconds
    if deleted_by_expiry(seen.subject, limit):
        return True
    return (
        seen.subject.kind == "Model"
        and seen.dataset is not None
        and deleted_by_expiry(seen.dataset, limit)
    )


def _doomed(seen: Observed) -> Iterator[Subject]:
    """Yield the dependants that go first.

    Models go with their Dataset always. Results that are finished have an expiry of their own: they go when a person
    deletes what they came from, and stay when only its time was up.
    """
    spare_finished = by_expiry(seen)
    for one in seen.dependants:
        if one.kind == "Model" or one.deleting or not (spare_finished and one.finished):
            yield one


def _own_job(seen: Observed) -> Object | None:
    job = seen.job
    if job is None or job["metadata"].get("labels", {}).get(LABEL_UID) != seen.subject.meta.uid:
        return None
    return job


def _results(seen: Observed, job: Object) -> Sequence[TaskResult]:
    """Return what a Job that nobody looked at any more has found; nothing unless it ended well."""
    state = outcome.judge(job, seen.pods, int(job["spec"].get("completions") or 1), seen.now)
    return state.results if isinstance(state, outcome.Succeeded) else ()


def _finding(seen: Observed, waiting: int, drained: bool) -> Finding:
    if seen.fault is not None:
        message = f"the {seen.fault.value} refused; nothing is let go before the bytes are verified absent"
        return Finding("False", Reason.ERASURE_BLOCKED, message)
    if drained:
        return Finding("False", Reason.ERASING)
    return Finding(
        "False",
        Reason.DRAINING,
        f"waiting for {waiting} dependent resources and for running pods to go",
    )
