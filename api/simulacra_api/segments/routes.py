"""Routes of segment estimates."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from simulacra_api.dependencies import (
    NOT_CHANGED,
    CurrentTenant,
    DirectRoute,
    IdempotencyKey,
    poll_headers,
    problems,
)
from simulacra_api.http.etags import IfNoneMatch, entity_tag, represent
from simulacra_api.http.pagination import ResourceQuery, link_next
from simulacra_api.jobs.prefer_wait import Wait, accepted
from simulacra_api.segments.schemas import SegmentAccepted, SegmentBody, SegmentList, SegmentRequest
from simulacra_api.segments.service import request_segments, segment_body, segment_page
from simulacra_api.tenancy.delete import delete
from simulacra_crds.kinds.segment_estimate import SegmentEstimate
from simulacra_crds.names import job_id

router = APIRouter(prefix="/v1", tags=["segments"], route_class=DirectRoute)


@router.post(
    "/datasets/{dataset_id}/segments",
    status_code=202,
    operation_id="createSegment",
    summary="Certify shares of answers in segments",
    responses=problems(400, 402, 404, 409, 413, 415) | {201: {"model": SegmentAccepted}},
)
async def create_segment(
    dataset_id: str,
    wanted: SegmentRequest,
    repository: CurrentTenant,
    key: IdempotencyKey,
    response: Response,
    wait: Wait,
) -> SegmentAccepted:
    """Shares with simultaneous 95 % intervals, their worth, and whether that is better."""
    created = await request_segments(repository, await repository.dataset(dataset_id), wanted, key)
    name = created["metadata"]["name"]
    job = await accepted(repository, response, f"/v1/segments/{name}", job_id(name), wait)
    return SegmentAccepted(segment_id=name, dataset_id=dataset_id, **job)


@router.get(
    "/segments",
    operation_id="listSegments",
    summary="List segment estimates",
    responses=problems(400),
)
async def list_segments(
    repository: CurrentTenant, query: Annotated[ResourceQuery, Query()], response: Response
) -> SegmentList:
    """The tenant's segment estimates, newest first."""
    items, cursor = await segment_page(repository, query)
    link_next(response, repository.url("/v1/segments"), query, cursor)
    return SegmentList(items=items, next_cursor=cursor)


@router.get(
    "/segments/{segment_id}",
    operation_id="getSegment",
    summary="Get a segment estimate",
    responses=problems(404) | NOT_CHANGED,
    response_model=SegmentBody,
)
async def get_segment(
    segment_id: str, repository: CurrentTenant, if_none_match: IfNoneMatch = None
) -> Response:
    """The shares with their verdicts, and the conditions under which generated rows agree."""
    body = await segment_body(
        repository, await repository.get(SegmentEstimate, segment_id, deleting=True)
    )
    text = body.model_dump_json()
    return represent(text, entity_tag(text), if_none_match, poll_headers(body.status))


@router.delete(
    "/segments/{segment_id}",
    status_code=204,
    operation_id="deleteSegment",
    summary="Erase a segment estimate",
    responses=problems(404) | {202: {"description": "Being erased: poll Location until 404."}},
)
async def delete_segment(segment_id: str, repository: CurrentTenant) -> Response:
    """204 when the estimate is erased and verified absent, 202 while the erasure runs."""
    found = await repository.get(SegmentEstimate, segment_id, deleting=True, fresh=True)
    return await delete(repository, found, f"/v1/segments/{segment_id}")
