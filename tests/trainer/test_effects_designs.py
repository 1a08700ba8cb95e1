"""Effects by a stated design: parallel trends and instruments, against known truths."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from simulacra_crds.tasks import EstimateRequest
from simulacra_intake.errors import InputError
from simulacra_schema.answers import VERDICT_KINDS, EffectResult
from simulacra_schema.claims import mask_unclaimed
from simulacra_schema.questions.knowledge import Knowledge
from simulacra_schema.table import ColumnSchema, LevelSchema, TableSchema
from simulacra_trainer.effects.designs.instrument import anderson_rubin
from simulacra_trainer.effects.estimate import estimate_effect
from simulacra_trainer.graph import CausalGraph

YES = ["false", "true"]
WAVES = ["2019", "2020", "2021", "2022"]


def _levels(at: np.ndarray, names: list[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(at.astype(np.int32)), pa.array(names))


def _tracker(slope: float = 0.0, n: int = 1200, people: int | None = None) -> pa.Table:
    """Two groups in four waves, treated in the last two: 1.0; `slope` a wave breaks the trends.

    People of the north answer higher by 3, and all rise by 0.7 a wave.
    """
    rng = np.random.default_rng(5)
    of = np.arange(n) if people is None else np.repeat(np.arange(people), 4)
    size = n if people is None else people
    wave = rng.integers(0, 4, n) if people is None else np.tile(np.arange(4), people)
    north, hidden = (rng.random(size) < 0.5)[of], rng.normal(size=size)[of]
    y = 3 * north + 0.7 * wave + (2.0 if people else 0.2) * hidden + slope * wave * north
    y = y + 1.0 * (north & (wave >= 2)) + 0.7 * rng.normal(size=wave.size)
    columns: dict[str, Any] = {"wave": _levels(wave, WAVES), "year": 2019.0 + wave}
    columns |= {"g": _levels(north, ["south", "north"]), "y": y, "person": of}
    return pa.table(columns if people else {k: v for k, v in columns.items() if k != "person"})


def _lottery(strength: float, n: int = 600) -> pa.Table:
    """An instrument drawn by lot; a hidden cause moves treatment and outcome; the effect is 1."""
    rng = np.random.default_rng(3)
    hidden, won = rng.normal(size=n), rng.random(n) < 0.5
    t = strength * won + hidden + 0.5 * rng.normal(size=n) > 0.5
    y = 1.0 * t + 2.0 * hidden + 0.5 * rng.normal(size=n)
    named = {"won": _levels(won, YES), "t": _levels(t, YES), "y": y}
    return pa.table({**named, "dose": t + hidden + rng.normal(size=n), "late": y + 1.0})


def _schema(table: pa.Table) -> TableSchema:
    columns = []
    for name in table.column_names:
        kind = {
            "wave": "ordinal",
            "g": "categorical",
            "won": "boolean",
            "t": "boolean",
            "same": "boolean",
        }.get(name)
        levels = [] if kind is None else table.column(name).combine_chunks().dictionary.to_pylist()
        column = ColumnSchema(
            name=name,
            kind=kind or "numeric",
            storage="x",
            levels=[LevelSchema(value=one, share=0.5) for one in levels],
        )
        if name == "person":
            column = column.model_copy(update={"role": "subject", "learned": False})
        if name == "weight":
            column = column.model_copy(update={"kind": "weight", "learned": False})
        columns.append(column)
    return TableSchema(rows=table.num_rows, columns=columns)


def _ask(table: pa.Table, known: Knowledge | None = None, **question: Any) -> EffectResult:
    names = [one for one in table.column_names if one not in ("person", "weight")]
    graph = CausalGraph(order=names, parent_lists={one: [] for one in names})
    if known is not None:
        graph = CausalGraph(order=names, parent_lists=graph.parent_lists, knowledge=known)
    return estimate_effect(table, _schema(table), graph, EstimateRequest(**question), seed=0)


def _trends(table: pa.Table, **change: Any) -> EffectResult:
    question = {"treatment": "g", "value": "north", "baseline": "south", "outcome": "y"}
    return _ask(table, **{**question, "parallel_trends": {"wave": "2021"}, **change})


def _instrument(table: pa.Table, **change: Any) -> EffectResult:
    question = {"treatment": "t", "value": "true", "baseline": "false", "outcome": "y"}
    return _ask(table, **{**question, "instrument": "won", **change})


def test_parallel_trends_find_the_effect_and_test_the_waves_before() -> None:
    table = _tracker()
    found = mask_unclaimed(_trends(table))
    assert (found.verdict.kind, found.method) == ("parallel trends", "did")
    assert found.union is not None
    assert found.estimate.effect == pytest.approx(1.0, abs=0.3)
    assert found.union.low < 1.0 < found.union.high < 1.6
    assert "y had changed for g = north as for g = south, as you said" in found.verdict.text
    assert [(one.name, one.outcome) for one in found.checks] == [("earlier waves", "passed")]
    numbers = _trends(table, parallel_trends={"year": 2021})
    assert numbers.union == found.union
    assert "for g = north since year 2021." in numbers.verdict.text
    for alike in ({"year": "2021"}, {"wave": 2021.0}):
        assert _trends(table, parallel_trends=alike).union == found.union


def test_groups_that_moved_apart_before_contradict_parallel_trends() -> None:
    found = mask_unclaimed(_trends(_tracker(slope=0.6)))
    assert (found.verdict.kind, found.union, found.estimate.effect) == ("contradicted", None, None)
    assert "Between 2019 and 2020, before the treatment, the groups moved apart" in (
        found.verdict.text
    )


def test_groups_that_moved_apart_unseen_have_the_effect_in_the_wider_interval() -> None:
    """The waves before see less than the .3 a wave by which the trends are broken."""
    found = _trends(_tracker(slope=0.3, people=110))
    assert (found.verdict.kind, found.checks[0].outcome) == ("parallel trends", "passed")
    assert found.union is not None
    assert found.union.low > 1.0
    words = "by as much as earlier waves leave possible, the effect is in ["
    ends = found.verdict.text.split(words)[1].split("]")[0].split(", ")
    low, high = (float(end) for end in ends)
    assert low < 1.0 < found.union.high < high


def test_one_wave_before_says_that_the_trends_were_not_tested() -> None:
    found = _trends(_tracker(), parallel_trends={"wave": "2020"})
    assert found.verdict.kind == "parallel trends"
    assert "Fewer than two waves before wave 2020" in found.verdict.text
    assert found.checks[0].outcome == "not checked"


def test_a_panel_compares_people_with_themselves() -> None:
    """What is constant in persons cancels; as other people in each wave it would be noise."""
    table = _tracker(people=150)
    panel = _trends(table)
    apart = _trends(table.drop_columns(["person"]))
    assert panel.union is not None
    assert apart.union is not None
    assert panel.union.low < 1.0 < panel.union.high
    assert panel.union.high - panel.union.low < 0.6 * (apart.union.high - apart.union.low)


def test_a_panel_whose_people_hardly_meet_before_is_not_tested() -> None:
    """Half of them answered in 2019 and since, the others in 2020 and since."""
    table = _tracker(people=300)
    first = np.arange(300)[np.array(table.column("person"))] % 2 == 0
    asked = np.array(table.column("wave").to_pylist())
    kept = (asked >= "2021") | (first & (asked == "2019")) | (~first & (asked == "2020"))
    found = _trends(table.filter(pa.array(kept)))
    assert found.verdict.kind == "parallel trends"
    assert found.checks[0].outcome == "not checked"
    assert found.estimate.rows == 900


@pytest.mark.parametrize("mover", ["north", "south"])
def test_who_moved_from_either_group_to_a_third_does_not_count(mover: str) -> None:
    """A hundred persons of a panel are in the west in 2022."""
    table = _tracker(people=400)
    g = np.array(table.column("g").to_pylist())
    of = np.cumsum((g == mover)[::4]).repeat(4)
    west = (g == mover) & (of <= 100) & (np.array(table.column("year")) == 2022)
    names = ["south", "north", "west"]
    moved = _levels(np.where(west, 2, g == "north"), names)
    found = _trends(table.set_column(table.column_names.index("g"), "g", moved))
    assert found.estimate.rows == 1200


def test_a_wave_that_asks_more_of_one_group_is_no_change_of_it() -> None:
    """Northerners are mostly asked in 2020 before and in 2022 since: all rise by 0.7 a wave."""
    table = _tracker(n=3000)
    north = np.array(table.column("g").to_pylist()) == "north"
    early = np.isin(table.column("wave").to_pylist(), ["2019", "2021"])
    kept = ~(north & early) | (np.arange(3000) % 5 == 0)
    found = _trends(table.filter(pa.array(kept)), parallel_trends={"year": 2021})
    assert found.union is not None
    assert found.union.low < 1.0 < found.union.high


def test_rows_without_weight_do_not_make_a_wave() -> None:
    """Nobody of the south counts in 2019, so the north's 2019 has nothing to be compared with."""
    table = _tracker(n=2000)
    early = np.array(table.column("year").to_pylist()) == 2019
    south = np.array(table.column("g").to_pylist()) == "south"
    weight = np.where(early & south, 0.0, 1.0)
    found = _trends(table.append_column("weight", pa.array(weight)))
    assert found.union == _trends(table.filter(pa.array(~early))).union
    none = np.where(np.array(table.column("year").to_pylist()) < 2021, 1.0, south)
    nobody = _trends(table.append_column("weight", pa.array(none)))
    assert "too few people with g = north were asked since wave 2021" in nobody.verdict.text


@pytest.mark.parametrize(
    ("change", "pointer", "words"),
    [
        ({"parallel_trends": {"wav": "2021"}}, "/parallel_trends/wav", "wave"),
        ({"parallel_trends": {"wave": "2031"}}, "/parallel_trends/wave", "2021"),
        ({"parallel_trends": {"wave": "2019"}}, "/parallel_trends/wave", "No wave comes before"),
        ({"parallel_trends": {"year": "soon"}}, "/parallel_trends/year", "are numbers"),
        ({"parallel_trends": {"wave": 2019}}, "/parallel_trends/wave", "No wave comes before"),
        ({"parallel_trends": {"y": 1.0}}, "/parallel_trends/y", "treatment or the outcome"),
        ({"instrument": "year"}, "/instrument", "not both"),
        ({"by": ["wave"]}, "/by", "leave this out"),
        ({"population": "treated"}, "/population", "leave this out"),
    ],
)
def test_waves_that_do_not_fit_are_refused(change: Any, pointer: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        _trends(_tracker(n=200), **change)
    assert caught.value.pointer == pointer
    assert words in caught.value.detail
    assert "2021" not in caught.value.message


@pytest.mark.parametrize("since", [2018.5, 2019.0, 2030.0])
def test_a_number_without_a_wave_before_or_since_has_no_answer(since: float) -> None:
    found = _trends(_tracker(n=200), parallel_trends={"year": since})
    assert (found.verdict.kind, found.union) == ("unanswerable", None)
    assert "too few people with g = " in found.verdict.text


def test_a_group_that_nobody_was_in_before_has_no_answer() -> None:
    """The column of a treatment that began in a wave names no group of the waves before."""
    table = _tracker(n=400)
    began = np.array(table.column("year").to_pylist()) < 2021
    north = np.array(table.column("g").to_pylist()) == "north"
    group = _levels(north & ~began, ["south", "north"])
    found = _trends(table.set_column(2, "g", group))
    assert found.verdict.kind == "unanswerable"
    assert "The treatment must be the column of the group" in found.verdict.text


def test_an_instrument_finds_the_effect_that_a_hidden_cause_hides() -> None:
    table = _lottery(2.0)
    found = mask_unclaimed(_instrument(table))
    assert (found.verdict.kind, found.method) == ("instrument", "iv")
    assert found.union is not None
    assert found.union.low < 1.0 < found.union.high
    assert [(one.earlier, one.later) for one in found.verdict.rests_on] == [(["won"], ["t"])]
    assert found.naive is not None
    assert found.naive > found.union.high
    assert found.verdict.text.startswith("If won is as good as random and moves y only through t")
    assert [(one.name, one.outcome) for one in found.checks] == [("first stage", "passed")]
    won = table.column("won").combine_chunks().indices
    words = table.set_column(0, "won", pa.DictionaryArray.from_arrays(won, pa.array(["no", "yes"])))
    assert _instrument(words).union == found.union
    dose = _instrument(table, treatment="dose", value=1.0, baseline=0.0)
    assert dose.verdict.kind == "instrument"


def test_an_instrument_that_moves_nothing_has_no_interval() -> None:
    found = mask_unclaimed(_instrument(_lottery(0.0)))
    assert (found.verdict.kind, found.union, found.estimate.effect) == ("unanswerable", None, None)
    assert "hardly moves t" in found.verdict.text
    assert found.checks[0].outcome == "failed"


@pytest.mark.parametrize("shift", [0.0, 20.0])
def test_a_weak_instrument_has_its_interval_alone(shift: float) -> None:
    table = _lottery(0.3)
    moved = np.array(table.column("y")) + shift * (np.array(table.column("t")) == "true")
    all_figures = _instrument(table.set_column(2, "y", pa.array(moved)))
    found = mask_unclaimed(all_figures)
    assert (found.verdict.kind, found.checks[0].outcome) == ("instrument", "failed")
    assert "only the interval counts" in found.verdict.text
    assert found.union == all_figures.union
    assert found.union is not None
    assert (found.estimate.low, found.estimate.high) == (found.union.low, found.union.high)
    assert (found.union.low > 0) is (shift > 0)
    assert found.summary.effect is None
    assert ["effect" in one.model_dump() for one in found.alternatives] == [False]
    point = f"{all_figures.estimate.effect:.3g}"
    assert point not in found.verdict.text


def test_interval_has_the_effects_that_the_instrument_does_not_refute() -> None:
    slopes, spread = np.array([0.8, 0.4]), np.array([[0.04, 0.01], [0.01, 0.01]])
    ends = anderson_rubin(slopes, spread, 2.0)
    assert ends is not None
    for end in ends:
        variance = spread[0, 0] - 2 * end * spread[0, 1] + end**2 * spread[1, 1]
        assert abs(slopes[0] - end * slopes[1]) == pytest.approx(2.0 * np.sqrt(variance))
    assert anderson_rubin(slopes, spread, 5.0) is None


@pytest.mark.parametrize(
    ("change", "pointer", "words"),
    [
        ({"instrument": "one"}, "/instrument", "won"),
        ({"instrument": "won=maybe"}, "/instrument", "level"),
        ({"instrument": "late=1"}, "/instrument", "must be a number"),
        ({"instrument": "t"}, "/instrument", "treatment or the outcome"),
        ({"after": ["won"]}, "/instrument", "comes before the treatment"),
        ({"blocks": [["t"], ["won", "y"]]}, "/instrument", "comes before the treatment"),
        ({"known": Knowledge(tiers=[["t"], ["won"]])}, "/instrument", "comes before"),
        ({"negative_controls": ["late"]}, "/negative_controls", "leave this out"),
    ],
)
def test_an_instrument_that_does_not_fit_is_refused(change: Any, pointer: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        _instrument(_lottery(2.0, n=100), **change)
    assert caught.value.pointer == pointer
    assert words in caught.value.detail


def test_an_instrument_that_is_constant_or_unknown_has_no_answer() -> None:
    table = _lottery(2.0, n=100)
    unknown = pa.DictionaryArray.from_arrays(pa.nulls(100, pa.int32()), pa.array(YES))
    for won in (_levels(np.zeros(100), YES), unknown):
        found = _instrument(table.set_column(0, "won", won))
        assert found.verdict.kind == "unanswerable"
        assert "too few people differ in won (0 effective rows)" in found.verdict.text
    table = _lottery(2.0, n=300)
    told = _instrument(table.append_column("same", table.column("won")), before=["same"])
    assert "too few people differ in won (0 effective rows)" in told.verdict.text


def test_columns_that_the_instrument_may_change_are_not_adjusted_for() -> None:
    stated = [["won"], ["dose"], ["t"], ["y", "late"]]
    found = _instrument(_lottery(2.0, n=300), blocks=stated)
    assert found.adjustment == []


def test_a_design_claims_less_than_an_assumed_effect_however_much_is_stated() -> None:
    ranks = {kind: rank for rank, kind in enumerate(VERDICT_KINDS)}
    assert ranks["suggested"] < ranks["parallel trends"] < ranks["instrument"] < ranks["assumed"]
    table = _lottery(2.0, n=300).drop_columns(["late"])
    whole = {"before": ["won"], "after": ["y", "dose"]}
    for stated in (whole, {"before": ["won"]}, {"after": ["y"]}, {}):
        assert _instrument(table, **stated).verdict.kind == "instrument"
    assert _instrument(table, instrument=None, **whole).verdict.kind == "assumed"
    assert _instrument(table, blocks=[["y"], ["t"]]).verdict.kind == "contradicted"
