"""Routes of jobs: list, poll, follow, cancel."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from simulacra_api.dependencies import CurrentTenant, TenantRoute, poll_headers, problems
from simulacra_api.http.pagination import link_next
from simulacra_api.jobs import events
from simulacra_api.jobs.cancellation import cancel
from simulacra_api.jobs.prefer_wait import Wait, wait_for
from simulacra_api.jobs.schemas import JobBody, JobList, JobQuery
from simulacra_api.jobs.service import find_job, job_page

router = APIRouter(prefix="/v1", tags=["jobs"], route_class=TenantRoute)


@router.get("/jobs", operation_id="listJobs", summary="List jobs", responses=problems(400))
async def list_jobs(
    repository: CurrentTenant, query: Annotated[JobQuery, Query()], response: Response
) -> JobList:
    """The tenant's jobs, newest first."""
    items, cursor = await job_page(repository, query)
    link_next(response, repository.url("/v1/jobs"), query, cursor)
    return JobList(items=items, next_cursor=cursor)


@router.get("/jobs/{job_id}", operation_id="getJob", summary="Poll a job", responses=problems(404))
async def get_job(
    job_id: str, repository: CurrentTenant, response: Response, wait: Wait
) -> JobBody:
    """Poll every 2 s until `status` is ready, partial or failed, or send `Prefer: wait=30`."""
    job = await wait_for(repository, response, job_id, wait)
    response.headers.update(poll_headers(job.status))
    return job


@router.get(
    "/jobs/{job_id}/events",
    operation_id="streamJobEvents",
    summary="Follow a job",
    responses=problems(404) | {200: {"content": {events.MEDIA_TYPE: {"schema": events.SCHEMA}}}},
    response_class=StreamingResponse,
)
async def stream_job(job_id: str, repository: CurrentTenant) -> StreamingResponse:
    """Server-sent events with the body of getJob: `progress` at each change, `end` at the end."""
    stream = events.job_events(repository, await find_job(repository, job_id))
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(stream, media_type=events.MEDIA_TYPE, headers=headers)


@router.post(
    "/jobs/{job_id}/cancel",
    operation_id="cancelJob",
    summary="Cancel a job",
    responses=problems(404, 409),
)
async def cancel_job(job_id: str, repository: CurrentTenant) -> JobBody:
    """Stop a job for good: it ends as failed with the code simio_cancelled. Safe to repeat.

    Its resource stays until it expires or is deleted, and its Idempotency-Key stays used.
    """
    return await cancel(repository, job_id)
