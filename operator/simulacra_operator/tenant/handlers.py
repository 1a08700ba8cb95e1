"""kopf's events of Tenants, passed on."""

from __future__ import annotations

from typing import Any

import kopf

from simulacra_crds.base import GROUP, VERSION
from simulacra_crds.tenant import Tenant
from simulacra_operator import watch


@kopf.on.event(GROUP, VERSION, Tenant.PLURAL)
async def tenant_changed(memo: Any, body: Any, type: str | None, **_: Any) -> None:  # noqa: A002
    """Wake the engine."""
    await watch.changed(memo.engine, body, type)


@kopf.on.delete(GROUP, VERSION, Tenant.PLURAL)
async def tenant_deleted(memo: Any, body: Any, **_: Any) -> None:
    """Keep the finalizer until everything of a Tenant is erased."""
    try:
        await watch.erased(memo.engine, body)
    except Exception as error:
        raise kopf.TemporaryError(type(error).__name__, delay=watch.RETRY_S) from None
