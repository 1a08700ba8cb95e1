"""Support access of a tenant: opened and ended in status, and both recorded exactly once.

Each change has two passes. The first writes it to status; the second records it and says so there.
A crash before that repeats the second, which then finds the record: the log has it since the change
in status.
"""

from collections.abc import Container
from datetime import datetime, timedelta

from simulacra_crds.kinds.support_access import KEPT, MAX_GRANTS, SupportAccess, SupportGrant
from simulacra_operator.kinds.tenant.observe import TenantObserved
from simulacra_operator.work.actions import Action, PatchStatus, RecordSupport


def support_access(seen: TenantObserved) -> list[Action]:
    """Return the next step of each grant, empty when nothing has to change.

    A grant that is removed ends, as do all of a Tenant that is deleted or has an invalid spec.
    """
    resource, now = seen.resource, seen.now.replace(microsecond=0)
    spec = None if resource.deleting else resource.spec
    granted = {one.id: one for one in spec.support_access} if spec is not None else {}
    current = resource.status.support_access
    known = {one.id for one in current}
    new = [_opened(one, now) for one in granted.values() if one.id not in known]
    desired = [*_shown([_next(one, granted, now) for one in current], granted), *new]
    if desired == current:
        return []
    records = [RecordSupport(one) for one in current if not one.recorded]
    return [*records, PatchStatus({"supportAccess": [one.to_wire() for one in desired]})]


def _opened(grant: SupportGrant, now: datetime) -> SupportAccess:
    ends = now + timedelta(hours=grant.hours)
    return SupportAccess(**grant.model_dump(), opened_at=now, ends_at=ends)


def _next(one: SupportAccess, granted: Container[str], now: datetime) -> SupportAccess:
    if not one.recorded:
        return one.model_copy(update={"recorded": True})
    if one.ended_at is None and (one.id not in granted or now >= one.ends_at):
        return one.model_copy(update={"ended_at": now, "recorded": False})
    return one


def _shown(entries: list[SupportAccess], granted: Container[str]) -> list[SupportAccess]:
    """Return the entries without the oldest that ended; one still in spec would open again."""
    past = [one for one in entries if one.ended_at and one.recorded and one.id not in granted]
    dropped = past[: -(KEPT - MAX_GRANTS)]
    return [one for one in entries if one not in dropped]
