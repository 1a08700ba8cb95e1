"""The sweep: what it asks of the API server and when, whatever the number of resources."""

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
from simulacra_crds.cluster import DATASETS, TENANTS, ApiResource, ClusterError, Object
from simulacra_operator import sight as sight_module
from simulacra_operator import sweep as sweep_module
from simulacra_operator import watch
from simulacra_operator.engine import Engine
from simulacra_operator.health import serve
from simulacra_operator.scope import Scope
from simulacra_operator.sight import Sighted
from simulacra_operator.subject import Key
from simulacra_operator.sweep import DELETIONS, STALLED_S, Sweep

HOUR = 3600


class Server:
    """Answers from a dict; counts and holds up what it is told to."""

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

    async def delete(self, what: ApiResource, name: str, namespace: str | None, *, uid: str, version: str) -> bool:
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

    async def patch(self, what: ApiResource, name: str, body: Object, namespace: str | None) -> Object:
        assert body["metadata"]["uid"] == self.bodies[name]["metadata"]["uid"]
        assert set(body) == {"metadata"}
        self.touched.append(name)
        return {}

    async def find(self, what: ApiResource, name: str, namespace: str | None = None) -> Object | None:
        return self.tenant if what == TENANTS else self.bodies.get(name)

    @property
    def tenant(self) -> Object:
        meta = {"deletionTimestamp": self.gone} if self.gone else {}
        return resource("Tenant", "acme", {"maxRetentionSeconds": self.limit}, namespace=None, **meta)


def dataset(name: str, seconds: int) -> Object:
    body: Object = resource("Dataset", name, {"retentionSeconds": seconds}, uid=f"uid-{name}")
    return body


def sweep_of(server: Server, now: datetime) -> tuple[Sweep, Any]:
    async def changed(key: object) -> None:
        woken.append(key)

    woken: list[object] = []
    clock = SimpleNamespace(at=now)
    engine = SimpleNamespace(
        cluster=server,
        custodian=None,
        scope=Scope(),
        now=lambda: clock.at,
        changed=changed,
        woken=woken,
        is_erasing=lambda uid: uid == "uid-known",
        listeners=[],
    )
    return Sweep(engine), clock  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_module, "AGAIN_S", 0)


async def test_what_is_due_at_once_is_deleted_at_once_and_a_few_at_a_time() -> None:
    server = Server(*(dataset(f"d{number}", 60) for number in range(40)), dataset("later", HOUR))
    sweep, clock = sweep_of(server, CREATED)
    await sweep.look()
    await sweep.delete_due()
    assert server.asked == []
    clock.at = CREATED + timedelta(seconds=60)
    await sweep.delete_due()
    assert sorted(server.asked) == sorted(f"d{number}" for number in range(40))
    assert server.most_at_once == DELETIONS
    assert server.lists == 1


async def test_a_deletion_is_asked_for_once() -> None:
    """Also when a look began before it and ended after it, with the resource as it was."""
    server = Server(dataset("d", 60))
    sweep, _ = sweep_of(server, CREATED + timedelta(seconds=60))
    await sweep.look()
    before = {name: {**body, "metadata": dict(body["metadata"])} for name, body in server.bodies.items()}
    await sweep.delete_due()
    server.bodies = before
    await sweep.look()
    await sweep.delete_due()
    assert server.asked == ["d"]


async def test_a_look_that_takes_long_is_alive_while_it_gets_on_and_one_that_fails_or_hangs_is_not() -> None:
    server = Server(dataset("d", HOUR), dataset("e", HOUR), dataset("f", HOUR))
    sweep, _ = sweep_of(server, CREATED)

    def time_goes_by() -> None:
        sweep._fresh -= STALLED_S
        sweep._moved -= STALLED_S

    stands_by = SimpleNamespace(leading=True)
    runner, port = await serve(SETTINGS, sweep, stands_by, SimpleNamespace(refused=None))  # type: ignore[arg-type]

    async def lives() -> bool:
        async with httpx2.AsyncClient() as http:
            return (await http.get(f"http://127.0.0.1:{port}/livez")).is_success

    try:
        assert await lives()
        server.step = asyncio.Semaphore(0)
        look = asyncio.create_task(sweep.look())
        for _ in range(2):
            time_goes_by()
            assert not await lives(), "nothing came for so long"
            server.step.release()
            assert await lives()
        assert sweep.age_s >= 2 * STALLED_S, "no look was completed since"
        server.step.release()
        await look
        time_goes_by()
        server.step, server.breaks = None, True
        with pytest.raises(ClusterError):
            await sweep.look()
        assert not await lives(), "looks that fail are not alive, however far they got"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(("scope", "stuck"), [(Scope(), 2), (Scope(("tenant-acme",)), 2), (Scope(("tenant-b",)), 1)])
async def test_a_tenant_in_deletion_for_too_long_counts_as_stuck_as_a_dataset_does(scope: Scope, stuck: int) -> None:
    server = Server(dataset("d", HOUR), limit=HOUR)
    server.gone = server.bodies["d"]["metadata"]["deletionTimestamp"] = iso(CREATED)
    sweep, clock = sweep_of(server, CREATED + timedelta(minutes=10))
    sweep._engine.scope = scope
    await sweep.look()
    assert REGISTRY.get_sample_value("simulacra_stuck_deletions") == 0
    clock.at += timedelta(seconds=1)
    await sweep.look()
    assert REGISTRY.get_sample_value("simulacra_stuck_deletions") == stuck


async def test_an_extension_that_came_first_counts() -> None:
    server = Server(dataset("d", 60), dataset("e", 60))
    sweep, clock = sweep_of(server, CREATED + timedelta(seconds=60))
    await sweep.look()
    longer = dataset("d", HOUR)
    longer["metadata"]["resourceVersion"] = "2"
    touched = dataset("e", 60)
    touched["metadata"]["resourceVersion"] = "2"
    server.bodies = {"d": longer, "e": touched}
    await sweep.delete_due()
    await sweep.delete_due()
    assert sorted(server.asked) == ["d", "e", "e"]
    clock.at = CREATED + timedelta(seconds=HOUR)
    await sweep.delete_due()
    assert server.asked[3:] == ["d"]


async def test_a_longer_limit_of_the_tenant_counts_although_it_changes_no_resource() -> None:
    server = Server(dataset("limited", HOUR), dataset("own", 60), limit=60)
    sweep, clock = sweep_of(server, CREATED)
    await sweep.look()
    server.limit = 2 * HOUR
    clock.at = CREATED + timedelta(seconds=60)
    await sweep.delete_due()
    assert server.asked == ["own"]
    clock.at = CREATED + timedelta(seconds=HOUR)
    await sweep.delete_due()
    assert server.asked == ["own", "limited"]


async def test_what_a_person_deleted_does_not_expire_as_well() -> None:
    server = Server(dataset("d", 60))
    sweep, clock = sweep_of(server, CREATED)
    await sweep.look()
    server.bodies["d"]["metadata"] |= {"deletionTimestamp": CREATED.isoformat(), "generation": 2}
    await watch.changed(engine_of(sweep), server.bodies["d"], "MODIFIED")
    clock.at = CREATED + timedelta(seconds=60)
    await sweep.delete_due()
    assert server.asked == []


async def test_an_expiry_does_not_wait_for_a_look() -> None:
    server = Server(dataset("d", 60))
    sweep, clock = sweep_of(server, CREATED)
    await sweep.look()
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


async def test_what_is_made_between_two_looks_is_known_by_its_event() -> None:
    server = Server(dataset("old", HOUR))
    sweep, clock = sweep_of(server, CREATED)
    await sweep.look()
    server.list_gate.clear()
    looking = asyncio.create_task(sweep.look())
    await asyncio.sleep(0)
    made, listed = dataset("made", 60), dict(server.bodies)
    server.bodies["made"] = made
    await watch.changed(engine_of(sweep), made, "ADDED")
    server.bodies = listed  # the list had passed its place
    server.list_gate.set()
    await looking
    server.bodies = {**listed, "made": made}
    clock.at = CREATED + timedelta(seconds=60)
    await sweep.delete_due()
    assert server.asked == ["made"]


async def test_another_retention_is_known_by_its_event() -> None:
    server = Server(dataset("d", HOUR))
    sweep, clock = sweep_of(server, CREATED)
    await sweep.look()
    shorter = dataset("d", 60)
    shorter["metadata"] |= {"resourceVersion": "2", "generation": 2}
    server.bodies = {"d": shorter}
    await watch.changed(engine_of(sweep), shorter, "MODIFIED")
    clock.at = CREATED + timedelta(seconds=60)
    await sweep.delete_due()
    assert server.asked == ["d"]


async def test_another_retention_is_known_also_when_the_look_has_passed_the_resource() -> None:
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
                await watch.changed(engine_of(sweep), body, "MODIFIED")

    server.list = passing  # type: ignore[method-assign]
    await sweep.look()
    clock.at = CREATED + timedelta(seconds=60)
    await sweep.delete_due()
    assert "shorter" in server.asked
    assert {name for name, body in server.bodies.items() if "deletionTimestamp" in body["metadata"]} == {"shorter"}


async def test_events_while_the_engine_is_called_do_not_trip_the_look() -> None:
    server = Server(dataset("a", HOUR), dataset("b", HOUR))
    sweep, clock = sweep_of(server, CREATED)

    async def changed(key: object) -> None:
        sweep.note(dataset("made", 60))

    sweep._engine.changed = changed  # type: ignore[method-assign]
    await sweep.look()
    assert sweep.completed
    server.bodies["made"] = dataset("made", 60)
    clock.at = CREATED + timedelta(seconds=60)
    await sweep.delete_due()
    assert server.asked == ["made"]


def engine_of(sweep: Sweep) -> Any:
    """Return an engine that is told of events and has nothing else to do."""

    async def nothing(key: object) -> None:
        return

    idle = {"rest": lambda key: None, "is_own": lambda key, version: False, "changed": nothing, "awaited": nothing}
    return SimpleNamespace(**idle, tell=lambda key, body: sweep.note(body))


@pytest.mark.parametrize(("took", "pause"), [(0.1, 5.0), (4.0, 12.0), (60.0, 30.0)])
def test_looks_take_a_quarter_of_the_time_at_most(took: float, pause: float) -> None:
    assert sweep_module.pause(took) == pause


async def test_what_has_not_changed_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    parse = sight_module.parse
    monkeypatch.setattr(sight_module, "parse", lambda body: read.append(body["metadata"]["name"]) or parse(body))
    server = Server(dataset("a", HOUR), dataset("b", HOUR))
    sweep, _ = sweep_of(server, CREATED)
    await sweep.look()
    await sweep.look()
    assert read == ["a", "b"]
    server.bodies["b"]["metadata"]["resourceVersion"] = "2"
    await sweep.look()
    assert read == ["a", "b", "b"]


async def test_a_deletion_whose_event_was_lost_gets_another_event() -> None:
    """kopf erases, and acts on events alone."""
    server = Server(dataset("known", HOUR), dataset("lost", HOUR), dataset("live", HOUR))
    for name in ("known", "lost"):
        server.bodies[name]["metadata"]["deletionTimestamp"] = CREATED.isoformat()
    sweep, clock = sweep_of(server, CREATED)
    await sweep.look()
    assert server.touched == [], "its event may be on its way"
    clock.at = CREATED + timedelta(seconds=31)
    await sweep.look()
    assert server.touched == [], "not at every look"
    sweep._resynced = float("-inf")
    await sweep.look()
    assert server.touched == ["lost"]


async def test_what_another_finalizer_keeps_is_not_written_to() -> None:
    server = Server(dataset("kept", HOUR))
    server.bodies["kept"]["metadata"] |= {"deletionTimestamp": CREATED.isoformat(), "finalizers": ["others.example/x"]}
    sweep, clock = sweep_of(server, CREATED)
    clock.at = CREATED + timedelta(seconds=HOUR)
    await sweep.look()
    assert server.touched == []


async def test_what_another_finalizer_keeps_is_not_looked_at_again() -> None:
    class Around(Server):
        async def find(self, what: ApiResource, name: str, namespace: str | None = None) -> Object | None:
            return self.bodies.get(name) if what == DATASETS else None

        async def list(self, what: ApiResource, namespace: str | None = None, **_: object) -> AsyncIterator[Object]:
            for body in tuple[Object, ...]():
                yield body

    server = Around(dataset("d", HOUR))
    server.bodies["d"]["metadata"] |= {"deletionTimestamp": CREATED.isoformat(), "finalizers": ["others.example/x"]}
    engine = Engine(server, None, SETTINGS, lambda: CREATED)  # type: ignore[arg-type]
    assert await engine._attempt(Key("Dataset", "tenant-acme", "d")) == "settled"
    assert len(engine._queue) == 0


async def test_after_a_start_the_listing_tells_of_deletions_and_no_write_is_needed() -> None:
    server = Server(dataset("old", HOUR))
    server.bodies["old"]["metadata"]["deletionTimestamp"] = CREATED.isoformat()
    sweep, _ = sweep_of(server, CREATED + timedelta(seconds=HOUR))
    await sweep.look()
    assert server.touched == []


async def test_a_deletion_that_the_engine_came_across_by_itself_was_not_heard_of() -> None:
    """All is erased by then, but kopf has the finalizer."""
    engine = Engine(None, None, SETTINGS, lambda: CREATED)  # type: ignore[arg-type]
    engine.release("uid-lost")
    assert not engine.is_erasing("uid-lost")
    await engine.erased_for_good(Key("Dataset", "tenant-acme", "lost"), "uid-lost")
    assert engine.is_erasing("uid-lost")


async def test_a_refusal_of_one_keeps_no_other() -> None:
    server = Server(dataset("a", 60), dataset("b", 60))
    sweep, _ = sweep_of(server, CREATED + timedelta(seconds=60))
    await sweep.look()
    delete = server.delete

    async def refusing(what: ApiResource, name: str, *rest: Any, **more: Any) -> bool:
        if name == "a":
            server.asked.append("refused")
            raise TimeoutError
        return await delete(what, name, *rest, **more)

    server.delete = refusing  # type: ignore[method-assign]
    with pytest.raises(TimeoutError):
        await sweep.delete_due()
    assert sorted(server.asked) == ["b", "refused"]
    server.delete = delete  # type: ignore[method-assign]
    await sweep.look()
    await sweep.delete_due()
    assert sorted(server.asked) == ["a", "b", "refused"]


def test_a_sight_is_small() -> None:
    """It is kept for each of ten thousand resources: facts only, no part of the object."""
    kept = Sighted.of(sight_module.parse(dataset("a", 60)), HOUR)
    assert not hasattr(kept, "__dict__")
    assert {type(getattr(kept, name)).__name__ for name in kept.__slots__} <= {
        "Key", "str", "int", "Due", "datetime", "NoneType", "bool", "Running",
    }  # fmt: skip
