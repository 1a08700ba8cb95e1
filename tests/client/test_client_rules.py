"""Rules as people write them: lines, Python, JSON, and what a command lists of them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from simulacra.cli import app
from simulacra.commands.described import rules_listed
from simulacra.corrections import Corrections
from simulacra.rule_lines import rule_of, words_of
from simulacra_schema.rules import Rule


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("education + 5 <= age", {"compare": ["education", "<=", "age"], "plus": 5.0}),
        ("age - 6 >= education", {"compare": ["age", ">=", "education"], "plus": -6.0}),
        ("start < end", {"compare": ["start", "<", "end"]}),
        ("age >= 18", {"then": {"age": {"min": 18.0}}}),
        ("a + b + c = total", {"sum": ["a", "b", "c"], "equals": "total"}),
        ("a + b = 100", {"sum": ["a", "b"], "equals": 100.0}),
        (
            "if paid=no then wage=missing, hours=missing",
            {
                "if": {"paid": {"levels": ["no"]}},
                "then": {"wage": {"missing": True}, "hours": {"missing": True}},
            },
        ),
        (
            "never sex=male|diverse, births=1..",
            {"forbidden": {"sex": {"levels": ["male", "diverse"]}, "births": {"min": 1.0}}},
        ),
        ("day=2024-01-01..2024-03-31",
         {"then": {"day": {"earliest": "2024-01-01", "latest": "2024-03-31"}}}),
        ("if x=1 and y=2 then z=present", {
            "if": {"x": {"levels": ["1"]}, "y": {"levels": ["2"]}},
            "then": {"z": {"missing": False}},
        }),
        ('never sex "male" or "diverse" and "own car" "yes, two"', {
            "forbidden": {
                "sex": {"levels": ["male", "diverse"]}, "own car": {"levels": ["yes, two"]},
            },
        }),
        ('said="he said ""no"" twice"', {"then": {"said": {"levels": ['he said "no" twice']}}}),
        ("unique household, line", {"unique": ["household", "line"]}),
        ("allowed city, country", {"allowed": ["city", "country"]}),
        ("multiple price of 0.05", {"multiple": "price", "of": 0.05}),
        ('"pay, net" + 5 <= "pay"', {"compare": ["pay, net", "<=", "pay"], "plus": 5.0}),
        ('if "own car"="yes, two" then km=1..', {
            "if": {"own car": {"levels": ["yes, two"]}}, "then": {"km": {"min": 1.0}},
        }),
        ('{"unique": ["a"]}', {"unique": ["a"]}),
    ],
)  # fmt: skip
def test_a_line_is_a_rule_of_a_description(line: str, rule: dict[str, Any]) -> None:
    assert rule_of(line, "rule") == rule
    assert Rule.model_validate(rule).words()


@pytest.mark.parametrize(
    "line", ["", "age", "if paid=no wage=1", "never sex", "multiple price", "{not json", "[1]"]
)
def test_a_line_that_is_no_rule_names_the_forms(line: str) -> None:
    with pytest.raises(ValueError, match="--rule x: write A \\+ 5 <= B"):
        rule_of(line, "--rule x")


def test_rules_become_a_part_of_the_description_beside_others() -> None:
    document = {"fields": [], "x-simulacra": {"rules": [{"unique": ["a"]}]}}
    made = Corrections(rule=["a <= b", {"unique": ["a"]}]).into(document)
    assert made is not None
    assert made["x-simulacra"]["rules"] == [{"unique": ["a"]}, {"compare": ["a", "<=", "b"]}]
    one = Corrections(rule={"unique": ["b"]}).into(None)
    assert one is not None
    assert one["x-simulacra"]["rules"] == [{"unique": ["b"]}]


def test_an_error_at_a_rule_names_the_line_that_made_it() -> None:
    corrections = Corrections(rule=["a <= b", "unique c"])
    corrections.into(None)
    assert corrections.in_words("/x-simulacra/rules/1/unique") == "rule='unique c'"


def test_a_rule_is_removed_by_its_text_stated_or_found() -> None:
    found = {"kind": "not_above", "column": "a", "of": ["b"]}
    stated = {"unique": ["a"], "text": "a: unique together"}
    document = {"fields": [], "x-simulacra": {"rules": [stated], "relations": [found]}}
    made = Corrections(no_rule=["a ≤ b", "a: unique together"]).into(document)
    assert made is not None
    assert made["x-simulacra"] == {"rules": [], "relations": [], "version": 1}
    with pytest.raises(ValueError, match="no such rule"):
        Corrections(no_rule="b ≤ a").into(document)
    assert words_of(found) == "a ≤ b"


def test_stated_found_and_proposed_rules_are_listed_apart() -> None:
    extension = {
        "rules": [{"unique": ["a"], "text": "a: unique together"}],
        "relations": [{"kind": "decided", "column": "district", "of": ["village"]}],
        "proposals": [Rule(compare=("education", "<=", "age"), plus=5.0).described()],
        "evidence": {"rules/0": "about 3 rows of the upload break it"},
    }
    lines = [*rules_listed({"schema": {"x-simulacra": extension}})]
    assert lines[1].split(maxsplit=1)[0] == "stated"
    assert lines[1].endswith("about 3 rows of the upload break it")
    assert lines[2:] == [
        "  found     district is decided by village  "
        "remove: --no-rule 'district is decided by village'",
        "  proposed  education + 5 ≤ age             confirm: --rule 'education + 5 ≤ age'",
    ]
    assert [*rules_listed({"schema": {}})] == []


@pytest.mark.parametrize(
    "name",
    ["plain", 'said "no"', '"all"', "a <= b", "if x=1 then y", "never", "unique a, b", "a + 5",
     "x=y", "pay, net", "two and two", " edge ", "it's", "{a}", "a|b", "1..3", "5", "-x", "a\nb",
     "multiple a of 5", "allowed a", "≤", "missing", "a + b = c", "$HOME", "é"],
)  # fmt: skip
def test_each_suggested_flag_states_the_rule_that_is_listed(name: str) -> None:
    rules: list[dict[str, Any]] = [
        {"compare": [name, "<=", "z"], "plus": 5.0},
        {"compare": ["z", ">", name]},
        {"sum": [name, "z"], "equals": "total"},
        {"sum": ["y", "z"], "equals": name},
        {"if": {name: {"levels": ["yes"]}}, "then": {"z": {"missing": True}}},
        {"if": {"z": {"levels": [name]}}, "then": {name: {"levels": ["a", name]}}},
        {"then": {name: {"min": 1.0, "max": 9.0}}},
        {"forbidden": {name: {"levels": ["a"]}, "z": {"levels": [name, "b"]}}},
        {"unique": [name, "z"]},
        {"allowed": [name, "z"]},
        {"multiple": name, "of": 0.05},
    ]
    extension = {
        "relations": [{"kind": "not_above", "column": name, "of": ["z"]}],
        "proposals": [Rule.model_validate(rule).described() for rule in rules],
    }
    listed = "\n".join(rules_listed({"schema": {"x-simulacra": extension}}))
    suggested = [
        shlex.split(one.partition("confirm: --rule ")[2])[0]
        for one in re.split(r"\n  (?:found|proposed) ", listed)[1:]
    ]
    assert [rule_of(one, "") for one in suggested] == [{"compare": [name, "<=", "z"]}, *rules]
    if name == "plain":
        assert suggested[:2] == ["plain ≤ z", "plain + 5 ≤ z"], "words where they say it"


def test_the_flag_states_a_rule_and_its_error_names_it(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    rows = "".join(f"{i % 9},{i % 9 + i % 4},{'xy'[i % 2]}\n" for i in range(200))
    table.write_text(f"a,b,c\n{rows}")
    run = CliRunner().invoke
    done = run(app, ["describe", "--source", str(table), "--rule", "a + 2 <= b", "--json"])
    assert done.exit_code == 0, done.output
    assert '"a + 2 \\u2264 b"' in done.output or "a + 2 ≤ b" in done.output
    assert "rows of the upload break it" in done.output
    wrong = run(app, ["describe", "--source", str(table), "--rule", "a <= d"])
    assert wrong.exit_code != 0
    assert "--rule a <= d" in wrong.output
