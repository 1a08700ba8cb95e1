"""Rules of a description: forms, words, and what the document alone shows to be wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulacra_schema.description import DescriptionInvalid, load_description, parse_description
from simulacra_schema.rules import FORMS, Rule

FORMS_OF: list[tuple[dict[str, Any], str, list[str]]] = [
    (
        {"if": {"paid": "no"}, "then": {"wage": None, "age": {"min": 18}}},
        'if paid "no" then wage missing and age at least 18',
        ["paid", "wage", "age"],
    ),
    ({"then": {"wage": {"missing": False}}}, "wage present", ["wage"]),
    ({"sum": ["a", "b"], "equals": "c"}, "a + b = c", ["a", "b", "c"]),
    ({"sum": ["a", "b"], "equals": 100}, "a + b = 100", ["a", "b"]),
    ({"compare": ["a", "<=", "b"], "plus": 5}, "a + 5 ≤ b", ["a", "b"]),
    ({"compare": ["a", ">", "b"], "plus": -2.5}, "a - 2.5 > b", ["a", "b"]),
    ({"allowed": ["a", "b"]}, "allowed combinations of a, b: those of the upload", ["a", "b"]),
    (
        {"allowed": ["a", "b"], "combinations": [["x", 1], ["y", 2.0]]},
        "allowed combinations of a, b: 2",
        ["a", "b"],
    ),
    ({"forbidden": {"a": ["x", "y"], "b": 1}}, 'never a "x" or "y" and b "1"', ["a", "b"]),
    ({"unique": ["a", "b"]}, "a, b: unique together", ["a", "b"]),
    ({"multiple": "a", "of": 0.05}, "a is a multiple of 0.05", ["a"]),
]


@pytest.mark.parametrize(("document", "words", "columns"), FORMS_OF)
def test_each_form_has_words_and_columns_and_comes_back(
    document: dict[str, Any], words: str, columns: list[str]
) -> None:
    rule = Rule.model_validate(document)
    assert rule.words() == words
    assert rule.columns() == columns
    completed = json.loads(json.dumps(rule.described()))
    assert completed["text"] == words
    again = Rule.model_validate(completed)
    assert again.model_dump(by_alias=True) == rule.model_dump(by_alias=True)


def test_all_forms_are_tested() -> None:
    assert {Rule.model_validate(one).form for one, _, _ in FORMS_OF} == set(FORMS)


@pytest.mark.parametrize(
    ("rule", "pointer", "detail"),
    [
        ({}, "", "a rule has one of then, sum"),
        ({"if": {"a": "x"}}, "", "a rule has one of then, sum"),
        ({"unique": ["a"], "multiple": "b", "of": 2}, "", "a rule has one of then, sum"),
        ({"unique": ["a"], "plus": 3}, "", "plus does not go with unique"),
        ({"then": {"a": "x"}, "equals": 3}, "", "equals does not go with then"),
        ({"sum": ["a", "b"]}, "", "sum needs equals"),
        ({"multiple": "a"}, "", "multiple needs of"),
        ({"multiple": "a", "of": 0}, "/of", "greater than 0"),
        ({"sum": ["a"], "equals": 1}, "/sum", "at least 2"),
        ({"sum": ["a", "a"], "equals": 1}, "", "named twice"),
        ({"sum": ["a", "b"], "equals": "b"}, "", "named twice"),
        ({"compare": ["a", "<=", "a"]}, "", "two different columns"),
        ({"compare": ["a", "==", "b"]}, "/compare/1", "'<='"),
        ({"allowed": ["a", "b"], "combinations": [["x"]]}, "", "one value for each column"),
        ({"allowed": ["a", "b"], "combinations": []}, "", "at least one combination"),
        ({"then": {"a": {"min": 3, "levels": ["x"]}}}, "/then/a", "give levels"),
        ({"then": {"a": {}}}, "/then/a", "give levels"),
        ({"then": {"a": {"min": 3, "max": 2}}}, "/then/a", "exchange them"),
        ({"then": {"a": {"least": 3}}}, "/then/a/least", "no such property"),
        ({"formula": "a < b"}, "/formula", "no such property"),
    ],
)
def test_a_faulty_rule_is_refused_with_its_pointer(
    rule: dict[str, Any], pointer: str, detail: str
) -> None:
    with pytest.raises(DescriptionInvalid) as refused:
        parse_description({"fields": [], "x-simulacra": {"rules": [rule]}})
    (error,) = [one for one in refused.value.errors if detail in one.detail]
    assert error.pointer == f"/x-simulacra/rules/0{pointer}"


def test_more_rules_than_the_limit_are_refused() -> None:
    rules = [{"unique": ["a"]}] * 201
    with pytest.raises(DescriptionInvalid, match="1 errors"):
        load_description(json.dumps({"fields": [], "x-simulacra": {"rules": rules}}).encode())


def test_proposals_that_are_sent_back_are_ignored() -> None:
    extension = {"proposals": [{"text": "a ≤ b", "compare": ["a", "<=", "b"]}]}
    assert parse_description({"fields": [], "x-simulacra": extension}).extension.rules is None
