"""kopf's events of AccessRequests, passed on. They own no bytes, so there is no finalizer and no deletion handler."""

from __future__ import annotations

from typing import Any

import kopf

from simulacra_crds.kinds.access_request import AccessRequest
from simulacra_crds.kinds.base import GROUP, VERSION
from simulacra_operator.runtime import event_router


@kopf.on.event(GROUP, VERSION, AccessRequest.PLURAL)
async def accessrequest_changed(memo: Any, body: Any, type: str | None, **_: Any) -> None:  # noqa: A002
    """Wake the engine."""
    await event_router.changed(memo.engine, body, type)
