"""Lines that say what was read from an upload."""

from __future__ import annotations

from typing import Any

from simulacra.commands.reading import reading


def schema(**changes: Any) -> dict[str, Any]:
    plain = {
        "rows": 5_000,
        "columns": [
            {"name": "note", "learned": False},
            {"name": "email", "learned": False, "role": "personal_data"},
            {"name": "amount", "learned": True},
        ],
        "cleaning": [
            {"column": "note", "action": "free text", "count": 0},
            {"column": "email", "action": "replaced", "count": 0},
            {"action": "read as cp1252", "count": 0},
            {"column": "amount", "action": "commas read", "count": 5_000},
        ],
    }
    return {**plain, **changes}


def test_personal_data_comes_first_then_the_table_then_columns() -> None:
    assert list(reading(schema())) == [
        "5,000 rows; 1 of 3 columns are learned",
        "! email   replaced",
        "          read as cp1252",
        "  note    free text",
        "  amount  commas read (5,000)",
    ]


def test_what_is_to_confirm_is_marked_before_other_columns() -> None:
    columns = [
        {"name": "note", "learned": False},
        {"name": "wgt", "learned": True, "to_confirm": "weights"},
    ]
    notes = [
        {"column": "note", "action": "free text", "count": 0},
        {"column": "wgt", "action": "looks like survey weights", "count": 0},
    ]
    assert list(reading(schema(columns=columns, cleaning=notes)))[1:] == [
        "? wgt   looks like survey weights; --weights wgt if it is",
        "  note  free text",
    ]


def test_a_guess_is_followed_by_the_flag_that_changes_it() -> None:
    columns = [
        {"name": "who", "learned": False, "role": "subject"},
        {"name": "shop id", "learned": False, "role": "foreign_key"},
        {"name": "day", "learned": True},
        {"name": "note", "learned": False, "kind": "text"},
    ]
    notes = [{"column": one["name"], "action": "read", "count": 0} for one in columns]
    lines = list(reading(schema(columns=columns, cleaning=notes, order="day")))[1:]
    assert [line.partition("; ")[2] for line in lines] == [
        "--subject COL if it is another column",
        "--subject 'shop id' if its values are persons",
        "--order COL if another column orders them",
        "--drop note to leave it out",
    ]


def test_persons_are_counted_in_the_first_line() -> None:
    assert next(reading(schema(persons=400))).startswith("5,000 rows of 400 persons;")


def test_many_notes_end_with_their_number() -> None:
    notes = [{"column": f"c{i}", "action": "trimmed", "count": 1} for i in range(40)]
    lines = list(reading(schema(cleaning=notes)))
    assert lines[-1] == "  10 more are in the schema"
    assert len(lines) == 32
