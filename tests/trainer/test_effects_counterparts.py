"""Whom an effect is for where some people have no counterparts, and how it names them."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pyarrow as pa
import pytest

from simulacra_crds.tasks import EstimateRequest, GenerateRequest
from simulacra_schema.answers import EffectResult
from simulacra_schema.claims import mask_unclaimed
from simulacra_schema.questions.knowledge import Knowledge
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.effects.estimate import estimate_effect
from simulacra_trainer.effects.overlap.counterparts import MOST, PART, almost_without
from simulacra_trainer.effects.overlap.named_groups import keeps, named_group, outside_in_words
from simulacra_trainer.graph import CausalGraph
from simulacra_trainer.pipeline.generate import plan_generation
from simulacra_trainer.trained_model import TrainedModel


def _draw(n: int = 2000, seed: int = 0, rare: float = 0.004) -> tuple[pa.Table, np.ndarray]:
    """Almost nobody over 50 has the treatment, and its effect there would be 1.8 instead of 1."""
    rng = np.random.default_rng(seed)
    age, sex = rng.integers(18, 66, n), rng.integers(0, 2, n)
    without = age > 50
    chance = 1 / (1 + np.exp(-(0.04 * (age - 35) + 0.5 * sex)))
    t = rng.random(n) < np.where(without, rare, chance)
    effects = np.where(without, 1.8, 1.0)
    y = effects * t + 0.05 * age + 0.5 * sex + rng.normal(size=n)
    columns = {"age": age, "sex": np.where(sex == 1, "f", "m"), "t": np.where(t, "yes", "no")}
    return pa.table({**columns, "y": y}), effects


def _ask(table: pa.Table, **change: object) -> EffectResult:
    clean = clean_table(table)
    names = [name for name in table.column_names if name not in ("t", "y")]
    graph = CausalGraph(
        order=[*names, "t", "y"],
        parent_lists={**{name: [] for name in names}, "t": names, "y": [*names, "t"]},
    )
    asked = {"treatment": "t", "value": "yes", "baseline": "no", "outcome": "y", "after": ["y"]}
    request = EstimateRequest.model_validate(asked | {"before": names} | change)
    return estimate_effect(clean.table, clean.schema, graph, request, seed=0)


@pytest.fixture(scope="module")
def found() -> EffectResult:
    return _ask(_draw()[0])


def test_answer_is_for_those_with_counterparts_and_names_them(found: EffectResult) -> None:
    table, effects = _draw()
    answered = found.answered
    assert answered is not None
    assert found.verdict.kind == "assumed"
    assert f"moves both, for {answered.text}: " in found.verdict.text
    assert answered.why in found.verdict.text
    ((limit,),) = answered.left_out
    assert (limit.column, limit.test) == ("age", ">")
    assert limit.value == pytest.approx(50, abs=2)
    assert answered.text.endswith(f"with age up to {limit.value:.0f}")
    left_out = table["age"].to_numpy() > limit.value
    assert answered.share == pytest.approx(1 - left_out.mean(), abs=0.02)
    assert found.union is not None
    assert found.union.low <= effects[~left_out].mean() <= found.union.high
    assert not found.union.low <= effects.mean() <= found.union.high
    assert answered.everybody.low <= effects.mean() <= answered.everybody.high
    assert answered.everybody.high - answered.everybody.low < 6.0
    assert found.precision != "clear"


def test_status_has_the_share_and_the_ends_for_everybody_without_names(
    found: EffectResult,
) -> None:
    assert found.answered is not None
    figures = mask_unclaimed(found).summary.to_wire()
    assert figures["support"] == pytest.approx(found.answered.share, abs=1e-3)
    assert figures["everybodyLow"] == pytest.approx(found.answered.everybody.low, rel=1e-3)
    assert figures["everybodyHigh"] == pytest.approx(found.answered.everybody.high, rel=1e-3)
    assert not [value for value in figures.values() if "age" in str(value)]


def test_few_people_are_not_counted() -> None:
    words = _ask(_draw(rare=0.0)[0]).answered
    assert words is not None
    assert "Of the others almost nobody has 'yes', so the data cannot say." in words.why


def test_everybody_with_counterparts_is_answered_for_without_words() -> None:
    table, _ = _draw(rare=0.4)
    found = _ask(table)
    assert (found.answered, found.estimate.support) == (None, 1.0)
    assert "counterparts" not in found.verdict.text
    assert "everybodyLow" not in found.summary.to_wire()


def test_those_treated_need_counterparts_without_the_treatment_alone() -> None:
    found = _ask(_draw()[0], population="treated")
    assert found.answered is None
    assert found.union is not None
    assert found.union.high < 1.8


def test_all_sets_answer_for_the_same_people_and_fewer_than_each_alone() -> None:
    """A statement less adds sets, so it must leave out no fewer."""
    table, _ = _draw()
    stated = _ask(table)
    less = _ask(table, before=["sex"], dont_know=["age"])
    assert stated.answered is not None
    assert less.answered is not None
    assert len(less.alternatives) > 1
    assert len({one.support for one in less.alternatives if not one.reverses}) == 1
    assert less.answered.share <= stated.answered.share + 0.01
    assert stated.union is not None
    assert less.union is not None
    assert less.union.low <= stated.union.low + 0.05
    assert f"{less.answered.text} " in less.verdict.text


def test_an_open_column_that_settles_the_treatment_only_bounds_the_effect() -> None:
    """It may have come after: then there is an answer, and the question is worth asking."""
    table, _ = _draw(rare=0.4)
    is_in = np.array(table["t"].to_pylist()) == "yes"
    proof = np.where(is_in, "card", "none")
    table = table.add_column(0, "proof", pa.array(proof))
    found = _ask(table, before=["age", "sex"], dont_know=["proof"])
    assert (found.verdict.kind, found.verdict.asks) == ("open", "proof")
    (bounded,) = [one for one in found.alternatives if "proof" in one.adjustment]
    assert (bounded.support, bounded.effective_rows) == (0.0, 0.0)
    assert bounded.low < 0 < bounded.high
    said = _ask(table, before=["age", "sex", "proof"])
    assert (said.verdict.kind, said.union) == ("unanswerable", None)
    assert mask_unclaimed(said).answered is None


def test_rows_under_do_say_for_whom_they_hold() -> None:
    clean = clean_table(_draw(rare=0.0)[0])
    names = ["age", "sex", "t", "y"]
    graph = CausalGraph(
        order=names,
        parent_lists={name: names[:at] for at, name in enumerate(names)},
        knowledge=Knowledge(tiers=[[name] for name in names]),
        suggestions="computed",
    )
    told = {"worth": {"ratio": 0.9}}
    trained = TrainedModel(None, "forest", clean.table, clean.schema, graph, {}, told)  # type: ignore[arg-type]
    for value, share in (("yes", 0.69), ("no", 1.0)):
        plan = plan_generation(trained, GenerateRequest(row_count=100, interventions={"t": value}))
        assert plan.identification is not None
        assert plan.identification.verdict is not None
        assert plan.identification.support == pytest.approx(share, abs=0.08)
        is_said = "who have counterparts with 'yes'" in plan.identification.verdict.text
        assert is_said == (value == "yes")


def _flagged(
    propensity: np.ndarray,
    is_in: np.ndarray,
    weights: np.ndarray | None,
    units: np.ndarray | None,
) -> np.ndarray:
    """Return the rows that lack the arm where everybody has one of the two values."""
    share = float(np.average(is_in, weights=weights))
    return almost_without(propensity, is_in, weights, units, min(MOST, share / PART))


def _ranked(n: int, share: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Propensities with their own order, an arm that the lowest share lacks, and who that is."""
    rng = np.random.default_rng(seed)
    propensity = np.sort(rng.uniform(0.1, 0.9, n))
    without = np.arange(n) < share * n
    return propensity, (rng.random(n) < np.where(without, 0.0, propensity + 0.05)), without


def test_rows_without_an_arm_are_found_and_none_where_there_are_none() -> None:
    found = wrong = 0.0
    for seed in range(20):
        propensity, is_in, without = _ranked(500, 0.3, seed)
        flagged = _flagged(propensity, is_in, None, None)
        found += flagged[without].mean() / 20
        wrong += flagged[~without].mean() / 20
        good = _flagged(*_ranked(500, 0.0, seed)[:2], None, None)
        assert good.mean() < 0.08
    assert found > 0.95
    assert wrong < 0.08


def test_copies_of_rows_and_equal_weights_find_the_same_people() -> None:
    propensity, is_in, _ = _ranked(400, 0.2)
    alone = _flagged(propensity, is_in, None, None)
    each = np.repeat(np.arange(400), 5)
    copied = _flagged(propensity[each], is_in[each], None, each)
    assert np.array_equal(copied[::5], alone)
    assert np.array_equal(_flagged(propensity, is_in, np.full(400, 7.0), None), alone)
    # Ten rows of two people are two people: too few to say that nobody is like them.
    few = np.r_[np.zeros(40), np.ones(40)].astype(np.int64)
    part = slice(0, 80)
    assert alone[part].sum() > 40
    assert not _flagged(propensity[part], is_in[part], None, few).any()


def test_rows_with_one_propensity_are_all_found_or_none() -> None:
    propensity = np.repeat([0.02, 0.5], 100)
    is_in = np.r_[np.zeros(99), [1.0], np.ones(50), np.zeros(50)].astype(np.bool_)
    found = _flagged(propensity, is_in, None, None)
    assert found.tolist() == [True] * 100 + [False] * 100


def test_a_rare_arm_is_rare_everywhere() -> None:
    rng = np.random.default_rng(0)
    is_in = rng.random(2000) < 0.04
    assert not _flagged(rng.uniform(0.03, 0.05, 2000), is_in, None, None).any()


def test_a_group_is_named_by_limits_that_filter_the_same_rows() -> None:
    rng = np.random.default_rng(1)
    n = 2000
    a = np.where(rng.random(n) < 0.1, np.nan, rng.normal(40, 12, n).round())
    g = np.array(list("wxyz"))[rng.integers(0, 4, n)]
    table = clean_table(pa.table({"a": pa.array(a, from_pandas=True), "g": g})).table
    wanted = (a > 30) & (g == "x")
    group = named_group(table, ["a", "g"], wanted, np.ones(n), 0)
    assert group is not None
    assert {limit.column for limit in group.limits} == {"a", "g"}
    assert np.array_equal(group.rows, np.all([keeps(table, one) for one in group.limits], axis=0))
    assert not group.rows[np.isnan(a)].any()
    words = outside_in_words(group.limits, table)
    assert sorted(words.split(" or ")) == sorted(["a up to 30", "unknown", "g other than 'x'"])
    mixed = rng.random(n) < 0.2
    assert named_group(table, ["a", "g"], mixed, np.ones(n), 0) is None
    assert named_group(table, [], wanted, np.ones(n), 0) is None


def test_limits_of_a_group_are_round_and_no_number_of_a_person() -> None:
    a = np.random.default_rng(2).normal(40, 12, 600)
    group = named_group(pa.table({"a": a}), ["a"], (a > 30) & (a < 50), np.ones(600), 0)
    assert group is not None
    assert all(float(one.value).is_integer() for one in group.limits)


def _settled(seed: int) -> pa.Table:
    """Several columns decide who has the treatment, and parts of the people lack a value."""
    rng = np.random.default_rng(seed)
    n = int(rng.choice([500, 800]))
    a, b, c = (rng.normal(size=n) for _ in range(3))
    slopes = rng.uniform(0.5, 3, 3) * 1.0
    moved = sum(k * of * (rng.random() < 0.7) for k, of in zip(slopes, (a, b, c), strict=True))
    chance, cut = 1 / (1 + np.exp(-moved)), rng.uniform(0.3, 1.2)
    chance = np.where((a > cut) & (rng.random() < 0.8), 0.003, chance)
    chance = np.where((b < -cut) & (rng.random() < 0.6), 0.997, chance)
    t = rng.random(n) < chance
    y = t + 0.5 * a + 0.4 * b - 0.3 * c + rng.normal(size=n)
    values = {name: of.round(2) for name, of in (("a", a), ("b", b), ("c", c))}
    return pa.table({**values, "t": np.where(t, "yes", "no"), "y": y.round(3)})


@pytest.mark.parametrize("seed", [15, 25])
def test_knowing_less_gives_no_better_verdict_by_leaving_people_out(seed: int) -> None:
    table, order = _settled(seed), ("unanswerable", "contradicted", "open", "suggested", "assumed")
    names = ("a", "b", "c")
    found = {
        before: order.index(_ask(table, before=list(before)).verdict.kind)
        for size in range(4)
        for before in combinations(names, size)
    }
    for less, more in product(found, repeat=2):
        if set(less) < set(more):
            assert found[less] <= found[more], (less, more)
