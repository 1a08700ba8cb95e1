"""Special codes beyond one column: which of them stands in a gap, and those of a whole question.

Whether a number is missing is learned with the number. Where gaps are of several kinds (refused,
not known, blank), a column of its own holds the code of each gap, so that it depends on other
columns and they depend on it. It is missing where there is a number, or nothing.

What is a code in most items of a question is one in all of them: one item may have too few answers
"98" to show that it is no quantity; its neighbors show it.
"""

from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa

from simulacra_intake.arrow_values import level_values, places_of
from simulacra_intake.columns.answer_sets import by_stem
from simulacra_intake.columns.build import CleanColumn, integer_column
from simulacra_intake.columns.specials import codes_taken, without_codes
from simulacra_intake.limits import MAX_NAME
from simulacra_intake.rows_of_persons import MIN_PERSONS, Ints, persons_a_group, persons_in
from simulacra_schema.table import ColumnSchema, TableSchema

MIN_ITEMS = 2
"""Items of a question that have a code."""
SUFFIX = ": code"
MIN_KINDS = 2
MIN_OF_KIND = 10
"""Persons of the second most frequent kind of gap from which it is learned; rarer codes are drawn
by their shares."""


def add_code_columns(
    table: pa.Table, schema: TableSchema, read: Sequence[CleanColumn]
) -> tuple[pa.Table, TableSchema]:
    """Return a clean table and its schema with the codes of gaps in columns of their own.

    read: its columns as they were read, with their codes.
    """
    persons = persons_in(table, schema)
    codes = {column.schema.name: column.codes for column in read if column.codes is not None}
    columns = list(schema.columns)
    for i, column in enumerate(columns):
        name = column.name + SUFFIX
        has_codes = column.name in codes and column.learned and column.writes_codes
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
    codes: pa.Array, gaps: pa.BooleanArray, column: ColumnSchema, persons: Ints | None
) -> pa.DictionaryArray | None:
    """Return the code of each gap, null elsewhere; None where the gaps are of one kind."""
    levels = list(dict.fromkeys(one.value for one in column.specials))
    place = {level: at for at, level in enumerate(levels)}
    kind = places_of(codes, place, unknown=len(levels), missing=len(levels))
    is_gap = gaps.to_numpy(zero_copy_only=False)
    who = None if persons is None else persons[is_gap]
    counts = persons_a_group(kind[is_gap], who, len(levels) + 1)
    if np.sum(counts >= MIN_OF_KIND) < MIN_KINDS:
        return None
    known = is_gap & np.append(counts[:-1] >= MIN_PERSONS, False)[kind]
    return level_values(np.where(known, kind, -1), levels)


def share_codes(columns: Sequence[CleanColumn], stated: Collection[str] = ()) -> list[CleanColumn]:
    """Return the columns, with the codes of most items of a question taken out of all its items.

    columns: in the order of the table; stated: columns that the user describes, which stay.
    """
    by_name = {column.schema.name: column for column in columns}
    items = [column.schema for column in columns if _may_have_codes(column)]
    shared: dict[str, CleanColumn] = {}
    for _, group in by_stem(items, lambda _: True):
        coded = [one for one in group if one.specials]
        if len(coded) < MIN_ITEMS or 2 * len(coded) < len(group):
            continue
        codes = {int(special.value) for one in coded for special in one.specials}
        scale = {level.value for one in coded for level in one.levels}
        for one in group:
            found = sorted(codes & {int(level.value) for level in one.levels})
            values = {level.value for level in one.levels} - set(map(str, found))
            read = by_name[one.name]
            may = one.name not in stated and not one.specials and values <= scale
            if may and found and read.values is not None:
                shared[one.name] = _without(read, read.values, found)
    return [shared.get(column.schema.name, column) for column in columns]


def _may_have_codes(column: CleanColumn) -> bool:
    schema = column.schema
    whole = all(special.value.lstrip("-").isdecimal() for special in schema.specials)
    return schema.kind == "integer" and bool(schema.levels) and schema.declared is None and whole


def _without(column: CleanColumn, before: pa.Array, codes: Sequence[int]) -> CleanColumn:
    """Return a column of integers, as they were before, with these codes as special ones."""
    after, specials = without_codes(before, codes)
    schema = column.schema
    result = integer_column(schema.name, after, schema.storage, schema.text_format)
    result.update(form=schema.form, unit=schema.unit, label=schema.label, specials=specials)
    result.codes = codes_taken(before, after)
    result.notes.extend(column.notes)
    taken = after.null_count - before.null_count
    result.note("codes of the other items of its question were set to missing", taken)
    return result
