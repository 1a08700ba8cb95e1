"""Replicate weights: their variances, what they change, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from simulacra_crds.tasks import EstimateRequest, FitRequest, GenerateRequest
from simulacra_intake.errors import InputError
from simulacra_schema.description import DescriptionInvalid, parse_description
from simulacra_schema.questions.fit import DifferentialPrivacy
from simulacra_schema.table import ColumnSchema, Replicates, TableSchema
from simulacra_trainer.cleaning.clean import CleanTable
from simulacra_trainer.design import Design, design_of, replicate_shifts
from simulacra_trainer.effects.estimator import Estimator
from simulacra_trainer.effects.scores import Scores, part_of, summarize
from simulacra_trainer.evidence import basis_of, respondents
from simulacra_trainer.in_process import read_described
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.pipeline.training_table import private_rows
from simulacra_trainer.report.worth import design_report

BRR = {"replicateWeights": "rep*", "replicates": "brr", "fay": 0.5}


OF_SVY = {
    "jk1": [0.0997991830103623, 0.0740847575597817, 0.08068276346688923],
    "brr": [0.21966507536780022, 0.1636365334716082, 0.16888836080202574],
    "bootstrap": [0.10983253768390011, 0.0818182667358041, 0.08444418040101287],
}
"""Standard errors of svy 0.35 for `halves` (replication around the estimate; Fay .5)."""


def halves(method: str) -> tuple[Any, Any, Any]:
    """Return answers of 60 persons, their weights and replicate weights, float64 [60, 12]."""
    at, replicate = np.arange(60)[:, None], np.arange(12)
    of, weight = at // 5, 1 + ((at * 13) % 7) / 4
    if method == "jk1":
        factor = np.where(of != replicate, 12 / 11, 0.0)
    else:
        factor = 0.5 + (of % 3 == replicate % 3) + 0.5 * (of * (replicate + 1) % 5 == 0)
    return ((at * at + of) % 3)[:, 0], weight[:, 0], weight * factor


@pytest.mark.parametrize("method", OF_SVY)
def test_standard_errors_are_those_of_svy(method: Any) -> None:
    answers, weights, replicates = halves(method)
    fay = 0.5 if method == "brr" else 0.0
    table = pa.table({"c": pa.array(list(map(str, answers))).dictionary_encode()})
    column = ColumnSchema(name="c", kind="categorical", storage="string")
    schema = TableSchema(rows=60, columns=[column])
    scale = Replicates(method=method, fay=fay).scale(12)
    each, alone = np.arange(60), np.zeros(60, np.int64)
    design = Design(table, schema, each, alone, weights, False, replicates, scale)
    codes = list(table.column("c").combine_chunks().dictionary.to_pylist())
    for one in design._answers_to(column):
        share = np.average(answers == int(codes[one.level]), weights=weights)
        error = np.sqrt(one.effect * share * (1 - share) / 60)
        assert error == pytest.approx(OF_SVY[method][int(codes[one.level])], abs=1e-12)


def survey(points: int = 32, size: int = 15, seed: int = 4) -> tuple[dict[str, Any], Any]:
    """Return questions and weights of persons of sampling points, and each row's point."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(points), size)
    rows = of.size
    alike = rng.standard_normal(points)[of]
    table = {
        "owns": np.where(alike + rng.standard_normal(rows) > 0.2, "yes", "no"),
        "plan": rng.choice(["basic", "plus", "pro"], rows),
        "spend": np.round(np.exp(3 + 0.5 * alike + 0.4 * rng.standard_normal(rows)), 1),
        "w": np.round(rng.uniform(0.5, 2.0, rows), 3),
    }
    return table, of


def jackknife(table: dict[str, Any], of: Any) -> dict[str, Any]:
    """Return replicate weights that leave out a sampling point each (JK1)."""
    points = int(of.max()) + 1
    raised = table["w"] * points / (points - 1)
    return {f"rep{one + 1}": np.where(of == one, 0.0, raised) for one in range(points)}


def read(columns: dict[str, Any], design: dict[str, Any], **table: Any) -> CleanTable:
    extension = {"version": 1, "weights": "w", "design": design} | table
    stated = {"fields": [], "x-simulacra": {k: v for k, v in extension.items() if v is not None}}
    return read_described(pa.table(columns), parse_description(stated)).clean


def test_jackknife_of_points_gives_the_design_effects_of_points() -> None:
    table, of = survey()
    clean = read(table | jackknife(table, of), {"replicateWeights": "rep*", "replicates": "jk1"})
    fields = [{"name": "point", "x-simulacra": {"role": "cluster"}}]
    stated = {"fields": fields, "x-simulacra": {"version": 1, "weights": "w"}}
    clustered = read_described(pa.table(table | {"point": of}), parse_description(stated)).clean
    by_replicates, by_points = (design_of(one.table, one.schema) for one in (clean, clustered))
    assert by_replicates is not None
    assert by_points is not None
    assert by_replicates.degrees_of_freedom == by_points.degrees_of_freedom == 31
    effects = by_points.of_questions()
    assert by_replicates.of_questions() == pytest.approx(effects, rel=0.02)
    assert effects["owns"] > 2 > effects["plan"]
    assert basis_of(clean.schema) == "design"
    expected = respondents(clustered.table, clustered.schema)
    assert respondents(clean.table, clean.schema) == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(
    ("method", "fay", "scale"),
    [("brr", 0.0, 1 / 80), ("brr", 0.5, 4 / 80), ("jk1", 0.0, 79 / 80), ("jk2", 0.0, 1.0),
     ("bootstrap", 0.0, 1 / 80)],
)  # fmt: skip
def test_factor_of_each_method(method: Any, fay: float, scale: float) -> None:
    assert Replicates(method=method, fay=fay).scale(80) == pytest.approx(scale)


def test_replicates_are_neither_learned_nor_generated_and_told_in_the_report() -> None:
    table, of = survey()
    clean = read(table | jackknife(table, of), {"replicateWeights": "rep*", "replicates": "jk1"})
    assert [c.name for c in clean.schema.learned()] == ["owns", "plan", "spend"]
    assert clean.schema.replicates == Replicates(method="jk1")
    report = design_report(clean.table, clean.schema)
    assert report is not None
    assert report["replicates"] == 32
    trained = fit_model(clean.table, clean.schema, FitRequest(family="forest", seed=0))
    plan = plan_generation(trained, GenerateRequest(row_count=200, seed=0))
    rows = pa.concat_tables(generate_rows(trained, plan))
    assert rows.column_names == ["owns", "plan", "spend", "evidence_weight"]


def test_effects_have_the_error_of_the_replicates() -> None:
    """A jackknife of places of one size and weight is the variance of the places' sums."""
    table, of = survey()
    table["w"] = np.ones(of.size)
    clean = read(table | jackknife(table, of), {"replicateWeights": "rep*", "replicates": "jk1"})
    shifts = replicate_shifts(clean.table, clean.schema)
    rng = np.random.default_rng(1)
    value, alike = rng.standard_normal(of.size), rng.standard_normal(32)[of]
    pair = (np.ones(of.size), np.ones(of.size))
    plain = Scores(value + alike, np.ones(of.size), pair, pair, value, value, None)
    by_places = part_of(replace(plain, units=of)).variance
    assert part_of(replace(plain, shifts=shifts)).variance == pytest.approx(by_places, rel=1e-12)
    assert by_places > 3 * part_of(plain).variance
    asked = EstimateRequest(treatment="plan", value="pro", baseline="basic", outcome="spend")
    estimator = Estimator(clean.table, clean.schema, asked, seed=0)
    found = summarize(estimator.scores(estimator.predictions([])))
    assert found.critical > 2.03  # Student's quantile of 32 replicates
    scores = estimator.scores(estimator.predictions([]))
    alone = summarize([replace(one, shifts=None) for one in scores])
    assert found.effect == alone.effect
    assert found.error != alone.error


def test_role_of_each_field_does_instead_of_a_pattern() -> None:
    table, of = survey()
    weights = jackknife(table, of)
    fields = [{"name": name, "x-simulacra": {"role": "replicate_weight"}} for name in weights]
    extension = {"version": 1, "weights": "w", "design": {"replicates": "jk1"}}
    described = parse_description({"fields": fields, "x-simulacra": extension})
    clean = read_described(pa.table(table | weights), described).clean
    assert len(clean.schema.replicate_weights()) == 32


def test_completed_description_sent_back_changes_nothing() -> None:
    table, of = survey()
    columns = table | jackknife(table, of)
    stated = {"version": 1, "weights": "w", "design": BRR}
    described = parse_description({"fields": [], "x-simulacra": stated})
    first = read_described(pa.table(columns), described)
    again = read_described(pa.table(columns), parse_description(first.document))
    assert again.document["schema"]["x-simulacra"]["design"] == BRR
    assert again.document == first.document


def wrong(columns: dict[str, Any], **table: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        read(columns, BRR, **table)
    return [one.detail for one in caught.value.errors]


def test_data_that_contradict_are_named_all_at_once() -> None:
    table, of = survey()
    weights = jackknife(table, of)
    gaps = {"rep1": np.where(of == 0, np.nan, 1.5), "rep2": -weights["rep2"], "rep3": table["w"]}
    found = wrong(table | weights | gaps)
    assert [text.split(",")[0] for text in found] == [
        "Replicate weights are numbers of 0 or more",
        "Replicate weights are numbers of 0 or more",
        "This column is the weight itself in every row",
    ]
    (few,) = wrong(table | {name: weights[name] for name in ("rep1", "rep2")})
    assert few == "2 replicate weights are named; at least 10 are needed for a variance."
    (none,) = wrong(table)
    assert none.startswith("The table has no such column.")
    (weight,) = wrong(table | weights, weights=None)
    assert weight.startswith("Replicate weights vary a weight")


@pytest.mark.parametrize(
    ("design", "pointer"),
    [
        ({"replicateWeights": "rep*"}, "/x-simulacra/design"),
        ({"replicates": "jk1", "fay": 0.3}, "/x-simulacra/design/fay"),
        ({"replicates": "jkn"}, "/x-simulacra/design/replicates"),
        ({"replicate": "jk1"}, "/x-simulacra/design/replicate"),
    ],
)
def test_design_that_cannot_be_is_refused(design: dict[str, Any], pointer: str) -> None:
    with pytest.raises(DescriptionInvalid) as caught:
        parse_description({"fields": [], "x-simulacra": {"version": 1, "design": design}})
    assert [one.pointer for one in caught.value.errors] == [pointer]


def test_differential_privacy_refuses_replicates() -> None:
    table, of = survey()
    clean = read(table | jackknife(table, of), {"replicateWeights": "rep*", "replicates": "jk1"})
    clean.schema.columns = [c for c in clean.schema.columns if c.kind != "weight"]
    with pytest.raises(InputError, match="replicate weights"):
        private_rows(clean.table, clean.schema, DifferentialPrivacy(epsilon=1.0, delta=1e-6))
