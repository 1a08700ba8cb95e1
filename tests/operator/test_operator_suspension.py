"""Suspension of a tenant: its begin and end are on record exactly once, whoever sets it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from operator_bench import World
from operator_facts import NOW, resource
from operator_proxy import KillingProxy
from simulacra_crds.kube.client import TENANTS, Object
from simulacra_operator.kinds.tenant.observe import TenantObserved
from simulacra_operator.kinds.tenant.suspension import suspension
from simulacra_operator.observed.custom_resource import parse
from simulacra_operator.work import actions as act

HOUR = timedelta(hours=1)


class Switch:
    """A Tenant, with the actions of each pass applied."""

    def __init__(self) -> None:
        self.body = resource("Tenant", "acme", {}, namespace=None)

    def set(self, suspended: bool, now: Any) -> list[str]:
        """Run passes until one changes nothing; return what they record."""
        self.body["spec"]["suspend"] = suspended
        records: list[str] = []
        while actions := suspension(TenantObserved(now, parse(self.body))):
            for one in actions:
                if isinstance(one, act.RecordSuspension):
                    records.append("resumed" if one.suspension.ended_at else "suspended")
                elif isinstance(one, act.PatchStatus):
                    status = self.body.setdefault("status", {})
                    merged = status.get("suspension", {}) | one.patch["suspension"]
                    kept = {name: value for name, value in merged.items() if value is not None}
                    status["suspension"] = json.loads(json.dumps(kept))
        return records


def test_suspension_and_its_end_are_recorded_once_each() -> None:
    switch = Switch()
    assert switch.set(False, NOW) == []
    assert "suspension" not in switch.body["status"]
    assert switch.set(True, NOW) == ["suspended"]
    assert switch.set(True, NOW + HOUR) == []
    assert switch.set(False, NOW + 2 * HOUR) == ["resumed"]
    ended = datetime.fromisoformat(switch.body["status"]["suspension"]["endedAt"])
    assert ended == NOW + 2 * HOUR
    assert switch.set(True, NOW + 3 * HOUR) == ["suspended"]
    assert "endedAt" not in switch.body["status"]["suspension"]


def test_resumption_before_the_record_leaves_both_on_record() -> None:
    switch = Switch()
    switch.body["spec"]["suspend"] = True
    (first,) = suspension(TenantObserved(NOW, parse(switch.body)))
    assert isinstance(first, act.PatchStatus)
    kept = {name: value for name, value in first.patch["suspension"].items() if value is not None}
    switch.body["status"] = {"suspension": kept}
    assert switch.set(False, NOW + HOUR) == ["suspended", "resumed"]


@pytest.mark.embedded
@pytest.mark.timeout(300)
async def test_kill_at_any_write_leaves_one_record_of_suspension_and_end(
    world: World, proxy: KillingProxy
) -> None:
    await world.create_tenant()
    kills = [(point, before) for point in range(1, 4) for before in (True, False)]
    for number, (point, before) in enumerate(kills, start=1):
        proxy.at, proxy.before = proxy.writes + point, before
        for suspended in (True, False):
            await world.cluster.patch(TENANTS, world.tenant, {"spec": {"suspend": suspended}})
            settled = _resumed if not suspended else _suspended
            await world.reaches(TENANTS, world.tenant, settled, namespace=None)
        assert _records(world) == ["suspended", "resumed"] * number, (point, before)
    assert proxy.kills == len(kills)


def _records(world: World) -> list[str]:
    found = [one for one in world.audit() if one["type"].endswith((".suspended", ".resumed"))]
    assert len({one["id"] for one in found}) == len(found)
    return [one["type"].rpartition(".")[2] for one in found]


def _suspension(tenant: Object) -> Any:
    return tenant.get("status", {}).get("suspension") or {}


def _suspended(tenant: Object) -> bool:
    return bool(_suspension(tenant).get("recorded")) and "endedAt" not in _suspension(tenant)


def _resumed(tenant: Object) -> bool:
    return bool(_suspension(tenant).get("recorded")) and "endedAt" in _suspension(tenant)
