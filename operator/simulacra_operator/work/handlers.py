"""kopf's events of the Jobs that work for our kinds, passed on."""

from __future__ import annotations

from typing import Any

import kopf

from simulacra_crds.kinds.base import LABEL_KIND
from simulacra_operator.runtime import event_router


@kopf.on.event("batch", "v1", "jobs", labels={LABEL_KIND: kopf.PRESENT})
async def job_changed(memo: Any, body: Any, type: str | None, **_: Any) -> None:  # noqa: A002
    """Wake the engine."""
    await event_router.job_changed(memo.engine, body, type)
