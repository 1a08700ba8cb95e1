"""Deletion of a resource: drain dependants, shred the key, erase the bytes, release the finalizer.

A deletion that somebody requested takes the results of a Dataset or Model with it. An expiry takes
none: finished results live on, and the work of the others ends first.

The order makes it safe. No pod can write once the erasure begins, and the finalizer stays until the
bytes are verified absent and that is on record. The spec is not used, so an invalid one is no
obstacle.
"""

from collections.abc import Callable, Sequence

from simulacra_crds.kinds.base import LABEL_DATASET, LABEL_GIVEN
from simulacra_crds.kube.client import Object
from simulacra_crds.reasons import Reason
from simulacra_crds.tasks import TaskResult
from simulacra_operator.observed.conditions import Finding
from simulacra_operator.observed.custom_resource import CustomResource
from simulacra_operator.observed.observe import Observed
from simulacra_operator.work import actions as act
from simulacra_operator.work import outcome
from simulacra_operator.work.expiry import ended_by_expiry
from simulacra_operator.work.status import deletion_status
from simulacra_operator.work.tombstones import tombstone

WITHOUT_TENANT = "without-tenant"
"""Stands for the tenant's uid when its Tenant was removed by force before its resources."""


def reconcile(
    seen: Observed, record: Callable[[Sequence[TaskResult]], tuple[act.Action, ...]] = lambda _: ()
) -> list[act.Action]:
    """Return the next steps of a deletion; `record` returns audit records of interrupted work."""
    if not seen.resource.guarded:
        return []  # another finalizer keeps it; our part is done
    waiting = [one for one in seen.dependants if not _outlives(seen, one)]
    job = seen.own_job
    drained = not waiting and job is None and not seen.pods
    patch = deletion_status(seen, _finding(seen, len(waiting), drained))
    actions: list[act.Action] = [act.PatchStatus(patch)] if patch else []
    if not drained:
        actions += [act.DeleteResource(one.key, one.meta.uid) for one in _to_delete(seen, waiting)]
        if job is not None and job["metadata"].get("deletionTimestamp") is None:
            if not seen.resource.finished:
                actions += record(_results(seen, job))
            actions.append(act.DeleteJob(seen.job_name, job["metadata"]["uid"], wait=True))
        return actions
    if seen.tenant_name is None:  # no byte is stored outside of tenants' namespaces
        return [*actions, act.ReleaseFinalizer()]
    actions += tombstone(seen)
    if seen.resource.status.wrapped_key is not None:
        actions.append(act.ShredKey())
    tenant_uid = seen.tenant.meta.uid if seen.tenant is not None else WITHOUT_TENANT
    return [*actions, act.Erase(by_expiry(seen), tenant_uid), act.ReleaseFinalizer()]


def by_expiry(seen: Observed) -> bool:
    """Return whether the retention of the resource, or of a Model's Dataset, ended."""
    dataset = seen.dataset if seen.resource.kind == "Model" else None
    return ended_by_expiry(seen.resource, dataset, seen.tenant_spec.max_retention_seconds)


def _outlives(seen: Observed, one: CustomResource) -> bool:
    """Return whether a dependant stays: a finished result, when its ancestor expired.

    One that the garbage collector would still delete with its Model does not count yet: its own
    pass removes the owner reference.
    """
    kept = one.kind != "Model" and one.finished and not one.deleting and not one.collected
    return kept and by_expiry(seen)


def _to_delete(seen: Observed, waiting: Sequence[CustomResource]) -> list[CustomResource]:
    """Return the dependants to delete now.

    On expiry, a Model's results are waited for: they end by themselves. A result that is left when
    a Dataset has no Model any more would not, unless its rows are given to another one's.
    """
    alive = [one for one in waiting if not one.deleting]
    if not by_expiry(seen):
        return alive
    models = [one for one in waiting if one.kind == "Model"]
    if models or seen.resource.kind == "Model":
        return [one for one in alive if one.kind == "Model"]
    return [one for one in alive if not one.finished and not _is_given(seen, one)]


def _is_given(seen: Observed, one: CustomResource) -> bool:
    """Return whether a dependant only completes rows of a Dataset; its gate ends it on expiry."""
    labels, name = one.meta.labels, seen.resource.meta.name
    return labels.get(LABEL_GIVEN) == name and labels.get(LABEL_DATASET) != name


def _results(seen: Observed, job: Object) -> Sequence[TaskResult]:
    """Return the results of a Job that succeeded unobserved, else none."""
    state = outcome.judge(job, seen.pods, int(job["spec"].get("completions") or 1), seen.now)
    return state.results if isinstance(state, outcome.Succeeded) else ()


def _finding(seen: Observed, waiting: int, drained: bool) -> Finding:
    if seen.fault is not None:
        message = f"{seen.fault.failed} The resource stays until its bytes are verified absent."
        return Finding("False", Reason.ERASURE_BLOCKED, message)
    if drained:
        return Finding("False", Reason.ERASING)
    message = f"Waiting for {waiting} dependent resources and for running pods to be deleted."
    return Finding("False", Reason.DRAINING, message)
