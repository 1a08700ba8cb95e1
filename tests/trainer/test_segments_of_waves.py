"""Segments of a wave: what other waves add, what is said at most, and which changes are found."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from simulacra_crds.tasks import BoostRequest
from simulacra_schema.conditions import ConditionSet
from simulacra_schema.questions.segments import SegmentColumn
from simulacra_schema.segment_shares import SegmentResult
from simulacra_schema.table import ColumnSchema
from simulacra_trainer.cell_keys import NOISE
from simulacra_trainer.segments.answers import certified_worth
from simulacra_trainer.segments.cells import segmentation
from simulacra_trainer.segments.certify import CLASSES, MOST_GAIN_IN_WAVES, certify_pooled
from simulacra_trainer.segments.changes import fab_p_values
from simulacra_trainer.segments.estimate import certify_segments
from simulacra_trainer.segments.few_counts import shown_counts
from trainer_tables import clean, levels_column


def tracker(waves: int = 5, size: int = 500, seed: int = 3) -> Any:
    """Return what segments need of a model: those under 35 know more in the last wave."""
    rng = np.random.default_rng(seed)
    wave = np.repeat(np.arange(1, waves + 1), size)
    age = rng.choice(["18-34", "35-54", "55-74", "75+"], wave.size, p=[0.3, 0.4, 0.2, 0.1])
    sex = rng.choice(["female", "male"], wave.size)
    aware = rng.random(wave.size) < np.where((wave == waves) & (age == "18-34"), 0.7, 0.4)
    answers = np.where(aware, "yes", "no").astype(object)
    answers[::50] = None
    columns = {"wave": wave.astype(str), "age": age, "sex": sex, "aware": answers}
    columns["likes"] = rng.choice(["a", "b", "c"], wave.size)
    table, schema = clean(*(levels_column(name, [*of]) for name, of in columns.items()))
    schema.columns[0] = schema.columns[0].model_copy(update={"role": "wave", "kind": "ordinal"})
    return SimpleNamespace(table=table, schema=schema, report={})


def asked(of: Any, *questions: str, **segment: list[str]) -> SegmentResult:
    columns = [SegmentColumn(column=name, levels=levels) for name, levels in segment.items()]
    return certify_segments(of, BoostRequest(segment=columns, questions=list(questions)))


@pytest.fixture(scope="module")
def waves() -> Any:
    return tracker()


def test_a_segment_of_a_wave_says_who_helped_and_what_moved(waves: Any) -> None:
    found = asked(waves, "aware", wave=["5"], age=[])
    rows = waves.table.select(["wave", "age", "aware"]).to_pylist()
    assert len(found.shares) == 8
    for one in found.shares:
        age = one.segment[1].level
        same = [r for r in rows if r["age"] == age and r["aware"] is not None]
        now, then = ([r["aware"] == one.answer for r in same if r["wave"] == w] for w in ("5", "4"))
        assert one.respondents == pytest.approx(len(now), abs=4)
        if one.helped is not None:
            earlier = len([r for r in same if r["wave"] != "5"])
            assert one.helped == pytest.approx(earlier, abs=12)
            assert f"{one.helped:,.0f} respondents of earlier waves helped." in one.text
            at = int(np.searchsorted(CLASSES, one.respondents, side="right"))
            assert one.worth <= MOST_GAIN_IN_WAVES[at] * one.respondents + 1e-9
        assert one.change is not None
        assert one.change.since == "4"
        assert one.change.change == pytest.approx(np.mean(now) - np.mean(then), abs=0.1)
        assert one.change.low < one.change.change < one.change.high
        assert one.change.low < one.change.certified < one.change.high
        assert (one.change.verdict == "moved") == (age == "18-34")
        assert f"Since 4: {one.change.verdict}, {100 * one.change.change:+.1f} points" in one.text
    assert sum(one.helped is not None for one in found.shares) >= 4
    first = asked(waves, "aware", wave=["1"], age=[])
    assert not any(one.change or one.helped for one in first.shares)
    plain = asked(waves, "aware", age=[], sex=[])
    assert not any(one.change or one.helped for one in plain.shares)


def test_later_waves_do_not_change_what_was_said(waves: Any) -> None:
    whole = asked(waves, "likes", wave=["3"], age=["35-54"])
    kept = waves.table.filter(np.isin(waves.table["wave"].to_pylist(), ["1", "2", "3"]))
    schema = waves.schema.model_copy(deep=True)
    schema.columns[0].levels = schema.columns[0].levels[:3]
    table, _ = clean(*(levels_column(name, kept[name].to_pylist()) for name in kept.column_names))
    now = asked(SimpleNamespace(table=table, schema=schema, report={}), "likes",
                wave=["3"], age=["35-54"])  # fmt: skip
    for one, other in zip(whole.shares, now.shares, strict=True):
        assert one.share == pytest.approx(other.share, abs=0.02)
        assert one.helped is None or "earlier waves" in one.text
    both = asked(waves, "likes", wave=["2", "3"], age=["35-54"]).shares
    texts = [one.text for one in both if one.helped is not None]
    assert any("other waves" in text for text in texts)


def test_two_columns_beside_the_wave_have_conditions_with_their_worth(waves: Any) -> None:
    found = asked(waves, "aware", wave=["5"], age=["75+"], sex=["male"])
    conditions = found.conditions
    assert conditions is not None
    assert conditions.categorical["wave"] == {"5": 1.0}
    known = len(waves.table) / (len(waves.table) - waves.table["aware"].null_count)
    least = min(one.worth for one in found.shares)
    by_name = ConditionSet(categorical=dict(sorted(conditions.categorical.items())))
    for of in (conditions, by_name):
        worth = certified_worth(waves, of)
        assert worth == pytest.approx(least * known, rel=0.1)
    assert certified_worth(waves, ConditionSet(categorical={"wave": {"5": 1.0}})) is None
    assert any(one.helped for one in found.shares)


def test_counts_of_three_columns_are_never_of_few_and_agree_with_their_totals(waves: Any) -> None:
    cells = segmentation(waves.table, waves.schema, ["wave", "age", "sex"])
    codes = np.array([{"no": 0, "yes": 1, None: -1}[of] for of in waves.table["aware"].to_pylist()])
    said, respondents = shown_counts(waves.table, waves.schema, cells, codes, 2)
    exact = [
        np.bincount(cells.cell[codes == level], minlength=cells.size) for level in (0, 1)
    ]  # fmt: skip
    assert np.abs(said - np.stack(exact, axis=1)).max() < 6
    assert np.abs(respondents - np.sum(exact, axis=0)).max() < 6
    other = segmentation(waves.table, waves.schema, ["sex", "wave", "age"])
    again = shown_counts(waves.table, waves.schema, other, codes, 2)[1]
    assert np.allclose(again.reshape(2, 5, 4), np.moveaxis(respondents.reshape(5, 4, 2), 2, 0))


def test_worth_says_no_more_than_was_found_and_intervals_hold() -> None:
    held, errors = [], []
    for seed in range(60):
        rng = np.random.default_rng([11, seed])
        sizes = int(rng.integers(3, 7)), int(rng.integers(3, 7))
        segment, wave = (of.ravel() for of in np.indices(sizes))
        logit = rng.normal(0, 1) + rng.normal(0, 0.7, sizes[0])[segment]
        logit += rng.normal(0, 0.2, sizes[1])[wave] + rng.normal(0, 0.2, segment.size)
        truth = 1 / (1 + np.exp(-logit))
        rows = np.floor(np.exp(rng.normal(3.9, 0.8, sizes[0])))[segment] + 8.0
        asked_of = np.maximum(np.rint(rows + rng.normal(0, NOISE, rows.size)), 1.0)
        said = rng.binomial(rows.astype(int), truth) + np.rint(rng.normal(0, NOISE, rows.size))
        said = np.clip(said, 0, asked_of)
        cells: Any = SimpleNamespace(
            pooled=np.arange(rows.size), groups=[segment, wave], size=rows.size, wave=1
        )
        found = certify_pooled(said, asked_of, cells, 1)
        last = wave == sizes[1] - 1
        held += [*((found.low <= truth) & (truth <= found.high))[last]]
        claimed = found.share * (1 - found.share) / found.worth
        of = last & (found.gain >= 1.1)
        errors += [*zip(claimed[of], (found.share - truth)[of] ** 2,
                        (said / asked_of - truth)[of] ** 2, strict=True)]  # fmt: skip
        assert np.all(
            found.gain <= MOST_GAIN_IN_WAVES[np.searchsorted(CLASSES, asked_of, side="right")]
        )
    assert 0.93 <= np.mean(held) <= 0.985
    claimed_error, error, own = np.mean(errors, axis=0)
    assert len(errors) > 100
    assert error <= claimed_error < own


def test_segments_with_common_sampling_points_are_tested_one_by_one(
    waves: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their errors are alike: learned from the others, .09 of 2,500 tests raised an alarm."""
    monkeypatch.setattr("simulacra_trainer.segments.changes.fab_p_values", None)
    schema = waves.schema.model_copy(deep=True)
    schema.columns.append(
        ColumnSchema(name="spot", kind="identifier", storage="int64", role="cluster")
    )
    table = waves.table.append_column("spot", pa.array(np.arange(len(waves.table)) // 10))
    drawn = SimpleNamespace(table=table, schema=schema, report={})
    verdicts = {
        one.change.verdict
        for one in asked(drawn, "aware", wave=["5"], age=[]).shares
        if one.change is not None
    }
    assert verdicts == {"moved", "no sign"}
    with pytest.raises(TypeError):
        asked(waves, "aware", wave=["5"], age=[])


def test_tests_of_a_segment_are_exact_whatever_the_others_did() -> None:
    rng = np.random.default_rng(5)
    alarms = []
    for others in (0.0, 0.12):
        for _ in range(1000):
            error = rng.uniform(0.03, 0.09, 7)
            true = np.full(7, others)
            true[0] = 0.0
            p = fab_p_values(rng.normal(true, error), error)
            alarms.append(p[0] <= 0.05)
    assert np.mean(alarms) == pytest.approx(0.05, abs=0.015)
    error = np.full(6, 0.07)
    moved = rng.normal(0.08, error, (500, 6))
    raw = np.mean(np.abs(moved / error) > 1.959964)
    borrowed = np.mean([fab_p_values(one, error) <= 0.05 for one in moved])
    assert borrowed > 1.15 * raw
    two = fab_p_values(moved[0, :2], error[:2])
    assert two == pytest.approx(fab_p_values(-moved[0, :2], error[:2]))


def test_a_person_alone_in_a_wave_is_read_from_totals_no_better_than_before() -> None:
    """Illness depends on nothing; two columns, each of five persons or more, tell something of it.

    Three columns, and two in all waves less the other waves, tell no more.
    """
    names, sizes, rows = ("sex", "ward", "wave"), (2, 60, 4), 1200
    read, people = {"before": np.zeros(3), "now": np.zeros(4)}, 0
    for seed in range(2):
        rng = np.random.default_rng([17, seed])
        codes = np.stack([rng.integers(0, size, rows) for size in sizes])
        ill = rng.integers(0, 3, rows)
        columns = zip(names, codes, strict=True)
        table, schema = clean(*(levels_column(of, [f"{c:02}" for c in by]) for of, by in columns))
        told = {}
        for kept in (names, *(names[:at] + names[at + 1 :] for at in range(3))):
            cells = segmentation(table, schema, kept)
            said, _ = shown_counts(table, schema, cells, ill, 3)
            shape = [size if of in kept else 1 for of, size in zip(names, sizes, strict=True)]
            told[kept] = said.reshape(*shape, 3)
        exact = np.zeros((*sizes, 3))
        np.add.at(exact, (*codes, ill), 1.0)
        alone = tuple(np.argwhere(exact.sum(-1) == 1).T)
        people += len(alone[0])
        cell, *pairs = told.values()
        rest = [of - cell.sum(axis, keepdims=True) + cell for axis, of in enumerate(pairs)]
        truth = exact[alone].argmax(-1)
        for which, of in (("before", pairs), ("now", [cell, *rest])):
            guess = [np.broadcast_to(one, exact.shape)[alone].argmax(-1) for one in of]
            read[which] += [np.sum(one == truth) for one in guess]
    assert people > 150
    assert read["now"].max() < read["before"].max() + 2 * np.sqrt(people / 4), read
