"""Suspension of a tenant: its begin and its end, each recorded exactly once.

In two passes, as support access: the first writes the change to status, the second records it.
"""

from datetime import datetime

from simulacra_crds.kinds.tenant import Suspension
from simulacra_operator.kinds.tenant.observe import TenantObserved
from simulacra_operator.work.actions import Action, PatchStatus, RecordSuspension


def suspension(seen: TenantObserved) -> list[Action]:
    """Return the next step, empty when nothing has to change or the spec is invalid."""
    spec, current = seen.resource.spec, seen.resource.status.suspension
    if spec is None:
        return []
    desired = _next(current, spec.suspend, seen.now)
    if desired is None or desired == current:
        return []
    records = [RecordSuspension(current)] if current is not None and not current.recorded else []
    # A merge keeps members that the patch does not name.
    patch = {"endedAt": None, "recorded": False} | desired.to_wire()
    return [*records, PatchStatus({"suspension": patch})]


def _next(current: Suspension | None, suspended: bool, now: datetime) -> Suspension | None:
    if current is not None and not current.recorded:
        return current.model_copy(update={"recorded": True})
    if current is None or current.ended_at is not None:
        return Suspension(began_at=now) if suspended else current
    if suspended:
        return current
    return current.model_copy(update={"ended_at": now, "recorded": False})
