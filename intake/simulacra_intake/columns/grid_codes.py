"""Special codes of a grid: what is a code in most items of a question is one in all of them.

One item may have too few answers "98" to show that it is no quantity; its neighbors show it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pyarrow as pa

from simulacra_intake.columns.answer_sets import by_stem
from simulacra_intake.columns.build import CleanColumn, integer_column
from simulacra_intake.columns.specials import codes_taken, without_codes

MIN_ITEMS = 2
"""Items of a question that have a code."""


def share_codes(columns: Sequence[CleanColumn], stated: Collection[str] = ()) -> list[CleanColumn]:
    """Return the columns, with the codes of most items of a question taken out of all its items.

    Args:
        columns: as they were read, in the order of the table.
        stated: columns that the user describes, which stay.
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
