"""Progress as server-sent events: one event per change, the last one when the job has ended.

Each event carries the whole state, so a client that reconnects needs no earlier event.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from simulacra_api.http.problems import Problem
from simulacra_api.jobs.schemas import TERMINAL, JobBody
from simulacra_api.jobs.service import find_job
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
