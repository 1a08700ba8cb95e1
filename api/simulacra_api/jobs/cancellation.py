"""Cancelling: the work is suspended, for good, and its job ends as failed with the code
simio_cancelled.

The resource stays until it expires or is deleted, so that whoever polls is told how the job ended
(a 404 would say that it never was), and so that the Idempotency-Key stays used. Suspending takes
the pods off the machine at once. The annotation decides: work that ends in the very moment of its
cancellation counts as cancelled too, since a job that was said to have failed must not come back.
"""

from __future__ import annotations

from simulacra_api.http.problems import Problem
from simulacra_api.jobs.service import JobBody, find_job, stage_of
from simulacra_api.tenancy.audit import record
from simulacra_api.tenancy.repository import (
    CANCELLED,
    TenantRepository,
    Work,
    is_cancelled,
    status_of,
)
from simulacra_crds.contract.names import model_name, resource_of_job
from simulacra_crds.kinds.base import utcnow
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.effect_estimate import EffectEstimate
from simulacra_crds.kinds.generation_job import GenerationJob
from simulacra_crds.kinds.model import Model
from simulacra_crds.kube.client import CUSTOM, Conflict, NotFound, Object
from simulacra_custody.audit.event import EventType

ATTEMPTS = 10
_KINDS: dict[str, type[GenerationJob] | type[EffectEstimate]] = {
    "gen-": GenerationJob,
    "eff-": EffectEstimate,
}


async def cancel(repository: TenantRepository, job_id: str) -> JobBody:
    """Cancel a job and return it; the same again for one that is cancelled.

    Raises:
        Problem: 404 for no job, 409 for one that has ended.
    """
    await find_job(repository, job_id)
    name = resource_of_job(job_id) or ""
    kind = _KINDS.get(name[:4])
    if kind is not None:
        await _cancel_result(repository, kind, name)
    else:
        await _cancel_dataset(repository, name)
    await repository.services.cache.settle()
    return await find_job(repository, job_id)


async def _cancel_result(
    repository: TenantRepository, kind: type[GenerationJob] | type[EffectEstimate], name: str
) -> None:
    for _ in range(ATTEMPTS):
        work = await repository.find(kind, name, fresh=True)
        if work is None:
            raise Problem("simio_job_not_found")
        if is_cancelled(work):
            return
        if status_of(work) not in ("queued", "running"):
            raise Problem("simio_job_finished")
        if await _give_up(repository, work):
            return
    raise Problem("simio_unavailable")


async def _cancel_dataset(repository: TenantRepository, name: str) -> None:
    """Cancel what is left to do of preparing and fitting."""
    for _ in range(ATTEMPTS):
        dataset = await repository.dataset(name, fresh=True)
        model = await repository.find(Model, model_name(name), fresh=True)
        if is_cancelled(dataset) or (model is not None and is_cancelled(model)):
            return
        if stage_of(dataset, model)[0] not in ("queued", "running"):
            raise Problem("simio_job_finished")
        work: Dataset | Model = dataset if model is None or status_of(dataset) != "ready" else model
        if await _give_up(repository, work):
            return
    raise Problem("simio_unavailable")


async def _give_up(repository: TenantRepository, work: Work) -> bool:
    """Suspend and mark a work as it was read; False when it has changed meanwhile. The record comes first."""
    data = repository.caller.audit_data(kind=type(work).PLURAL, uid=work.metadata.uid)
    await record(repository.services.audit, EventType.RESOURCE_CANCELLED, data)
    marked = {
        "resourceVersion": work.metadata.resource_version,
        "annotations": {CANCELLED: utcnow().isoformat()},
    }
    patch: Object = {"metadata": marked, "spec": {"suspend": True}}
    try:
        resource, namespace = CUSTOM[type(work).__name__], repository.caller.namespace
        await repository.services.cluster.patch(resource, work.metadata.name, patch, namespace)
    except (Conflict, NotFound):
        return False
    return True
