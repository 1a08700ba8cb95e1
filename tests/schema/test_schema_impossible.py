"""Conditions and do() that a rule or found relation forbids: refused before a Job starts."""

from typing import Any

import pytest

from simulacra_schema.faults import Fault
from simulacra_schema.questions.rows import RowsQuestion
from simulacra_schema.rules import Rule
from simulacra_schema.table import (
    ColumnSchema,
    LevelSchema,
    RelationSchema,
    StatedRule,
    TableSchema,
)

RULES: list[dict[str, Any]] = [
    {"compare": ["school", "<=", "age"], "plus": 5},
    {"compare": ["start", "<", "end"], "plus": 2},
    {"if": {"works": ["no"]}, "then": {"hours": None}},
    {"if": {"age": {"max": 20}}, "then": {"school": {"max": 14}}},
    {"forbidden": {"city": ["Graz"], "hours": {"min": 50}}},
    {"allowed": ["city", "land"], "combinations": [["Graz", "AT"], ["Ulm", "DE"]]},
]


def _column(name: str, kind: Any, *levels: str, **more: Any) -> ColumnSchema:
    shares = [LevelSchema(value=one, share=1 / len(levels)) for one in levels]
    return ColumnSchema(name=name, kind=kind, storage="string", levels=shares, **more)


def _number(name: str, low: float, high: float, kind: str = "integer") -> ColumnSchema:
    return _column(name, kind, minimum=low, maximum=high)


SCHEMA = TableSchema(
    rows=100,
    columns=[
        _number("age", 18, 90),
        _number("school", 0, 40),
        _number("hours", 1, 60),
        _number("food", 10, 99),
        _number("rent", 0, 500),
        _number("spent", 10, 599),
        _number("first", 0, 9),
        _number("second", 0, 9),
        _number("start", 1.7e9, 1.72e9, "datetime"),
        _number("end", 1.7e9, 1.72e9, "datetime"),
        _column("works", "boolean", "yes", "no"),
        _column("city", "categorical", "Graz", "Ulm"),
        _column("land", "categorical", "AT", "DE"),
        *(_column(name, "categorical", "x", "y", "z") for name in ("best", "middle", "worst")),
    ],
    rules=[StatedRule(rule=Rule.model_validate(one)) for one in RULES],
    relations=[
        RelationSchema(kind="linear", column="spent", of=["food", "rent"], coefficients=[1, 1]),
        RelationSchema(kind="not_above", column="first", of=["second"]),
        RelationSchema(kind="all_different", column="best", of=["middle", "worst"]),
    ],
)


def faults(asked: dict[str, Any], **more: Any) -> list[Fault]:
    do = asked.pop("do", {})
    question = {"row_count": 100, "conditions": asked, "interventions": do, **more}
    return RowsQuestion[Any].model_validate(question).faults(SCHEMA)


@pytest.mark.parametrize(
    ("asked", "pointer", "says"),
    [
        (
            {"numeric": {"age": {"max": 24}}, "do": {"school": 20}},
            "/interventions/school",
            'The rule "school + 5 ≤ age" cannot hold under the conditions and do() on "school", "a',
        ),
        (
            {"numeric": {"start": {"earliest": "2024-02-01"}, "end": {"latest": "2024-02-02"}}},
            "/conditions/numeric/start",
            "start + 2 < end",
        ),
        (
            {"numeric": {"hours": {"min": 5}}, "categorical": {"works": {"no": 1.0}}},
            "/conditions/categorical/works",
            'if works "no" then hours missing',
        ),
        ({"numeric": {"age": {"max": 19}}, "do": {"school": 15}}, "/interventions/school", "+ 5 ≤"),
        (
            {"numeric": {"age": {"min": 20, "max": 20}, "school": {"min": 15, "max": 15}}},
            "/conditions/numeric/age",
            "if age at most 20 then school at most 14",
        ),
        (
            {"numeric": {"hours": {"min": 50}}, "do": {"city": "Graz"}},
            "/interventions/city",
            "neve",
        ),
        (
            {"categorical": {"land": {"DE": 1.0}}, "do": {"city": "Graz"}},
            "/interventions/city",
            "allowed combinations of city, land",
        ),
        (
            {"numeric": {"food": {"min": 50}, "spent": {"max": 48}}},
            "/conditions/numeric/spent",
            'The found rule "spent is computed from food, rent"',
        ),
        ({"numeric": {"first": {"min": 5}}, "do": {"second": 4}}, "/conditions/numeric/first", "≤"),
        (
            {"quotas": [{"where": {"school": {"min": 20}}, "min": 0.1}], "do": {"age": 24}},
            "/conditions/quotas/0",
            "school + 5 ≤ age",
        ),
        (  # of 100 rows one
            {"quotas": [{"where": {"school": {"min": 20}}, "min": 0.01}], "do": {"age": 24}},
            "/conditions/quotas/0",
            "school + 5 ≤ age",
        ),
        ({"numeric": {"age": {"min": 20.2, "max": 20.8}}}, "/conditions/numeric/age", "whole num"),
        ({"do": {"start": "2024-02-01"}}, "/interventions/start", "use a condition"),
        (
            {"categorical": {"worst": {"x": 1.0}}, "do": {"best": "x"}},
            "/interventions/best",
            "no two of best, middle, worst are alike",
        ),
    ],
)
def test_what_no_row_can_meet_is_refused(asked: dict[str, Any], pointer: str, says: str) -> None:
    (found,) = faults(asked)
    assert found.pointer == pointer
    assert says in found.detail


@pytest.mark.parametrize(
    "asked",
    [
        {"numeric": {"age": {"max": 25}}, "do": {"school": 20}},
        {"numeric": {"age": {"max": 24}}},
        {"numeric": {"start": {"earliest": "2024-02-01"}, "end": {"latest": "2024-02-04"}}},
        {"numeric": {"hours": {"min": 5}}, "categorical": {"works": {"no": 0.9}}},
        {"do": {"works": "no"}},
        {"categorical": {"worst": {"x": 0.5, "y": 0.5}}, "do": {"best": "x", "middle": "z"}},
        {"numeric": {"hours": {"min": 49}}, "do": {"city": "Graz"}},
        {"do": {"city": "Graz"}, "categorical": {"land": {"DE": 0.9}}},
        {"numeric": {"food": {"min": 50}, "spent": {"max": 50}}},
        {"quotas": [{"where": {"school": {"min": 20}}, "max": 0.1}], "do": {"age": 24}},
        {"quotas": [{"where": {"school": {"min": 20}}, "share": 0.009}], "do": {"age": 24}},
    ],
)
def test_what_a_row_may_meet_passes(asked: dict[str, Any]) -> None:
    assert not faults(asked)


def test_conditions_of_twins_stand_before_do() -> None:
    asked = {"numeric": {"age": {"max": 24}}, "do": {"school": 20}}
    assert not faults(asked, counterfactual=True)
