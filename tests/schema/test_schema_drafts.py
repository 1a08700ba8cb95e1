"""Drafts: levels, ranges, skips, shares met to the row, and what a description lacks."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest

from simulacra_schema.conditions import ConditionSet
from simulacra_schema.description import DescriptionInvalid
from simulacra_schema.drafts.draw import DraftRefused
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
            "No value of it lies in the range; widen it.",
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
