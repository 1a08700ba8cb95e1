"""When bytes expire: computed from facts on the resource, so that nobody has to remember it."""

from __future__ import annotations

from datetime import datetime, timedelta

MIN_RETENTION_SECONDS, DEFAULT_RETENTION_SECONDS, MAX_RETENTION_SECONDS = 10, 86_400, 604_800
"""24 hours by default, 7 days at most."""
UPLOAD_TIMEOUT = timedelta(hours=1)
"""An upload that was silent for so long is given up, and what is stored of it is erased."""


def expires_at(created: datetime, finished: datetime | None, retention_seconds: int) -> datetime:
    """Return the moment of expiry: retention counts from the end of the work, from creation while it runs.

    For datasets and models pass finished=None always: their clock starts at creation.
    """
    return (finished or created) + timedelta(seconds=retention_seconds)
