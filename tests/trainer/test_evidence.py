"""Evidence: what rows are worth, measured and written as a weight."""

import itertools
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from simulacra import inference
from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_schema.conditions import ConditionSet
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_schema.verdicts import verdicts
from simulacra_schema.worth import NOTHING_SEEN, PRIVATE, UNMEASURED, worth_of
from simulacra_trainer.effects.treated import support_of_do
from simulacra_trainer.evidence import margin, respondents
from simulacra_trainer.graph.causal_graph import CausalGraph
from simulacra_trainer.pipeline.evidence import Evidence
from simulacra_trainer.pipeline.fit import TrainedModel, fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.pipeline.generation_report import report_generation, verdicts_on
from simulacra_trainer.report import render_html
from simulacra_trainer.report.comparison.dependence import (
    Dependence,
    find_dependences,
    measured_ratio,
)
from simulacra_trainer.report.worth import figures_of, model_worth
from trainer_tables import clean, levels_column, numbers_column


def generated(trained: TrainedModel, shards: int = 1, **request: object) -> pa.Table:
    plan = plan_generation(trained, GenerateRequest(row_count=1000, **request))
    return pa.concat_tables(
        [t for s in range(shards) for t in generate_rows(trained, plan, s, shards)]
    )


def evidence(trained: TrainedModel, rows: int = 1000, **request: object) -> Evidence:
    found = plan_generation(trained, GenerateRequest(row_count=rows, **request)).evidence
    assert found is not None
    return found


def shares(**columns: dict[str, float]) -> ConditionSet:
    return ConditionSet(categorical=columns)


def test_worth_is_the_variance_of_simple_synthesis() -> None:
    assert worth_of(500, 10_000) == pytest.approx(500 * 10_000 / 10_500)
    assert worth_of(500, np.inf, ratio=0.5) == pytest.approx(250)
    assert worth_of(0, 10_000) == 0
    assert margin(400) == pytest.approx(0.049, abs=1e-4)


def _with(kind: str, numbers: list[int]) -> tuple[pa.Table, TableSchema]:
    """A table of one column and a column of weights or of persons."""
    array, schema = numbers_column("v", np.arange(len(numbers), dtype=float), 0)
    weighs = kind == "weight"
    extra = ColumnSchema(
        name="k",
        kind="weight" if weighs else "identifier",
        storage="double" if weighs else "int64",
        role=None if weighs else "subject",
    )
    of = pa.array(numbers, pa.float64() if weighs else pa.int64())
    table = pa.table({"v": array, "k": of})
    return table, TableSchema(rows=len(numbers), columns=[schema, extra])


@pytest.mark.parametrize(
    ("kind", "numbers", "expected"),
    [
        ("weight", [1, 1, 1, 1], 4),
        ("weight", [3, 1, 1, 1], 36 / 12),
        ("subject", [7, 7, 8, 8, 9, 9], 3),
        ("subject", [7, 7, 7, 7, 8], 25 / 17),
    ],
)
def test_respondents_are_effective_rows_or_persons(
    kind: str, numbers: list[int], expected: float
) -> None:
    assert respondents(*_with(kind, numbers)) == pytest.approx(expected)


def _chain(n: int, seed: int) -> pa.Table:
    """Two columns of which one follows the other, and one of its own."""
    rng = np.random.default_rng(seed)
    a = rng.integers(0, 3, n)
    b = np.where(rng.random(n) < 0.6, a, rng.integers(0, 3, n))
    c = rng.integers(0, 3, n)
    return clean(
        *(levels_column(k, [f"{v}" for v in of]) for k, of in zip("abc", (a, b, c), strict=True))
    )[0]


SCHEMA = clean(*(levels_column(k, ["0", "1", "2"]) for k in "abc"))[1]


def _ratio(synthetic: pa.Table, seen: pa.Table, seed: int) -> float:
    unseen = _chain(seen.num_rows, 1000 + seed)
    found = find_dependences([(seen, unseen, synthetic)], SCHEMA, ["a", "b", "c"], seed=seed)
    assert [one.columns for one in found] == [("a", "b")]
    return 1.0 / (found[0].discrepancy - 1.0)


def test_the_ratio_of_an_ideal_model_is_one_on_average() -> None:
    """Rows drawn from the seen rows themselves err as the seen rows do: D = 2."""
    found = []
    for seed in range(60):
        seen = _chain(400, seed)
        drawn = np.random.default_rng(seed).integers(0, 400, 1600)
        found.append(1.0 / _ratio(seen.take(pa.array(drawn)), seen, seed) + 1.0)
    assert np.mean(found) == pytest.approx(2.0, abs=0.25)


def test_rows_without_noise_are_not_corrected_for_noise() -> None:
    """Both draws have the exact shares, so that only the unseen rows err: D = 1."""
    exact = [(a, b) for a in "012" for b in "012" for _ in range(11 if a == b else 2)]
    a, b = ([*of] for of in zip(*exact, strict=True))
    drawn = clean(*(levels_column(k, of * 32) for k, of in zip("abc", (a, b, a), strict=True)))[0]
    found = [1.0 / _ratio(drawn, _chain(400, seed), seed) + 1.0 for seed in range(200)]
    assert np.mean(found) == pytest.approx(1.0, abs=0.12)


def test_a_model_that_loses_a_relation_has_the_least_ratio() -> None:
    seen = _chain(800, 1)
    alone = [_chain(3200, seed).column(name) for name, seed in zip("abc", (2, 3, 4), strict=True)]
    lost = pa.table(alone, names=["a", "b", "c"])
    trials = [(seen, _chain(800, 5), lost)]
    worth = model_worth(trials, seen, SCHEMA, seed=0)
    assert worth["ratio"] == 0.1
    assert not worth["for_inference"]
    assert [(one["columns"], one["kept"]) for one in worth["pairs"]] == [(["a", "b"], "lost")]
    assert worth["kept"] == {"a": "lost", "b": "lost"}
    assert worth["worth"] == pytest.approx(worth_of(800, 10_000, 0.1))
    # One pair has a word and no figure.


def test_pairs_of_several_shapes_are_judged_as_each_alone() -> None:
    def wider(rows: int, seed: int) -> pa.Table:
        a, b, c = (column.to_pylist() for column in _chain(rows, seed).columns)
        few = ["low" if of == "0" else "high" for of in b]
        more = ["rare" if row < 2 else of for row, of in enumerate(a)]
        both = zip("abcde", (a, b, c, few, more), strict=True)
        return clean(*(levels_column(name, of) for name, of in both))[0]

    trials = [(wider(400, 1), wider(400, 2), wider(1600, 3))]
    together, *alone = (
        {one.columns: one.discrepancy for one in find_dependences(trials, SCHEMA, names, seed=0)}
        for names in (list("abcde"), *itertools.combinations("abcde", 2))
    )
    assert set(together) >= {("a", "b"), ("a", "d"), ("b", "e"), ("d", "e")}
    assert together == pytest.approx({pair: of for one in alone for pair, of in one.items()})


def test_answers_of_fewer_than_five_people_show_no_dependence() -> None:
    def answers(people: int) -> pa.Table:
        a = ["rare"] * people + ["x"] * 200 + ["y"] * 200
        b = ["no"] * people + (["yes"] * 9 + ["no"]) * 40
        return clean(levels_column("a", a), levels_column("b", b))[0]

    def found(people: int) -> list[tuple[str, str]]:
        halves = answers(people), answers(0)
        trials = [(*halves, pa.concat_tables([answers(0)] * 4))]
        return [one.columns for one in find_dependences(trials, SCHEMA, ["a", "b"], seed=0)]

    assert found(4) == []
    assert found(6) == [("a", "b")]


def test_what_a_small_table_cannot_show_is_not_known() -> None:
    assert measured_ratio([], 600) == 1.0
    assert measured_ratio([], 60) is None
    assert measured_ratio(find_dependences([], SCHEMA, ["a", "b"], seed=0), 60) is None


@pytest.mark.parametrize(
    ("measured", "unmeasured", "ratio"),
    [(1, 0, 1.0), (1, 1, 1.0), (1, 2, None), (0, 1, None)],
)
def test_pairs_that_cannot_be_measured_make_no_ratio_better(
    measured: int, unmeasured: int, ratio: float | None
) -> None:
    pairs = [Dependence(("a", "b"), 2.0)] * measured + [Dependence(("a", "c"), None)] * unmeasured
    assert measured_ratio(pairs, 600) == ratio
    words = [{"kept": pair.word} for pair in pairs]
    figures = figures_of({"respondents": 600.0, "ratio": ratio, "pairs": words})
    level = verdicts(figures)[2].level
    assert level == ("unknown" if ratio is None else "good")


def test_cells_of_few_unseen_rows_are_not_measured_but_their_strength_is() -> None:
    def answers(a: str, b: str) -> pa.Table:
        return clean(levels_column("a", [*a]), levels_column("b", [*b]))[0]

    few = answers("x" * 8 + "y" * 8, "x" * 8 + "y" * 8)
    for drawn, word in ((few, "kept"), (answers("xy" * 8, "x" * 8 + "y" * 8), "lost")):
        trials = [(few, few, pa.concat_tables([drawn] * 8))]
        (found,) = find_dependences(trials, SCHEMA, ["a", "b"], seed=0)
        assert (found.columns, found.discrepancy, found.word) == (("a", "b"), None, word)
    assert Dependence(("a", "b"), None).word == "not measured"


@pytest.fixture(scope="module")
def small() -> TrainedModel:
    """A model of 40 respondents whose columns do not depend on one another."""
    rng = np.random.default_rng(7)
    columns = [levels_column(name, rng.choice(["x", "y", "z"], 40).tolist()) for name in "abc"]
    table, schema = clean(*columns)
    return fit_model(table, schema, FitRequest.model_validate({"family": "forest", "seed": 1}))


def test_every_door_says_the_same_of_rows_whose_worth_is_not_known(small: TrainedModel) -> None:
    plan = plan_generation(small, GenerateRequest(row_count=50))
    drawn: list[pa.Table] = []
    rows = pa.concat_tables(generate_rows(small, plan, on_first=drawn.append))
    report = report_generation(small, GenerateRequest(row_count=50), plan, drawn[0])
    found = plan.evidence
    assert found is not None
    assert (found.worth, found.weight, found.ratio, found.for_inference) == (None,) * 4
    assert (found.basis, found.reason) == ("not measured", NOTHING_SEEN)
    assert rows.column("evidence_weight").null_count == 50
    judged = verdicts_on(small, plan)[2]
    assert (judged.level, judged.sentence) == ("unknown", f"{found.sentence} {NOTHING_SEEN}")
    assert verdicts(small.figures)[2].level == "unknown"
    for worth in (small.report["worth"], report["worth"]):
        told = (worth["worth"], worth["ratio"], worth["for_inference"], worth["reason"])
        assert told == (None, None, None, NOTHING_SEEN)
        assert "respondents; use" not in render_html(small.report | {"worth": worth})
    with pytest.raises(ValueError, match="was not measured"):
        inference.worth(rows)


def test_the_weight_is_constant_and_sums_to_the_worth(trained: TrainedModel) -> None:
    table = generated(trained)
    weights = table.column("evidence_weight").to_numpy()
    ratio = trained.report["worth"]["ratio"]
    assert table.column_names[-1] == "evidence_weight"
    assert len(set(weights)) == 1
    assert weights.sum() == pytest.approx(worth_of(3000, 1000, ratio))
    label = table.schema.field("evidence_weight").metadata[b"label"].decode()
    assert label == f"These 1,000 rows are worth {weights.sum():,.0f} respondents; use " + (
        "evidence_weight as frequency weights."
    )


def test_without_evidence_there_is_no_weight(trained: TrainedModel) -> None:
    assert generated(trained, evidence=False).equals(generated(trained).drop("evidence_weight"))


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"conditions": shares(segment={"switcher": 0.5})},
        {"interventions": {"segment": "loyal"}},
        {"interventions": {"segment": "loyal"}, "counterfactual": True},
    ],
)
def test_shards_agree_on_the_weight(trained: TrainedModel, request_: dict) -> None:
    assert generated(trained, **request_).equals(generated(trained, shards=3, **request_))


def test_conditions_are_worth_the_respondents_behind_them(trained: TrainedModel) -> None:
    conditions = shares(segment={"switcher": 0.6})
    plan = plan_generation(trained, GenerateRequest(row_count=1000, conditions=conditions))
    found = plan.evidence
    ratio = trained.report["worth"]["ratio"]
    assert found.basis == "backing"
    assert plan.attainment.backing < 3000
    assert found.worth == pytest.approx(worth_of(plan.attainment.backing, 1000, ratio), rel=1e-6)
    classes = {one.level: one for one in found.classes}
    assert set(classes) == {"switcher", "loyal", "none"}
    assert classes["switcher"].raised
    assert classes["switcher"].claimed == pytest.approx(0.6 * found.worth)
    real = trained.table.column("segment").to_pylist().count("switcher")
    assert classes["switcher"].worth == pytest.approx(worth_of(real, 600, ratio), rel=0.1)
    assert not classes["loyal"].raised


def test_an_intervention_is_worth_its_reweighted_respondents(trained: TrainedModel) -> None:
    found = evidence(trained, interventions={"segment": "loyal"})
    loyal = trained.table.column("segment").to_pylist().count("loyal")
    assert found.basis == "do"
    assert found.worth < worth_of(loyal, 1000, found.ratio) * 1.01
    assert found.worth > worth_of(loyal / 4, 1000, found.ratio)


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"interventions": {"age": 300}}, "'300' lies outside the observed values of age."),
        (
            {"interventions": {"price": 5}, "conditions": shares(city={"ada": 0.5})},
            "Conditions and interventions together",
        ),
    ],
)
def test_what_was_not_measured_is_null_and_says_why(
    trained: TrainedModel, request_: dict, reason: str
) -> None:
    found = evidence(trained, **request_)
    assert (found.worth, found.weight, found.basis) == (None, None, "not measured")
    assert found.reason.startswith(reason)
    assert "was not measured" in found.sentence
    assert generated(trained, **request_).column("evidence_weight").null_count == 1000


def test_twins_have_the_weight_of_their_rows(trained: TrainedModel) -> None:
    request = {"interventions": {"segment": "loyal"}, "counterfactual": True}
    table = generated(trained, **request)
    one = table.take(pa.array(np.arange(0, 1000, 2)))
    ratio = trained.report["worth"]["ratio"]
    assert len(set(table.column("evidence_weight").to_pylist())) == 1
    assert sum(one.column("evidence_weight").to_pylist()) == pytest.approx(
        worth_of(3000, 500, ratio)
    )
    assert "These 500 pairs are worth" in evidence(trained, **request).sentence


def test_private_and_older_models_have_no_worth(trained: TrainedModel) -> None:
    private = trained.report | {"differential_privacy": {"epsilon": 1.0}, "worth": None}
    assert evidence(replace(trained, report=private)).reason == PRIVATE
    older = {name: of for name, of in trained.report.items() if name != "worth"}
    assert evidence(replace(trained, report=older)).reason == UNMEASURED


def test_an_upload_with_the_name_keeps_it(trained: TrainedModel) -> None:
    columns = [c.model_copy() for c in trained.schema.columns]
    taken = ColumnSchema(name="evidence_weight", kind="text", storage="string", learned=False)
    schema = trained.schema.model_copy(update={"columns": [*columns, taken]})
    table = generated(replace(trained, schema=schema))
    assert table.column_names[-2:] == ["evidence_weight", "evidence_weight_"]
    assert table.column("evidence_weight_").null_count == 0


def _treated(n: int, confounded: bool) -> tuple[pa.Table, TableSchema, CausalGraph, np.ndarray]:
    rng = np.random.default_rng(4)
    z = rng.integers(0, 2, n)
    chance = np.where(z == 1, 0.8, 0.2) if confounded else np.full(n, 0.3)
    t = rng.random(n) < chance
    table, schema = clean(
        levels_column("z", [f"{v}" for v in z]), levels_column("t", [f"{v:d}" for v in t])
    )
    parents = {"z": [], "t": ["z"] if confounded else []}
    return table, schema, CausalGraph(order=["z", "t"], parent_lists=parents, edges=[]), chance[t]


@pytest.mark.parametrize("confounded", [False, True])
def test_treated_respondents_follow_their_propensities(confounded: bool) -> None:
    table, schema, graph, chance = _treated(4000, confounded)
    expected = np.sum(1 / chance) ** 2 / np.sum(1 / chance**2)
    found = support_of_do(table, schema, graph, {"t": "1"}, seed=0)
    assert found.respondents == pytest.approx(expected, rel=0.03)
    assert found.missing is None


@pytest.mark.parametrize(("rows", "value"), [(60, "1"), (90, "1"), (60, "absent")])
def test_few_treated_respondents_are_no_support(rows: int, value: str) -> None:
    """Of 60 rows 17 have the value; of 90 rows 23, too few as well when they are weighted."""
    table, schema, graph, _ = _treated(rows, confounded=False)
    found = support_of_do(table, schema, graph, {"t": value}, seed=0)
    assert found.respondents is None
    assert found.missing is not None
    assert found.missing.startswith(f"too few people like the others have '{value}' (")


def test_a_number_that_few_have_takes_its_nearest_respondents() -> None:
    values = np.round(np.random.default_rng(1).normal(50, 10, 2000), 2)
    table, schema = clean(numbers_column("x", values, 2), levels_column("z", ["a", "b"] * 1000))
    graph = CausalGraph(order=["x", "z"], parent_lists={"x": [], "z": []}, edges=[])
    found = [support_of_do(table, schema, graph, {"x": x}, seed=0) for x in (50.0, 80.0, 500.0)]
    respondents = [one.respondents for one in found]
    # Those within 1.84 * 10 * 2000 ** -0.2 = 4.03, or a tenth of the rows, in blocks of ten.
    assert respondents[:2] == pytest.approx([2000 * 0.313, 205], rel=0.03)
    assert respondents[2] is None
    assert found[2].missing == "'500' lies outside the observed values of x."


def test_in_a_small_table_the_nearest_half_is_too_few() -> None:
    """A hundred rows are near a number, but there are only 40: everybody is near nothing.

    The 12 rows of 16 and 20 years are one block.
    """
    values = np.random.default_rng(1).normal(50, 10, 40)
    years = np.repeat([8.0, 12.0, 16.0, 20.0], [3, 25, 8, 4])
    table, schema = clean(numbers_column("x", values, 2), numbers_column("years", years, 0))
    parents: dict[str, list[str]] = {"x": [], "years": []}
    graph = CausalGraph(order=["x", "years"], parent_lists=parents, edges=[])
    rows = {"x": (50.0, 20), "years": (16.0, 12)}
    for name, (value, few) in rows.items():
        found = support_of_do(table, schema, graph, {name: value}, seed=0)
        assert found.missing is not None
        told = found.missing.partition(f"have '{value:g}' (")[2].partition(" effective rows).")[0]
        assert told == "fewer than 5" or abs(int(told) - few) < 5  # the count has noise
