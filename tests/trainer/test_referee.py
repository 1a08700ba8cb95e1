"""The program of an answer sheet repeats its answers by other code, from the table alone."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from simulacra_schema.referee import sheet_program

QUESTION: dict[str, Any] = {
    "treatment": "ad",
    "value": "true",
    "baseline": "false",
    "verdict": {"kind": "assumed"},
    "union": {"low": 0.8, "high": 1.2},
    "method": "aipw",
    "alternatives": [{"adjustment": ["z", "g", "media: TV"]}],
}


def _sheet(*changes: dict[str, Any], **sheet: Any) -> dict[str, Any]:
    levers = [{"answer": QUESTION | change} for change in changes]
    return {"outcome": "y", "critical": 1.96, "levers": levers, **sheet}


def _table(n: int = 2_000) -> pd.DataFrame:
    """`ad` adds 1, a unit of `dose` adds 0.5; z, g and TV confound both."""
    rng = np.random.default_rng(3)
    z, noise = rng.normal(size=(2, n))
    g, tv = rng.integers(0, 3, n), rng.random(n) < 0.5
    ad = rng.random(n) < 1 / (1 + np.exp(-(z + (g == 1) - tv)))
    dose = z + tv + rng.normal(size=n)
    y = ad + 0.5 * dose + z + z**2 / 4 + (g == 1) + tv + noise
    data = {"z": z, "g": np.array(["a", "b", "c"])[g], "ad": np.where(ad, "Yes", "No")}
    data |= {"dose": dose, "media": np.where(tv, "Radio; TV", "Radio"), "y": y}
    return pd.DataFrame(data | {"big": np.where(y > 1, "b", "s")})


def _run(folder: Path, sheet: dict[str, Any], table: pd.DataFrame, *flags: str) -> Any:
    (folder / "answers.py").write_text(sheet_program(sheet))
    table.to_csv(folder / "table.csv", index=False)
    command = [sys.executable, "answers.py", "table.csv", *flags]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def _intervals(done: Any) -> list[tuple[float, float]]:
    assert done.returncode == 0, done.stderr
    found = re.findall(r"this file: \[(.+), (.+)\]", done.stdout)
    return [(float(low), float(high)) for low, high in found]


def test_levels_numbers_and_options_are_adjusted_for(tmp_path: Path) -> None:
    dose = {"treatment": "dose", "value": 2.0, "baseline": 0.0, "method": "dml"}
    done = _run(tmp_path, _sheet({}, dose), _table())
    (low, high), (dose_low, dose_high) = _intervals(done)
    assert low < 1 < high < low + 0.5
    assert dose_low < 1 < dose_high < dose_low + 0.5
    assert done.stdout.count("the intervals overlap") == 2
    naive = QUESTION | {"alternatives": [{"adjustment": []}]}
    far = _run(tmp_path, _sheet(naive), _table())
    assert "the intervals DO NOT overlap" in far.stdout


def test_open_orders_unite_their_sets(tmp_path: Path) -> None:
    sets: list[dict[str, Any]] = [{"adjustment": ["z", "g", "media: TV"]}, {"adjustment": []}]
    sets += [{"reverses": True, "adjustment": []}]
    ((low, high),) = _intervals(_run(tmp_path, _sheet({"alternatives": sets}), _table()))
    assert low == 0
    assert high > 1.5


@pytest.mark.parametrize("population", ["treated", "overlap"])
def test_each_population_has_its_own_effect(tmp_path: Path, population: str) -> None:
    """The effect is 1 + g, and people with a high g have the value more often."""
    rng = np.random.default_rng(0)
    g = rng.integers(0, 3, 4_000)
    share = np.array([0.1, 0.5, 0.7])[g]
    ad = rng.random(4_000) < share
    table = pd.DataFrame({"g": g, "ad": ad, "y": (1 + g) * ad + rng.normal(size=4_000)})
    weight = share if population == "treated" else share * (1 - share)
    asked = _sheet({"alternatives": [{"adjustment": ["g"]}]}, population=population)
    ((low, high),) = _intervals(_run(tmp_path, asked, table))
    assert low < np.average(1 + g, weights=weight) < high
    assert not low < 2 < high


def test_people_who_are_left_out_are_left_out(tmp_path: Path) -> None:
    """For the others the effect is 1; for those above 1.5 it is 9."""
    table = _table()
    table["y"] += 8 * (table["z"] > 1.5) * (table["ad"] == "Yes")
    limits = [[{"column": "z", "test": ">", "value": 1.5}]]
    answered = {"share": 0.9, "left_out": limits}
    ((low, high),) = _intervals(_run(tmp_path, _sheet({"answered": answered}), table))
    assert low < 1 < high < 1.5


def test_weights_clusters_and_codes_enter(tmp_path: Path) -> None:
    table = _table().assign(w=1.0)
    ((low, high),) = _intervals(_run(tmp_path, _sheet({}), table))
    doubled = pd.concat([table, table]).assign(who=[*range(len(table))] * 2)
    done = _run(tmp_path, _sheet({}), doubled, "--cluster", "who", "--weight", "w")
    ((one, other),) = _intervals(done)
    assert other - one == pytest.approx(high - low, rel=0.1)
    spoiled = pd.concat([table, table.assign(y=-9)])
    ((one, other),) = _intervals(_run(tmp_path, _sheet({}), spoiled, "--missing=-9"))
    assert (one, other) == pytest.approx((low, high), abs=0.1)


def test_shares_of_a_level_are_an_outcome(tmp_path: Path) -> None:
    asked = _sheet({}, outcome="big", outcome_level="b")
    ((low, high),) = _intervals(_run(tmp_path, asked, _table()))
    assert 0 < low < high < 0.5


def test_what_cannot_be_repeated_is_said(tmp_path: Path) -> None:
    table = _table()
    lacking = _run(tmp_path, _sheet({}), table.drop(columns="z"))
    assert (lacking.returncode, lacking.stderr) == (1, "The table has no column 'z'.\n")
    words = _run(tmp_path, _sheet({}), table.assign(y="much"))
    assert "'y' is not a number" in words.stderr
    few = _run(tmp_path, _sheet({"value": "maybe"}), table)
    assert few.stderr == "Fewer than 20 rows have one of the values.\n"


def test_names_of_columns_stay_names_and_no_answer_asks_nothing() -> None:
    name = 'a\'"\n)]}; import os; ASKED = {}\n"""'
    program = sheet_program(_sheet({"treatment": name}, {"alternatives": [], "union": None}))
    body = ast.parse(program).body
    asked = next(ast.literal_eval(line.value) for line in body if isinstance(line, ast.Assign))
    assert [one["treatment"] for one in asked["questions"]] == [name]
