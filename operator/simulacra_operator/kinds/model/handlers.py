"""kopf's events of Models, passed on."""

from __future__ import annotations

from typing import Any

import kopf

from simulacra_crds.kinds.base import GROUP, VERSION
from simulacra_crds.kinds.model import Model
from simulacra_operator.runtime import event_router


@kopf.on.event(GROUP, VERSION, Model.PLURAL)
async def model_changed(memo: Any, body: Any, type: str | None, **_: Any) -> None:  # noqa: A002
    """Wake the engine."""
    await event_router.changed(memo.engine, body, type)


@kopf.on.delete(GROUP, VERSION, Model.PLURAL)
async def model_deleted(memo: Any, body: Any, **_: Any) -> None:
    """Keep the finalizer until everything of a Model is erased."""
    try:
        await event_router.erased(memo.engine, body)
    except Exception as error:
        raise kopf.TemporaryError(type(error).__name__, delay=event_router.RETRY_S) from None
