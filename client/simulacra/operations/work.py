"""Jobs: how far the work is, until it has ended."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from simulacra.documents import Job
from simulacra.errors import JobFailed
from simulacra.operations.common import get_one, pages
from simulacra.protocol import Ask, Pause, Steps, ask

TERMINAL = frozenset({"ready", "partial", "failed"})


def jobs(**filters: str) -> Steps[list[Job]]:
    """List the tenant's jobs, newest first. Filters: kind, status, dataset_id."""
    return pages("/v1/jobs", filters, Job)


def job(job_id: str) -> Steps[Job]:
    """Return the state of a job."""
    return get_one(f"/v1/jobs/{job_id}", Job)


def wait(job_id: str, *, timeout: float = 3600.0, on_progress: Callable[[Job], None] | None = None) -> Steps[Job]:
    """Poll a job until it ends; raises JobFailed or TimeoutError. Poll gaps grow to 2 s, jittered."""
    deadline, gap = time.monotonic() + timeout, 0.25
    while True:
        found = yield from job(job_id)
        if on_progress:
            on_progress(found)
        if found.status == "failed":
            raise JobFailed(found)
        if found.status in TERMINAL:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{job_id} is still {found.status} after {timeout:.0f} s")
        yield Pause(gap * random.uniform(0.8, 1.2))
        gap = min(gap * 1.5, 2.0)


def cancel(job_id: str) -> Steps[Job]:
    """Stop a job for good: it ends as failed with the code simio_cancelled."""
    return Job((yield from ask(Ask("POST", f"/v1/jobs/{job_id}/cancel"))).json())
