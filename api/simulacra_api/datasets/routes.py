"""Routes of datasets: list, show, read documents, state knowledge, extend, delete."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from simulacra_api.datasets.description import describe, description_of
from simulacra_api.datasets.refit import knowledge_of, refit
from simulacra_api.datasets.schemas import (
    DatasetBody,
    DatasetList,
    DatasetQuery,
    FitAccepted,
    RetentionChange,
)
from simulacra_api.datasets.service import change_retention, dataset_body, dataset_page
from simulacra_api.datasets.summary import summary_of
from simulacra_api.dependencies import (
    HTML,
    JSON,
    NOT_CHANGED,
    CurrentTenant,
    DirectRoute,
    documented,
    poll_headers,
    problems,
    report_form,
    small_document,
)
from simulacra_api.http.etags import IfMatch, IfNoneMatch, entity_tag, represent
from simulacra_api.http.pagination import link_next
from simulacra_api.jobs.prefer_wait import Wait, accepted
from simulacra_api.jobs.service import find_job
from simulacra_api.tenancy.delete import delete
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.names import job_id
from simulacra_crds.tasks import GRAPH
from simulacra_schema.questions.knowledge import Knowledge
from simulacra_schema.usual_order import UsualOrder, usual_order

router = APIRouter(prefix="/v1", tags=["datasets"], route_class=DirectRoute)


@router.get(
    "/datasets", operation_id="listDatasets", summary="List datasets", responses=problems(400)
)
async def list_datasets(
    repository: CurrentTenant, query: Annotated[DatasetQuery, Query()], response: Response
) -> DatasetList:
    """The tenant's datasets, newest first."""
    items, cursor = await dataset_page(repository, query)
    link_next(response, repository.url("/v1/datasets"), query, cursor)
    return DatasetList(items=items, next_cursor=cursor)


@router.get(
    "/datasets/{dataset_id}",
    operation_id="getDataset",
    summary="Get a dataset",
    responses=problems(404) | NOT_CHANGED,
    response_model=DatasetBody,
)
async def get_dataset(
    dataset_id: str, repository: CurrentTenant, if_none_match: IfNoneMatch = None
) -> Response:
    """The dataset, also while it is being erased; 404 after that."""
    body = await dataset_body(repository, await repository.dataset(dataset_id, deleting=True))
    text = body.model_dump_json()
    return represent(text, entity_tag(text), if_none_match, poll_headers(body.status))


@router.get(
    "/datasets/{dataset_id}/schema",
    operation_id="getDatasetSchema",
    summary="Get the cleaned schema",
    responses=documented(JSON, {"$ref": "#/components/schemas/TableSchema"}),
)
async def get_schema(
    dataset_id: str, repository: CurrentTenant, if_none_match: IfNoneMatch = None
) -> dict[str, Any]:
    """Columns, kinds, levels and ranges, which conditions refer to, and what was cleaned."""
    schema = await repository.schema_of(await repository.dataset(dataset_id))
    return small_document(schema.model_dump_json(exclude_none=True).encode(), JSON, if_none_match)


@router.get(
    "/datasets/{dataset_id}/report",
    operation_id="getDatasetReport",
    summary="Get fidelity and privacy of the model",
    responses=documented(HTML, {"type": "string"}),
)
async def get_report(
    dataset_id: str,
    repository: CurrentTenant,
    accept: Annotated[str, Header()] = "*/*",
    if_none_match: IfNoneMatch = None,
) -> dict[str, Any]:
    """The report of the fit: JSON, or a page for people when the request accepts text/html."""
    media_type, name = report_form(accept)
    content = await repository.read_of_model(await repository.dataset(dataset_id), name)
    return small_document(content, media_type, if_none_match)


@router.get(
    "/datasets/{dataset_id}/summary",
    operation_id="getDatasetSummary",
    summary="Get the signed summary of the waves",
    responses=documented(JSON, {"type": "object"}),
)
async def get_summary(
    dataset_id: str, repository: CurrentTenant, if_none_match: IfNoneMatch = None
) -> dict[str, Any]:
    """Shares of each answer, without rows, to keep and to hand back with the next wave.

    Send it as `earlier` with the next upload. The erasure certificate says when it was read.
    """
    content = await summary_of(repository, await repository.dataset(dataset_id))
    return small_document(content, JSON, if_none_match)


@router.get(
    "/datasets/{dataset_id}/graph",
    operation_id="getDatasetGraph",
    summary="Get the causal graph of the model",
    responses=problems(404, 409) | NOT_CHANGED,
)
async def get_graph(
    dataset_id: str, repository: CurrentTenant, if_none_match: IfNoneMatch = None
) -> dict[str, Any]:
    """The learned causal graph."""
    content = await repository.read_of_model(await repository.dataset(dataset_id), GRAPH)
    return small_document(content, JSON, if_none_match)


@router.get(
    "/datasets/{dataset_id}/knowledge",
    operation_id="getDatasetKnowledge",
    summary="Get the knowledge that the model is fit with",
    responses=problems(404, 409),
)
async def get_knowledge(dataset_id: str, repository: CurrentTenant) -> Knowledge:
    """Tiers, required and forbidden edges that the model is fit with."""
    return await knowledge_of(repository, await repository.dataset(dataset_id))


@router.get(
    "/datasets/{dataset_id}/usual-order",
    operation_id="getDatasetUsualOrder",
    summary="Get the usual order of the columns, to be confirmed",
    responses=problems(404, 409),
)
async def get_usual_order(dataset_id: str, repository: CurrentTenant) -> UsualOrder:
    """Blocks of columns by words and waves, which nobody has confirmed, and the question to ask.

    Give them, or corrected ones, as blocks of an effect or a sheet, or as tiers of the knowledge.
    """
    return usual_order(await repository.schema_of(await repository.dataset(dataset_id)))


@router.put(
    "/datasets/{dataset_id}/knowledge",
    status_code=202,
    operation_id="fitDataset",
    summary="State known causes and fit the model again",
    responses=problems(400, 404, 409, 413, 415) | {201: {"model": FitAccepted}},
)
async def put_knowledge(
    dataset_id: str, knowledge: Knowledge, repository: CurrentTenant, response: Response, wait: Wait
) -> FitAccepted:
    """Replace the model; the present one is erased with everything generated from it.

    The same knowledge again changes nothing. Poll the job, as after an upload.
    """
    await refit(repository, await repository.dataset(dataset_id, fresh=True), knowledge)
    return await _accepted(repository, dataset_id, response, wait)


async def _accepted(
    repository: TenantRepository, dataset_id: str, response: Response, wait: Wait
) -> FitAccepted:
    fit = job_id(dataset_id, "Dataset")
    await accepted(repository, response, f"/v1/datasets/{dataset_id}", fit, wait)
    job = await find_job(repository, fit)
    return FitAccepted(dataset_id=dataset_id, job_id=job.job_id, status=job.status, error=job.error)


@router.get(
    "/datasets/{dataset_id}/description",
    operation_id="getDatasetDescription",
    summary="Get what was read as what",
    responses=documented(JSON, {"type": "object"}),
)
async def get_description(
    dataset_id: str, repository: CurrentTenant, if_none_match: IfNoneMatch = None
) -> dict[str, Any]:
    """The completed description: every column, and for each property who said it and why.

    Sent again, it changes nothing.
    """
    content = await description_of(repository, await repository.dataset(dataset_id))
    return small_document(content, JSON, if_none_match)


@router.put(
    "/datasets/{dataset_id}/description",
    status_code=202,
    operation_id="describeDataset",
    summary="Correct what was read as what, and fit again",
    responses=problems(400, 404, 409, 412, 413, 415, 422) | {201: {"model": FitAccepted}},
)
async def put_description(
    dataset_id: str,
    description: dict[str, Any],
    repository: CurrentTenant,
    response: Response,
    wait: Wait,
    if_match: IfMatch = None,
) -> FitAccepted:
    """Read the table again under this description; the present model and its results are erased.

    The completed description as it is changes nothing, and confirms a held dataset. Needs the
    source, which only a dataset with `hold` or `keep_source` has. If-Match guards against lost
    updates. Poll the job, as after an upload: `errors[]` of its error says where the table
    contradicts the description.
    """
    dataset = await repository.dataset(dataset_id, fresh=True)
    await describe(repository, dataset, description, if_match)
    return await _accepted(repository, dataset_id, response, wait)


@router.patch(
    "/datasets/{dataset_id}",
    operation_id="updateDataset",
    summary="Change the retention",
    responses=problems(400, 404, 412, 415),
)
async def patch_dataset(
    dataset_id: str,
    change: RetentionChange,
    repository: CurrentTenant,
    response: Response,
    if_match: IfMatch = None,
) -> DatasetBody:
    """Set how long dataset and model live, from creation; If-Match guards against lost updates."""
    dataset = await repository.dataset(dataset_id, fresh=True)
    changed = await change_retention(repository, dataset, change.retention_seconds, if_match)
    body = await dataset_body(repository, changed)
    response.headers["ETag"] = body.etag()
    return body


@router.delete(
    "/datasets/{dataset_id}",
    status_code=204,
    operation_id="deleteDataset",
    summary="Erase a dataset, its model and its generations",
    responses=problems(404) | {202: {"description": "Being erased: poll Location until 404."}},
)
async def delete_dataset(dataset_id: str, repository: CurrentTenant) -> Response:
    """204 when everything is erased and verified absent, 202 while that takes longer."""
    dataset = await repository.dataset(dataset_id, deleting=True, fresh=True)
    return await delete(repository, dataset, f"/v1/datasets/{dataset_id}")
