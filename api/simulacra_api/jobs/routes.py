"""Routes of jobs: list, poll, follow (server-sent events), cancel."""

import time
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from simulacra_api.dependencies import CurrentTenant, TenantRoute, poll_headers, problems
from simulacra_api.http.pagination import link_next
from simulacra_api.http.problems import Problem
from simulacra_api.jobs.cancellation import cancel
from simulacra_api.jobs.prefer_wait import Wait, wait_for
from simulacra_api.jobs.schemas import TERMINAL, JobBody, JobList, JobQuery
from simulacra_api.jobs.service import find_job, job_page
from simulacra_api.tenancy.read_cache import poll
from simulacra_api.tenancy.repository import TenantRepository

POLL_SECONDS = 0.5
HEARTBEAT_SECONDS = 15.0
"""Longest silence: a comment line keeps proxies from closing a quiet stream."""
STREAM_SECONDS = 900.0
"""Longest stream; the client reconnects, so a revoked token cannot follow a job for ever."""
MEDIA_TYPE = "text/event-stream"
SCHEMA = {
    "type": "object",
    "properties": {
        "event": {"type": "string", "enum": ["progress", "end", "gone"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
"""JSON schema of one event."""


async def job_events(repository: TenantRepository, job: JobBody) -> AsyncIterator[bytes]:
    """Yield `progress` events of a job, then `end` (or `gone` when it was deleted)."""
    last = ""
    sent = time.monotonic()
    known = [job]
    yield b"retry: 2000\n\n"

    async def read() -> JobBody:
        found = known.pop() if known else await find_job(repository, job.job_id)
        await repository.record_reads()
        return found

    try:
        async for found in poll(read, STREAM_SECONDS, first=POLL_SECONDS, most=POLL_SECONDS):
            state = found.model_dump_json()
            ended = found.status in TERMINAL
            if state != last:
                yield _event("end" if ended else "progress", state)
                last = state
                sent = time.monotonic()
            elif time.monotonic() - sent > HEARTBEAT_SECONDS:
                yield b": still running\n\n"
                sent = time.monotonic()
            if ended:
                return
    except Problem as problem:
        if problem.entry.status == 404:
            yield _event("gone", "{}")


def _event(name: str, data: str) -> bytes:
    return f"event: {name}\ndata: {data}\n\n".encode()


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
    responses=problems(404) | {200: {"content": {MEDIA_TYPE: {"schema": SCHEMA}}}},
    response_class=StreamingResponse,
)
async def stream_job(job_id: str, repository: CurrentTenant) -> StreamingResponse:
    """Server-sent events with the body of getJob: `progress` at each change, `end` at the end."""
    stream = job_events(repository, await find_job(repository, job_id))
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(stream, media_type=MEDIA_TYPE, headers=headers)


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
