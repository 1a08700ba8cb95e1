"""Effects against known truths: do() and not see(), intervals, populations, what an answer rests
on, what cannot be asked.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import norm

from simulacra_crds.reasons import Reason
from simulacra_crds.tasks import EstimateRequest
from simulacra_intake.errors import InputError
from simulacra_schema.answers import EffectResult
from simulacra_schema.questions.knowledge import Knowledge
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.effects.checks import placebo
from simulacra_trainer.effects.estimate import estimate_effect
from simulacra_trainer.effects.estimator import Estimator
from simulacra_trainer.effects.models.contrast import read_contrast
from simulacra_trainer.effects.models.features import build_features
from simulacra_trainer.effects.models.fold_models import (
    MAX_REACH,
    Fold,
    arm_outcomes,
    outcomes_near,
)
from simulacra_trainer.effects.scores import Interval
from simulacra_trainer.graph import CausalGraph, learn_graph

GRAPH = CausalGraph(
    order=["z", "g", "t", "y", "band", "after"],
    parent_lists={
        "z": [],
        "g": [],
        "t": ["z", "g"],
        "y": ["z", "g", "t"],
        "band": ["y"],
        "after": ["t"],
    },
)


def _level(values: np.ndarray, *names: str) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(values.astype(np.int32)), pa.array(names))


def _table(n: int, seed: int, effect: float = 1.0) -> pa.Table:
    """z and g confound t and y; the effect is `effect`, and 2 more in group b."""
    rng = np.random.default_rng(seed)
    z, g = rng.normal(size=n), rng.integers(0, 2, n)
    t = rng.random(n) < 1 / (1 + np.exp(-(0.8 * z + 0.5 * g)))
    y = (effect + 2 * g) * t + 1.5 * z + 0.3 * z**2 + rng.normal(size=n)
    return pa.table(
        {
            "z": z,
            "g": _level(g, "a", "b"),
            "t": _level(t, "false", "true"),
            "y": y,
            "band": _level((y > 1).astype(int), "low", "high"),
            "after": t + rng.normal(size=n),
        }
    )


def _schema(table: pa.Table) -> TableSchema:
    kinds = {"g": "categorical", "t": "boolean", "band": "categorical"}
    columns = [
        ColumnSchema(name=n, kind=kinds.get(n, "numeric"), storage="x") for n in table.column_names
    ]
    columns.append(ColumnSchema(name="id", kind="identifier", storage="string", learned=False))
    return TableSchema(rows=table.num_rows, columns=columns)


STATED = {"before": ["z", "g"], "after": ["y", "band", "after"]}


def _request(**change: object) -> EstimateRequest:
    request = {"treatment": "t", "value": "true", "baseline": "false", "outcome": "y", **change}
    return EstimateRequest(**request)


def _ask(table: pa.Table, graph: CausalGraph = GRAPH, **change: object) -> EffectResult:
    """Ask with every column stated, unless `change` places them otherwise."""
    lists = {} if {"before", "after", "dont_know"} & change.keys() else STATED
    return estimate_effect(table, _schema(table), graph, _request(**lists, **change), seed=0)


TABLE = _table(1500, 0)


@pytest.mark.slow
def test_intervals_cover_the_effect_and_the_naive_difference_is_biased() -> None:
    """At 95 % coverage, 15 or fewer of 20 happen in 3 of 1,000 runs; benchmarks/effects_coverage.py
    repeats more.
    """
    covered, errors, naive = 0, [], []
    for seed in range(20):
        table = _table(800, seed)
        estimator = Estimator(table, _schema(table), _request(), seed)
        found = estimator.effect(["z", "g"])
        covered += found.low <= 2.0 <= found.high
        errors.append(found.effect - 2.0)
        y, t = table["y"].to_numpy(), table["t"].combine_chunks().indices.to_numpy()
        naive.append(y[t == 1].mean() - y[t == 0].mean() - 2.0)
    assert covered >= 16
    assert abs(np.mean(errors)) < 0.08
    assert np.min(naive) > 0.5


def test_stated_columns_are_adjusted_for_and_each_segment_has_its_own_effect() -> None:
    result = _ask(TABLE, segment="g")
    truth = {"a": 1.0, "b": 3.0}
    assert {s.level for s in result.segments} == set(truth)
    for s in result.segments:
        assert abs(s.effect - truth[s.level]) < 0.4
        assert s.low < s.effect < s.high
    assert sum(s.rows for s in result.segments) == pytest.approx(1500, rel=0.05)
    assert result.estimate.rows == 1500
    assert result.estimate.support > 0.9
    assert result.adjustment == ["z", "g"]
    assert result.warnings == []
    assert (result.verdict.kind, result.precision) == ("assumed", "clear")
    assert result.estimate.identified
    assert (result.union.low, result.union.high) == (result.estimate.low, result.estimate.high)
    assert [s.earlier for s in result.verdict.rests_on] == [["z", "g"], ["t"]]
    assert result.sensitivity.yardsticks[0].column == "z"
    assert {c.name: c.outcome for c in result.checks} == {
        "overlap": "passed",
        "graph against itself": "not checked",
        "placebo": "passed",
    }
    assert 100 < result.effective_rows < 1500
    figures = {"effect", "low", "high", "rows", "support", "identified", "verdict", "precision"}
    assert set(result.summary.to_wire()) == {*figures, "effectiveRows", "robustness"}
    assert json.loads(result.to_json())["verdict"]["restsOn"]


def test_open_column_never_narrows_the_union() -> None:
    whole = _ask(TABLE)
    rest = {"before": ["z"], "after": STATED["after"]}
    fewer = _ask(TABLE, **rest)
    assert fewer.dont_know == ["g"]
    assert fewer.union.low <= whole.union.low
    assert fewer.union.high >= whole.union.high
    assert fewer.verdict.kind == "suggested"
    assert not fewer.estimate.identified
    assert fewer.verdict.asks == "g"
    assert [sorted(a.adjustment) for a in fewer.alternatives] == [["g", "z"], ["z"]]


def test_nothing_stated_leaves_the_answer_to_the_graph() -> None:
    table = TABLE.select(["z", "g", "t", "y"])
    graph = CausalGraph(
        order=["z", "g", "y", "t"],
        parent_lists={"z": [], "g": [], "y": ["z"], "t": ["z", "y"]},
    )
    result = _ask(table, graph, before=[])
    assert (result.verdict.kind, result.verdict.asks) == ("open", "y")
    assert result.verdict.rests_on == []
    assert result.alternatives[-1].reverses
    assert result.union.low <= 0 <= result.union.high
    assert len(result.alternatives) == 5


def test_order_that_half_samples_do_not_agree_on_leaves_no_effect_open() -> None:
    table = TABLE.select(["z", "g", "t", "y"]).slice(0, 600)
    edge = {"source": "t", "target": "y", "strength": 1.0, "state": "directed"}
    lists = {"z": [], "g": [], "t": ["z", "g"], "y": ["z", "g", "t"]}
    kinds = []
    for basis in ("suggested", "undirected"):
        graph = CausalGraph(
            order=["z", "g", "t", "y"],
            parent_lists=lists,
            edges=[edge | {"basis": basis}],
            suggestions="computed",
        )
        result = _ask(table, graph, before=["z", "g"])
        kinds.append((result.verdict.kind, result.alternatives[-1].reverses))
    assert kinds == [("suggested", False), ("open", True)]


def test_smaller_arm_borrows_from_the_larger_what_both_share() -> None:
    """Both arms' outcomes bend alike; the smaller arm has few rows where z is low."""
    rng = np.random.default_rng(4)
    z, w = rng.normal(size=(2, 1200))
    t = rng.random(1200) < 1 / (1 + np.exp(3 - 1.5 * z))
    mean = 3 * np.sin(2 * z) + 2 * np.abs(w)
    table = pa.table({"z": z, "g": w, "t": _level(t, "false", "true"), "y": mean})
    table = table.set_column(3, "y", pa.array(mean + t + rng.normal(size=1200)))
    schema = TableSchema(
        rows=1200,
        columns=[
            ColumnSchema(name=n, kind="boolean" if n == "t" else "numeric", storage="x")
            for n in table.column_names
        ],
    )
    contrast = read_contrast(table, schema, _request())
    features = build_features(table, schema, ["z", "g"])
    every, low = np.arange(1200), z < 0
    fold = Fold(contrast, features, every, every, np.random.default_rng(0), {})
    alone, _ = outcomes_near(fold, contrast.value, "alone")
    lent, _ = arm_outcomes(fold)
    errors = [np.mean((found - mean - 1.0)[low] ** 2) for found in (alone, lent[0])]
    assert errors[1] < errors[0] / 2


def test_arm_that_lies_elsewhere_borrows_no_slope(monkeypatch: pytest.MonkeyPatch) -> None:
    """The larger arm's outcome rises with z, the smaller arm's does not and has no high z."""
    errors = np.zeros((4, 2))
    for seed, found in enumerate(errors):
        rng = np.random.default_rng(seed)
        t = np.arange(900) < 150
        z = np.where(t, 0.3, 1.0) * rng.normal(size=900) + np.where(t, 0.0, 3.0)
        y = np.where(t, 0.0, 3.0 * z) + 2 * rng.normal(size=900)
        table = pa.table({"z": z, "y": y, "t": _level(t, "false", "true")})
        schema = _schema(table)
        contrast = read_contrast(table, schema, _request())
        features, every = build_features(table, schema, ["z"]), np.arange(900)
        for k, reach in enumerate((MAX_REACH, np.inf)):
            monkeypatch.setattr("simulacra_trainer.effects.models.fold_models.MAX_REACH", reach)
            fold = Fold(contrast, features, every, every, np.random.default_rng(0), {})
            found[k] = np.mean(arm_outcomes(fold)[0][0] ** 2)
    borrowed_none, borrowed = errors.mean(axis=0)
    assert borrowed_none < borrowed / 2


def test_arm_whose_people_live_elsewhere_borrows_no_slope() -> None:
    """Few rows of the larger arm have a high z, and stand for most of its people."""
    errors = np.zeros((4, 2))
    for seed, found in enumerate(errors):
        rng = np.random.default_rng(seed)
        t, is_far = np.arange(900) < 150, np.arange(900) >= 860
        z = np.where(is_far, 1.0, 0.3) * rng.normal(size=900) + np.where(is_far, 3.0, 0.0)
        y = np.where(t, 0.0, 3.0 * z) + 2 * rng.normal(size=900)
        table = pa.table({"z": z, "y": y, "t": _level(t, "false", "true")})
        weights = np.where(is_far, 100.0, 1.0)
        rows = read_contrast(table, _schema(table), _request())
        features, every = build_features(table, _schema(table), ["z"]), np.arange(900)
        for k, contrast in enumerate((replace(rows, weights=weights), rows)):
            fold = Fold(contrast, features, every, every, np.random.default_rng(0), {})
            found[k] = np.average(arm_outcomes(fold)[0][0] ** 2, weights=weights)
    weighted, unweighted = errors.mean(axis=0)
    assert weighted < unweighted / 2


def test_share_of_a_level_can_be_the_outcome() -> None:
    result = _ask(TABLE, outcome="band=high")
    z, g = TABLE["z"].to_numpy(), TABLE["g"].combine_chunks().indices.to_numpy()
    mean = 1.5 * z + 0.3 * z**2
    truth = (norm.sf(1 - mean - (1 + 2 * g)) - norm.sf(1 - mean)).mean()
    assert (result.outcome, result.outcome_level) == ("band", "high")
    assert abs(result.estimate.effect - truth) < 0.06
    assert result.naive > truth + 0.1


def test_outcome_stated_to_come_first_contradicts_the_question() -> None:
    tiers = GRAPH.model_copy(update={"knowledge": Knowledge(tiers=[["y"], ["t"]])})
    result = _ask(TABLE, tiers, before=["z", "g"], after=["band", "after"])
    assert result.verdict.kind == "contradicted"
    assert "y comes before t" in result.verdict.text


@pytest.mark.parametrize(
    ("effect", "outcome"), [(0.7, "passed"), (0.5, "not checked"), (-0.5, "not checked")]
)
def test_a_placebo_counts_that_could_see_half_of_the_effect(effect: float, outcome: str) -> None:
    dealt = [Interval(effect=0.01, error=0.2, rows=900)] * 4  # 3 errors of their mean are 0.3
    found = placebo(dealt, Interval(effect=effect, error=0.1, rows=900))
    assert (found.check.outcome, found.forbids) == (outcome, False)


def test_negative_control_that_changes_contradicts_the_answer() -> None:
    result = _ask(TABLE, before=["g"], after=["y", "band", "after"], negative_controls=["z"])
    assert result.verdict.kind == "contradicted"
    assert "'z', which t cannot change, changes by" in result.verdict.text


@pytest.mark.parametrize("place", ["before", "after", None])
@pytest.mark.parametrize(("hidden", "kind"), [(0.0, "assumed"), (1.2, "contradicted")])
def test_a_placed_negative_control_costs_nothing_and_sees_a_hidden_cause(
    place: str | None, hidden: float, kind: str
) -> None:
    rng = np.random.default_rng(6)
    z, unseen = rng.normal(size=(2, 1500))
    t = rng.random(1500) < 1 / (1 + np.exp(-(0.8 * z + hidden * unseen)))
    y = t + z + hidden * unseen + rng.normal(size=1500)
    earlier = z + unseen + rng.normal(size=1500)
    table = pa.table({"z": z, "t": _level(t, "false", "true"), "y": y, "earlier": earlier})
    lists = {"before": ["z"], "after": ["y"]}
    if place is not None:
        lists[place] = [*lists[place], "earlier"]
    request = _request(**lists, negative_controls=["earlier"])
    graph = CausalGraph(
        order=["z", "earlier", "t", "y"],
        parent_lists={"z": [], "earlier": ["z"], "t": ["z"], "y": ["z", "t"]},
    )
    result = estimate_effect(table, _schema(table), graph, request, seed=0)
    is_open = place is None and kind == "assumed"
    # In no list it is open, and does not lift the verdict.
    assert result.verdict.kind == ("suggested" if is_open else kind)


@pytest.mark.parametrize(("name", "outcome"), [("z", "failed"), ("siblings", "not checked")])
def test_graph_without_a_path_forbids_no_answer_and_0_stays_in_it(name: str, outcome: str) -> None:
    """A search that misses an edge says nothing of the effect; where background is proposed, it
    kept an order and is not even asked.
    """
    table = TABLE.select(["z", "g", "t", "y"]).rename_columns([name, "g", "t", "y"])
    graph = CausalGraph(
        order=[name, "g", "t", "y"], parent_lists={name: [], "g": [], "t": [name], "y": ["g"]}
    )
    assert graph.is_apart("t", "y")
    assert not graph.leads("t", "y")
    result = _ask(table, graph, before=[name, "g"])
    assert result.verdict.kind == "open"
    assert "or none, if y causes t." in result.verdict.text
    assert result.union.low <= 0.0 < 1.5 < result.union.high
    [check] = [one for one in result.checks if one.name == "graph against itself"]
    assert check.outcome == outcome
    assert ("no path between treatment and outcome" in check.detail) == (outcome == "failed")
    # Who states the order has the better verdict, as before.
    stated = _ask(table, graph, before=[name, "g"], after=["y"])
    assert stated.verdict.kind == "assumed"


def test_effects_on_the_treated_and_on_the_overlap_have_their_own_truths() -> None:
    """The effect is 1 + z, and people with a high z have the treatment more often."""
    rng = np.random.default_rng(2)
    n = 3000
    z = rng.normal(size=n)
    share = 1 / (1 + np.exp(-1.5 * z))
    t = rng.random(n) < share
    y = (1 + z) * t + z + 0.5 * rng.normal(size=n)
    table = pa.table({"z": z, "g": _level(np.zeros(n), "a"), "t": _level(t, "false", "true")})
    table = table.append_column("y", pa.array(y))
    weight = share * (1 - share)
    truths = {
        "all": 1.0,
        "treated": 1 + float(np.average(z, weights=share)),
        "overlap": 1 + float(np.average(z, weights=weight)),
    }
    schema = _schema(table)
    for population, truth in truths.items():
        found = Estimator(table, schema, _request(population=population), 0).effect(["z"])
        assert abs(found.effect - truth) < 3 * found.error < 0.3
    assert truths["treated"] > 1.4


def test_numeric_treatment_is_compared_by_a_model_of_all_rows() -> None:
    rng = np.random.default_rng(3)
    z = rng.normal(size=2000)
    t = z + rng.normal(size=2000)
    table = pa.table({"z": z, "t": t, "y": 2 * t + 3 * z + rng.normal(size=2000)})
    schema = TableSchema(
        rows=2000, columns=[ColumnSchema(name=n, kind="numeric", storage="x") for n in "zty"]
    )
    graph = CausalGraph(order=["z", "t", "y"], parent_lists={"z": [], "t": ["z"], "y": ["z", "t"]})
    request = _request(value=1.0, baseline="-1", before=["z"], after=["y"])
    result = estimate_effect(table, schema, graph, request, seed=0)
    assert result.method == "dml"
    assert result.estimate.low <= 4.0 <= result.estimate.high
    assert abs(result.estimate.effect - 4.0) < 0.3
    assert result.naive > 5.5
    far = estimate_effect(table, schema, graph, _request(value=9.0, baseline=0.0), seed=0)
    assert far.verdict.kind == "unanswerable"
    assert "'9' lies outside the observed values of t" in far.verdict.text
    assert far.estimate.effect is None
    assert far.union is None
    assert far.alternatives == []


def test_people_near_a_number_as_far_as_a_curve_looks_are_enough() -> None:
    """Causes tell two thirds of the treatment's variance: few have their like in a tenth."""
    rng = np.random.default_rng(5)
    z = rng.normal(size=(4, 800))
    t = 0.9 * z[0] - 0.7 * z[1] + 0.7 * z[2] + rng.normal(size=800)
    y = 0.5 * t + z[0] + 0.5 * z[1] + rng.normal(size=800)
    table = pa.table({**{f"z{k}": z[k] for k in range(4)}, "t": t, "y": y})
    columns = [ColumnSchema(name=n, kind="numeric", storage="x") for n in table.column_names]
    high, low = (float(np.round(np.quantile(t, q), 2)) for q in (0.75, 0.25))
    names = table.column_names
    request = EstimateRequest(
        treatment="t", value=high, baseline=low, outcome="y", before=names[:4], after=["y"]
    )
    parents = {name: [] for name in names} | {"t": names[:3], "y": ["t", "z0", "z1"]}
    graph = CausalGraph(order=names, parent_lists=parents)
    result = estimate_effect(table, TableSchema(rows=800, columns=columns), graph, request, seed=0)
    assert result.verdict.kind == "assumed"
    assert result.union is not None
    assert result.union.low <= 0.5 * (high - low) <= result.union.high


def test_arm_with_few_rows_has_no_answer() -> None:
    arm = np.zeros(1500)
    arm[:700], arm[700:710] = 1, 2
    table = TABLE.append_column("rare", _level(arm, "x", "y", "z"))
    schema = _schema(TABLE)
    schema.columns.append(ColumnSchema(name="rare", kind="categorical", storage="x"))
    graph = CausalGraph(order=["rare", "y"], parent_lists={"rare": [], "y": ["rare"]})
    request = EstimateRequest(treatment="rare", value="z", baseline="x", outcome="y")
    result = estimate_effect(table, schema, graph, request, seed=0)
    assert result.verdict.kind == "unanswerable"
    found = re.search(r"have 'z' \((.+) effective rows\)", result.verdict.text)
    assert found
    assert found[1] == "fewer than 5" or abs(int(found[1]) - 10) < 5  # the count has noise
    assert result.effective_rows < 15
    assert result.naive is None  # it would be the mean of ten
    assert not result.estimate.identified
    assert result.estimate.effect is None


def test_poor_overlap_has_no_answer_though_both_arms_are_large() -> None:
    rng = np.random.default_rng(5)
    z = rng.normal(size=1500)
    t = z + 0.1 * rng.normal(size=1500) > 0
    table = pa.table(
        {"z": z, "g": _level(np.zeros(1500), "a"), "t": _level(t, "false", "true"), "y": z + t}
    )
    graph = CausalGraph(
        order=["z", "g", "t", "y"], parent_lists={"z": [], "g": [], "t": ["z"], "y": ["z", "t"]}
    )
    result = _ask(table, graph, before=["z", "g"], after=["y"])
    assert result.precision == "very thin"
    assert result.effective_rows < 250
    assert result.checks == [] or result.checks[0].outcome == "failed"


def test_zero_effect_is_bounded_despite_a_large_naive_difference() -> None:
    table = TABLE.set_column(
        3, "y", pa.array(1.5 * TABLE["z"].to_numpy() + np.random.default_rng(1).normal(size=1500))
    )
    result = _ask(table)
    assert result.estimate.low <= 0 <= result.estimate.high
    assert "no effect beyond" in result.verdict.text
    assert result.precision == "not significant"
    assert result.naive > 0.5


def test_groups_of_two_columns_and_the_elasticity_are_beside_an_effect() -> None:
    """Group b has 2 more, whatever z; y is positive, of a positive number with elasticity 2."""
    found = _ask(TABLE, by=["g", "z"])
    assert found.by == ["g", "z"]
    assert len(found.segments) + len(found.unshown_segments) == 10
    assert all(one.level.startswith(("a, ", "b, ")) for one in found.segments)
    assert found.groups_differ.p == 0.001
    assert found.elasticity is None
    rng = np.random.default_rng(3)
    z = rng.normal(size=600)
    dose = np.exp(0.3 * z + 0.4 * rng.normal(size=600))
    y = dose**2 * np.exp(0.5 * z + 0.3 * rng.normal(size=600))
    yes = _level(y > 1, "false", "true")
    table = pa.table({"z": z, "t": dose, "y": y, "gain": y - 1, "yes": yes})
    kinds = dict.fromkeys(("z", "t", "y", "gain"), "numeric") | {"yes": "boolean"}
    least = {"t": 0.1, "y": 0.01, "gain": -1.0}
    columns = [
        ColumnSchema(name=n, kind=kinds[n], storage="x", minimum=least.get(n)) for n in kinds
    ]
    schema = TableSchema(rows=600, columns=columns)
    graph = CausalGraph(order=[*kinds], parent_lists={n: [] for n in kinds})
    asked = EstimateRequest(
        treatment="t",
        value=1.3,
        baseline=0.8,
        outcome="y",
        before=["z"],
        after=["y", "gain", "yes"],
    )
    said = {}
    for change in ({}, {"outcome": "yes"}, {"outcome": "gain"}, {"after": ["y"]}):
        asked_so = asked.model_copy(update=change)
        said[str(change)] = estimate_effect(table, schema, graph, asked_so, seed=0).elasticity
    own, share, negative, is_open = said.values()
    assert own.low <= 2.0 <= own.high
    assert abs(own.value - 2.0) < 0.2
    assert 0.1 < share.low < share.value < share.high < 3.0
    assert "percentage points" in share.text
    assert negative.text == "No elasticity: the outcome is not positive in all rows."
    assert negative.low is None
    assert "left open" in is_open.text


def test_segment_after_the_treatment_has_a_warning_and_bands() -> None:
    result = _ask(TABLE, segment="after")
    assert len(result.segments) == 4
    assert any("what they were before" in w for w in result.warnings)


def test_missing_rows_are_left_out_and_numbers_match_levels() -> None:
    y = TABLE["y"].to_pylist()
    y[:500] = [None] * 500
    coded = _level(TABLE["t"].combine_chunks().indices.to_numpy(), "0", "1")
    table = TABLE.set_column(3, "y", pa.array(y, pa.float64())).set_column(2, "t", coded)
    estimator = Estimator(table, _schema(table), _request(value=1.0, baseline=0.0), 0)
    assert estimator.contrast.rows.size == 1000
    assert estimator.smallest_arm > 400


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"treatment": "nobody"}, "/treatment"),
        ({"treatment": "id"}, "/treatment"),
        ({"value": "maybe"}, "/value"),
        ({"baseline": "maybe"}, "/baseline"),
        ({"baseline": "true"}, "/baseline"),
        ({"treatment": "z"}, "/value"),
        ({"treatment": "z", "value": 1.0, "baseline": float("nan")}, "/baseline"),
        ({"outcome": "nobody"}, "/outcome"),
        ({"outcome": "band"}, "/outcome"),
        ({"outcome": "band=middle"}, "/outcome"),
        ({"outcome": "y=3"}, "/outcome"),
        ({"outcome": "t"}, "/outcome"),
        ({"segment": "y"}, "/segment"),
        ({"segment": "id"}, "/segment"),
        ({"by": ["g", "y"]}, "/by/1"),
        ({"by": ["g", "g"]}, "/by/1"),
        ({"by": ["z"], "segment": "g"}, "/by"),
    ],
)
def test_invalid_request_is_rejected_with_a_pointer(
    change: dict[str, object], pointer: str
) -> None:
    with pytest.raises(InputError) as caught:
        _ask(TABLE, **change)
    assert caught.value.pointer == pointer
    assert caught.value.reason == Reason.REQUEST_INVALID
    assert "nobody" not in caught.value.message
    assert "maybe" not in caught.value.message


def test_too_few_known_rows_are_rejected() -> None:
    with pytest.raises(InputError, match="40 rows"):
        _ask(TABLE.slice(0, 39))


def test_same_seed_gives_the_same_result() -> None:
    one, two = (_ask(TABLE.slice(0, 400), segment="g") for _ in range(2))
    assert one.to_json() == two.to_json()
    assert json.loads(one.to_json())["segments"][0]["level"] in ("a", "b")


@pytest.mark.slow
def test_effect_rests_on_the_tiers_of_the_fit() -> None:
    table = TABLE.select(["z", "g", "t", "y"])
    schema = _schema(table)
    graph = learn_graph(table, schema, Knowledge(tiers=[["z", "g"], ["t"], ["y"]]), seed=0)
    result = _ask(table, CausalGraph.from_json(graph.to_json()), before=[])
    assert sorted(result.adjustment) == ["g", "z"]
    assert result.estimate.low <= 2.0 <= result.estimate.high
    assert result.verdict.kind == "assumed"
    assert {s.origin for s in result.verdict.rests_on} == {"tiers"}


def _small_unlike_arm() -> tuple[pa.Table, float]:
    """Draw 82 trainees with low wages among 1,200 people, and the mean of all unit effects."""
    n, rng = 1200, np.random.default_rng([22, 5])
    skill = rng.normal(size=n)
    age = np.clip(rng.gamma(9, 3.8, n), 17, 55)
    school = np.clip(np.round(12 + 2.5 * skill + rng.normal(size=n)), 0, 17)
    wage = np.exp(9.7 + 0.5 * skill + 0.02 * (age - 34) + 0.4 * rng.normal(size=n))
    wage *= rng.random(n) > 0.08
    later = np.where(rng.random(n) < 0.9, wage * np.exp(0.3 * rng.normal(size=n)), 0)
    later *= rng.random(n) > 0.05
    need = -0.00025 * wage - 0.0001 * later - 0.06 * (age - 25) - 0.25 * (school - 10)
    least = np.sort(need + rng.logistic(size=n))[-90]
    treated = need + rng.logistic(size=n) > least
    worked = rng.normal(size=n), rng.random(n) > 0.1, rng.normal(size=n)
    without = np.maximum(np.exp(9.3 + 0.25 * skill) + 0.75 * later + 5000 * worked[0], 0)
    without *= worked[1]
    trained = np.maximum(4500 + 1500 * skill + 0.15 * later + 6000 * worked[2], 0)
    columns = {"age": age, "school": school, "wage": wage, "later": later}
    columns |= {"rural": (rng.random(n) < 0.3) * 1.0, "skilled": (skill > 0) * 1.0}
    columns["y"] = np.where(treated, trained, without)
    table = pa.table(columns | {"t": _level(treated, "false", "true")})
    return table, float((trained - without).mean())


def test_the_estimate_of_a_small_arm_does_not_hang_on_its_seed() -> None:
    """One fit of it holds back 13 rows; by chance they favored products, which then failed."""
    table, truth = _small_unlike_arm()
    before = [name for name in table.column_names if name not in ("t", "y")]
    schema = _schema(table)
    found = [Estimator(table, schema, _request(), seed).effect(before) for seed in (0, 100)]
    assert [one.low <= truth <= one.high for one in found] == [True, True]
    assert abs(found[0].effect - found[1].effect) < 1.96 * min(one.error for one in found)
