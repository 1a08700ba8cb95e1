"""Quotas: the forms of a cell, checks against the schema, contradictions that arithmetic shows."""

from typing import Any

import pytest
from pydantic import ValidationError

from simulacra_schema.conditions import ConditionSet
from simulacra_schema.faults import Fault
from simulacra_schema.questions.rows import RowsQuestion
from simulacra_schema.several_answers import expand_conditions
from simulacra_schema.table import ColumnSchema, LevelSchema, TableSchema


def _column(name: str, kind: Any, *levels: str, **more: Any) -> ColumnSchema:
    shares = [LevelSchema(value=one, share=1 / len(levels)) for one in levels]
    return ColumnSchema(name=name, kind=kind, storage="string", levels=shares, **more)


SCHEMA = TableSchema(
    rows=100,
    columns=[
        _column("segment", "categorical", "switcher", "loyal", "new"),
        _column("age", "integer", minimum=18.0, maximum=90.0),
        _column("visited", "datetime", minimum=1.7e9, maximum=1.72e9),  # 2023-11-14 to 2024-07-03
        _column("media", "multi", "TV", "Web", separator=";"),
    ],
)
YOUNG = {"age": {"min": 18, "max": 27}}
OLD = {"age": {"min": 28}}


def faults(*quotas: dict[str, Any], do: dict[str, Any] | None = None, **more: Any) -> list[Fault]:
    asked = {"conditions": {"quotas": quotas, **more}, "interventions": do or {}}
    return RowsQuestion[Any].model_validate(asked).faults(SCHEMA)


def test_valid_quotas_pass() -> None:
    assert not faults(
        {"where": {**YOUNG, "segment": "switcher"}, "share": 0.3},
        {"where": YOUNG, "min": 0.3, "max": 0.5},
        {"where": {"segment": ["switcher", "new"]}, "max": 0.9},
        {
            "where": {"visited": {"earliest": "2024-01-01", "latest": "2024-03-31T18:00"}},
            "min": 0.2,
        },
        {"where": {"media": "TV"}, "share": 0.6},
        {"where": {"media": "Web"}, "share": 0.6},
        categorical={"segment": {"switcher": 0.4}},
        numeric={"visited": {"earliest": "2023-12-01"}},
    )


@pytest.mark.parametrize(
    ("quota", "pointer", "says"),
    [
        ({"where": {"agee": {"min": 18}}, "share": 0.3}, "/where/agee", 'Did you mean "age"?'),
        (
            {"where": {"segment": "switchr"}, "share": 0.3},
            "/where/segment/levels/0",
            'Did you mean "switcher"?',
        ),
        ({"where": {"age": {"min": 95}}, "share": 0.3}, "/where/age", "18 to 90"),
        ({"where": {"age": {"min": 30, "max": 20}}, "share": 0.3}, "/where/age", "exchange"),
        ({"where": {"age": {"earliest": "2024-01-01"}}, "share": 0.3}, "/where/age", "min and max"),
        ({"where": {"age": "old"}, "share": 0.3}, "/where/age", "give a range"),
        ({"where": {"visited": {"min": 3}}, "share": 0.3}, "/where/visited", "has dates"),
        (
            {"where": {"visited": {"earliest": "2024-02-31"}}, "share": 0.3},
            "/where/visited",
            "2024-",
        ),
        (
            {"where": {"visited": {"earliest": "2025-01-01"}}, "share": 0.3},
            "/where/visited",
            "2023-11-14 to 2024-07-03",
        ),
        ({"where": {"media": ["TV", "Web"]}, "share": 0.3}, "/where/media", "one option"),
        ({"where": {"segment": {"min": 1}}, "share": 0.3}, "/where/segment", "categorical"),
        ({"where": YOUNG}, "", "Give share"),
        ({"where": YOUNG, "share": 0.3, "min": 0.2}, "", "either share"),
        ({"where": YOUNG, "min": 0.3, "max": 0.2}, "", "exchange"),
    ],
)
def test_a_wrong_quota_is_named(quota: dict[str, Any], pointer: str, says: str) -> None:
    (found,) = faults(quota)
    assert (found.pointer, says in found.detail) == (f"/conditions/quotas/0{pointer}", True)
    assert not {"age", "segment", "visited", "switchr", "media"} & {*found.brief.split()}


@pytest.mark.parametrize(
    ("quotas", "more", "says"),
    [
        (
            [{"where": YOUNG, "share": 0.6}, {"where": OLD, "min": 0.5}],
            {},
            "have no row in common and need 110 %",
        ),
        (
            [
                {"where": {**YOUNG, "segment": "switcher"}, "min": 0.3},
                {"where": {"segment": ["switcher", "new"]}, "max": 0.2},
            ],
            {},
            "which has 20 % at most",
        ),
        (
            [{"where": {**YOUNG, "segment": "switcher"}, "share": 0.3}],
            {"categorical": {"segment": {"switcher": 0.2}}},
            "which has 20 % at most",
        ),
        (
            [{"where": {**YOUNG, "segment": "switcher"}, "min": 0.3}, {"where": YOUNG, "max": 0}],
            {},
            "which has 0 % at most",
        ),
        ([{"where": YOUNG, "min": 0.1}], {"numeric": {"age": {"min": 30}}}, "range of all rows"),
    ],
)
def test_contradictions_that_arithmetic_shows_are_refused(
    quotas: list[dict[str, Any]], more: dict[str, Any], says: str
) -> None:
    (found,) = faults(*quotas, **more)
    assert (found.brief, says in found.detail) == ("quotas that conflict", True)
    assert found.pointer == "/conditions/quotas/0"


def test_a_column_of_a_quota_has_no_intervention() -> None:
    (found,) = faults({"where": YOUNG, "share": 0.3}, do={"age": 20})
    assert found.pointer == "/interventions/age"


def test_short_forms_are_levels_and_options_become_columns() -> None:
    asked = {"quotas": [{"where": {"media": "TV", "segment": ["new"]}, "share": 0.5}]}
    found = expand_conditions(ConditionSet.model_validate(asked), SCHEMA)
    assert found.to_wire()["quotas"] == [
        {"where": {"media: TV": {"levels": ["yes"]}, "segment": {"levels": ["new"]}}, "share": 0.5}
    ]


def test_conditions_without_quotas_are_written_as_before() -> None:
    assert ConditionSet().to_wire() == {"categorical": {}, "numeric": {}}


def test_limits_of_quotas_are_those_of_the_description() -> None:
    one = {"where": YOUNG, "min": 0.0}
    ConditionSet.model_validate({"quotas": [one] * 200})
    for wrong in ([one] * 201, [{"where": {}, "share": 0.1}], [{"where": YOUNG, "share": 1.1}]):
        with pytest.raises(ValidationError):
            ConditionSet.model_validate({"quotas": wrong})


def test_the_last_day_counts_to_its_end() -> None:
    asked = {"numeric": {"visited": {"earliest": "1970-01-02", "latest": "1970-01-02"}}}
    bounds = ConditionSet.model_validate(asked).numeric["visited"]
    assert bounds.ends() == (86_400e6, 2 * 86_400e6 - 1)
