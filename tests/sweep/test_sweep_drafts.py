"""Drafts from the completed descriptions of the sweep's tables, read back under the same ones."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sweep_tables import TABLES

from simulacra_intake.output.files import SUFFIXES, write_tables
from simulacra_schema.description import DescriptionInvalid, parse_description
from simulacra_schema.drafts.table import draft_table
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.in_process import read_described

SHAPES = ("orders", "journeys", "onehot", "labeled", "money", "german", "choice", "places")
BY_NAME = {one.name: one for one in TABLES}


def _constraints(column: ColumnSchema) -> dict[str, Any]:
    ends: list[Any] = [column.minimum, column.maximum]
    if column.kind == "datetime":
        ends = [datetime.fromtimestamp(one, UTC).replace(tzinfo=None).isoformat() for one in ends]
    return {"constraints": {"minimum": ends[0], "maximum": ends[1]}}


def _with_ranges(document: dict[str, Any], schema: TableSchema) -> dict[str, Any]:
    """Return a completed description with the ranges that it does not repeat of the data."""
    ranged = copy.deepcopy(document)
    for field in ranged["schema"]["fields"]:
        column = schema.find(field["name"])
        if column is not None and column.learned and column.minimum is not None:
            field |= _constraints(column)
    return ranged


def test_draft_keeps_the_rule_of_a_completed_description(tmp_path: Path) -> None:
    found = read_described(BY_NAME["ruled"].write(tmp_path))
    document = _with_ranges(found.document, found.clean.schema)
    document["schema"].setdefault("x-simulacra", {})["rules"] = [
        {"compare": ["school_years", "<=", "age"], "plus": 5}
    ]
    rows = draft_table(document, 300).to_pylist()
    assert all(row["school_years"] + 5 <= row["age"] for row in rows)


@pytest.mark.parametrize("name", SHAPES)
def test_draft_is_read_as_its_description_says(name: str, tmp_path: Path) -> None:
    found = read_described(BY_NAME[name].write(tmp_path))
    schema = found.clean.schema
    document = _with_ranges(found.document, schema)
    rows = draft_table(document, 300)
    for suffix in SUFFIXES:
        write_tables([rows], tmp_path / f"draft{suffix}")
    again = read_described(tmp_path / "draft.csv", parse_description(document)).clean.schema
    kinds = {column.name: column.kind for column in schema.columns}
    assert {one.name: one.kind for one in again.columns} == {**kinds, "draft": "constant"}


def test_columns_whose_words_are_not_listed_are_named(tmp_path: Path) -> None:
    found = read_described(BY_NAME["gaps"].write(tmp_path))
    with pytest.raises(DescriptionInvalid) as refused:
        draft_table(_with_ranges(found.document, found.clean.schema), 300)
    said = " ".join(one.detail for one in refused.value.errors)
    assert 'the levels of "country"' in said
    assert 'the levels of "notes"' in said
