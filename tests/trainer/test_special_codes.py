"""Special codes among numbers: which code was given depends on other columns, and they on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_intake.output.restore import restore
from simulacra_schema.questions.knowledge import Edge, Knowledge
from simulacra_schema.table import TableSchema
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.in_process import generate_table
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.trained_model import TrainedModel, load_model, save_model

ROWS, DRAWN = 1_500, 6_000
REFUSED, UNKNOWN = -9, -8


def _survey(rows: int = ROWS) -> pa.Table:
    """Refusals (-9) rise with age, "don't know" (-8) falls with school; trust follows the code."""
    rng = np.random.default_rng(3)
    age = rng.integers(18, 90, rows)
    school = rng.random(rows) < 0.5
    refuses = rng.random(rows) < np.where(age > 60, 0.3, 0.04)
    unaware = rng.random(rows) < np.where(school, 0.02, 0.25)
    income = np.where(refuses, REFUSED, np.where(unaware, UNKNOWN, rng.integers(8, 60, rows) * 100))
    trust = np.where(refuses, 2, np.where(unaware, 8, 5)) + rng.integers(-1, 2, rows)
    return pa.table(
        {
            "age": age,
            "school": np.where(school, "higher", "basic"),
            "income": pa.array(income, mask=rng.random(rows) < 0.03),
            "trust": trust,
        }
    )


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    clean = clean_table(_survey())
    required = [Edge(source="age", target="income"), Edge(source="income", target="trust")]
    request = FitRequest(knowledge=Knowledge(required=required))
    return fit_model(clean.table, clean.schema, request)


def _drawn(trained: TrainedModel, **request: object) -> dict[str, np.ndarray]:
    asked = GenerateRequest.model_validate(
        {"row_count": DRAWN, "evidence": False, "seed": 1, **request}
    )
    rows = generate_table(trained, asked).rows
    return {name: np.array(rows[name].to_pylist()) for name in rows.column_names}


def _given(rows: dict[str, np.ndarray], code: int | None) -> np.ndarray:
    return np.array([value == code if code else value is None for value in rows["income"]])


def test_code_depends_on_other_columns_and_they_on_it(trained: TrainedModel) -> None:
    rows = _drawn(trained)
    assert set(rows) == {"age", "school", "income", "trust"}
    refused, unknown, blank = (_given(rows, code) for code in (REFUSED, UNKNOWN, None))
    old, basic = rows["age"] > 60, rows["school"] == "basic"
    assert refused[old].mean() > 4 * refused[~old].mean()
    assert unknown[basic].mean() > 4 * unknown[~basic].mean()
    assert rows["trust"][refused].mean() == pytest.approx(2, abs=0.5)
    assert rows["trust"][unknown].mean() == pytest.approx(8, abs=0.5)
    assert rows["trust"][blank].mean() == pytest.approx(5, abs=0.8)
    assert blank.mean() == pytest.approx(0.03, abs=0.015)


def test_conditions_and_do_on_the_number_leave_no_code(trained: TrainedModel) -> None:
    set_to = _drawn(trained, interventions={"income": 3000})
    assert set(set_to["income"]) == {3000}
    assert set_to["trust"].mean() == pytest.approx(5, abs=0.4)
    within = _drawn(trained, conditions={"numeric": {"income": {"min": 1000, "max": 2000}}})
    assert all(1000 <= value <= 2000 for value in within["income"])
    assert within["trust"].mean() == pytest.approx(5, abs=0.4)


def test_code_follows_an_intervention_under_a_condition(trained: TrainedModel) -> None:
    conditions = {"categorical": {"school": {"higher": 1.0}}}
    young, old = (
        _given(_drawn(trained, conditions=conditions, interventions={"age": age}), REFUSED).mean()
        for age in (30, 75)
    )
    assert old > young + 0.15


def test_twin_of_a_refusal_refuses_unless_its_causes_change(trained: TrainedModel) -> None:
    rows = _drawn(trained, interventions={"trust": 1}, counterfactual=True)
    fact, twin = rows["income"][::2], rows["income"][1::2]
    assert (fact == twin).all()
    rows = _drawn(trained, interventions={"age": 30}, counterfactual=True)
    old, refused = rows["age"][::2] > 60, _given(rows, REFUSED)
    fact, twin = refused[::2], refused[1::2]
    assert twin[fact & old].mean() < 0.5
    assert twin[fact & ~old].mean() > 0.8


def test_saved_model_draws_the_same_codes(trained: TrainedModel, tmp_path: Path) -> None:
    save_model(trained, tmp_path)
    again, first = _drawn(load_model(tmp_path)), _drawn(trained)
    assert all((again[name] == first[name]).all() for name in first)


def test_rows_of_a_schema_before_code_columns_have_codes_by_share() -> None:
    clean = clean_table(_survey())
    fields = clean.schema.model_dump()
    for column in fields["columns"]:
        del column["code_column"], column["codes_of"]
    schema = TableSchema.model_validate(fields)
    assert [one.name for one in schema.modeled()] == ["age", "school", "income", "trust"]
    table = clean.table.select([one.name for one in schema.modeled()])
    rows = restore(table, schema, rng=np.random.default_rng(0))
    income = np.array(rows["income"].to_pylist(), dtype=float)
    known = np.array(_survey()["income"].to_pylist(), dtype=float)
    assert (income == REFUSED).mean() == pytest.approx((known == REFUSED).mean(), abs=0.03)
    assert ((income == REFUSED) != (known == REFUSED)).mean() > 0.05


@pytest.mark.parametrize(
    ("income", "levels"),
    [
        ([*range(10, 90), *[-9] * 12, *[-8] * 12], ["-9", "-8"]),
        ([*range(10, 90), *[-9] * 12, *[None] * 12], ["-9"]),
        ([*range(10, 90), *[-9] * 24], None),
        ([*range(10, 90), *[-9] * 20, *[-8] * 4], None),
    ],
)
def test_codes_are_learned_where_gaps_are_of_several_kinds(
    income: list[int | None], levels: list[str] | None
) -> None:
    group = ["a", "b"] * (len(income) // 2)
    clean = clean_table(pa.table({"income": income, "group": group}))
    codes = clean.schema.columns[0].codes()
    assert (codes and codes.level_values()) == levels
    assert [one.name for one in clean.schema.learned()] == ["income", "group"]
    if codes is not None:
        held = clean.table.column(codes.name).cast(pa.string()).to_pylist()
        stated = [str(v) if v is not None and v < 0 else None for v in income]
        assert held == stated


def test_words_and_stated_codes_are_kinds_of_gaps_too() -> None:
    ages = [*map(str, range(18, 78)), *["Refused"] * 15, *["-1"] * 15]
    table = pa.table({"age": ages, "group": ["a", "b"] * 45})
    column = clean_table(table).schema.columns[0]
    codes = column.codes()
    assert codes is not None
    assert set(codes.level_values()) == {"Refused", "-1"}
