"""Columns that say which special code stands in the gaps of a number.

Whether a number is missing is learned with the number. Where gaps are of several kinds (refused,
not known, blank), a column of its own holds the code of each gap, so that it depends on other
columns and they depend on it. It is missing where there is a number, or nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from simulacra_intake.columns.build import CleanColumn
from simulacra_intake.limits import MAX_NAME
from simulacra_intake.rows_of_persons import MIN_PERSONS, Ints, persons_a_group, persons_in
from simulacra_schema.table import ColumnSchema, TableSchema

SUFFIX = ": code"
MIN_KINDS = 2
MIN_OF_KIND = 10
"""Persons of the second most frequent kind of gap from which it is learned; rarer codes are drawn
by their shares."""


def add_code_columns(
    table: pa.Table, schema: TableSchema, read: Sequence[CleanColumn]
) -> tuple[pa.Table, TableSchema]:
    """Return a clean table and its schema with the codes of gaps in columns of their own.

    Args:
        table: the clean table.
        schema: its schema.
        read: its columns as they were read, with their codes.
    """
    persons = persons_in(table, schema)
    codes = {column.schema.name: column.codes for column in read if column.codes is not None}
    columns = list(schema.columns)
    for i, column in enumerate(columns):
        name = column.name + SUFFIX
        has_codes = column.name in codes and column.is_numeric and column.learned
        if not has_codes or len(name) > MAX_NAME or name in table.column_names:
            continue
        gaps = table.column(column.name).is_null().combine_chunks()
        found = _codes(codes[column.name], gaps, column, persons)
        if found is not None:
            place = table.column_names.index(column.name) + 1
            table = table.add_column(place, name, found)
            columns[i] = column.model_copy(update={"code_column": name})
    return table, schema.model_copy(update={"columns": columns})


def _codes(
    codes: pa.Array,
    gaps: pa.BooleanArray,
    column: ColumnSchema,
    persons: Ints | None,
) -> pa.DictionaryArray | None:
    """Return the code of each gap, null elsewhere; None where the gaps are of one kind."""
    levels = list(dict.fromkeys(one.value for one in column.specials))
    held = codes.dictionary_encode()
    words = held.dictionary.to_pylist()
    at = np.array([*(levels.index(w) if w in levels else len(levels) for w in words), len(levels)])
    kind = at[held.indices.fill_null(len(held.dictionary)).to_numpy(zero_copy_only=False)]
    is_gap = gaps.to_numpy(zero_copy_only=False)
    who = None if persons is None else persons[is_gap]
    counts = persons_a_group(kind[is_gap], who, len(levels) + 1)
    if np.sum(counts >= MIN_OF_KIND) < MIN_KINDS:
        return None
    known = is_gap & np.append(counts[:-1] >= MIN_PERSONS, False)[kind]
    indices = pa.array(np.where(known, kind, 0).astype(np.int32), mask=~known)
    return pa.DictionaryArray.from_arrays(indices, pa.array(levels, pa.string()))
