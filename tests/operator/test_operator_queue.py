"""The work queue: order, deduplication, one pass per key at a time, and backoff."""

from __future__ import annotations

import asyncio

import pytest

from operator_facts import NOW, SETTINGS, resource
from simulacra_operator.kinds.tenant.observe import TenantObserved
from simulacra_operator.observed.custom_resource import Key, parse
from simulacra_operator.runtime.controller import Controller
from simulacra_operator.runtime.queue import FIRST_RETRY_S, WorkQueue
from simulacra_operator.work import actions as act

A, B = Key("Dataset", "ns", "a"), Key("Dataset", "ns", "b")


async def nothing_due(queue: WorkQueue, seconds: float = 0.05) -> bool:
    try:
        await asyncio.wait_for(queue.get(), seconds)
    except TimeoutError:
        return True
    return False


async def test_a_key_added_several_times_is_returned_once() -> None:
    queue = WorkQueue()
    for key in (A, B, A, A):
        await queue.add(key)
    assert [await queue.get(), await queue.get()] == [A, B]
    assert await nothing_due(queue)


async def test_a_key_added_during_its_pass_waits_for_the_end() -> None:
    queue = WorkQueue()
    await queue.add(A)
    await queue.get()
    await queue.add(A)
    assert await nothing_due(queue)
    await queue.done(A)
    assert await asyncio.wait_for(queue.get(), 60) == A


async def test_a_key_is_due_at_its_earliest_time() -> None:
    queue = WorkQueue()
    await queue.add(A, 30)
    await queue.add(A, 0.01)
    await queue.add(A, 60)
    assert await asyncio.wait_for(queue.get(), 60) == A
    await queue.done(A)
    assert await nothing_due(queue)


async def test_a_waiting_worker_wakes_for_an_earlier_key() -> None:
    queue = WorkQueue()
    await queue.add(A, 30)
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0.01)
    await queue.add(B)
    assert await asyncio.wait_for(waiting, 60) == B


async def test_retry_delays_double_up_to_a_limit_until_forgiven() -> None:
    queue = WorkQueue()
    delays = [await queue.retry(A) for _ in range(12)]
    assert delays[:4] == pytest.approx([FIRST_RETRY_S * 2**n for n in range(4)])
    assert delays[-1] == 30.0
    queue.forgive(A)
    assert await queue.retry(A) == FIRST_RETRY_S


async def test_repeated_actions_without_effect_back_off() -> None:
    """As with a field of a NetworkPolicy that the API server drops."""

    def due() -> bool:
        return controller._queue._pop(asyncio.get_running_loop().time())[0] is not None

    controller = Controller(None, None, SETTINGS, lambda: NOW)  # type: ignore[arg-type]
    seen = TenantObserved(NOW, parse(resource("Tenant", "acme", {}, namespace=None)))
    one, other = (act.LogFailure("", message, "", None) for message in "ab")
    for action, at_once in ((one, True), (other, True), (other, False), (one, True)):
        await controller._act(seen.resource.key, seen, [action])
        assert due() is at_once
        controller._queue = WorkQueue()
    assert await controller._act(seen.resource.key, seen, []) == "settled"
    assert await controller._act(seen.resource.key, seen, [one]) == "acted"
    assert due(), "the effect lasted for a while"
