"""Survey weights: the model stands for the weighted population, and weights that cannot be used are
refused.
"""

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from simulacra_crds.reasons import Reason
from simulacra_crds.tasks import EstimateRequest, FitRequest, GenerateRequest
from simulacra_intake.errors import InputError
from simulacra_intake.survey_weights import draw_in_proportion, effective_rows, replicas
from simulacra_schema.conditions import ConditionSet, NumericRange
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.effects.estimate import estimate_effect
from simulacra_trainer.families.base import no_progress
from simulacra_trainer.families.forest import FOREST
from simulacra_trainer.in_process import fit_table, generate_file
from simulacra_trainer.pipeline.fit import TrainedModel, fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.pipeline.holdout import split_halves
from simulacra_trainer.report import build_report, equal_halves_dcr
from simulacra_trainer.trained_model import load_model, save_model

LEVELS = ("red", "green", "blue")


def sample(population: int = 120_000, size: int = 3000, seed: int = 0) -> tuple[pa.Table, pa.Table]:
    """Return a population and a survey of it that asks greens and the young far too often, with its
    weights.
    """
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 90, population)
    income = np.round(np.exp(rng.normal(7.5, 0.5, population) + age / 60), 2)
    party = np.where(
        rng.random(population) < 1 / (1 + np.exp(-(age - 50) / 10)),
        0,
        1 + (rng.random(population) < 0.5),
    )
    people = pa.table({"age": age, "income": income, "party": np.array(LEVELS)[party]})
    chance = np.where(party == 1, 1.0, 0.2) * np.where(age < 40, 1.0, 0.35)
    asked = rng.random(population) < chance * size / chance.sum()
    survey = people.filter(pa.array(asked)).append_column(
        "w", pa.array(np.round(3.0 / chance[asked], 3))
    )
    return people, survey


@pytest.fixture(scope="module")
def survey() -> tuple[pa.Table, pa.Table]:
    return sample()


@pytest.fixture(scope="module")
def weighted(survey: tuple[pa.Table, pa.Table]) -> TrainedModel:
    clean = clean_table(survey[1], weights="w")
    return fit_model(clean.table, clean.schema, FitRequest(seed=1))


def generated(
    trained: TrainedModel, rows: int = 40_000, conditions: ConditionSet | None = None
) -> pa.Table:
    request = GenerateRequest(row_count=rows, conditions=conditions or ConditionSet(), seed=5)
    return pa.concat_tables(generate_rows(trained, plan_generation(trained, request)))


def of(table: pa.Table, name: str) -> np.ndarray:
    return np.array(table.column(name).to_pylist())


def test_a_weighted_model_describes_the_population(survey, weighted) -> None:
    people, asked = survey
    drawn, worth = generated(weighted), effective_rows(of(asked, "w"))
    for level in LEVELS:
        truth, plain = np.mean(of(people, "party") == level), np.mean(of(asked, "party") == level)
        error = 4 * math.sqrt(truth * (1 - truth) / worth)
        assert abs(np.mean(of(drawn, "party") == level) - truth) < error < abs(plain - truth)
    for name in ("age", "income"):
        truth, error = of(people, name).mean(), 4 * of(people, name).std() / math.sqrt(worth)
        assert abs(of(drawn, name).mean() - truth) < error < abs(of(asked, name).mean() - truth)
    for level in LEVELS:  # pairs as well
        truth, plain = (of(t, "age")[of(t, "party") == level] for t in (people, asked))
        assert abs(of(drawn, "age")[of(drawn, "party") == level].mean() - truth.mean()) < 1.0
    assert abs(truth.mean() - plain.mean()) > 1.5


def test_weights_are_in_schema_and_report_but_not_generated(weighted) -> None:
    column = weighted.schema.find("w")
    assert (column.kind, column.learned) == ("weight", False)
    assert any(
        note.column == "w" and "do not have this column" in note.action
        for note in weighted.schema.cleaning
    )
    assert "w" not in weighted.graph.order
    names = ["age", "income", "party", "evidence_weight"]
    assert generated(weighted, 10).column_names == names
    found = weighted.report["weights"]
    assert found["effective_rows"] / found["rows"] == pytest.approx(
        weighted.figures["effective_rows_share"], abs=1e-4
    )


def test_the_report_compares_with_the_weighted_holdout(survey, weighted) -> None:
    fidelity = weighted.report["fidelity"]
    assert fidelity["univariate"]["error"] < 1.6 * fidelity["univariate"]["floor"]
    assert fidelity["c2st_auc"] < 0.62
    assert weighted.figures["dcr_share"] < 0.6
    halves = split_halves(weighted.table, seed=1)
    as_asked = weighted.table.drop_columns("w")  # rows of the sample are no rows of the population
    wrong = build_report(halves.seen, halves.unseen, as_asked, weighted.schema)["fidelity"]
    assert wrong["univariate"]["error"] > 2 * wrong["univariate"]["floor"]
    assert wrong["c2st_auc"] > 0.7


def test_a_saved_model_keeps_its_weights(weighted: TrainedModel, tmp_path: Path) -> None:
    save_model(weighted, tmp_path)
    loaded = load_model(tmp_path)
    half = ConditionSet(
        categorical={"party": {"green": 0.5}}, numeric={"age": NumericRange(min=30, max=50)}
    )
    for conditions in (None, half):  # conditions grow columns again
        assert generated(loaded, 500, conditions).equals(generated(weighted, 500, conditions))


def test_conditions_use_weighted_margins(survey, weighted) -> None:
    people, asked = survey
    bounds = NumericRange(max=39)
    share = np.mean(of(people, "age") < 40)
    plan = plan_generation(
        weighted, GenerateRequest(row_count=1000, conditions=ConditionSet(numeric={"age": bounds}))
    )
    assert plan.attainment.backing == pytest.approx(share * effective_rows(of(asked, "w")), rel=0.1)
    assert plan.attainment.accepted == pytest.approx(share, abs=0.03)


def test_copying_is_detected_with_any_weights(survey) -> None:
    clean = clean_table(survey[1], weights="w")
    order = np.random.default_rng(0).permutation(clean.table.num_rows)
    half = clean.table.num_rows // 2
    seen, unseen = clean.table.take(order[:half]), clean.table.take(order[half : 2 * half])
    weights = of(seen, "w")
    copies = seen.take(draw_in_proportion(weights, 1000, np.random.default_rng(1)))
    model = FOREST.fit(
        seen, clean.schema, ["age", "income", "party"], seed=0, options={}, progress=no_progress
    )
    drawn = model.sample(3000, np.random.default_rng(2))

    def judge(rows: pa.Table) -> float:
        return equal_halves_dcr(seen, unseen, rows, clean.schema, np.random.default_rng(3))[0]

    assert judge(copies) > 0.95
    assert 0.46 < judge(drawn) < 0.62


def test_an_effect_is_estimated_for_the_population() -> None:
    rng = np.random.default_rng(3)
    n = 6000
    rural = rng.random(n) < 0.5
    treated = rng.random(n) < 0.5
    outcome = np.round(
        10 + treated * np.where(rural, 4.0, 1.0) + rng.normal(0, 1, n), 3
    )  # rural: 4, else 1
    rows = {"rural": rural, "treated": treated, "outcome": outcome, "w": np.where(rural, 1.0, 9.0)}
    clean = clean_table(pa.table(rows), weights="w")
    trained = fit_model(clean.table, clean.schema, FitRequest(seed=1))
    request = EstimateRequest(
        treatment="treated", value="true", baseline="false", outcome="outcome"
    )
    found = estimate_effect(clean.table, clean.schema, trained.graph, request, seed=0)
    assert found.estimate.low < 1.3 < found.estimate.high < 1.6
    assert found.naive == pytest.approx(1.3, abs=0.2)


@pytest.mark.neural
def test_the_neural_family_samples_rows_by_weight() -> None:
    batches = pytest.importorskip("simulacra_trainer.families.neural.batches")
    coding = pytest.importorskip("simulacra_trainer.families.neural.coding")
    rng = np.random.default_rng(0)
    clean = clean_table(
        pa.table(
            {"a": rng.choice(["x", "y"], 800), "b": rng.normal(size=800), "w": [1.0, 7.0] * 400}
        )
    )
    weights = np.where(np.arange(800) % 2 == 0, 0.25, 1.75)
    codings = [
        coding.fit_coding(clean.table.column(c), clean.schema.find(c), weights) for c in ("a", "b")
    ]
    values = [one.codec.values(clean.table.column(one.codec.name)) for one in codings]
    shares = np.average(values[0], weights=weights)
    assert codings[0].code_rows()[1:] / 800 == pytest.approx([1 - shares, shares])
    assert codings[1].code_rows().sum() == pytest.approx(800)
    table = batches.code_table(codings, values, [0, 1], [0, 1])
    read = batches.TableBatches(table, seed=1, weights=weights)
    heavy = np.isin(read.rows, np.arange(1, 800, 2))
    epoch = read._in_proportion(read.rows, np.random.default_rng(2))
    expected = weights[read.rows][heavy].sum() / weights[read.rows].sum()
    assert np.mean(epoch % 2 == 1) == pytest.approx(expected, abs=0.01)


@pytest.mark.neural
@pytest.mark.reliability
def test_the_neural_family_learns_the_population(survey) -> None:
    people, asked = survey
    clean = clean_table(asked, weights="w")
    neural = pytest.importorskip("simulacra_trainer.families.neural").NEURAL
    order = ["age", "party", "income"]
    model = neural.fit(clean.table, clean.schema, order, seed=1, options={}, progress=no_progress)
    drawn = model.sample(20_000, np.random.default_rng(0))
    truth, plain = np.mean(of(people, "party") == "green"), np.mean(of(asked, "party") == "green")
    assert abs(np.mean(of(drawn, "party") == "green") - truth) < 0.05 < abs(plain - truth)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (pa.array([1.0, None] * 50), "50 of 100 rows of 'w' have no finite number"),
        (pa.array([1.0, math.inf] * 50), "50 of 100 rows of 'w' have no finite number"),
        (pa.array([2.0, -0.5] * 50), "50 of 100 rows of 'w' are negative"),
        (pa.array([0] * 100), "All weights are 0"),
        (pa.array(["heavy", "light"] * 50), "'w' is categorical"),
        (pa.array([True, False] * 50), "'w' is boolean"),
        (pa.array(["much"] * 100), "'w' holds one word"),
        (pa.array([None] * 100, pa.float64()), "'w' is constant"),
        (pa.array([1000.0] + [1.0] * 99), "leaves 1.2 of 100 (Kish)"),
        (None, "There is no column 'w'"),
    ],
)
def test_unusable_weights_are_refused(weights: pa.Array | None, said: str) -> None:
    rng = np.random.default_rng(0)
    table = pa.table({"a": rng.choice(["x", "y"], 100), "b": rng.normal(size=100)})
    table = table if weights is None else table.append_column("w", weights)
    with pytest.raises(InputError) as caught:
        clean_table(table, weights="w")
    assert (caught.value.reason, caught.value.pointer) == (Reason.REQUEST_INVALID, "/weights")
    assert said in caught.value.detail
    assert "'w'" not in caught.value.message  # a message goes to a status: no names


def test_numbers_that_look_like_weights_are_to_be_confirmed() -> None:
    rng = np.random.default_rng(1)
    about_one = np.round(rng.gamma(9, 1 / 9, 200) + 0.01, 3)
    columns = {
        "Gewicht": about_one,
        "weight_kg": about_one * 70,
        "wgt_change": about_one - 1,
        "spread": about_one,
        "city": rng.choice(["Bonn", "Kiel"], 200),
    }
    schema = clean_table(pa.table(columns)).schema
    assert {c.name: c.to_confirm for c in schema.columns if c.to_confirm} == {"Gewicht": "weights"}
    (note,) = (note for note in schema.cleaning if note.column == "Gewicht")
    assert "looks like survey weights" in note.action
    stated = clean_table(pa.table(columns), weights="Gewicht").schema
    assert not any(column.to_confirm for column in stated.columns)


def test_main_weight_is_proposed_before_the_weight_of_the_design() -> None:
    rng = np.random.default_rng(2)
    columns = {
        "dweight": np.round(1 + 0.01 * rng.random(200), 4),
        "pspwght": np.round(rng.gamma(9, 1 / 9, 200) + 0.01, 4),
        "city": rng.choice(["Bonn", "Kiel"], 200),
    }
    schema = clean_table(pa.table(columns)).schema
    assert {c.name: c.to_confirm for c in schema.columns if c.to_confirm} == {"pspwght": "weights"}


def test_equal_weights_change_nothing_but_the_schema() -> None:
    rng = np.random.default_rng(0)
    table = pa.table({"a": rng.choice(["x", "y"], 400), "b": rng.normal(size=400)})
    clean = clean_table(table.append_column("w", pa.array([7] * 400)), weights="w")
    assert clean.schema.find("w").kind == "weight"
    trained = fit_model(clean.table, clean.schema, FitRequest())
    assert trained.figures["effective_rows_share"] == pytest.approx(1)


def test_a_fit_accepts_weights_and_refuses_bad_ones(survey, tmp_path: Path) -> None:
    table = survey[1].slice(0, 500)
    with pytest.raises(InputError, match="The weights name a column that the table does not have"):
        fit_table(table, FitRequest(), weights="nothing")
    trained = fit_table(table, FitRequest(), weights="w")
    generate_file(trained, GenerateRequest(row_count=20), tmp_path / "rows.csv")
    head = (tmp_path / "rows.csv").read_text().splitlines()[0]
    assert head == '"age","income","party","evidence_weight"'


def test_replicas_and_draws_are_in_proportion() -> None:
    weights = np.random.default_rng(0).gamma(0.5, size=1000)
    counts = replicas(weights, 8000)
    assert counts.sum() == 8000
    assert np.all(
        np.abs(np.cumsum(counts) - 8000 * np.cumsum(weights) / weights.sum()) <= 0.5 + 1e-9
    )
    drawn = np.bincount(draw_in_proportion(weights, 5000, np.random.default_rng(1)), minlength=1000)
    assert drawn.sum() == 5000
    assert np.all(np.abs(drawn - 5000 * weights / weights.sum()) < 1)
