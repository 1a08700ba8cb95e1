"""`Prefer: wait=N` (RFC 7240): the answer waits for the work, for as long as the caller and this service allow."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Annotated

from fastapi import Depends, Header, Response

from simulacra_api.jobs.service import JobBody, find_job
from simulacra_api.tenancy.repository import TenantRepository

MAX_WAIT_SECONDS = 60
TERMINAL = frozenset({"ready", "partial", "failed"})
_POLL_SECONDS = (0.2, 1.0)
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
    deadline, pause = time.monotonic() + seconds, _POLL_SECONDS[0]
    while True:
        job = await find_job(repository, job_id)
        left = deadline - time.monotonic()
        if job.status in TERMINAL or left <= 0:
            break
        await asyncio.sleep(min(pause, left))
        pause = min(1.5 * pause, _POLL_SECONDS[1])
    if seconds:
        response.headers["Preference-Applied"] = f"wait={seconds}"
    return job
