"""Lines that say what was read from an upload."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from simulacra.commands.described import described, next_steps
from simulacra.commands.reading import brief, reading
from simulacra.csv_reading import reading_of


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
        {"name": "point", "learned": False, "role": "subject", "to_confirm": "groups"},
        {"name": "shop id", "learned": False, "role": "foreign_key"},
        {"name": "day", "learned": True},
        {"name": "note", "learned": False, "kind": "text"},
    ]
    notes = [{"column": one["name"], "action": "read", "count": 0} for one in columns]
    lines = list(reading(schema(columns=columns, cleaning=notes, order="day")))[1:]
    assert [line.partition("; ")[2] for line in lines] == [
        "--subject COL if it is another column",
        "--cluster point if they are sampling points",
        "--subject 'shop id' if its values are persons",
        "--drop note to leave it out",
        "--order COL if another column orders them",
    ]


def test_sets_grids_and_the_order_of_persons_are_said() -> None:
    columns = [{"name": name, "learned": True} for name in ("q1", "q2", "q3", "day")]
    notes = [{"column": "day", "action": one, "count": 0} for one in ("read as dates", "orders")]
    found = schema(columns=columns, cleaning=notes, order="day")
    grid, options = {"columns": ["q1", "q2", "q3"]}, {"columns": ["q1", "q2"]}
    assert list(reading({**found, "grids": [grid], "sets": [options]}))[1:] == [
        "       q1 to q2 (2 columns) were read as one question with an option each",
        "       q1 to q3 (3 columns) were read as items of one scale",
        "  day  read as dates",
        "  day  orders; --order COL if another column orders them",
    ]


def test_persons_are_counted_in_the_first_line() -> None:
    assert next(reading(schema(persons=400))).startswith("5,000 rows of 400 persons;")


def test_many_notes_end_with_their_number() -> None:
    notes = [{"column": f"c{i}", "action": "trimmed", "count": 1} for i in range(40)]
    columns = [{"name": f"c{i}", "learned": True} for i in range(40)]
    lines = list(reading(schema(columns=columns, cleaning=notes)))
    assert lines[-1] == "  10 more are in the schema"
    assert len(lines) == 32


def test_every_column_that_is_not_learned_is_named() -> None:
    columns = [{"name": f"c{i}", "learned": i > 35, "kind": "text"} for i in range(40)]
    notes = [{"column": f"c{i}", "action": "free text", "count": 0} for i in range(35)]
    left_out = {"column": "gone", "action": "left out", "count": 0}
    found = schema(columns=columns, cleaning=[*notes, left_out])
    assert list(reading(found))[-2:] == [
        "  also not learned: c30, c31, c32, c33, c34, c35, gone",
        "  6 more are in the schema",
    ]
    assert list(brief(schema(), "survey"))[1:] == [
        "! email  replaced",
        "  also not learned: note",
        "  what each column was read as, and how to change it: simulacra describe survey",
    ]


def test_weights_and_clusters_are_not_among_the_columns_that_generated_rows_leave_empty() -> None:
    columns = [
        {"name": "w", "learned": False, "kind": "weight"},
        {"name": "psu", "learned": False, "role": "cluster", "kind": "integer"},
        {"name": "note", "learned": False, "kind": "text"},
    ]
    lines = list(reading(schema(columns=columns, cleaning=[])))
    assert lines[1:] == ["  also not learned: note"]
    columns = [{**one, "storage": "string"} for one in columns]
    assert reading_of({"columns": columns}).arguments == {"dtype": {"note": "str"}}


def commands(lines: Iterable[str]) -> list[str]:
    return [line[line.index("simulacra ") :] for line in lines if "simulacra " in line]


def test_the_commands_that_change_a_reading_can_be_copied() -> None:
    guess = {"name": "shop id", "learned": True, "to_confirm": "weights"}
    dataset = {"dataset_id": "ds-1", "status": "ready"}
    found = schema(columns=[{"name": "who", "learned": False, "role": "subject"}, guess])
    assert commands(next_steps(dataset, found, "survey", "my t.csv")) == [
        "simulacra refit survey --source 'my t.csv' --weights 'shop id'",
        "simulacra describe survey -o d.json",
        "simulacra refit survey --source 'my t.csv' --describe d.json",
    ]
    kept = commands(next_steps({**dataset, "source_kept": True}, schema(), "ds-1"))
    assert kept[::2] == ["simulacra refit ds-1 ...", "simulacra refit ds-1 --describe d.json"]
    held = commands(next_steps({**dataset, "status": "held"}, found, "ds-1", "t.csv"))
    assert held[0] == "simulacra refit ds-1 --weights 'shop id'"


def test_a_description_names_what_is_to_confirm_with_its_flag() -> None:
    roles = {"shop": "detected", "shelf": "user"}
    fields = [
        {"name": one, "x-simulacra": {"role": "foreign_key", "source": {"role": said}}}
        for one, said in roles.items()
    ]
    columns = [{"name": one, "learned": False, "role": "foreign_key"} for one in roles]
    columns += [{"name": "w", "learned": True, "to_confirm": "weights"}]
    dataset = {"dataset_id": "ds-1", "status": "ready", "reading": {"to_confirm": 2}}
    description = {"schema": {"fields": [*fields, {"name": "w", "type": "number"}]}}
    first, *lines = described(dataset, description, schema(columns=columns), "survey")
    assert first.endswith("to confirm 2")
    assert [line[0] for line in lines[:3]] == ["?", "!", "?"]
    assert lines[0].endswith("--subject shop if its values are persons")
    assert lines[2].endswith("--weights w if it is")
    assert "simulacra refit survey --source FILE --subject shop" in lines[3]
