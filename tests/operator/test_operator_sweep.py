"""The sweep: its calls of the API server, whatever the number of resources."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from prometheus_client import REGISTRY

from operator_facts import CREATED, SETTINGS, iso, resource
from simulacra_crds.kube.client import DATASETS, TENANTS, ApiResource, ClusterError, Object
from simulacra_operator.health import serve
from simulacra_operator.observed.custom_resource import Key
from simulacra_operator.runtime import event_router
from simulacra_operator.runtime.controller import Controller
from simulacra_operator.scope import Scope
from simulacra_operator.tasks import due_deletions
from simulacra_operator.tasks import sweep as sweep_module
from simulacra_operator.tasks import sweep_snapshot as snapshot_module
from simulacra_operator.tasks.sweep import STALLED_S, Sweep
from simulacra_operator.tasks.sweep_snapshot import ResourceSnapshot

HOUR = 3600


class Server:
    """An API server on a dict that counts calls and can delay lists."""

    def __init__(self, *bodies: Object, limit: int | None = None) -> None:
        self.bodies = {body["metadata"]["name"]: body for body in bodies}
        self.limit = limit
        self.gone: str | None = None
        self.asked: list[str] = []
        self.touched: list[str] = []
        self.lists = self.at_once = self.most_at_once = 0
        self.step: asyncio.Semaphore | None = None
        self.breaks = False
        self.list_gate = asyncio.Event()
        self.list_gate.set()

    async def list(self, what: ApiResource, namespace: str | None = None) -> AsyncIterator[Object]:
        if what == TENANTS:
            self.lists += 1
            await self.list_gate.wait()
            if self.limit is not None:
                yield self.tenant
        for body in tuple(self.bodies.values()) if what == DATASETS else ():
            if self.step is not None:
                await self.step.acquire()
            yield body
        if self.breaks and what == DATASETS:
            raise ClusterError(500, "InternalError", "")

    async def delete(
        self, what: ApiResource, name: str, namespace: str | None, *, uid: str, version: str
    ) -> bool:
        self.asked.append(name)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        meta = self.bodies[name]["metadata"]
        if (meta["uid"], meta["resourceVersion"]) != (uid, version):
            return False
        meta |= {"deletionTimestamp": meta["creationTimestamp"], "resourceVersion": "99"}
        return True

    async def patch(
        self, what: ApiResource, name: str, body: Object, namespace: str | None
    ) -> Object:
        assert body["metadata"]["uid"] == self.bodies[name]["metadata"]["uid"]
        assert set(body) == {"metadata"}
        self.touched.append(name)
        return {}

    async def find(
        self, what: ApiResource, name: str, namespace: str | None = None
    ) -> Object | None:
        return self.tenant if what == TENANTS else self.bodies.get(name)

    @property
    def tenant(self) -> Object:
        meta = {"deletionTimestamp": self.gone} if self.gone else {}
        return resource(
            "Tenant", "acme", {"maxRetentionSeconds": self.limit}, namespace=None, **meta
        )


def dataset(name: str, seconds: int) -> Object:
    body: Object = resource("Dataset", name, {"retentionSeconds": seconds}, uid=f"uid-{name}")
    return body


def sweep_of(server: Server, now: datetime) -> tuple[Sweep, Any]:
    async def changed(key: object) -> None:
        woken.append(key)

    woken: list[object] = []
    clock = SimpleNamespace(at=now)
    controller = SimpleNamespace(
        cluster=server,
        custody=None,
        scope=Scope(),
        now=lambda: clock.at,
        changed=changed,
        woken=woken,
        is_erasing=lambda uid: uid == "uid-known",
        listeners=[],
    )
    return Sweep(controller), clock  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due_deletions, "RETRY_S", 0)


async def test_due_resources_are_deleted_a_few_at_a_time() -> None:
    server = Server(*(dataset(f"d{number}", 60) for number in range(40)), dataset("later", HOUR))
    sweep, clock = sweep_of(server, CREATED)
    await sweep.sweep()
    await sweep.deletions.delete_due()
    assert server.asked == []
    clock.at = CREATED + timedelta(seconds=60)
    await sweep.deletions.delete_due()
    assert sorted(server.asked) == sorted(f"d{number}" for number in range(40))
    assert server.most_at_once == due_deletions.DELETIONS
    assert server.lists == 1


async def test_a_deletion_is_requested_once() -> None:
    """Even if a sweep started before it and listed the resource afterwards."""
    server = Server(dataset("d", 60))
    sweep, _ = sweep_of(server, CREATED + timedelta(seconds=60))
    await sweep.sweep()
    before = {
        name: {**body, "metadata": dict(body["metadata"])} for name, body in server.bodies.items()
    }
    await sweep.deletions.delete_due()
    server.bodies = before
    await sweep.sweep()
    await sweep.deletions.delete_due()
    assert server.asked == ["d"]


async def test_a_long_sweep_is_live_while_it_progresses() -> None:
    server = Server(dataset("d", HOUR), dataset("e", HOUR), dataset("f", HOUR))
    sweep, _ = sweep_of(server, CREATED)

    def time_goes_by() -> None:
        sweep._completed_at -= STALLED_S
        sweep._progressed_at -= STALLED_S

    stands_by = SimpleNamespace(leading=True)
    runner, port = await serve(SETTINGS, sweep, stands_by, SimpleNamespace(refused=None))  # type: ignore[arg-type]

    async def lives() -> bool:
        async with httpx2.AsyncClient() as http:
            return (await http.get(f"http://127.0.0.1:{port}/livez")).is_success

    try:
        assert await lives()
        server.step = asyncio.Semaphore(0)
        look = asyncio.create_task(sweep.sweep())
        for _ in range(2):
            time_goes_by()
            assert not await lives(), "no progress for that long"
            server.step.release()
            assert await lives()
        assert sweep.age_s >= 2 * STALLED_S, "no sweep completed since"
        server.step.release()
        await look
        time_goes_by()
        server.step, server.breaks = None, True
        with pytest.raises(ClusterError):
            await sweep.sweep()
        assert not await lives(), "failing sweeps are not live, however far they get"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("scope", "stuck"), [(Scope(), 2), (Scope(("tenant-acme",)), 2), (Scope(("tenant-b",)), 1)]
)
async def test_tenants_and_datasets_in_deletion_too_long_count_as_stuck(
    scope: Scope, stuck: int
) -> None:
    server = Server(dataset("d", HOUR), limit=HOUR)
    server.gone = server.bodies["d"]["metadata"]["deletionTimestamp"] = iso(CREATED)
    sweep, clock = sweep_of(server, CREATED + timedelta(minutes=10))
    sweep._controller.scope = scope
    await sweep.sweep()
    assert REGISTRY.get_sample_value("simulacra_stuck_deletions") == 0
    clock.at += timedelta(seconds=1)
    await sweep.sweep()
    assert REGISTRY.get_sample_value("simulacra_stuck_deletions") == stuck


async def test_an_extension_before_the_deletion_is_honored() -> None:
    server = Server(dataset("d", 60), dataset("e", 60))
    sweep, clock = sweep_of(server, CREATED + timedelta(seconds=60))
    await sweep.sweep()
    longer = dataset("d", HOUR)
    longer["metadata"]["resourceVersion"] = "2"
    touched = dataset("e", 60)
    touched["metadata"]["resourceVersion"] = "2"
    server.bodies = {"d": longer, "e": touched}
    await sweep.deletions.delete_due()
    await sweep.deletions.delete_due()
    assert sorted(server.asked) == ["d", "e", "e"]
    clock.at = CREATED + timedelta(seconds=HOUR)
    await sweep.deletions.delete_due()
    assert server.asked[3:] == ["d"]


async def test_a_raised_limit_of_the_tenant_is_honored() -> None:
    server = Server(dataset("limited", HOUR), dataset("own", 60), limit=60)
    sweep, clock = sweep_of(server, CREATED)
    await sweep.sweep()
    server.limit = 2 * HOUR
    clock.at = CREATED + timedelta(seconds=60)
    await sweep.deletions.delete_due()
    assert server.asked == ["own"]
    clock.at = CREATED + timedelta(seconds=HOUR)
    await sweep.deletions.delete_due()
    assert server.asked == ["own", "limited"]


async def test_a_resource_deleted_by_a_person_does_not_expire() -> None:
    server = Server(dataset("d", 60))
    sweep, clock = sweep_of(server, CREATED)
    await sweep.sweep()
    server.bodies["d"]["metadata"] |= {"deletionTimestamp": CREATED.isoformat(), "generation": 2}
    await event_router.changed(controller_of(sweep), server.bodies["d"], "MODIFIED")
    clock.at = CREATED + timedelta(seconds=60)
    await sweep.deletions.delete_due()
    assert server.asked == []


async def test_an_expiry_does_not_wait_for_a_sweep() -> None:
    server = Server(dataset("d", 60))
    sweep, clock = sweep_of(server, CREATED)
    await sweep.sweep()
    server.list_gate.clear()
    clock.at = CREATED + timedelta(seconds=60)
    running = asyncio.create_task(sweep.run())
    async with asyncio.timeout(20):
        while server.lists < 2 or not server.asked:
            await asyncio.sleep(0.01)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert server.asked == ["d"]


async def test_a_resource_created_between_sweeps_is_known_by_its_event() -> None:
    server = Server(dataset("old", HOUR))
    sweep, clock = sweep_of(server, CREATED)
    await sweep.sweep()
    server.list_gate.clear()
    looking = asyncio.create_task(sweep.sweep())
    await asyncio.sleep(0)
    made, listed = dataset("made", 60), dict(server.bodies)
    server.bodies["made"] = made
    await event_router.changed(controller_of(sweep), made, "ADDED")
    server.bodies = listed  # it was listed before
    server.list_gate.set()
    await looking
    server.bodies = {**listed, "made": made}
    clock.at = CREATED + timedelta(seconds=60)
    await sweep.deletions.delete_due()
    assert server.asked == ["made"]


async def test_a_changed_retention_is_known_by_its_event() -> None:
    server = Server(dataset("d", HOUR))
    sweep, clock = sweep_of(server, CREATED)
    await sweep.sweep()
    shorter = dataset("d", 60)
    shorter["metadata"] |= {"resourceVersion": "2", "generation": 2}
    server.bodies = {"d": shorter}
    await event_router.changed(controller_of(sweep), shorter, "MODIFIED")
    clock.at = CREATED + timedelta(seconds=60)
    await sweep.deletions.delete_due()
    assert server.asked == ["d"]


async def test_a_retention_changed_during_a_sweep_is_known() -> None:
    server = Server(dataset("shorter", HOUR), dataset("longer", 60))
    sweep, clock = sweep_of(server, CREATED)
    listed = server.bodies

    async def passing(what: ApiResource, namespace: str | None = None) -> AsyncIterator[Object]:
        for body in listed.values() if what == DATASETS else ():
            yield body
        if what == DATASETS:
            server.bodies = {"shorter": dataset("shorter", 60), "longer": dataset("longer", HOUR)}
            for body in server.bodies.values():
                body["metadata"] |= {"resourceVersion": "2", "generation": 2}
                await event_router.changed(controller_of(sweep), body, "MODIFIED")

    server.list = passing  # type: ignore[method-assign]
    await sweep.sweep()
    clock.at = CREATED + timedelta(seconds=60)
    await sweep.deletions.delete_due()
    assert "shorter" in server.asked
    assert {
        name for name, body in server.bodies.items() if "deletionTimestamp" in body["metadata"]
    } == {"shorter"}


async def test_events_during_a_resync_do_not_break_the_sweep() -> None:
    server = Server(dataset("a", HOUR), dataset("b", HOUR))
    sweep, clock = sweep_of(server, CREATED)

    async def changed(key: object) -> None:
        sweep.note(dataset("made", 60))

    sweep._controller.changed = changed  # type: ignore[method-assign]
    await sweep.sweep()
    assert sweep.completed
    server.bodies["made"] = dataset("made", 60)
    clock.at = CREATED + timedelta(seconds=60)
    await sweep.deletions.delete_due()
    assert server.asked == ["made"]


def controller_of(sweep: Sweep) -> Any:
    """Return a controller that passes events to the sweep only."""

    async def nothing(key: object) -> None:
        return

    idle = {
        "rest": lambda key: None,
        "is_own": lambda key, version: False,
        "changed": nothing,
        "wake_waiting": nothing,
    }
    return SimpleNamespace(**idle, notify=lambda key, body: sweep.note(body))


@pytest.mark.parametrize(("took", "pause"), [(0.1, 5.0), (4.0, 12.0), (60.0, 30.0)])
def test_sweeps_take_a_quarter_of_the_time_at_most(took: float, pause: float) -> None:
    assert sweep_module.pause(took) == pause


async def test_unchanged_resources_are_not_parsed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    parse = snapshot_module.parse
    monkeypatch.setattr(
        snapshot_module, "parse", lambda body: read.append(body["metadata"]["name"]) or parse(body)
    )
    server = Server(dataset("a", HOUR), dataset("b", HOUR))
    sweep, _ = sweep_of(server, CREATED)
    await sweep.sweep()
    await sweep.sweep()
    assert read == ["a", "b"]
    server.bodies["b"]["metadata"]["resourceVersion"] = "2"
    await sweep.sweep()
    assert read == ["a", "b", "b"]


async def test_a_missed_deletion_event_is_triggered_again() -> None:
    """kopf starts the erasure, on events only."""
    server = Server(dataset("known", HOUR), dataset("lost", HOUR), dataset("live", HOUR))
    for name in ("known", "lost"):
        server.bodies[name]["metadata"]["deletionTimestamp"] = CREATED.isoformat()
    sweep, clock = sweep_of(server, CREATED)
    await sweep.sweep()
    assert server.touched == [], "its event may still arrive"
    clock.at = CREATED + timedelta(seconds=31)
    await sweep.sweep()
    assert server.touched == [], "not in every sweep"
    sweep._resynced = float("-inf")
    await sweep.sweep()
    assert server.touched == ["lost"]


async def test_a_resource_kept_by_another_finalizer_is_not_written() -> None:
    server = Server(dataset("kept", HOUR))
    server.bodies["kept"]["metadata"] |= {
        "deletionTimestamp": CREATED.isoformat(),
        "finalizers": ["others.example/x"],
    }
    sweep, clock = sweep_of(server, CREATED)
    clock.at = CREATED + timedelta(seconds=HOUR)
    await sweep.sweep()
    assert server.touched == []


async def test_a_resource_kept_by_another_finalizer_is_not_requeued() -> None:
    class Around(Server):
        async def find(
            self, what: ApiResource, name: str, namespace: str | None = None
        ) -> Object | None:
            return self.bodies.get(name) if what == DATASETS else None

        async def list(
            self, what: ApiResource, namespace: str | None = None, **_: object
        ) -> AsyncIterator[Object]:
            for body in tuple[Object, ...]():
                yield body

    server = Around(dataset("d", HOUR))
    server.bodies["d"]["metadata"] |= {
        "deletionTimestamp": CREATED.isoformat(),
        "finalizers": ["others.example/x"],
    }
    controller = Controller(server, None, SETTINGS, lambda: CREATED)  # type: ignore[arg-type]
    assert await controller._attempt(Key("Dataset", "tenant-acme", "d")) == "settled"
    assert len(controller._queue) == 0


async def test_deletions_before_the_start_need_no_write() -> None:
    server = Server(dataset("old", HOUR))
    server.bodies["old"]["metadata"]["deletionTimestamp"] = CREATED.isoformat()
    sweep, _ = sweep_of(server, CREATED + timedelta(seconds=HOUR))
    await sweep.sweep()
    assert server.touched == []


async def test_a_deletion_found_by_a_pass_counts_as_missed() -> None:
    """Everything is erased then, but the finalizer is still there."""
    controller = Controller(None, None, SETTINGS, lambda: CREATED)  # type: ignore[arg-type]
    controller.release("uid-lost")
    assert not controller.is_erasing("uid-lost")
    await controller.wait_until_erased(Key("Dataset", "tenant-acme", "lost"), "uid-lost")
    assert controller.is_erasing("uid-lost")


async def test_a_refused_deletion_does_not_block_others() -> None:
    server = Server(dataset("a", 60), dataset("b", 60))
    sweep, _ = sweep_of(server, CREATED + timedelta(seconds=60))
    await sweep.sweep()
    delete = server.delete

    async def refusing(what: ApiResource, name: str, *rest: Any, **more: Any) -> bool:
        if name == "a":
            server.asked.append("refused")
            raise TimeoutError
        return await delete(what, name, *rest, **more)

    server.delete = refusing  # type: ignore[method-assign]
    with pytest.raises(TimeoutError):
        await sweep.deletions.delete_due()
    assert sorted(server.asked) == ["b", "refused"]
    server.delete = delete  # type: ignore[method-assign]
    await sweep.sweep()
    await sweep.deletions.delete_due()
    assert sorted(server.asked) == ["a", "b", "refused"]


def test_a_resource_snapshot_is_small() -> None:
    """There may be ten thousand: they hold plain facts and no part of the object."""
    kept = ResourceSnapshot.of(snapshot_module.parse(dataset("a", 60)), HOUR)
    assert not hasattr(kept, "__dict__")
    assert {type(getattr(kept, name)).__name__ for name in kept.__slots__} <= {
        "Key", "str", "int", "Due", "datetime", "NoneType", "bool", "Progress",
    }  # fmt: skip
