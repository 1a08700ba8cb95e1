"""Jobs: how far the work is, until it has ended."""

from __future__ import annotations

import random
from collections.abc import Callable
from time import monotonic

from simulacra.core import AWAY_SECONDS, Ask, OnAway, Pause, Steps, ask
from simulacra.errors import JobFailed
from simulacra.models import Job
from simulacra.operations.common import get_one, look, pages

TERMINAL = frozenset({"ready", "partial", "failed"})


def jobs(**filters: str) -> Steps[list[Job]]:
    """List the tenant's jobs, newest first. Filters: kind, status, dataset_id."""
    return pages("/v1/jobs", filters, Job)


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
    """Poll a job until it ends. Poll gaps grow to 2 s, jittered.

    A service that does not answer (no connection, 502, 503, 504) is asked again, at gaps that grow to some seconds.

    Args:
        job_id: as upload, generate, estimate or refit gave it.
        timeout: seconds that all of it may take.
        away_seconds: of these, seconds that a service may be away at a time.
        on_progress: told how far the job is.
        on_away: told that the service does not answer: what came instead, and the seconds that it is waited for yet.

    Raises:
        JobFailed: it ended badly.
        TimeoutError: it has not ended, or nobody says whether it has, in time. The job goes on; wait for it again.
    """
    deadline, gap, seen = monotonic() + timeout, 0.25, "not seen yet"
    while True:
        away, what = min(away_seconds, deadline - monotonic()), f"{job_id} ({seen})"
        found = Job(
            (yield from look(f"/v1/jobs/{job_id}", what, away=away, on_away=on_away)).json()
        )
        if on_progress:
            on_progress(found)
        if found.status == "failed":
            raise JobFailed(found)
        if found.status in TERMINAL:
            return found
        seen = f"last seen {found.status}"
        if monotonic() > deadline:
            raise TimeoutError(
                f"{job_id} is still {found.status} after {timeout:.0f} s. It goes on: wait for it again"
            )
        yield Pause(gap * random.uniform(0.8, 1.2))
        gap = min(gap * 1.5, 2.0)


def cancel(job_id: str) -> Steps[Job]:
    """Stop a job for good: it ends as failed with the code simio_cancelled."""
    return Job((yield from ask(Ask("POST", f"/v1/jobs/{job_id}/cancel"))).json())
