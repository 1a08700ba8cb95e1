"""Audit records of the API: who asked for what, never what it says."""

from __future__ import annotations

import asyncio

from simulacra_custody.audit.event import AuditData, AuditEvent, Component, EventType
from simulacra_custody.audit.log import AuditLog


async def record(audit: AuditLog, event: EventType, data: AuditData) -> None:
    """Append one record durably. `AuditUnavailable` (a 503) when it cannot be written: then nothing is done."""
    await asyncio.to_thread(audit.append, AuditEvent(type=event, source=Component.API, data=data))
