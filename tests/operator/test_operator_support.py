"""Support access: opened and ended by the operator, each recorded exactly once."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from operator_bench import World
from operator_facts import NOW as MOMENT
from operator_facts import iso, resource
from operator_proxy import KillingProxy
from simulacra_crds.kinds.support_access import KEPT, MAX_GRANTS
from simulacra_crds.kube.client import TENANTS, Object
from simulacra_operator.kinds.tenant.observe import TenantObserved
from simulacra_operator.kinds.tenant.support import support_access
from simulacra_operator.observed.custom_resource import parse
from simulacra_operator.work import actions as act

NOW = MOMENT.replace(microsecond=0)
HOUR = timedelta(hours=1)


def grant(name: str = "sup-1", hours: int = 2) -> Object:
    made = {"id": name, "person": "kim@example.com", "reason": "A fit fails.", "hours": hours}
    return made | {"tokenSha256": "0" * 64}


class Desk:
    """A Tenant and its grants, with the actions of each pass applied."""

    def __init__(self, *grants: Object) -> None:
        self.body = resource("Tenant", "acme", {"supportAccess": list(grants)}, namespace=None)

    def step(self, now: datetime) -> list[str]:
        """Run a pass; return what it records."""
        actions = support_access(TenantObserved(now, parse(self.body)))
        records = [one.access for one in actions if isinstance(one, act.RecordSupport)]
        for one in actions:
            if isinstance(one, act.PatchStatus):
                self.body["status"] = json.loads(json.dumps(self.body["status"] | one.patch))
        return ["opened" if one.ended_at is None else "ended" for one in records]

    def settle(self, now: datetime) -> list[str]:
        """Run passes until one changes nothing; return what they record."""
        records: list[str] = []
        while True:
            before = json.dumps(self.body)
            records += self.step(now)
            if json.dumps(self.body) == before:
                return records

    @property
    def entry(self) -> Object:
        return dict(self.body["status"]["supportAccess"][0])


def test_a_grant_opens_and_ends_by_itself_and_both_are_recorded_once() -> None:
    desk = Desk(grant(hours=2))
    assert desk.settle(NOW) == ["opened"]
    assert desk.entry["endsAt"] == iso(NOW + 2 * HOUR)
    assert desk.settle(NOW + 2 * HOUR - timedelta(seconds=1)) == []
    assert desk.settle(NOW + 2 * HOUR) == ["ended"]
    assert desk.entry["endedAt"] == iso(NOW + 2 * HOUR)
    assert desk.settle(NOW + 9 * HOUR) == []


def test_what_is_to_be_recorded_is_in_status_before_and_gives_no_access() -> None:
    desk = Desk(grant())
    assert desk.step(NOW) == []
    assert "recorded" not in desk.entry or not desk.entry["recorded"]
    assert desk.step(NOW) == ["opened"]
    assert desk.entry["recorded"]


def test_a_removed_grant_and_those_of_a_deleted_tenant_end() -> None:
    desk, other = Desk(grant()), Desk(grant())
    desk.settle(NOW)
    other.settle(NOW)
    desk.body["spec"]["supportAccess"] = []
    other.body["metadata"]["deletionTimestamp"] = iso(NOW)
    assert desk.settle(NOW + HOUR) == ["ended"]
    assert other.settle(NOW + HOUR) == ["ended"]


def test_more_hours_in_an_open_grant_change_nothing() -> None:
    desk = Desk(grant(hours=1))
    desk.settle(NOW)
    desk.body["spec"]["supportAccess"] = [grant(hours=72) | {"tokenSha256": "1" * 64}]
    assert desk.settle(NOW + HOUR) == ["ended"]
    assert desk.entry["tokenSha256"] == "0" * 64


def test_only_the_newest_ended_entries_are_kept_and_none_opens_again() -> None:
    desk = Desk()
    for number in range(2 * KEPT):
        desk.body["spec"]["supportAccess"] = [grant(f"sup-{number}")]
        ended = ["ended"] if number else []
        assert desk.settle(NOW + number * HOUR) == [*ended, "opened"]
    assert len(desk.body["status"]["supportAccess"]) == KEPT - MAX_GRANTS + 1


@pytest.mark.parametrize("hours", [0, 73])
def test_a_tenant_with_hours_out_of_bounds_has_no_access(hours: int) -> None:
    desk = Desk(grant(hours=hours))
    assert desk.settle(NOW) == []
    assert "supportAccess" not in desk.body["status"]


def admin(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("simulacra")), "admin", "support", *arguments]
    options = ["--kubeconfig", str(world.operator.kubeconfig)]
    return subprocess.run([*command, *options], capture_output=True, text=True, timeout=60)


def records(world: World) -> list[str]:
    """Return the types of the tenant's records of support access, by their ids."""
    found = [one for one in world.audit() if "support" in one["type"]]
    assert len({one["id"] for one in found}) == len(found)
    return [one["type"].rpartition(".")[2] for one in found]


async def support(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(admin, world, *arguments)


@pytest.mark.embedded
async def test_access_opened_and_closed_with_the_cli_is_recorded(world: World) -> None:
    if world.operator.kubeconfig.name == "restricted":
        pytest.skip("the operator's own kubeconfig may not change a Tenant's spec")
    await world.create_tenant()
    options = ("--for", "kim@example.com", "--reason", "A fit of Kim fails.", "--hours", "4")
    made = json.loads((await support(world, "open", world.tenant, *options)).stdout)
    assert made["token"].startswith("sim_support_")
    (entry,) = json.loads((await support(world, "list", world.tenant)).stdout)
    assert (entry["id"], entry["endsAt"], entry["endedAt"]) == (made["id"], made["endsAt"], None)
    assert (await support(world, "close", world.tenant, made["id"])).returncode == 0
    await world.reaches(TENANTS, world.tenant, _ended, namespace=None)
    assert records(world) == ["opened", "ended"]
    log = json.dumps(world.audit()) + world.operator.log.read_text()
    assert not any(word in log for word in ("kim@", "of Kim", made["token"]))
    again = await support(world, "close", world.tenant, made["id"])
    assert (again.returncode, "no open support access" in again.stderr) == (1, True)
    unknown = await support(world, "open", "nobody", *options)
    assert (unknown.returncode, "not found" in unknown.stderr) == (1, True)
    too_long = await support(world, "open", world.tenant, *options[:-1], "73")
    assert too_long.returncode == 2


@pytest.mark.embedded
@pytest.mark.timeout(300)
async def test_a_kill_at_any_write_leaves_one_record_of_begin_and_end(
    world: World, proxy: KillingProxy
) -> None:
    """Also at the write that follows a record and says in status that it is written."""
    await world.create_tenant()
    kills = [(point, before) for point in range(1, 5) for before in (True, False)]
    for number, (point, before) in enumerate(kills, start=1):
        proxy.at, proxy.before = proxy.writes + point, before
        await _grants(world, grant(f"sup-{number}"))
        await world.reaches(TENANTS, world.tenant, _opened, namespace=None)
        await _grants(world)
        await world.reaches(TENANTS, world.tenant, _ended, namespace=None)
        assert records(world) == ["opened", "ended"] * number, (point, before)
    assert proxy.kills == len(kills)
    await _grants(world, grant("sup-last", hours=2))
    await world.reaches(TENANTS, world.tenant, _opened, namespace=None)
    proxy.ahead = 2 * HOUR  # of the API server's clock, which counts
    await world.reaches(TENANTS, world.tenant, _ended, namespace=None)
    assert records(world)[-2:] == ["opened", "ended"]


async def _grants(world: World, *grants: Object) -> None:
    patch = {"spec": {"supportAccess": list(grants)}}
    await world.cluster.patch(TENANTS, world.tenant, patch)


def _entry(tenant: Object) -> Any:
    return (tenant.get("status", {}).get("supportAccess") or [{}])[-1]


def _opened(tenant: Object) -> bool:
    """Return whether the newest grant is open, and that is on record."""
    entry = _entry(tenant)
    granted = [one["id"] for one in tenant["spec"]["supportAccess"]]
    return entry.get("id") in granted and bool(entry.get("recorded"))


def _ended(tenant: Object) -> bool:
    return bool(_entry(tenant).get("endedAt")) and bool(_entry(tenant).get("recorded"))
