"""Small artifacts that a customer reads whole, once the work that writes them is done: schema, graph, report."""

from __future__ import annotations

from simulacra_api.http.problems import Problem
from simulacra_api.tenancy.repository import TenantRepository, is_cancelled, status_of
from simulacra_crds.contract.names import job_id
from simulacra_crds.contract.schema import TableSchema
from simulacra_crds.contract.tasks import SCHEMA
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.model import Model


async def read_when_ready(
    repository: TenantRepository, dataset: Dataset, work: Dataset | Model, artefact: str
) -> bytes:
    """Return an artifact of a dataset or its model; 409 while it is not there yet or when its work failed."""
    status = status_of(work)
    if status == "failed":
        raise Problem("simio_cancelled" if is_cancelled(work) else "simio_dataset_failed")
    if status != "ready":
        headers = {"Retry-After": "2"}
        raise Problem(
            "simio_dataset_not_ready",
            f"Poll {job_id(dataset.metadata.name)} until ready",
            headers=headers,
        )
    return await repository.read(work, artefact)


async def schema_of(repository: TenantRepository, dataset: Dataset) -> TableSchema:
    """Return the cleaned schema of a dataset; 409 while there is none."""
    return TableSchema.model_validate_json(
        await read_when_ready(repository, dataset, dataset, SCHEMA)
    )


async def read_of_model(repository: TenantRepository, dataset: Dataset, artefact: str) -> bytes:
    """Return an artifact of a dataset's model; 409 while it is not there yet or when its work failed."""
    model = await repository.model_of(dataset)
    if model is None:
        raise Problem(
            "simio_dataset_failed",
            "The dataset has no model: PUT its knowledge to fit one, or upload again",
        )
    return await read_when_ready(repository, dataset, model, artefact)
