"""Jobs: the progress of work, until it ends."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from simulacra.core import AWAY_SECONDS, OnAway, Request, Steps, poll, send
from simulacra.errors import JobFailed
from simulacra.models import Job
from simulacra.operations.resources import get_all, get_one, get_state

TERMINAL = frozenset({"held", "ready", "partial", "failed"})
"""held: a table was read, and `refit` is to confirm its description."""


def jobs(**filters: str) -> Steps[list[Job]]:
    """List the tenant's jobs, newest first. Filters: kind, status, dataset_id."""
    return get_all("/v1/jobs", filters, Job)


def job(job_id: str) -> Steps[Job]:
    """Return the state of a job."""
    return get_one(f"/v1/jobs/{job_id}", Job)


def wait(
    job_id: str,
    *,
    timeout: float = 3600.0,
    away_seconds: float = AWAY_SECONDS,
    on_progress: Callable[[Job], None] | None = None,
    on_away: OnAway | None = None,
) -> Steps[Job]:
    """Poll a job until it ends. The gaps between polls are a tenth of the wait, 0.25 to 2 s.

    A service that is away (no connection, 502, 503, 504) is retried, with gaps that grow further.

    Args:
        job_id: from upload, generate, estimate or refit.
        timeout: seconds for the whole wait.
        away_seconds: seconds that the service may be away at a time.
        on_progress: called with the job after each poll.
        on_away: called when the service is away, with the failure and the seconds left for it.

    Raises:
        JobFailed: the job failed.
        TimeoutError: the job has not ended in time, or the service was away too long. The job
            continues; wait for it again.
    """
    seen = "not seen yet"

    def look(left: float) -> Steps[Job | None]:
        nonlocal seen
        what = f"{job_id} ({seen})"
        away = min(away_seconds, left)
        response = yield from get_state(f"/v1/jobs/{job_id}", what, away=away, on_away=on_away)
        found = Job(response.json())
        if on_progress:
            on_progress(found)
        if found.status == "failed":
            raise JobFailed(found)
        if found.status in TERMINAL:
            return found
        if left <= 0:
            still = f"{job_id} is still {found.status} after {timeout:.0f} s."
            why = found.waiting_reason or "It continues: wait for it again."
            raise TimeoutError(f"{still} {why}")
        seen = f"last seen {found.status}"
        return None

    return poll(look, timeout, _growing_gaps())


def _growing_gaps() -> Iterator[float]:
    waited = 0.0
    while True:
        gap = min(max(waited / 10, 0.25), 2.0) * random.uniform(0.8, 1.2)
        waited += gap
        yield gap


def cancel(job_id: str) -> Steps[Job]:
    """Stop a job for good: it ends as failed with the code simio_cancelled."""
    return Job((yield from send(Request("POST", f"/v1/jobs/{job_id}/cancel"))).json())
