"""Routes that every kind of result has: create, list, get and delete."""

# Without postponed annotations, because FastAPI reads types that only a call knows.
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from simulacra_api.dependencies import (
    NOT_CHANGED,
    CurrentTenant,
    DirectRoute,
    IdempotencyKey,
    poll_headers,
    problems,
)
from simulacra_api.http.etags import IfNoneMatch, represent
from simulacra_api.http.pagination import ResourceQuery, link_next
from simulacra_api.jobs.prefer_wait import Wait, accepted
from simulacra_api.jobs.service import results_page
from simulacra_api.results.kind import ResultKind
from simulacra_api.tenancy.delete import delete
from simulacra_crds.names import job_id


def result_routes(kind: ResultKind[Any, Any]) -> APIRouter:
    """Return the routes of a kind of result."""
    info, id_field = kind.info, kind.info.id_field
    noun, name = info.noun.capitalize(), kind.title.split(" ", 1)[1]
    path, own = f"/{info.collection}", f"/{info.collection}/{{{id_field}}}"
    accepted_body, page_body = kind.accepted(), kind.page()
    question = kind.question
    router = APIRouter(prefix="/v1", tags=[info.collection], route_class=DirectRoute)
    ResultId = Annotated[str, Path(alias=id_field)]

    @router.post(
        f"/datasets/{{dataset_id}}{path}",
        status_code=202,
        operation_id=f"create{noun}",
        summary=kind.asks,
        description=kind.creates,
        responses=problems(400, 402, 404, 409, 413, 415) | {201: {"model": accepted_body}},
    )
    async def create_one(
        dataset_id: str,
        wanted: question,  # type: ignore[valid-type]
        repository: CurrentTenant,
        key: IdempotencyKey,
        response: Response,
        wait: Wait,
    ) -> accepted_body:  # type: ignore[valid-type]
        dataset = await repository.dataset(dataset_id)
        created = await kind.create(repository, dataset, wanted, key)
        name = created["metadata"]["name"]
        job = await accepted(repository, response, f"/v1{path}/{name}", job_id(name), wait)
        own = {id_field: name, **kind.accepted_fields(created)}
        return accepted_body(**own, dataset_id=dataset_id, **job)

    @router.get(
        path,
        operation_id=f"list{noun}s",
        summary=f"List {name}s",
        description=f"The tenant's {name}s, newest first.",
        responses=problems(400),
    )
    async def list_all(
        repository: CurrentTenant, query: Annotated[ResourceQuery, Query()], response: Response
    ) -> page_body:  # type: ignore[valid-type]
        page, cursor = await results_page(repository, kind.kind, query)
        link_next(response, repository.url(f"/v1{path}"), query, cursor)
        if page and kind.lists_questions:
            repository.read_list(kind.kind, len(page))
        return page_body(items=[kind.item(one) for one in page], next_cursor=cursor)

    @router.get(
        own,
        operation_id=f"get{noun}",
        summary=f"Get {kind.title}",
        description=kind.gets,
        responses=problems(404) | NOT_CHANGED,
        response_model=kind.body,
    )
    async def get_one(
        result_id: ResultId, repository: CurrentTenant, if_none_match: IfNoneMatch = None
    ) -> Response:
        found = await repository.get(kind.kind, result_id, deleting=True)
        body = await kind.shown(repository, found)
        text = body.model_dump_json()
        repository.read_spec(found, len(text))
        return represent(text, kind.tag(body, text), if_none_match, poll_headers(body.status))

    @router.delete(
        own,
        status_code=204,
        operation_id=f"delete{noun}",
        summary=f"Erase {kind.title}",
        description=f"204 when the {name.split()[-1]} is erased and verified absent, 202 while the "
        "erasure runs.",
        responses=problems(404) | {202: {"description": "Being erased: poll Location until 404."}},
    )
    async def delete_one(result_id: ResultId, repository: CurrentTenant) -> Response:
        found = await repository.get(kind.kind, result_id, deleting=True, fresh=True)
        return await delete(repository, found, f"/v1{path}/{result_id}")

    return router
