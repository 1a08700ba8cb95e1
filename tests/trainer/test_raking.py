"""Raking to stated shares: margins, errors of shares, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_intake.errors import InputError
from simulacra_intake.survey_weights import effective_rows, row_weights
from simulacra_schema.description import DescriptionInvalid, parse_description
from simulacra_trainer.cleaning.described import DescribedTable
from simulacra_trainer.design import answer_codes, design_of
from simulacra_trainer.evidence import basis_of, respondents
from simulacra_trainer.in_process import read_described
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.report.build import weights_of
from simulacra_trainer.report.worth import design_report

TARGETS: dict[str, Any] = {
    "categorical": {"region": {"n": 0.5, "s": 0.3, "w": 0.2}, "sex": {"f": 0.55, "m": 0.45}},
    "quotas": [{"where": {"region": "n", "sex": "f"}, "share": 0.3}],
}
OF_SVY = [
    1.9227272727272742, 2.691916205950654, 1.712861717822088, 2.417142857143051,
    1.33222578052829, 1.6151497235703929, 2.4034090909090877, 0.708917783498366,
]  # fmt: skip
"""First weights of `people` raked by svy 0.35 to TARGETS, the cell as a column of two levels."""
REPLICATES_OF_SVY = {
    "r2": [2.080327868852459, 3.336746075286767, 1.827603050827368],
    "r3": [1.922727272727273, 2.7823203648619685, 1.839190552037363],
}


def people(**more: Any) -> dict[str, Any]:
    """Return 60 persons with weights."""
    at = np.arange(60)
    found = {
        "region": np.array(["n", "s", "w"])[(at * at + at // 7) % 3],
        "sex": np.array(["f", "m"])[(at * 5 + at // 11) % 2],
        "w": 1 + ((at * 13) % 7) / 4,
        "c": np.where((at * 7 + at // 5) % 3 == 0, "y", "z"),
    }
    return found | more


def read(columns: dict[str, Any], targets: Any, **table: Any) -> DescribedTable:
    extension = {"version": 1, "targets": targets} | table
    return read_described(
        pa.table(columns), parse_description({"fields": [], "x-simulacra": extension})
    )


def share(read_table: DescribedTable, hit: Any) -> float:
    weights = row_weights(read_table.clean.table, read_table.clean.schema)
    assert weights is not None
    return float(np.average(hit, weights=weights))


def test_margins_are_met_and_weights_and_replicates_are_those_of_svy() -> None:
    columns, of = people(), np.arange(60) // 5
    columns |= {f"r{i + 1}": columns["w"] * np.where(of == i, 0.0, 12 / 11) for i in range(12)}
    made = {"replicateWeights": "r[0-9]*", "replicates": "jk1"}
    found = read(columns, TARGETS, weights="w", design=made)
    region, sex = columns["region"], columns["sex"]
    for level, wanted in TARGETS["categorical"]["region"].items():
        assert share(found, region == level) == pytest.approx(wanted, abs=1e-9)
    assert share(found, sex == "f") == pytest.approx(0.55, abs=1e-9)
    assert share(found, (region == "n") & (sex == "f")) == pytest.approx(0.3, abs=1e-9)
    weights = found.clean.table.column("w").to_numpy()
    assert weights[:8] == pytest.approx(OF_SVY, abs=1e-7)
    for name, wanted in REPLICATES_OF_SVY.items():
        of_replicate = found.clean.table.column(name).to_numpy()
        assert of_replicate.sum() == pytest.approx(columns["w"].sum())
        assert of_replicate[:3] == pytest.approx(wanted, abs=1e-7)
    again = read_described(pa.table(columns), parse_description(found.document))
    assert again.document == found.document
    assert again.clean.table.equals(found.clean.table)


def test_error_of_a_share_is_that_of_the_jackknife_of_raked_weights() -> None:
    rng = np.random.default_rng(5)
    region = rng.choice(["n", "s", "w"], 300, p=[0.5, 0.3, 0.2])
    likes = np.where(rng.random(300) < np.where(region == "n", 0.8, 0.2), "y", "z")
    columns = {"region": region, "c": likes, "sex": rng.choice(["f", "m"], 300)}
    targets = {"categorical": {"region": {"n": 0.4, "s": 0.35, "w": 0.25}}}
    clean = read(columns, targets).clean
    design = design_of(clean.table, clean.schema)
    assert design is not None
    column = clean.schema.find("c")
    assert column is not None
    codes = answer_codes(clean.table, column)[0]
    hit = codes == 0
    weights = row_weights(clean.table, clean.schema)
    assert weights is not None
    mean = np.average(hit, weights=weights)
    effect = next(one.effect for one in design._answers_to(column) if one.level == 0)
    error = np.sqrt(effect * mean * (1 - mean) / 300)

    def without(row: int) -> float:
        kept = np.arange(300) != row
        shares = targets["categorical"]["region"].items()
        return float(sum(of * hit[kept & (region == level)].mean() for level, of in shares))

    left = np.array([without(row) for row in range(300)])
    jackknife = np.sqrt(299 / 300 * np.sum((left - left.mean()) ** 2))
    assert error == pytest.approx(jackknife, rel=0.01)
    plain = np.sqrt(np.sum((weights * (hit - mean)) ** 2)) / weights.sum()
    assert error < 0.85 * plain
    assert basis_of(clean.schema) == "design"
    assert respondents(clean.table, clean.schema) <= 300


def test_rows_without_an_answer_keep_their_share() -> None:
    columns = people()
    columns["region"] = np.where(np.arange(60) % 6 == 0, None, columns["region"])
    found = read(columns, {"categorical": {"region": {"n": 0.5, "s": 0.3, "w": 0.2}}})
    missing = np.arange(60) % 6 == 0
    assert share(found, missing) == pytest.approx(missing.mean(), abs=1e-9)
    known = share(found, columns["region"] == "n") / (1 - missing.mean())
    assert known == pytest.approx(0.5, abs=1e-9)


def test_trimming_holds_with_the_margins_and_is_told() -> None:
    columns = people(w=1 + 6.0 * (np.arange(60) % 9 == 0))
    targets = TARGETS | {"trim": 2.5}
    found = read(columns, targets, weights="w")
    weights = row_weights(found.clean.table, found.clean.schema)
    assert weights is not None
    assert weights.max() <= 2.5 * (1 + 1e-4)
    assert share(found, columns["region"] == "n") == pytest.approx(0.5, abs=1e-6)
    notes = " ".join(note.action for note in found.clean.schema.cleaning)
    worth = effective_rows(weights)
    assert f"60 rows are worth {worth:.3g} of equal weight" in notes
    assert "no weight is above 2.5 times the mean: 12 % of the rows were trimmed" in notes
    few = read(people(w=1 + 6.0 * (np.arange(60) % 20 == 0)), targets, weights="w").clean.schema
    assert any("fewer than 5 rows were trimmed" in note.action for note in few.cleaning)
    told = weights_of(found.clean.table, found.clean.schema)
    assert told is not None
    assert told["raked_to"] == ["region", "sex"]


def test_fit_and_rows_follow_the_targets() -> None:
    rng = np.random.default_rng(2)
    region = rng.choice(["n", "s"], 600, p=[0.7, 0.3])
    vote = np.where(rng.random(600) < 0.8 * (region == "n"), "a", "b")
    clean = read({"region": region, "vote": vote}, {"categorical": {"region": {"n": 0.3}}}).clean
    report = design_report(clean.table, clean.schema)
    assert report is not None
    assert report["raked"] is True
    assert [one["column"] for one in report["questions"]] == ["vote"]
    trained = fit_model(clean.table, clean.schema, FitRequest(family="forest", seed=0))
    plan = plan_generation(trained, GenerateRequest(row_count=4_000, seed=0))
    rows = pa.concat_tables(generate_rows(trained, plan))
    assert rows.column_names == ["region", "vote", "evidence_weight"]
    asked = {"region": "n", "vote": "a"}.items()
    shares = [np.mean(np.array(rows.column(name).to_pylist()) == of) for name, of in asked]
    assert shares == pytest.approx([0.3, 0.3 * 0.8], abs=0.03)


@pytest.mark.parametrize(
    ("targets", "at", "words"),
    [
        ({"categorical": {"region": {"x": 0.5}}}, "categorical/region/x", "no such level"),
        ({"categorical": {"regionn": {"n": 0.5}}}, "categorical/regionn", 'Did you mean "region"?'),
        ({"categorical": {"region": {"n": 0.5, "s": 0.5}}}, "categorical/region", '"region" (w)'),
        ({"categorical": {"region": {"n": 0.9, "s": 0.4}}}, "categorical/region", "sum to 1.3"),
        ({"categorical": {"sex": {"f": 0.5, "m": 0.3}}}, "categorical/sex", "sum to 0.8"),
        ({"quotas": [{"where": {"region": "n"}, "min": 0.4}]}, "quotas/0", "is one share"),
        ({"quotas": [{"where": {"sex": "f", "c": "no"}, "share": 0.1}]}, "quotas/0", "Nobody"),
        ({"categorical": {"same": {"f": 0.3}, "sex": {"f": 0.5}}}, "categorical/", "No weights"),
        ({"categorical": {"region": {"n": 0.9}}, "trim": 1.5}, "trim", "at most 1.5 times"),
        ({"categorical": {"rare": {"no": 0.97}}}, "", "effective rows of 60"),
    ],
)  # fmt: skip
def test_targets_that_cannot_be_are_refused(targets: Any, at: str, words: str) -> None:
    columns = people()
    at_rows = np.arange(60)
    columns["c"] = np.where(columns["sex"] == "f", "yes", "no")
    columns["same"] = columns["sex"]
    columns["rare"] = np.where(at_rows % 10 == 0, "no", "yes")
    with pytest.raises(InputError) as caught:
        read(columns, targets)
    (error,) = caught.value.errors
    assert error.pointer.startswith(f"/x-simulacra/targets/{at}".rstrip("/"))
    assert words in error.detail


@pytest.mark.parametrize(
    ("targets", "pointer"),
    [
        ({"trim": 5}, ""),
        ({"categorical": {"region": {"n": 1.5}}}, "/categorical/region/n"),
        ({"numeric": {"age": {"min": 18}}}, "/numeric"),
        ({"categorical": {"region": {"n": 0.5}}, "trim": 0.5}, "/trim"),
    ],
)
def test_targets_that_say_nothing_are_refused(targets: Any, pointer: str) -> None:
    with pytest.raises(DescriptionInvalid) as caught:
        read(people(), targets)
    assert [one.pointer for one in caught.value.errors] == [f"/x-simulacra/targets{pointer}"]
