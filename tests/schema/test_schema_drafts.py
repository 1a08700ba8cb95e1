"""Drafts: levels, ranges, skips, shares met to the row, and what a description lacks."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest

from simulacra_schema.conditions import ConditionSet
from simulacra_schema.description import DescriptionInvalid
from simulacra_schema.drafts.domain import DraftRefused
from simulacra_schema.drafts.table import LABEL, MARK, MAX_ROWS, draft_table
from simulacra_schema.formats.file_labels import declared_of

REFUSED = {"value": "99", "label": "refused"}
FIELDS: list[dict[str, Any]] = [
    {"name": "id", "type": "integer", "x-simulacra": {"role": "key"}},
    {
        "name": "age",
        "type": "integer",
        "constraints": {"minimum": 18, "maximum": 79},
        "missingValues": [REFUSED],
    },
    {"name": "region", "type": "string", "title": "Where?", "categories": ["north", "south"]},
    {
        "name": "works",
        "type": "integer",
        "categories": [{"value": 1, "label": "yes"}, {"value": 2, "label": "no"}],
    },
    {
        "name": "hours",
        "type": "number",
        "constraints": {"minimum": 0.5, "maximum": 60},
        "x-simulacra": {"askedIf": {"works": 1}},
    },
    {
        "name": "media",
        "type": "list",
        "delimiter": "|",
        "x-simulacra": {"options": ["TV", "radio", "web"]},
    },
    {
        "name": "program",
        "type": "string",
        "categories": ["news", "sport"],
        "x-simulacra": {"askedIf": {"media": "TV", "hours": {"min": 10}}},
    },
    {
        "name": "day",
        "type": "date",
        "format": "%d.%m.%Y",
        "constraints": {"minimum": "2026-01-01", "maximum": "2026-03-31"},
    },
    {"name": "email", "type": "string", "x-simulacra": {"pii": "email"}},
    {"name": "why", "type": "string", "x-simulacra": {"role": "text"}},
    {"name": "old", "type": "string", "x-simulacra": {"use": "drop"}},
]


def described(**changes: dict[str, Any]) -> dict[str, Any]:
    """Return the description, with other properties of these fields."""
    fields = copy.deepcopy(FIELDS)
    return {"fields": [one | changes.get(one["name"], {}) for one in fields]}


def drawn(rows: int = 400, conditions: Any = None, seed: int = 0, **changes: Any) -> pa.Table:
    asked = ConditionSet.model_validate(conditions or {})
    return draft_table(described(**changes), rows, asked, seed)


def wrong(**changes: Any) -> dict[str, str]:
    with pytest.raises(DescriptionInvalid) as found:
        drawn(**changes)
    return {one.pointer: one.detail for one in found.value.errors}


def test_columns_are_those_of_the_description_and_a_mark() -> None:
    rows = drawn()
    assert rows.column_names == [*(one["name"] for one in FIELDS[:-1]), "draft"]
    assert rows["draft"].unique().to_pylist() == [MARK]
    assert declared_of(rows.schema.field("draft")).label == LABEL
    assert rows["id"].to_pylist() == [*range(1, 401)]
    assert rows["why"].null_count == 400
    assert rows["email"][0].as_py() == "email 1"
    assert set(rows["region"].to_pylist()) == {"north", "south"}
    assert {str(one)[:7] for one in rows["day"].to_pylist()} == {"2026-01", "2026-02", "2026-03"}
    ages = set(rows["age"].to_pylist())
    assert 99 in ages
    assert min(ages) >= 18
    assert max(ages - {99}) <= 79


def test_labels_and_missing_codes_go_into_the_file() -> None:
    rows = drawn().schema
    assert declared_of(rows.field("region")).label == "Where?"
    assert declared_of(rows.field("works")).labels == [(1.0, "yes"), (2.0, "no")]
    assert declared_of(rows.field("age")).missing == [(99.0, 99.0)]


def test_skipped_question_is_missing_and_an_asked_one_is_not() -> None:
    for row in drawn().to_pylist():
        assert (row["hours"] is None) == (row["works"] == 2)
        is_asked = "TV" in row["media"].split("|") and (row["hours"] or 0) >= 10
        assert (row["program"] is None) != is_asked


def test_levels_come_equally_often_without_shares() -> None:
    counts = Counter(drawn(400)["region"].to_pylist())
    assert counts == {"north": 200, "south": 200}


def test_same_seed_gives_the_same_rows() -> None:
    assert drawn(seed=4) == drawn(seed=4)
    assert drawn(seed=4) != drawn(seed=5)


@pytest.mark.parametrize("rows", [7, 400, 2_000])
def test_shares_and_quotas_are_met_to_the_row(rows: int) -> None:
    found = drawn(
        rows,
        {
            "categorical": {"region": {"north": 0.55}, "media": {"TV": 0.7}},
            "numeric": {"age": {"min": 20}},
            "quotas": [
                {"where": {"age": {"max": 29}, "region": "north"}, "share": 0.3},
                {"where": {"works": "1", "hours": {"min": 40}}, "min": 0.2, "max": 0.25},
                {"where": {"media": "web", "day": {"latest": "2026-01-15"}}, "share": 0.4},
                {"where": {"program": "news"}, "share": 0.25},
            ],
        },
    ).to_pylist()

    def off(share: float, count: int) -> float:
        return abs(count - share * rows)

    assert off(0.55, sum(row["region"] == "north" for row in found)) < 1
    assert off(0.7, sum("TV" in (row["media"] or "").split("|") for row in found)) < 1
    young = [row for row in found if row["age"] <= 29 and row["region"] == "north"]
    assert off(0.3, len(young)) < 1
    assert min(row["age"] for row in found) >= 20
    assert 0.2 * rows - 1 < sum((row["hours"] or 0) >= 40 for row in found) < 0.25 * rows + 1
    early = [row for row in found if str(row["day"]) <= "2026-01-15"]
    assert off(0.4, sum("web" in (row["media"] or "").split("|") for row in early)) < 1
    assert off(0.25, sum(row["program"] == "news" for row in found)) < 1
    assert all(row["hours"] is None for row in found if row["works"] == 2)


def test_shares_that_a_skip_forbids_are_refused_by_name() -> None:
    asked = {
        "categorical": {"works": {"2": 0.9}},
        "quotas": [{"where": {"hours": {"min": 1}}, "share": 0.4}],
    }
    with pytest.raises(DraftRefused) as found:
        drawn(100, asked)
    details = {one.pointer: one.detail for one in found.value.errors}
    assert set(details) <= {"/conditions/quotas/0", "/conditions/categorical/works/2"}
    assert "of 100 rows and needs" in str(found.value)


@pytest.mark.parametrize(
    ("conditions", "pointer", "said"),
    [
        (
            {"categorical": {"region": {"nord": 0.5}}},
            "/conditions/categorical/region/nord",
            'The description has no such level. Did you mean "north"?',
        ),
        (
            {"quotas": [{"where": {"zzz": "1"}, "share": 0.5}]},
            "/conditions/quotas/0/where/zzz",
            "The description has no such field.",
        ),
        (
            {"numeric": {"age": {"min": 90}}},
            "/conditions/numeric/age",
            "The range is outside of the description's (18 to 79).",
        ),
        (
            {"numeric": {"age": {"min": 20.2, "max": 20.4}}},
            "/conditions/numeric/age",
            "The range holds no whole number, but the column has only these. Widen it.",
        ),
    ],
)
def test_wrong_condition_is_named_in_words_of_a_description(
    conditions: Any, pointer: str, said: str
) -> None:
    with pytest.raises(DraftRefused) as found:
        drawn(10, conditions)
    assert [(one.pointer, one.detail) for one in found.value.errors] == [(pointer, said)]


@pytest.mark.parametrize("rows", [0, MAX_ROWS + 1])
def test_too_many_rows_are_refused(rows: int) -> None:
    with pytest.raises(DraftRefused, match="1 to 10,000 rows"):
        drawn(rows)


def test_many_quotas_leave_fewer_rows() -> None:
    quotas = [{"where": {"age": {"min": one}}, "min": 0} for one in range(18, 79)] * 3
    with pytest.raises(DraftRefused, match="1 to 2,732 rows"):
        drawn(2_733, {"quotas": quotas})


def test_all_that_a_description_lacks_is_said_at_once() -> None:
    found = wrong(
        region={"categories": None},
        age={"constraints": {"minimum": 80, "maximum": 20}},
        day={"constraints": {"minimum": "2026-13-01", "maximum": "2026-12-31"}},
        media={"x-simulacra": {}},
        hours={"type": "duration"},
    )
    assert set(found) == {f"/fields/{at}" for at in (1, 2, 4, 5, 7)}
    assert 'levels of "region": add "categories"' in found["/fields/2"]
    assert 'range of "age": add "constraints": {"minimum": 18' in found["/fields/1"]
    assert 'options of "media"' in found["/fields/5"]
    assert 'cannot draw "hours", a duration' in found["/fields/4"]


def test_skip_must_name_earlier_questions_and_their_levels() -> None:
    at = "/fields/3/x-simulacra/askedIf"
    found = wrong(works={"x-simulacra": {"askedIf": {"hours": {"min": 1}, "region": "west"}}})
    assert set(found) == {f"{at}/hours", f"{at}/region/levels/0"}
    assert "earlier ones" in found[f"{at}/hours"]


def test_field_called_draft_is_refused() -> None:
    assert "call this one otherwise" in wrong(why={"name": "draft"})["/fields/9"]


def test_description_without_fields_is_refused() -> None:
    with pytest.raises(DescriptionInvalid) as found:
        draft_table({"fields": []}, 5)
    assert "needs the fields" in found.value.errors[0].detail


def test_upload_takes_a_description_with_skips() -> None:
    from simulacra_schema.description import parse_description

    assert parse_description(described()).fields[4].extension.asked_if is not None


DIARY: list[dict[str, Any]] = [
    {"name": "id", "type": "integer", "x-simulacra": {"role": "key"}},
    {"name": "city", "type": "string", "categories": ["Bonn", "Ulm", "Graz"]},
    {"name": "country", "type": "string", "categories": ["DE", "AT"]},
    {"name": "age", "type": "integer", "constraints": {"minimum": 14, "maximum": 79}},
    {"name": "school", "type": "integer", "constraints": {"minimum": 0, "maximum": 20}},
    {"name": "works", "type": "string", "categories": ["yes", "no"]},
    {"name": "hours", "type": "integer", "constraints": {"minimum": 0, "maximum": 60}},
    {
        "name": "wage",
        "type": "number",
        "constraints": {"minimum": 0, "maximum": 9000},
        "missingValues": [REFUSED],
        "x-simulacra": {"askedIf": {"works": "yes"}},
    },
    {"name": "food", "type": "number", "constraints": {"minimum": 0, "maximum": 500}},
    {"name": "rent", "type": "number", "constraints": {"minimum": 0, "maximum": 900}},
    {"name": "spent", "type": "number", "constraints": {"minimum": 0, "maximum": 1000}},
    {
        "name": "start",
        "type": "date",
        "constraints": {"minimum": "2026-01-01", "maximum": "2026-03-31"},
    },
    {
        "name": "end",
        "type": "date",
        "constraints": {"minimum": "2026-01-01", "maximum": "2026-03-31"},
    },
    {"name": "media", "type": "list", "x-simulacra": {"options": ["TV", "radio", "web"]}},
]
CITIES = [["Bonn", "DE"], ["Ulm", "DE"], ["Graz", "AT"]]


def ruled(*rules: Any, rows: int = 300, conditions: Any = None, seed: int = 0) -> list[Any]:
    """Return the rows of a draft of DIARY with these rules."""
    document = {"fields": DIARY, "x-simulacra": {"rules": list(rules)}}
    asked = ConditionSet.model_validate(conditions or {})
    return draft_table(document, rows, asked, seed).to_pylist()


def days(row: Any) -> int:
    return (row["end"] - row["start"]).days


def used(row: Any) -> list[str]:
    return (row["media"] or "").split(";")


FORMS: list[tuple[Any, Any]] = [
    ({"if": {"works": "no"}, "then": {"hours": None}},
     lambda row: row["works"] == "yes" or row["hours"] is None),
    ({"if": {"hours": {"min": 41}}, "then": {"works": "yes", "age": {"min": 18}}},
     lambda row: row["hours"] <= 40 or (row["works"] == "yes" and row["age"] >= 18)),
    ({"then": {"wage": {"missing": False}}}, lambda row: row["wage"] is not None),
    ({"if": {"wage": None}, "then": {"media": "web"}},
     lambda row: row["wage"] is not None or "web" in used(row)),
    ({"then": {"age": {"min": 18, "max": 30}}}, lambda row: 18 <= row["age"] <= 30),
    ({"then": {"end": {"earliest": "2026-02-01"}}}, lambda row: row["end"].month >= 2),
    ({"then": {"wage": {"min": 5000}}}, lambda row: row["wage"] is None or row["wage"] >= 5000),
    ({"sum": ["food", "rent"], "equals": "spent"},
     lambda row: abs(row["food"] + row["rent"] - row["spent"]) < 1e-6),
    ({"sum": ["age", "school", "hours"], "equals": 100},
     lambda row: row["age"] + row["school"] + row["hours"] == 100),
    ({"compare": ["school", "<=", "age"], "plus": 6}, lambda row: row["school"] + 6 <= row["age"]),
    ({"compare": ["age", ">", "hours"]}, lambda row: row["age"] > row["hours"]),
    ({"compare": ["start", "<=", "end"], "plus": 2}, lambda row: days(row) >= 2),
    ({"compare": ["start", "<", "end"]}, lambda row: days(row) > 0),
    ({"allowed": ["city", "country"], "combinations": CITIES},
     lambda row: [row["city"], row["country"]] in CITIES),
    ({"forbidden": {"works": "no", "media": "web"}},
     lambda row: row["works"] == "yes" or "web" not in used(row)),
    ({"unique": ["id", "city"]}, lambda row: row["id"]),
    ({"multiple": "rent", "of": 12.5}, lambda row: row["rent"] % 12.5 == 0),
    ({"multiple": "hours", "of": 7.5}, lambda row: row["hours"] % 15 == 0),
]  # fmt: skip


@pytest.mark.parametrize("at", range(len(FORMS)), ids=str)
def test_rule_holds_in_every_row(at: int) -> None:
    rule, holds = FORMS[at]
    found = ruled(rule)
    assert all(map(holds, found))
    assert found == ruled(rule)
    plain = ruled()
    assert all(map(holds, plain)) == ("unique" in rule)  # else the draft would hold it by itself


def test_rules_and_shares_hold_together() -> None:
    kept = [FORMS[at] for at in (0, 4, 5, 7, 9, 11, 13, 14, 16)]
    conditions = {
        "categorical": {"city": {"Graz": 0.5}, "works": {"no": 0.4}},
        "quotas": [
            {"where": {"age": {"max": 24}, "works": "yes"}, "share": 0.2},
            {"where": {"spent": {"min": 600}}, "share": 0.3},
        ],
    }
    found = ruled(*(rule for rule, _ in kept), conditions=conditions)
    for rule, holds in kept:
        assert all(map(holds, found)), rule
    assert sum(row["city"] == "Graz" for row in found) == 150
    assert sum(row["country"] == "AT" for row in found) == 150
    assert sum(row["works"] == "no" for row in found) == 120
    assert sum(row["age"] <= 24 and row["works"] == "yes" for row in found) == 60
    assert sum(row["spent"] >= 600 for row in found) == 90


def test_rule_changes_its_last_column_first() -> None:
    found = ruled({"if": {"works": "no"}, "then": {"hours": {"max": 10}}}, rows=400)
    assert 140 < sum(row["works"] == "no" for row in found) < 200


def refused(*rules: Any, conditions: Any = None, rows: int = 100) -> dict[str, str]:
    with pytest.raises((DraftRefused, DescriptionInvalid)) as found:
        ruled(*rules, rows=rows, conditions=conditions)
    return {one.pointer: one.detail for one in found.value.errors}


def test_rules_that_contradict_each_other_are_refused_by_name_and_count() -> None:
    found = refused({"then": {"age": {"min": 30}}}, {"forbidden": {"age": {"min": 25}}})
    assert set(found) <= {f"/description/x-simulacra/rules/{at}" for at in (0, 1)}
    said = " ".join(found.values())
    assert "The rule " in said
    assert "of 100 rows" in said


def test_rule_against_a_share_is_refused_by_name_and_count() -> None:
    found = refused(
        {"if": {"city": "Ulm"}, "then": {"country": "DE"}},
        conditions={
            "categorical": {"country": {"AT": 0.6}},
            "quotas": [{"where": {"city": "Ulm"}, "share": 0.5}],
        },
    )
    said = " ".join(found.values())
    assert 'if city "Ulm" then country "DE"' in said
    assert "of 100 rows" in said


def test_multiple_outside_of_the_range_is_refused() -> None:
    found = refused(
        {"multiple": "school", "of": 50}, conditions={"numeric": {"school": {"min": 1}}}
    )
    said = "No value of it is a multiple of 50 and lies in the range; widen it."
    assert found == {"/conditions/numeric/school": said}


@pytest.mark.parametrize("of", [1e12, 1e300])
def test_large_multiple_stays_in_the_range(of: float) -> None:
    more = [{"multiple": "age", "of": of}, {"multiple": "age", "of": 7e200}]
    assert "is a multiple of" in refused(*more)["/conditions/numeric/age"]


@pytest.mark.parametrize(
    ("rule", "pointer", "said"),
    [
        ({"allowed": ["city", "country"]}, "", "those of the upload, which a draft has not: list"),
        ({"allowed": ["city", "media"], "combinations": [["Ulm", "TV"]]}, "", "several answers"),
        ({"unique": ["city", "age"]}, "", "city, age: unique together: A draft keeps this with"),
        ({"then": {"town": "Ulm"}}, "/then", "town: The description has no such field."),
        ({"then": {"city": "Bon"}}, "/then/city", 'no such level. Did you mean "Bonn"?'),
        ({"if": {"age": "x"}, "then": {"city": "Ulm"}}, "/if/age", "no levels; give a range"),
        ({"sum": ["food", "city"], "equals": "spent"}, "/sum", "city: the column has no numbers"),
        ({"compare": ["start", "<", "age"]}, "/compare", "Compare two numbers, or two dates."),
        ({"multiple": "works", "of": 2}, "/multiple", "works: the column has no numbers"),
    ],
)  # fmt: skip
def test_rule_that_does_not_fit_is_named(rule: Any, pointer: str, said: str) -> None:
    found = refused(FORMS[4][0], rule)
    assert [*found] == [f"/x-simulacra/rules/1{pointer}"]
    assert said in found[f"/x-simulacra/rules/1{pointer}"]


def test_columns_of_rules_have_no_missing_codes() -> None:
    assert REFUSED["value"] in {str(row["wage"]).removesuffix(".0") for row in ruled()}
    found = ruled(FORMS[6][0])
    assert min(row["wage"] for row in found if row["wage"] is not None) >= 5000


def test_many_rules_leave_fewer_rows() -> None:
    with pytest.raises(DraftRefused, match="1 to 250 rows"):
        ruled(*[{"then": {"age": {"min": 14}}}] * 200, rows=251)


def test_ends_of_a_bound_that_both_have_to_move_meet() -> None:
    ranges = {"start": {"earliest": "2026-03-01"}, "end": {"latest": "2026-03-05"}}
    found = ruled({"compare": ["start", "<=", "end"]}, conditions={"numeric": ranges})
    assert all(days(row) >= 0 for row in found)


@pytest.mark.parametrize(
    ("rule", "numeric", "pointer"),
    [
        (
            {"compare": ["start", "<=", "end"]},
            {"start": {"earliest": "2026-03-01"}, "end": {"latest": "2026-02-28"}},
            "/conditions/numeric/start",
        ),
        (
            {"sum": ["food", "rent"], "equals": "spent"},
            {"food": {"min": 400}, "spent": {"max": 300}},
            "/conditions/numeric/food",
        ),
    ],
)
def test_range_that_a_rule_forbids_is_refused_at_once(
    rule: Any, numeric: Any, pointer: str
) -> None:
    found = refused(rule, conditions={"numeric": numeric})
    assert [*found] == [pointer]
    assert "cannot hold under the conditions on" in found[pointer]


TIMES: list[dict[str, Any]] = [
    {"name": "from", "type": "time", "constraints": {"minimum": "08:00", "maximum": "20:00"}},
    {"name": "to", "type": "time", "constraints": {"minimum": "08:30", "maximum": "21:15"}},
    {"name": "month", "type": "yearmonth",
     "constraints": {"minimum": "2025-11", "maximum": "2026-02"}},
]  # fmt: skip
ORDER = {"kind": "not_above", "column": "from", "of": ["to"]}


def timed(*relations: Any, at: int = 0, **constraints: Any) -> list[Any]:
    fields = copy.deepcopy(TIMES)
    fields[at]["constraints"].update(constraints)
    document = {"fields": fields, "x-simulacra": {"relations": list(relations)}}
    wanted = {"numeric": {"to": {"max": 600}}} if relations else {}
    return draft_table(document, 200, ConditionSet.model_validate(wanted)).to_pylist()


def test_times_and_months_are_drawn_and_a_found_order_is_kept() -> None:
    found = timed()
    assert Counter(row["month"] for row in found) == dict.fromkeys(
        ("2025-11", "2025-12", "2026-01", "2026-02"), 50
    )
    assert {f"{row['from']:%H}" for row in found} >= {"08", "19"}
    assert max(f"{row['to']:%H:%M}" for row in found) <= "21:15"
    assert any(row["from"] > row["to"] for row in found)
    ordered = timed(ORDER)
    assert all(row["from"] <= row["to"] for row in ordered)
    assert max(f"{row['to']:%H:%M}" for row in ordered) <= "10:00"
    for other in ({**ORDER, "kind": "linear"}, {**ORDER, "of": ["from"]}):  # passed over
        assert any(row["from"] > row["to"] for row in timed(other))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: timed(minimum="8"), '"minimum": "08:00"'),
        (lambda: timed(minimum="08:00:30"), "in whole minutes"),
        (lambda: timed(at=1, maximum="07:00"), 'range of "to"'),
        (lambda: timed(at=2, minimum="2026-13"), '"minimum": "2026-01"'),
        (lambda: timed(at=2, minimum="1900-01"), "200 months at most"),
        (lambda: timed({**ORDER, "of": ["till"]}), "no such field"),
    ],
)
def test_wrong_time_or_relation_of_a_draft_is_named(made: Any, said: str) -> None:
    with pytest.raises(DescriptionInvalid) as found:
        made()
    assert said in " ".join(one.detail for one in found.value.errors)
