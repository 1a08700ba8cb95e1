"""Effects in segments: intervals that hold for all of them together, flags, differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
from scipy.stats import norm

from simulacra_schema.answers import SegmentEffect
from simulacra_trainer.effects.scores import Scores, part_of, summarize
from simulacra_trainer.effects.segment_rows import MAX_SEGMENTS
from simulacra_trainer.effects.segments import Segments, segment_effects
from simulacra_trainer.effects.simultaneous import critical_value

SIZES = (240, 160, 100, 60, 56, 52)
"""Rows of the segments; the last three have about 28 in an arm."""
EFFECTS = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 3.0])


def _scores(rng: np.random.Generator, shift: float = 0.0, effects: np.ndarray = EFFECTS) -> Scores:
    """Return scores of a randomized treatment, whose outcome is noise besides the effects."""
    segment = np.repeat(np.arange(len(SIZES)), SIZES)
    n = segment.size
    treated = np.zeros(n, np.bool_)
    for k in range(len(SIZES)):
        at = np.flatnonzero(segment == k)
        treated[rng.permutation(at)[: at.size // 2]] = True
    outcome = (effects[segment] + shift) * treated + rng.normal(size=n)
    sign = np.where(treated, 1.0, -1.0)
    arms = np.array([treated, ~treated]).astype(np.float64)
    return Scores(
        value=2.0 * sign * (outcome - effects[segment] * treated) + effects[segment] + shift,
        tilt=np.ones(n),
        propensities=(np.full(n, 0.5), np.full(n, 0.5)),
        arm_weights=(2 * arms[0], 2 * arms[1]),
        representer=2.0 * sign,
        residual=outcome,
    )


def _table() -> pa.Table:
    names = np.repeat(np.array([f"s{k}" for k in range(len(SIZES))]), SIZES)
    return pa.table({"g": pa.array(names).dictionary_encode()})


TABLE = _table()


def _find(*sets: Scores, reverses: bool = False) -> Segments:
    return segment_effects(TABLE, ["g"], [[one] for one in sets], None, reverses=reverses, seed=0)


def _covers(found: list[SegmentEffect], truth: np.ndarray) -> bool:
    return all(one.low <= value <= one.high for one, value in zip(found, truth, strict=True))


def test_intervals_hold_for_all_segments_and_all_differences_together() -> None:
    """300 tables: at 95 %, fewer than 273 or more than 297 happen in 1 of 500 runs.

    All segments have the same effect, so 5 % of the tables are said to differ.
    """
    rng = np.random.default_rng(0)
    together = alone = differences = said = 0
    truth = np.ones(len(SIZES))
    for _ in range(300):
        scores = _scores(rng, effects=truth)
        whole = _find(scores)
        found = whole.effects
        together += _covers(found, truth)
        said += whole.differ.p < 0.05
        gaps = [one.difference for one in found[1:]]
        differences += all(
            gap is not None and gap.low <= 0.0 <= gap.high for k, gap in enumerate(gaps, start=1)
        )
        segment = np.repeat(np.arange(len(SIZES)), SIZES)
        each = [summarize([scores], segment == k) for k in range(len(SIZES))]
        alone += all(i.low <= e <= i.high for i, e in zip(each, truth, strict=True))
    assert 273 <= together <= 297
    assert 273 <= differences <= 297
    assert alone < 245
    assert 5 <= said <= 27


def test_only_the_segment_that_differs_is_said_to_differ() -> None:
    found = _find(_scores(np.random.default_rng(1))).effects
    first, *others = found
    assert first.difference is None
    apart = [one.level for one in others if not one.difference.low <= 0 <= one.difference.high]
    assert apart == ["s5"]


def test_small_segments_are_flagged_and_smaller_ones_named_only() -> None:
    scores = _scores(np.random.default_rng(2))
    found = _find(scores)
    flagged = {one.level: one.thin_support for one in found.effects}
    assert flagged == {
        "s0": False, "s1": False, "s2": False, "s3": True, "s4": True, "s5": True,
    }  # fmt: skip
    assert found.unshown == []
    few = np.arange(TABLE.num_rows) % 2 == 0
    smaller = segment_effects(
        TABLE.filter(pa.array(few)), ["g"], [[_chosen(scores, few)]], None, reverses=False, seed=0
    )
    assert smaller.unshown == ["s3", "s4", "s5"]
    assert [one.level for one in smaller.effects] == ["s0", "s1", "s2"]
    assert smaller.effects[2].effective_rows < 50


def test_segments_count_persons_and_not_their_rows() -> None:
    """Of 70 persons with 40 rows each, one is alone in a segment, and nine are in another."""
    rng = np.random.default_rng(6)
    sizes = {"alone": 1, "few": 9, "many": 60}
    name = np.repeat([*sizes], [40 * count for count in sizes.values()])
    n = name.size
    treated = np.arange(n) % 2 == 0
    arms = np.array([treated, ~treated]).astype(np.float64)
    noise = rng.normal(size=n)
    scores = Scores(
        value=noise,
        tilt=np.ones(n),
        propensities=(np.full(n, 0.5), np.full(n, 0.5)),
        arm_weights=(2 * arms[0], 2 * arms[1]),
        representer=np.where(treated, 2.0, -2.0),
        residual=noise,
        units=np.arange(n) // 40,
    )
    table = pa.table({"g": pa.array(name).dictionary_encode()})
    persons = scores.units
    found = segment_effects(table, ["g"], [[scores]], persons, reverses=False, seed=0)
    assert found.unshown == ["few", "alone"]
    (many,) = found.effects
    assert np.isclose(many.effective_rows or 0.0, 60.0)
    assert not many.thin_support
    alone = replace(scores, units=None)
    rows = segment_effects(table, ["g"], [[alone]], None, reverses=False, seed=0)
    assert rows.unshown == []


def test_levels_beyond_the_largest_are_named_and_absent_ones_are_not() -> None:
    levels = [f"l{k:02d}" for k in range(MAX_SEGMENTS + 2)]
    positions = np.repeat(np.arange(len(levels)), [4 if k < MAX_SEGMENTS else 2 for k in range(52)])
    column = pa.DictionaryArray.from_arrays(positions, [*levels, "nobody"])
    n = positions.size
    scores = _scores(np.random.default_rng(7))
    some = _chosen(scores, np.arange(scores.value.size) < n)
    found = segment_effects(pa.table({"g": column}), ["g"], [[some]], None, reverses=False, seed=0)
    assert found.unshown == levels
    few = pa.DictionaryArray.from_arrays(np.arange(n) % 2, ["a", "b", "nobody"])
    assert (
        segment_effects(pa.table({"g": few}), ["g"], [[some]], None, reverses=False, seed=0).unshown
        == []
    )


def test_every_adjustment_set_left_open_widens_the_intervals() -> None:
    one, other = (_scores(np.random.default_rng(3), shift) for shift in (0.0, 0.7))
    single, both = _find(one).effects, _find(one, other).effects
    reversed_too = _find(one, other, reverses=True).effects
    for a, b, c in zip(single, both, reversed_too, strict=True):
        assert a.effect == b.effect == c.effect
        assert c.low <= b.low <= a.low
        assert a.high < b.high <= c.high
        assert c.low <= 0 <= c.high


def test_largest_of_several_effects_needs_a_wider_interval_the_less_they_go_together() -> None:
    rng = np.random.default_rng(4)
    apart = np.kron(np.eye(8), np.ones(50)) * rng.normal(size=400)
    alike = np.tile(rng.normal(size=400), (8, 1))
    assert abs(critical_value(list(alike), rng) - norm.isf(0.025)) < 0.05
    sidak = norm.isf((1 - 0.95 ** (1 / 8)) / 2)
    assert abs(critical_value(list(apart), rng) - sidak) < 0.05


def test_part_of_an_effect_has_the_error_of_the_whole() -> None:
    scores = _scores(np.random.default_rng(5))
    rows = np.arange(scores.value.size) < SIZES[0]
    part = part_of(scores, rows)
    assert np.isclose(part.variance, scores.value[rows].var(ddof=1) / SIZES[0])
    assert not part.influence[~rows].any()
    whole = part_of(scores)
    assert part.minus(whole).effect == part.effect - whole.effect


def _chosen(scores: Scores, rows: np.ndarray) -> Scores:
    return Scores(
        value=scores.value[rows],
        tilt=scores.tilt[rows],
        propensities=(scores.propensities[0][rows], scores.propensities[1][rows]),
        arm_weights=(scores.arm_weights[0][rows], scores.arm_weights[1][rows]),
        representer=scores.representer[rows],
        residual=scores.residual[rows],
    )


def test_quintiles_of_a_number_name_no_ones_number() -> None:
    scores = _scores(np.random.default_rng(7))
    n = scores.value.size
    values = np.random.default_rng(3).lognormal(10.0, 1.0, n).round(2)
    table = pa.table({"g": values})
    found = segment_effects(table, ["g"], [[scores]], None, reverses=False, seed=0)
    named = [float(end) for one in found.effects for end in one.level.split(" to ")]
    assert len(named) == 10
    assert not np.isin(np.round(named, 1), np.round(values, 1)).any()


def test_groups_of_two_columns_have_both_intervals_and_a_word_whether_they_differ() -> None:
    """Half of each segment is "x"; three persons, whom nobody shall be told of, are "z"."""
    scores = _scores(np.random.default_rng(10))
    n = scores.value.size
    half = np.where(np.arange(n) % 4 < 2, "x", "y").astype(object)
    half[:3] = "z"
    table = TABLE.append_column("h", pa.array(half).dictionary_encode())
    found = segment_effects(table, ["g", "h"], [[scores]], None, reverses=False, seed=0)
    names = [f"s{k}, {h}" for k in range(6) for h in "xy"]
    assert sorted([*(one.level for one in found.effects), *found.unshown]) == names
    assert "s4, x" in found.unshown
    for one in found.effects:
        assert one.low < one.alone.low < one.effect < one.alone.high < one.high
    alike = np.arange(n) < sum(SIZES[:5])
    same = segment_effects(
        table.filter(pa.array(alike)), ["g"], [[_chosen(scores, alike)]], None,
        reverses=False, seed=0,
    )  # fmt: skip
    whole = _find(scores)
    assert whole.differ.p == 0.001
    assert whole.differ.text == "The effect differs between groups (p below 0.001)."
    assert same.differ.p > 0.05
    assert "chance alone" in same.differ.text
    assert _find(scores, reverses=True).differ.p == 1.0
