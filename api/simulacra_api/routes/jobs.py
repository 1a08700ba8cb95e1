"""Jobs: what to poll."""

from __future__ import annotations

from fastapi import APIRouter, Response

from simulacra_api.jobs import JobBody, find_job
from simulacra_api.routes.common import Mine, poll_headers, problems

router = APIRouter(prefix="/v1", tags=["jobs"])


@router.get("/jobs/{job_id}", operation_id="getJob", summary="Poll a job", responses=problems(404))
async def get_job(job_id: str, library: Mine, response: Response) -> JobBody:
    """Poll every 2 s until `status` is ready, partial or failed."""
    job = await find_job(library, job_id)
    response.headers.update(poll_headers(job.status))
    return job
