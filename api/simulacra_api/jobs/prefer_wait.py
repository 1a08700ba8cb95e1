"""`Prefer: wait=N` (RFC 7240): answer when a job has ended, or after N seconds."""

import re
from contextlib import suppress
from typing import Annotated, Any

from fastapi import Depends, Header, Response

from simulacra_api.http.problems import Problem
from simulacra_api.jobs.schemas import TERMINAL, JobBody
from simulacra_api.jobs.service import find_job
from simulacra_api.tenancy.read_cache import poll
from simulacra_api.tenancy.repository import TenantRepository

MAX_WAIT_SECONDS = 60
_WAIT = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?(\d{1,6})"?\s*(?=$|[,;])', re.IGNORECASE)
_DESCRIPTION = f"wait=N: answer when the job has ended, or after N (at most {MAX_WAIT_SECONDS}) s."


async def _seconds(
    prefer: Annotated[str | None, Header(description=_DESCRIPTION)] = None,
) -> int:
    match = _WAIT.search(prefer or "")  # RFC 7240: ignore a preference that is not understood
    return min(int(match.group(1)), MAX_WAIT_SECONDS) if match else 0


Wait = Annotated[int, Depends(_seconds)]


async def wait_for(
    repository: TenantRepository, response: Response, job_id: str, seconds: int
) -> JobBody:
    """Return the job once it has ended, or as it is after `seconds`; set Preference-Applied."""
    async for job in poll(lambda: find_job(repository, job_id), seconds, first=0.2):
        if job.status in TERMINAL:
            break
    if seconds:
        response.headers["Preference-Applied"] = f"wait={seconds}"
    return job


async def accepted(
    repository: TenantRepository, response: Response, path: str, job_id: str, wait: int
) -> dict[str, Any]:
    """Return id, status and error of a new resource's job, and set status code and headers.

    202 with the URL of the job. 201 with the URL of the resource, if the caller prefers to wait and
    the job has ended.
    """
    if wait:
        with suppress(Problem):  # a repeated request for a deleted resource has no job any more
            job = await wait_for(repository, response, job_id, wait)
            if job.status in TERMINAL:
                response.status_code = 201
                response.headers["Location"] = repository.url(path)
                return {"job_id": job_id, "status": job.status, "error": job.error}
    location = repository.url(f"/v1/jobs/{job_id}")
    response.headers.update({"Location": location, "Retry-After": "2"})
    return {"job_id": job_id}
