"""The list of jobs: of datasets, generations and effects alike."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from pydantic import BaseModel

from simulacra_api.generations.probe import PREFIX
from simulacra_api.http.field_types import Status
from simulacra_api.http.pagination import Page, ResourceQuery, page_of
from simulacra_api.jobs.service import Kind, dataset_of, stage_of
from simulacra_api.tenancy.repository import (
    TenantRepository,
    TenantResource,
    is_deleting,
    status_of,
)
from simulacra_crds.contract.names import job_id, model_name
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.effect_estimate import EffectEstimate
from simulacra_crds.kinds.generation_job import GenerationJob
from simulacra_crds.kinds.model import Model

_KINDS: dict[type[TenantResource], Kind] = {
    Dataset: "dataset",
    GenerationJob: "generation",
    EffectEstimate: "effect",
}


class JobItem(BaseModel):
    """A job in a list; GET it for progress and errors."""

    job_id: str
    kind: Kind
    status: Status
    dataset_id: str
    created_at: datetime | None


class JobQuery(ResourceQuery):
    """Filters of the list of jobs."""

    kind: Kind | None = None


class JobList(Page):
    """The tenant's jobs, newest first."""

    items: list[JobItem]


async def job_page(
    repository: TenantRepository, query: JobQuery
) -> tuple[list[JobItem], str | None]:
    """Return a page of the tenant's jobs, newest first."""
    models = {model.metadata.name: model for model in await repository.all_of(Model)}
    works: list[TenantResource] = []
    for kind, word in _KINDS.items():
        if query.kind in (None, word):
            works += [
                work
                for work in await repository.all_of(kind)
                if not work.metadata.name.startswith(PREFIX)
            ]

    def keep(work: TenantResource) -> bool:
        item = _item(work, models)
        return query.matches(item.dataset_id, item.status) and not is_deleting(work)

    page, cursor = page_of(works, query, keep)
    return [_item(work, models) for work in page], cursor


def _item(work: TenantResource, models: dict[str, Model]) -> JobItem:
    name = work.metadata.name
    if isinstance(work, Dataset):
        status, dataset = stage_of(work, models.get(model_name(name)))[0], name
    else:
        status, dataset = status_of(work), dataset_of(cast(GenerationJob | EffectEstimate, work))
    return JobItem(
        job_id=job_id(name),
        kind=_KINDS[type(work)],
        status=status,
        dataset_id=dataset,
        created_at=work.metadata.creation_timestamp,
    )
