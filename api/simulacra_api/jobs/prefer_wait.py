"""`Prefer: wait=N` (RFC 7240): the answer waits for the work, for as long as the caller and this service allow."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Header, Response

from simulacra_api.jobs.service import JobBody, find_job
from simulacra_api.tenancy.read_cache import poll
from simulacra_api.tenancy.repository import TenantRepository

MAX_WAIT_SECONDS = 60
TERMINAL = frozenset({"ready", "partial", "failed"})
_WAIT = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?(\d{1,6})"?\s*(?=$|[,;])', re.IGNORECASE)


async def _seconds(
    prefer: Annotated[
        str | None,
        Header(
            description=f"wait=N: answer when the work has ended, or after N ({MAX_WAIT_SECONDS}) s."
        ),
    ] = None,
) -> int:
    match = _WAIT.search(prefer or "")  # a preference that is not understood is ignored
    return min(int(match.group(1)), MAX_WAIT_SECONDS) if match else 0


Wait = Annotated[int, Depends(_seconds)]


async def wait_for(
    repository: TenantRepository, response: Response, job_id: str, seconds: int
) -> JobBody:
    """Return the job once it has ended, or as it is after so many seconds; says on the answer that it waited."""
    async for job in poll(lambda: find_job(repository, job_id), seconds, first=0.2):
        if job.status in TERMINAL:
            break
    if seconds:
        response.headers["Preference-Applied"] = f"wait={seconds}"
    return job
