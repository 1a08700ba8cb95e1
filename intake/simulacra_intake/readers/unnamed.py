"""Columns that the file does not name: an index is named as one, an empty column is left out."""

from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.raw_table import RawTable
from simulacra_schema.formats.file_labels import declared_of

INDEX = "(index)"
MOST_DROPPED = 10
"""Times the rows that numbers may reach after rows were dropped; larger ones are amounts."""
T = TypeVar("T", pa.Table, RawTable)


def settle_unnamed(table: T) -> tuple[T, list[str]]:
    """Return the table without empty unnamed columns and with its index named, and notes."""
    notes, kept, names = [], [], list(table.column_names)
    for place, name in enumerate(table.column_names):
        if not declared_of(table.field(place)).unnamed:
            kept.append(place)
            continue
        column = table.column(place)
        if _is_empty(column):
            notes.append(f"an empty column without a name was left out: {name}")
            continue
        kept.append(place)
        if INDEX not in names and _numbers_rows(column):
            names[place] = INDEX
            notes.append(f"a column of row numbers without a name was named {INDEX}")
        else:
            notes.append(f"a column without a name was named {name}")
    if not notes:
        return table, notes
    fields = [table.field(place).with_name(names[place]) for place in kept]
    schema = pa.schema(fields, table.schema.metadata)
    if isinstance(table, RawTable):
        return table.select(kept, schema), notes
    return pa.Table.from_arrays([table.column(place) for place in kept], schema=schema), notes


def _is_empty(column: pa.ChunkedArray) -> bool:
    if column.null_count == len(column):
        return True
    text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    if not text:
        return False
    blank = pc.equal(pc.utf8_trim_whitespace(column), "")
    return bool(pc.all(pc.fill_null(blank, True)).as_py())


def _numbers_rows(column: pa.ChunkedArray) -> bool:
    """Return whether the values are whole numbers from 0 on, each once.

    They follow each other without gaps, or are what is left of such an index after rows were sorted
    or dropped.
    """
    try:
        numbers = column.cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    if numbers.null_count or pc.count_distinct(numbers).as_py() != len(numbers):
        return False
    least, most = pc.min_max(numbers).as_py().values()
    is_run = bool(most - least < len(numbers))
    return bool(least >= 0 and (is_run or most < MOST_DROPPED * len(numbers)))
