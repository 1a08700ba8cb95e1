"""An age in years beside a birth and an interview, as dates, years or one survey year."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from simulacra_schema.table import RelationSchema
from simulacra_trainer.cleaning.clean import CleanTable, clean_table
from simulacra_trainer.families.base import FittedModel
from simulacra_trainer.families.forest import FOREST
from simulacra_trainer.relations.compute import sentence, without_computed
from simulacra_trainer.relations.plan import relations_report, with_relations
from simulacra_trainer.relations.years import with_years, years_off

ROWS = 600
Frame = pd.DataFrame


def survey(seed: int, birth: str, met: str | None, first: int = 2024) -> Frame:
    """Return ages with a birth and an interview: its date, its year, or none of the two."""
    rng = np.random.default_rng(seed)
    start = pd.Timestamp(f"{first}-03-04")
    days = pd.DatetimeIndex(start + pd.to_timedelta(rng.integers(0, 42, ROWS), "D"))
    if first < 2024:
        days = days + pd.to_timedelta(366 * rng.integers(0, 2024 - first, ROWS), "D")
    lived = 365.25 * (18 + 50 * rng.beta(2, 4, ROWS)) + rng.uniform(0, 365, ROWS)
    born = days - pd.to_timedelta(lived.astype(int), "D")
    age = np.array(days.year - born.year - (_of_year(days) < _of_year(born)))
    frame = Frame({"sex": rng.choice(["f", "m"], ROWS), "age": age})
    frame["happy"] = np.clip(np.round(3 + 0.03 * (age - 35) + rng.normal(0, 1, ROWS)), 1, 5)
    frame["born"] = born if birth == "date" else np.array(born.year)
    if met is not None:
        frame["met"] = days if met == "date" else np.array(days.year)
    return frame


def cleaned(frame: Frame) -> CleanTable:
    return clean_table(pa.Table.from_pandas(frame, preserve_index=False))


def fitted(clean: CleanTable) -> FittedModel:
    learned = without_computed(clean.schema)
    names = [column.name for column in learned.learned()]
    forest = FOREST.fit(clean.table, learned, names, seed=0, options={}, progress=lambda _: None)
    return with_relations(forest, clean.schema, clean.table)


def _of_year(days: pd.DatetimeIndex | pd.Series) -> np.ndarray:
    parts = days.dt if isinstance(days, pd.Series) else days
    return np.array(100 * parts.month + parts.day)


def apart(frame: Frame, year: int = 2024) -> tuple[int, int]:
    """Return by how many years at least and at most the age differs from what the rest says."""
    dates = {name: pd.api.types.is_datetime64_any_dtype(frame[name]) for name in frame.columns}
    years = {
        name: frame[name].dt.year if dates[name] else frame[name]
        for name in ("born", "met")
        if name in frame
    }
    gap = years.get("met", year) - years["born"] - frame["age"]
    if dates["born"] and dates.get("met"):
        gap = gap - (_of_year(frame["met"]) < _of_year(frame["born"]))
    return int(gap.min()), int(gap.max())


CASES = [
    ("date", "date", 2024),
    ("date", "year", 2019),
    ("year", "date", 2019),
    ("year", "year", 2019),
    ("date", None, 2024),
    ("year", None, 2024),
]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("birth", "met", "first"), CASES)
def test_an_age_fits_its_birth(birth: str, met: str | None, first: int, seed: int) -> None:
    frame = survey(seed, birth, met, first)
    clean = cleaned(frame)
    relations = [one for one in clean.schema.relations if one.kind == "years"]
    assert [(one.column, one.of) for one in relations] == [("age", ["born"] + ["met"] * bool(met))]
    model, rng = fitted(clean), np.random.default_rng(seed)
    rows = model.sample(2_000, rng)
    low, high = apart(frame)
    given = clean.table.select(["born"]).slice(0, 300)
    young = {"age": 30.0}
    drawn = [
        rows,
        model.sample(500, rng, do=young),
        model.counterfactual(rows.slice(0, 500), young, rng),
        model.sample(500, rng, do={"born": 1990.0}) if birth == "year" else rows,
        model.first(["born"]).sample(300, rng, given=given),
    ]
    for part in drawn:
        found = apart(part.to_pandas())
        assert low <= found[0]
        assert found[1] <= high
    assert set(drawn[1].column("age").to_pylist()) == {30}
    assert drawn[-1].column("born").equals(given.column("born"))
    assert abs(rows.to_pandas()["age"].mean() - frame["age"].mean()) < 2
    assert {one["violations"] for one in relations_report(model, clean.schema, 0)} == {0}


def test_years_are_told_in_words() -> None:
    exact, less = (
        next(one for one in cleaned(survey(0, *case)).schema.relations if one.kind == "years")
        for case in (("date", "date"), ("year", None))
    )
    assert sentence(exact) == "age = years from born to met"
    assert sentence(less) == "age = years from born to 2024, or up to 1 less"


def test_an_age_that_one_row_contradicts_or_that_has_no_birth_is_free() -> None:
    frame = survey(0, "year", None)
    frame.loc[3, "born"] -= 4
    founded = survey(1, "year", None)["born"]
    for other in (frame, frame.assign(born=founded), frame.assign(born=2024 - frame["happy"])):
        assert "years" not in {one.kind for one in cleaned(other).schema.relations}


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ("age", ("1994-02-28", 30, "2024-03-01")),
        ("born", ("1996-02-29", 28, "2024-03-01")),
    ],
)
def test_a_birth_or_an_age_moves_by_whole_years(held: str, expected: tuple[str, int, str]) -> None:
    relation = RelationSchema(kind="years", column="age", of=["born", "met"], slack=11)
    moments = {"born": "1996-02-29", "met": "2024-03-01"}
    rows = pa.table(
        {"age": [30, None]}
        | {
            name: pa.array([pd.Timestamp(day), None], pa.timestamp("us"))
            for name, day in moments.items()
        }
    )
    assert years_off(rows, relation).tolist() == [-2, 0]
    moved = with_years(rows, relation, {held}, ["age", "born", "met"])
    assert not years_off(moved, relation).any()
    first = moved.to_pandas().iloc[0]
    assert (str(first["born"].date()), int(first["age"]), str(first["met"].date())) == expected
    assert moved.slice(1).equals(rows.slice(1))
