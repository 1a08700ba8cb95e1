"""Background columns are proposed by name, label and data, each with its reason."""

from __future__ import annotations

import pytest

from simulacra_schema.background import bind_background, open_proposals, propose_background, words
from simulacra_schema.questions.knowledge import Edge, Knowledge
from simulacra_schema.table import ColumnSchema, LevelSchema, TableSchema


def _levels(count: int) -> list[LevelSchema]:
    return [LevelSchema(value=str(i), share=1 / count) for i in range(count)]


def _number(name: str, low: float, high: float, label: str | None = None) -> ColumnSchema:
    return ColumnSchema(
        name=name, kind="numeric", storage="double", minimum=low, maximum=high, label=label
    )


def _of(name: str, *levels: str) -> ColumnSchema:
    shares = [LevelSchema(value=level, share=1 / len(levels)) for level in levels]
    return ColumnSchema(name=name, kind="categorical", storage="string", levels=shares)


def _category(name: str, count: int = 2, label: str | None = None) -> ColumnSchema:
    return ColumnSchema(
        name=name, kind="categorical", storage="string", levels=_levels(count), label=label
    )


@pytest.mark.parametrize(
    ("column", "group"),
    [
        (_number("year", 2000, 2010), "fielding"),
        (_category("wave", 4), "fielding"),
        (_number("age", 18, 89), "born with"),
        (_category("ageBand", 6), "born with"),
        (_category("female"), "born with"),
        (_category("q3", label="Gender of respondent"), "born with"),
        (_category("ethnicity", 8), "born with"),
        (_number("birth_year", 1920, 2005), "born with"),
        (_number("birthyr", 1920, 2005), "born with"),
        (_number("q1", 1920, 2005, label="Year born"), "born with"),
        (_category("native-country", 41), "born with"),
        (_category("country", 30), "fielding"),
        (_category("minority"), "born with"),
        (_category("foreign_born"), "born with"),
        (_category("afam"), "born with"),
        (_of("colour", "Black", "White"), "born with"),
        (_category("region_at_16", 9), "origin"),
        (_category("fatherEducation", 5), "origin"),
        (_number("siblings", 0, 12), "origin"),
    ],
)
def test_background_is_proposed_with_a_reason(column: ColumnSchema, group: str) -> None:
    (found,) = propose_background(TableSchema(rows=100, columns=[column]))
    assert (found.column, found.group) == (column.name, group)
    assert found.tier == (1 if group == "origin" else 0)
    assert found.reason.startswith(f"'{column.name}': ")


@pytest.mark.parametrize(
    "column",
    [
        _number("age_of_car", 0, 30),
        _number("year_built", 1900, 2020),
        _number("age_at_first_marriage", 16, 60),
        _number("age", 0, 100_000),
        _number("planned_retirement_age", 50, 80),
        _number("pens_age", 50, 80, label="Age expected to retire"),
        _number("age2", 50, 80, label="Retirement age, planned"),
        _number("ideal_age_first_child", 18, 45),
        _category("gender_identity", 5),
        _category("race", 40),
        _of("color", "black", "red", "silver"),
        _category("q7", label="The government should do more for minority groups"),
        _category("attitude_to_immigrant_workers", 5),
        _number("born", 0, 40),
        _number("household_age", 0, 90),
        _number("hours_at_work", 0, 90),
        _category("region", 9),
        _number("wage", 0, 90),
        ColumnSchema(name="age", kind="constant", storage="string", learned=False),
    ],
)
def test_other_columns_are_not_proposed(column: ColumnSchema) -> None:
    assert propose_background(TableSchema(rows=100, columns=[column])) == []


def test_names_split_at_case_digits_and_signs() -> None:
    assert words("parentsEduc_at16 SEX") == ["parents", "educ", "at", "16", "sex"]


SURVEY = TableSchema(
    rows=100,
    columns=[
        _number("age", 18, 89),
        _category("female"),
        _category("region_at_16", 9),
        _number("tv_hours", 0, 24),
    ],
)


def test_proposals_bind_only_on_request_and_never_against_other_knowledge() -> None:
    assert bind_background(Knowledge(), SURVEY) == Knowledge()
    auto = Knowledge(background="auto")
    assert bind_background(auto, SURVEY).confirmed == [["age", "female"], ["region_at_16"]]
    assert open_proposals(bind_background(auto, SURVEY), SURVEY) == []
    partly = Knowledge(
        background="auto",
        tiers=[["tv_hours"], ["female"]],
        required=[Edge(source="tv_hours", target="region_at_16")],
        confirmed=[["age"]],
    )
    assert bind_background(partly, SURVEY) == partly
