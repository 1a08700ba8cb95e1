"""Cancellation: suspend a job for good; it ends as failed with the code simio_cancelled.

The resource stays until it expires or is deleted. So a client that polls learns how the job ended
instead of getting a 404, and the Idempotency-Key stays used. Suspending stops the pods at once. The
annotation decides: a job that ends while it is being cancelled counts as cancelled, because a job
that was reported as failed must not become ready.
"""

from simulacra_api.http.problems import Problem
from simulacra_api.jobs.schemas import JobBody
from simulacra_api.jobs.service import find_job, stage_of
from simulacra_api.tenancy.repository import CANCELLED, TenantRepository, is_cancelled, status_of
from simulacra_crds.kinds.base import WorkResource, utcnow
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.model import Model
from simulacra_crds.kube.client import CUSTOM, Conflict, NotFound, Object
from simulacra_crds.names import model_name, resource_of_job
from simulacra_crds.registry import RESULTS
from simulacra_custody.audit.event import EventType

ATTEMPTS = 10


async def cancel(repository: TenantRepository, job_id: str) -> JobBody:
    """Cancel a job and return it; a job that is already cancelled is returned as it is.

    Raises:
        Problem: 404 for an unknown job, 409 for one that has ended.
    """
    await find_job(repository, job_id)
    kind, name = resource_of_job(job_id) or ("", "")
    for _ in range(ATTEMPTS):
        running = await _running(repository, kind, name)
        if running is None or await _suspend(repository, running):
            await repository.services.cache.settle()
            return await find_job(repository, job_id)
    raise Problem("simio_unavailable")


async def _running(repository: TenantRepository, kind: str, name: str) -> WorkResource | None:
    """Return the resource whose job is to be suspended, None when it is already cancelled."""
    if (of_result := RESULTS.get(kind)) is not None:
        result = await repository.find(of_result, name, fresh=True)
        if result is None:
            raise Problem("simio_job_not_found")
        return _unless_ended(result, status_of(result), is_cancelled(result))
    dataset = await repository.dataset(name, fresh=True)
    model = await repository.find(Model, model_name(name), fresh=True)
    cancelled = is_cancelled(dataset) or (model is not None and is_cancelled(model))
    stage: Dataset | Model = dataset if model is None or status_of(dataset) != "ready" else model
    return _unless_ended(stage, stage_of(dataset, model)[0], cancelled)


def _unless_ended(resource: WorkResource, status: str, cancelled: bool) -> WorkResource | None:
    if cancelled:
        return None
    if status not in ("queued", "running"):
        raise Problem("simio_job_finished")
    return resource


async def _suspend(repository: TenantRepository, resource: WorkResource) -> bool:
    """Suspend and mark a resource; return False if it has changed since it was read.

    The audit record comes first.
    """
    metadata = resource.metadata
    kind = type(resource)
    await repository.record(EventType.RESOURCE_CANCELLED, kind=kind.PLURAL, uid=metadata.uid)
    marked = {
        "resourceVersion": metadata.resource_version,
        "annotations": {CANCELLED: utcnow().isoformat()},
    }
    patch: Object = {"metadata": marked, "spec": {"suspend": True}}
    try:
        await repository.cluster.patch(
            CUSTOM[kind.__name__], metadata.name, patch, repository.namespace
        )
    except (Conflict, NotFound):
        return False
    return True
