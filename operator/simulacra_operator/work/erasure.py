"""Deletion of a resource: drain dependants, shred the key, erase the bytes, release the finalizer.

The order makes it safe. No pod can write once the erasure begins, and the finalizer stays until the
bytes are verified absent and that is on record. The spec is not used, so an invalid one is no
obstacle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.tasks import TaskResult
from simulacra_crds.kube.client import Object
from simulacra_operator.work import outcome
from simulacra_operator.work.actions import (
    Action,
    DeleteJob,
    DeleteResource,
    Erase,
    PatchStatus,
    ReleaseFinalizer,
    ShredKey,
)
from simulacra_operator.work.conditions import Finding
from simulacra_operator.work.custom_resource import CustomResource
from simulacra_operator.work.expiry import deleted_by_expiry
from simulacra_operator.work.observe import Observed
from simulacra_operator.work.status import deletion_status
from simulacra_operator.work.tombstones import tombstone

WITHOUT_TENANT = "without-tenant"
"""Stands for the tenant's uid when its Tenant was removed by force before its resources."""


def reconcile(
    seen: Observed, record: Callable[[Sequence[TaskResult]], tuple[Action, ...]] = lambda _: ()
) -> list[Action]:
    """Return the next steps of a deletion; `record` returns audit records of interrupted work."""
    if not seen.resource.guarded:
        return []  # another finalizer keeps it; our part is done
    waiting = list(_dependants(seen))
    job = seen.own_job
    drained = not waiting and job is None and not seen.pods
    patch = deletion_status(seen, _finding(seen, len(waiting), drained))
    actions: list[Action] = [PatchStatus(patch)] if patch else []
    if not drained:
        actions += [DeleteResource(one.key, one.meta.uid) for one in waiting if not one.deleting]
        if job is not None and job["metadata"].get("deletionTimestamp") is None:
            if not seen.resource.finished:
                actions += record(_results(seen, job))
            actions.append(DeleteJob(seen.job_name, job["metadata"]["uid"], wait=True))
        return actions
    if seen.tenant_name is None:
        return [*actions, ReleaseFinalizer()]  # no byte is stored outside of tenants' namespaces
    actions += tombstone(seen)
    if seen.resource.status.wrapped_key is not None:
        actions.append(ShredKey())
    tenant_uid = seen.tenant.meta.uid if seen.tenant is not None else WITHOUT_TENANT
    return [*actions, Erase(by_expiry(seen), tenant_uid), ReleaseFinalizer()]


def by_expiry(seen: Observed) -> bool:
    """Return whether the retention of the resource, or of a Model's Dataset, ended."""
    limit = seen.tenant_spec.max_retention_seconds
    dataset = seen.dataset if seen.resource.kind == "Model" else None
    return deleted_by_expiry(seen.resource, limit) or (
        dataset is not None and deleted_by_expiry(dataset, limit)
    )


def _dependants(seen: Observed) -> Iterator[CustomResource]:
    """Yield the dependants to delete first.

    Models are deleted with their Dataset. Finished results have their own expiry: they are deleted
    when a person deletes their ancestor, and stay when it only expired.
    """
    spare_finished = by_expiry(seen)
    for one in seen.dependants:
        if one.kind == "Model" or one.deleting or not (spare_finished and one.finished):
            yield one


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
