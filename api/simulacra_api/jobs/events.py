"""Progress as server-sent events: one event a change, the last one when the job has ended.

Each event carries the whole state, so a client that comes back needs nothing of what it missed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from simulacra_api.http.problems import Problem
from simulacra_api.jobs.prefer_wait import TERMINAL
from simulacra_api.jobs.service import JobBody, find_job
from simulacra_api.tenancy.repository import TenantRepository

POLL_SECONDS = 0.5
HEARTBEAT_SECONDS = 15.0
"""A comment keeps proxies from taking a quiet stream for a dead one."""
STREAM_SECONDS = 900.0
"""A stream ends after so long, and the client comes back: a token that was withdrawn is not followed for ever."""
MEDIA_TYPE = "text/event-stream"
SCHEMA = {
    "type": "object",
    "properties": {
        "event": {"type": "string", "enum": ["progress", "end", "gone"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
"""Of one event."""


async def job_events(repository: TenantRepository, job: JobBody) -> AsyncIterator[bytes]:
    """Yield `progress` events of a job, and `end` when it has ended (or `gone` when it was deleted)."""
    job_id, deadline, last, said = (
        job.job_id,
        time.monotonic() + STREAM_SECONDS,
        "",
        time.monotonic(),
    )
    yield b"retry: 2000\n\n"
    while True:
        state = job.model_dump_json()
        ended = job.status in TERMINAL
        if state != last:
            yield _event("end" if ended else "progress", state)
            last, said = state, time.monotonic()
        elif time.monotonic() - said > HEARTBEAT_SECONDS:
            yield b": still at work\n\n"
            said = time.monotonic()
        if ended or time.monotonic() > deadline:
            return
        await asyncio.sleep(POLL_SECONDS)
        try:
            job = await find_job(repository, job_id)
        except Problem as problem:
            if problem.entry.status == 404:
                yield _event("gone", "{}")
            return


def _event(name: str, data: str) -> bytes:
    return f"event: {name}\ndata: {data}\n\n".encode()
