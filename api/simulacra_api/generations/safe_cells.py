"""Cells of a CSV file that a spreadsheet would run as a formula, made harmless.

A text that begins with one of OWASP's characters gets a single quote in front, in rows and header.
Numbers stay numbers, also as text: `-5` is no formula.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

_FORMULA = r"^[=+\-@\t\r\n]"
_NUMBER = r"^[+-]?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?$"


def safe_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch with harmless texts and column names."""
    columns = [_safe(column) for column in batch.columns]
    names = _safe(pa.array(batch.schema.names, pa.string())).to_pylist()
    fields = [
        field.with_name(name).with_type(column.type)
        for field, name, column in zip(batch.schema, names, columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def _safe(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    formula = pc.match_substring_regex(column, _FORMULA)
    number = pc.match_substring_regex(column, _NUMBER)
    quoted = pc.binary_join_element_wise(
        pa.scalar("'", column.type), column, pa.scalar("", column.type)
    )
    return pc.if_else(pc.and_not(formula, number), quoted, column)
