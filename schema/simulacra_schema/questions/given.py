"""Faults of a request to complete given rows, which the schema of the donors tells."""

from __future__ import annotations

from collections.abc import Iterator

from simulacra_schema.completion import GivenOptions
from simulacra_schema.faults import UNLEARNED, Fault, Wrong, no_column
from simulacra_schema.table import TableSchema

_COMPUTED = Wrong(
    "a computed column",
    "The column follows from others, with which it is filled; name one of these.",
)
_UNLEARNED = Wrong(
    UNLEARNED,
    "The column is a key, personal data, free text, a weight or the same in all rows, and is not "
    "filled; name another.",
)
_TWICE = Wrong("a column that is named twice", "The column is named twice; name it once.")
_SAME = Wrong("a pair of one column", "The column stands twice in the pair; name another.")
_PERSONS = Wrong(
    "rows of persons with several rows",
    "The rows belong to persons with several rows each, which cannot be completed yet.",
)


def given_faults(given: GivenOptions, schema: TableSchema) -> Iterator[Fault]:
    """Yield what the schema says against the columns to fill and the pairs."""
    if schema.subject() is not None:
        yield _PERSONS.at("given")
        return
    computed = {one.column for one in schema.computed()}
    named = given.columns or []
    for at, name in enumerate(named):
        column = schema.find(name)
        wrong = None
        if column is None:
            wrong = no_column(name, schema)
        elif name in computed:
            wrong = _COMPUTED
        elif not column.learned or column.is_of_design:
            wrong = _UNLEARNED
        elif name in named[:at]:
            wrong = _TWICE
        if wrong is not None:
            yield wrong.at("given", "columns", at)
    for field, at, pair in given.all_pairs():
        for side, name in (("first", pair.first), ("second", pair.second)):
            column = schema.find(name)
            if column is not None and (not column.learned or column.is_of_design):
                yield _UNLEARNED.at("given", field, at, side)
        if pair.first == pair.second:
            yield _SAME.at("given", field, at, "second")
