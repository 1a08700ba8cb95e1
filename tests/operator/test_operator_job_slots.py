"""Quota slots for Jobs: never too many, oldest first, none forgotten, and few reads."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from operator_facts import CREATED, ready_condition, resource
from simulacra_crds.kube.client import DATASETS, JOBS, WORK_RESOURCES, ApiResource, Object
from simulacra_operator.observed.custom_resource import Key
from simulacra_operator.observed.placement import QUEUE_LABEL
from simulacra_operator.runtime.job_slots import JobSlots

NAMESPACE = "tenant-acme"


class Lists:
    """An API server that counts lists."""

    def __init__(self) -> None:
        self.bodies: dict[str, list[Object]] = {}
        self.reads = 0

    async def list(
        self, resource: ApiResource, namespace: str | None = None, **_: Any
    ) -> AsyncIterator[Object]:
        self.reads += 1
        for body in self.bodies.get(resource.plural, []):
            yield body


def named(number: int) -> Key:
    return Key("Dataset", NAMESPACE, f"ds-{number}")


def job_of(key: Key, **status: Any) -> Object:
    owner = {"kind": key.kind, "name": key.name, "controller": True}
    meta = {
        "name": f"job-{key.name}",
        "uid": f"uid-{key.name}",
        "namespace": NAMESPACE,
        "ownerReferences": [owner],
    }
    return {"metadata": meta, "spec": {}, "status": status}


class Play:
    """A tenant's resources that wait, start and end, as in the controller."""

    def __init__(self, limit: int) -> None:
        self.cluster, self.limit = Lists(), limit
        self.woken: list[Key] = []
        self.slots = JobSlots(self.cluster, self.wake)  # type: ignore[arg-type]
        self.started: list[Key] = []
        self.running: list[Key] = []
        self.asks = 0

    async def wake(self, key: Key) -> None:
        if key not in self.woken:
            self.woken.append(key)

    async def ask(self, key: Key) -> bool:
        self.asks += 1
        number = int(key.name.partition("-")[2])
        if not await self.slots.acquire(key, CREATED + timedelta(seconds=number), self.limit):
            return False
        self.started.append(key)
        self.running.append(key)
        await self.slots.observe_job(job_of(key))
        return True

    async def end(self, key: Key) -> None:
        self.running.remove(key)
        await self.slots.observe_job(
            job_of(key, conditions=[{"type": "Complete", "status": "True"}])
        )
        while self.woken:
            await self.ask(self.woken.pop(0))


async def test_a_thousand_waiting_resources_start_oldest_first() -> None:
    play = Play(limit=3)
    order = list(range(1000))
    random.Random(0).shuffle(order)
    for number in order:
        await play.ask(named(number))
    first = set(play.started)
    assert len(first) == 3
    while play.running:
        await play.end(play.running[0])
        assert len(play.running) <= 3
    assert play.started[3:] == [
        named(number) for number in range(1000) if named(number) not in first
    ]
    assert play.asks <= 2100
    assert play.cluster.reads <= len(WORK_RESOURCES) + 1


async def test_sixty_questions_hold_up_no_upload() -> None:
    """Nor does an upload hold up the questions: kinds take turns, each its oldest first."""
    play = Play(limit=2)
    questions = [Key("SegmentEstimate", NAMESPACE, f"seg-{number}") for number in range(60)]
    for question in questions:
        await play.ask(question)
    uploads = [named(number) for number in (100, 101)]
    for upload in uploads:
        await play.ask(upload)
    fit = Key("Model", NAMESPACE, "mdl-102")
    await play.ask(fit)
    assert play.started == questions[:2]
    while len(play.running) and len(play.started) < 9:
        await play.end(play.running[0])
    assert play.started[2:9] == [
        uploads[0],
        fit,
        questions[2],
        uploads[1],
        questions[3],
        questions[4],
        questions[5],
    ]


async def test_a_released_slot_goes_to_the_next_resource() -> None:
    play = Play(limit=1)
    assert [await play.ask(named(number)) for number in (1, 3, 2)] == [True, False, False]
    await play.slots.release(named(2))
    await play.end(named(1))
    assert play.running == [named(3)]


async def test_a_slot_is_held_before_the_job_is_observed() -> None:
    play = Play(limit=1)
    assert await play.slots.acquire(named(1), CREATED, 1)
    assert await play.slots.acquire(named(1), CREATED, 1)
    assert not await play.ask(named(2))
    await play.slots.release(named(1))
    assert play.woken == [named(2)]
    assert await play.ask(named(2))


async def test_a_restart_restores_the_queue_and_the_running_jobs() -> None:
    play = Play(limit=2)
    status = {"phase": "Pending", "conditions": [ready_condition("False", "AwaitingQuota")]}
    waiting = resource("Dataset", "ds-0", None, status)
    play.cluster.bodies = {JOBS.plural: [job_of(named(9))], DATASETS.plural: [waiting]}
    assert not await play.ask(named(5)), "ds-0 is older and waits"
    assert play.woken == [named(0)]
    assert await play.ask(named(0))
    assert not await play.ask(named(5)), "both slots are in use"


async def test_a_suspended_job_releases_its_slot() -> None:
    play = Play(limit=1)
    assert await play.ask(named(1))
    await play.slots.observe_job(job_of(named(1)))
    assert not await play.ask(named(2))
    await play.slots.observe_job({**job_of(named(1)), "spec": {"suspend": True}})
    assert play.woken == [named(2)]


async def test_a_job_that_waits_in_a_queue_of_kueue_holds_its_slot() -> None:
    """Kueue may admit it at any time."""
    play = Play(limit=1)
    assert await play.ask(named(1))
    waiting = {**job_of(named(1)), "spec": {"suspend": True}}
    waiting["metadata"]["labels"] = {QUEUE_LABEL: "jobs"}
    await play.slots.observe_job(waiting)
    assert not await play.ask(named(2))
    assert play.woken == []
