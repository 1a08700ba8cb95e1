"""Checks of conditions and interventions: each invalid field is named by its JSON pointer."""

from typing import Any

import pytest
from pydantic import ValidationError

from simulacra_schema.completion import ImpossibleCell
from simulacra_schema.conditions import ConditionSet, same_value, value_in
from simulacra_schema.faults import Fault, pointer
from simulacra_schema.prices import PriceQuestion
from simulacra_schema.questions.rows import RowsQuestion
from simulacra_schema.questions.segments import SegmentColumn
from simulacra_schema.quotas import CellPart
from simulacra_schema.several_answers import expand_conditions
from simulacra_schema.table import ColumnSchema, LevelSchema, TableSchema

SCHEMA = TableSchema(
    rows=100,
    columns=[
        ColumnSchema(
            name="segment",
            kind="categorical",
            storage="string",
            levels=[
                LevelSchema(value=v, share=s) for v, s in (("a", 0.5), ("b", 0.3), ("c/d", 0.2))
            ],
        ),
        ColumnSchema(name="price", kind="numeric", storage="double", minimum=1.0, maximum=9.0),
        ColumnSchema(
            name="switched",
            kind="boolean",
            storage="bool",
            levels=[LevelSchema(value="false", share=0.5), LevelSchema(value="true", share=0.5)],
        ),
        ColumnSchema(name="respondent", kind="identifier", storage="string", learned=False),
    ],
)


def faults(
    conditions: dict[str, Any] | ConditionSet,
    interventions: dict[str, Any] | None = None,
    schema: TableSchema = SCHEMA,
) -> list[Fault]:
    asked = {"conditions": conditions, "interventions": interventions or {}}
    return RowsQuestion[Any].model_validate(asked).faults(schema)


def pointers(conditions: dict[str, Any]) -> list[str]:
    return [fault.pointer for fault in faults(conditions)]


@pytest.mark.parametrize(
    "conditions",
    [
        {},
        {"categorical": {"segment": {"a": 0.3}}},
        {"categorical": {"segment": {"a": 0.3, "b": 0.3, "c/d": 0.4}}},
        {"numeric": {"price": {"min": 5.49, "max": 5.49}}},
        {"numeric": {"price": {"max": 2}}, "categorical": {"segment": {"b": 1.0}}},
    ],
)
def test_valid_conditions_pass(conditions: dict[str, Any]) -> None:
    assert pointers(conditions) == []


@pytest.mark.parametrize(
    ("conditions", "where"),
    [
        ({"categorical": {"nope": {"a": 0.3}}}, "/conditions/categorical/nope"),
        ({"categorical": {"segment": {"z/z": 0.3}}}, "/conditions/categorical/segment/z~1z"),
        ({"categorical": {"segment": {"a": 0.7, "b": 0.7}}}, "/conditions/categorical/segment"),
        (
            {"categorical": {"segment": {"a": 0.1, "b": 0.1, "c/d": 0.1}}},
            "/conditions/categorical/segment",
        ),
        ({"categorical": {"price": {"5": 0.3}}}, "/conditions/categorical/price"),
        ({"categorical": {"respondent": {"r1": 0.3}}}, "/conditions/categorical/respondent"),
        ({"numeric": {"segment": {"min": 1}}}, "/conditions/numeric/segment"),
        ({"numeric": {"price": {"min": 5, "max": 4}}}, "/conditions/numeric/price"),
        ({"numeric": {"price": {"min": 10}}}, "/conditions/numeric/price"),
        ({"numeric": {"price": {}}}, "/conditions/numeric/price"),
        ({"numeric": {"respondent": {"min": 1}}}, "/conditions/numeric/respondent"),
    ],
)
def test_invalid_field_is_named_by_its_pointer(conditions: dict[str, Any], where: str) -> None:
    assert pointers(conditions) == [where]


@pytest.mark.parametrize(
    ("conditions", "interventions", "near"),
    [
        ({"categorical": {"segmnt": {"a": 0.3}}}, {}, "segment"),
        ({"categorical": {"switched": {"truee": 0.3}}}, {}, "true"),
        ({"numeric": {"prices": {"min": 1}}}, {}, "price"),
        ({}, {"prise": 5}, "price"),
        ({}, {"switched": "falsee"}, "false"),
    ],
)
def test_unknown_name_is_answered_with_the_nearest_one(
    conditions: dict[str, Any], interventions: dict[str, Any], near: str
) -> None:
    (error,) = faults(conditions, interventions)
    assert error.detail.endswith(f'Did you mean "{near}"?')


def test_invalid_interventions_are_named_by_their_pointers() -> None:
    assert faults({}, {"price": 5.49, "segment": "a", "switched": True}) == []
    wrong = faults({}, {"price": "much", "segment": "z", "nope": 1, "respondent": "x"})
    assert [e.pointer for e in wrong] == [
        f"/interventions/{c}" for c in ("price", "segment", "nope", "respondent")
    ]


def test_number_as_text_and_level_as_number_are_what_they_name() -> None:
    price, code = SCHEMA.column("price"), SCHEMA.column("segment")
    code = code.model_copy(update={"levels": [LevelSchema(value=v, share=0.5) for v in "12"]})
    assert [value_in(one, price) for one in ("5.49", "-1", 5, "1e1")] == [5.49, -1, 5, 10]
    assert [value_in(one, price) for one in ("", "1_0", "nan", "inf", True, None)] == [None] * 6
    assert [value_in(one, code) for one in ("1", 1, 1.0, "1.0", 3, True)] == ["1"] * 4 + [None] * 2
    assert faults({}, {"price": "5.49"}) == []
    assert same_value("5.490", 5.49, price)
    assert same_value(2.0, "2", code)
    assert not same_value("5", "6", price)


def test_pointer_escapes_special_characters() -> None:
    assert pointer("a/b", "~", 0) == "/a~1b/~0/0"


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ({"categorical": {"segment": {"z": 0.3}}}, "See the dataset's schema for its levels"),
        (
            {"numeric": {"price": {"min": 5, "max": 4}}},
            "min 5 is above max 4, so no row can meet the range; exchange them",
        ),
    ],
)
def test_error_says_what_to_do(conditions: dict[str, Any], said: str) -> None:
    (error,) = faults(conditions)
    assert said in error.detail


def _coded(*levels: str, **more: Any) -> TableSchema:
    found = [LevelSchema(value=one, share=1 / len(levels)) for one in levels]
    more = {"kind": "ordinal", "storage": "string"} | more
    return TableSchema(rows=100, columns=[ColumnSchema(name="code", levels=found, **more)])


def _shares(levels: dict[str, float]) -> ConditionSet:
    return ConditionSet.model_validate({"categorical": {"code": levels}})


def test_number_names_the_level_that_is_the_same_number() -> None:
    schema = _coded("1", "2", "3")
    asked = _shares({"1.0": 0.5, "2.00": 0.25, "3": 0.25})
    assert faults(asked, schema=schema) == []
    known = expand_conditions(asked, schema).categorical
    assert known == {"code": {"1": 0.5, "2": 0.25, "3": 0.25}}
    assert faults({}, {"code": 1.0}, schema) == []
    assert faults({}, {"code": "1.0"}, schema) == []


@pytest.mark.parametrize(
    ("schema", "levels"),
    [
        (_coded("1", "01"), {"1.0": 0.5}),  # either of them
        (_coded("1", "2"), {"1": 0.5, "1.0": 0.2}),  # twice
        (_coded("1", "2"), {"1.5": 0.5}),
        (_coded("a", "b"), {"1.0": 0.5}),
        (_coded("nan", "inf"), {"1.0": 0.5}),
    ],
)
def test_number_of_no_level_or_of_two_is_refused(
    schema: TableSchema, levels: dict[str, float]
) -> None:
    assert len(faults(_shares(levels), schema=schema)) == 1


@pytest.mark.parametrize(
    ("given", "level"),
    [("5", "5"), (5, "5"), (5.0, "5"), (2.5, "2.5"), (True, "true"), (False, "false")],
)
def test_a_level_may_be_a_number_or_a_boolean_of_json(given: object, level: str) -> None:
    assert PriceQuestion.model_validate({"buys": [given]}).buys == [level]
    assert CellPart.model_validate({"levels": [given]}).levels == [level]
    assert SegmentColumn.model_validate({"column": "a", "levels": [given]}).levels == [level]
    pair = {"first": "a", "second": "b", "levels": [given, "x"]}
    assert ImpossibleCell.model_validate(pair).levels == [level, "x"]


@pytest.mark.parametrize("given", [None, ["5"], {"value": "5"}, "x" * 513])
def test_what_is_no_level_is_refused(given: object) -> None:
    with pytest.raises(ValidationError):
        PriceQuestion.model_validate({"buys": [given]})
