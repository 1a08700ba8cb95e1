"""The audit log's check in a running operator: progress, verdict, and their record."""

from __future__ import annotations

import asyncio
import urllib.request
from typing import Any

from operator_bench import World
from simulacra_crds.kube.client import CONFIGMAPS
from simulacra_crds.names import AUDIT_CHECK, system_namespace
from simulacra_custody.audit.check import CheckState
from simulacra_custody.audit.log import segment_key
from simulacra_operator.runtime.audit_guard import ACCEPT


def state(body: dict[str, Any]) -> CheckState:
    return CheckState.open(body["data"]["check"], None)


async def metric_becomes(world: World, value: float) -> None:
    """Wait until the operator, which may be starting, says it."""

    def line() -> str:
        address = f"http://127.0.0.1:{world.operator.port()}/metrics"
        with urllib.request.urlopen(address, timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return next(line for line in lines if line.startswith("simulacra_audit_corrupt "))

    async def told() -> bool:
        try:
            return float((await asyncio.to_thread(line)).split()[1]) == value
        except OSError:
            return False

    await world.until(told, 90, lambda: f"simulacra_audit_corrupt is not {value}")


async def test_a_changed_log_is_condemned_until_it_is_accepted(world: World) -> None:
    system = system_namespace()
    await world.create_tenant()
    await world.reaches(
        CONFIGMAPS, AUDIT_CHECK, lambda one: state(one).signed > 0, namespace=system
    )
    world.operator.end()
    await world.cluster.delete(CONFIGMAPS, AUDIT_CHECK, system)
    segment = world.operator.root / "audit" / segment_key(1)
    untouched = segment.read_bytes()
    segment.write_bytes(untouched.replace(b"success", b"refused"))
    for _ in range(2):  # the verdict outlives the operator and the change
        world.operator.start()
        found = await world.reaches(
            CONFIGMAPS, AUDIT_CHECK, lambda one: state(one).corrupt is not None, namespace=system
        )
        assert "segment 1 " in (state(found).corrupt or "")
        await metric_becomes(world, 1)
        world.operator.end()
        segment.write_bytes(untouched)
    world.operator.start()
    annotate = {"metadata": {"annotations": {ACCEPT: "restored"}}}
    await world.cluster.patch(CONFIGMAPS, AUDIT_CHECK, annotate, system)
    found = await world.reaches(
        CONFIGMAPS, AUDIT_CHECK, lambda one: (state(one).events or 0) > 0, namespace=system
    )
    assert state(found).corrupt is None
    await metric_becomes(world, 0)
