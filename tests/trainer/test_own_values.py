"""The membership test of a fit: its bar, its part of the report, ranges, and numbers of few."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from simulacra_crds.tasks import FitRequest
from simulacra_schema.table import ColumnSchema
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.report import render_html
from simulacra_trainer.report.attackers.attacks import Gain
from simulacra_trainer.report.attackers.membership import Advantage, PersonRows
from simulacra_trainer.report.attackers.own_values import (
    HALVES,
    PAIRS,
    OwnValues,
    figures_of_values,
    own_values,
)
from simulacra_trainer.report.attackers.rare_numbers import NumbersBack, numbers_back
from simulacra_trainer.trained_model import TrainedModel

QUIET = NumbersBack(100, 100, 50, 50)


def people(rows: int, seed: int, columns: int = 6) -> pa.Table:
    """Return people with numbers of one decimal that have a common cause."""
    rng = np.random.default_rng(seed)
    cause = rng.normal(0, 1, rows)
    drawn = {
        f"m{j}": np.round(50 + 12 * (cause + rng.normal(0, 1, rows)), 1) for j in range(columns)
    }
    return pa.table(drawn)


def columns_of(table: pa.Table) -> list[ColumnSchema]:
    return [ColumnSchema(name=c, kind="numeric", storage="double") for c in table.column_names]


def found(
    gain: float = 0.0, error: float = 0.01, *, respondents: float = 500.0, inside: float = 0.0
) -> OwnValues:
    """Return a result with these gains on the scale of the full table."""
    one, two = (Advantage(Gain(of * HALVES, error * HALVES), 0.01) for of in (gain, inside))
    return OwnValues(respondents, {"exact": one}, QUIET, {"exact": two}, "age")


@pytest.mark.parametrize(
    ("result", "passes", "measured"),
    [
        (found(0.03, 0.001), True, True),
        (found(0.05, 0.01), False, True),
        (found(0.05, 0.03), True, True),
        (found(0.0, inside=0.05), False, True),
        (found(0.0, respondents=119.0), True, False),
        (found(0.3, respondents=119.0), False, False),
        (OwnValues(500.0, {}, QUIET, {}, None), True, True),
    ],
)
def test_a_gain_fails_above_the_limit_and_above_chance(
    result: OwnValues, passes: bool, measured: bool
) -> None:
    assert (result.passes, result.is_measured) == (passes, measured)
    figures = figures_of_values(result.to_json())
    assert figures["membership_pass"] == float(passes)
    assert figures["membership_measured"] == float(measured)
    assert not any("age" in name for name in figures)


def test_numbers_of_few_persons_come_back_as_often_as_those_of_others() -> None:
    members, controls = people(300, 1), people(300, 2)
    both = PersonRows(members), PersonRows(controls)
    columns = columns_of(members)
    fair = numbers_back(*both, people(1200, 3), columns)
    assert fair.passes
    assert 0.2 < fair.base < 0.9
    repeated = pa.concat_tables([people(900, 3), members])
    back = numbers_back(*both, repeated, columns)
    assert not back.passes
    assert back.share == 1.0
    heap = pa.table({"m0": np.repeat(np.arange(60.0), 5)})
    none = numbers_back(PersonRows(heap), PersonRows(heap), heap, columns_of(heap))
    assert none == NumbersBack(), "five persons and more are no few"


def test_rows_of_a_smooth_density_pass_and_copies_fail() -> None:
    halves = [PersonRows(people(300, seed)) for seed in (1, 2)]
    pairs = [(halves[0], halves[1]), (halves[1], halves[0])]
    columns = columns_of(halves[0].rows)
    smooth = own_values([(*of, people(1200, 5)) for of in pairs], columns, 600.0)
    assert smooth.passes
    copied = [(*of, pa.concat_tables([people(600, 5), of[0].rows])) for of in pairs]
    failed = own_values(copied, columns, 600.0)
    assert not failed.passes
    assert failed.to_json()["rare_numbers"]["passes"] is False


def test_joint_answers_that_come_back_are_told_by_pairs_and_not_by_numbers() -> None:
    """Rows of real people, each number moved by as much as the windows are wide."""
    halves = [PersonRows(people(300, seed)) for seed in (1, 2)]
    columns = columns_of(halves[0].rows)
    rng = np.random.default_rng(3)
    moved = pa.table(
        {
            name: np.round(
                np.repeat(halves[0].rows.column(name).to_numpy(), 8) + rng.normal(0, 1.0, 2400), 1
            )
            for name in halves[0].rows.column_names
        }
    )
    trials = [(halves[0], halves[1], moved)]
    gains = own_values(trials, columns, 600.0).to_json()["attackers"]
    assert gains[PAIRS]["gain"] > 0.2
    assert not own_values(trials, columns, 600.0).passes
    half = replace(found(), attackers={PAIRS: Advantage(Gain(0.06 * HALVES, 0.01), 0.01)})
    assert half.passes
    assert not half.pairs_pass
    fair = own_values([(*halves, people(2400, 4))], columns, 600.0).to_json()["attackers"]
    assert abs(fair[PAIRS]["gain"]) < 3 * fair[PAIRS]["error"]


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    clean = clean_table(people(300, 8, columns=4))
    return fit_model(clean.table, clean.schema, FitRequest.model_validate({"seed": 1}))


def test_a_fit_reports_what_own_values_tell(model: TrainedModel) -> None:
    part: dict[str, Any] = model.report["privacy"]["membership"]
    assert part["measured"]
    assert part["respondents"] == 300.0
    assert part["under_range"]["column"] in model.table.column_names
    assert {*part["under_range"]["attackers"], PAIRS} == set(part["attackers"])
    assert all(0.0 <= one["found"] <= 1.0 for one in part["attackers"].values())
    assert model.figures["membership_measured"] == 1.0
    page = " ".join(render_html(model.report).split())
    assert "What he gains on people in the table beyond others is at most" in page
    assert f"With rows in a range of {part['under_range']['column']} it is" in page


def test_page_says_what_was_not_measured_and_what_fails(model: TrainedModel) -> None:
    def page(**changed: Any) -> str:
        part = {**found().to_json(), **changed}
        report = {**model.report, "privacy": {**model.report["privacy"], "membership": part}}
        return " ".join(render_html(report).split())

    assert "fewer than 120 people" in page(measured=False)
    assert "the rows tell who is in the table" in page(passes=False, measured=False)
    quiet = page(attackers={}, under_range={"column": None, "attackers": {}})
    assert "No column of this table gives him anything to look at." in quiet
