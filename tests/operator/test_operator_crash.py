"""Crash sweep: SIGKILL before and after writes and custody calls; nothing is lost or doubled.

`make test` kills at every `STRIDE`-th point, alternately before and after. `make test-reliability`
kills at each point: before and after, or, where a life waits for an expiry, after it only (the
state after one call is the state before the next).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

import operator_life as life
from operator_bench import World
from operator_proxy import KillingProxy

STRIDE = 30
REPEATED = 12
"""Writes that a restart may add: repeated and conflicting ones, repeated records, its event."""
Life = Callable[..., Awaitable[int]]
Points = Callable[[int], list[tuple[int, bool]]]
"""Returns, for a number of calls, at which to kill, and whether before the call."""


def some(total: int) -> list[tuple[int, bool]]:
    """Return some points, alternately after and before."""
    return [(point, bool(number % 2)) for number, point in enumerate(range(1, total + 1, STRIDE))]


def both_sides(total: int) -> list[tuple[int, bool]]:
    """Return each point, before and after."""
    return [(point, before) for point in range(1, total + 1) for before in (True, False)]


def after(total: int) -> list[tuple[int, bool]]:
    """Return each point, after it."""
    return [(point, False) for point in range(1, total + 1)]


EACH = [pytest.mark.reliability, pytest.mark.timeout(1500)]
LIVES = [
    pytest.param(life.full, some, marks=pytest.mark.slow, id="some points of a life"),
    pytest.param(life.full, both_sides, marks=EACH, id="success"),
    pytest.param(life.failing, both_sides, marks=EACH, id="failure"),
    pytest.param(life.expiring, after, marks=EACH, id="expiry"),
    pytest.param(life.outliving, some, marks=pytest.mark.slow, id="some points of results"),
    pytest.param(life.outliving, both_sides, marks=EACH, id="results"),
    pytest.param(life.completing, some, marks=pytest.mark.slow, id="some points of a completion"),
    pytest.param(life.completing, both_sides, marks=EACH, id="completion"),
    pytest.param(life.tenant, both_sides, marks=EACH, id="tenant"),
]


@pytest.mark.parametrize(("one_life", "points"), LIVES)
async def test_a_kill_at_any_write_does_not_change_the_outcome(
    world: World, proxy: KillingProxy, one_life: Life, points: Points
) -> None:
    await world.create_tenant()
    undisturbed = await one_life(world, proxy, 1)
    tried = points(undisturbed)
    for number, (point, before) in enumerate(tried, start=2):
        proxy.at, proxy.before = proxy.writes + point, before
        writes = await one_life(world, proxy, number)
        assert writes <= undisturbed + REPEATED, (
            f"killed at write {point} it took {writes} writes, not {undisturbed}"
        )
    reached = min(len(tried) * 0.9, len(tried) - 4)  # lives differ by a write or two
    assert proxy.kills >= reached, "nearly every point was reached"
    print(  # noqa: T201
        f"killed at {proxy.kills} of {len(tried)} points of {undisturbed} writes: "
        f"{one_life.__name__}"
    )


@pytest.mark.parametrize(("one_life", "points"), LIVES)
async def test_a_kill_at_any_custody_call_does_not_change_the_outcome(
    world: World, proxy: KillingProxy, one_life: Life, points: Points
) -> None:
    doom = world.operator.root / "doom"
    world.operator.script = Path(life.__file__).with_name("doomed_operator.py")
    world.operator.extra = {"DOOM": str(doom)}
    world.operator.end()
    await world.create_tenant()
    start = _calls(doom)
    await one_life(world, proxy, 1)
    undisturbed = _calls(doom) - start
    tried, starts = points(undisturbed), _starts(world)
    for number, (point, before) in enumerate(tried, start=2):
        doom.write_text(f"{_calls(doom) + point} {'before' if before else 'after'}\n")
        await one_life(world, proxy, number)
    kills = _starts(world) - starts
    # The last points of the first life may lie beyond the end of another: a clock starts sweeps.
    reached = len(tried) - max(1, len(tried) // 10)
    assert kills >= max(reached, 1), "nearly every point was reached"
    print(  # noqa: T201
        f"killed at {kills} of {len(tried)} points of {undisturbed} custody calls: "
        f"{one_life.__name__}"
    )


def _calls(doom: Path) -> int:
    calls = doom.with_suffix(".calls")
    return len(calls.read_text().splitlines()) if calls.exists() else 0


def _starts(world: World) -> int:
    return world.operator.log.read_text().count('"started"')
