"""Batches that every reader returns, and the typed columns of Parquet and Arrow files."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.errors import invalid_upload
from simulacra_intake.limits import MAX_CELL_BYTES, MIB
from simulacra_intake.readers.names import settle_names
from simulacra_schema.formats.file_labels import Declared

_PANDAS_INDEX = re.compile(r"__index_level_\d+__$")
"""Name that pandas gives an index without a name."""


@dataclass(frozen=True)
class Batches:
    """A table as a stream: schema, record batches, notes; of a CSV also its layout."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    delimiter: str = ""
    notes: Sequence[str] = ()
    encoding: str = ""
    header_rows: Sequence[int] = ()


def readable_schema(schema: pa.Schema) -> tuple[pa.Schema, list[str]]:
    """Return the schema with readable types and a name for each column, and notes on names."""
    names, notes = settle_names(schema.names)
    fields = []
    for name, field in zip(names, schema, strict=True):
        own = readable_field(field).with_name(name)
        named = field.name.strip() and not _PANDAS_INDEX.match(field.name)
        fields.append(own if named else Declared(unnamed=True).on(own))
    return pa.schema(fields), notes


def readable_field(field: pa.Field) -> pa.Field:
    """Return the field with binary as text; refuse types that are not flat."""
    kind = field.type.storage_type if isinstance(field.type, pa.BaseExtensionType) else field.type
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    if _is_compound(value):
        raise invalid_upload(
            "A column holds lists, structures or raw bytes; only flat values can be read.",
            f"Column {field.name!r} is {field.type}. Split it into plain columns or remove it.",
        )
    if (
        pa.types.is_binary(value)
        or pa.types.is_large_binary(value)
        or pa.types.is_binary_view(value)
    ):
        value = pa.string()
    if pa.types.is_dictionary(kind):
        value = pa.dictionary(pa.int32(), value, kind.ordered)
    return pa.field(field.name, value)


def read_column(column: pa.Array, field: pa.Field) -> pa.Array:
    """Return the column in the type of the field; refuse non-text bytes and long cells."""
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if column.type != field.type:
        try:
            column = column.cast(field.type)
        except pa.ArrowInvalid:
            raise invalid_upload(
                "A column holds bytes that are not UTF-8 text.",
                f"Convert or remove column {field.name!r}.",
            ) from None
    values = column.dictionary if pa.types.is_dictionary(column.type) else column
    is_text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
    if is_text and (pc.max(pc.binary_length(values)).as_py() or 0) > MAX_CELL_BYTES:
        raise long_cells(field.name)
    return column


def long_cells(column: str) -> Exception:
    """Return the error for a column with cells above the limit."""
    return invalid_upload(
        f"A cell may hold {MAX_CELL_BYTES // MIB} MiB at most.",
        f"Shorten the cells of column {column!r}.",
    )


def without_last(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the batches without the last rows of the table."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        while sum(one.num_rows for one in held[1:]) >= rows and len(held) > 1:
            yield held.pop(0)
    left = max(sum(batch.num_rows for batch in held) - rows, 0)
    for batch in held:
        yield batch.slice(0, left)
        left = max(left - batch.num_rows, 0)


def _is_compound(value: pa.DataType) -> bool:
    return (
        pa.types.is_nested(value)
        or pa.types.is_run_end_encoded(value)
        or pa.types.is_fixed_size_binary(value)
        or pa.types.is_interval(value)
    )
