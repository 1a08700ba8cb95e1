"""Conversion of stored Parquet parts to one file of another format, as a stream.

Memory holds one part as stored, one batch of its rows, and the bytes written for the batch.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from simulacra_schema.cell_text import csv_batch
from simulacra_schema.formats.csv_dialect import csv_writer, dialect_of
from simulacra_schema.formats.sav import SavWriter
from simulacra_schema.formats.xlsx import XlsxWriter
from simulacra_schema.table import CsvDialect

BATCH_ROWS = 65_536
Format = Literal["parquet", "csv", "arrow", "sav", "xlsx"]


class _Sink:
    """Write-only file; `take` returns what was written since the last call."""

    closed = False

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def write(self, data: Any) -> int:
        self._chunks.append(bytes(data))
        return len(self._chunks[-1])

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        chunks, self._chunks = self._chunks, []
        return b"".join(chunks)


def render(
    parts: Iterable[bytes],
    file_format: Format,
    *,
    safe: bool = False,
    plain: bool = False,
    rows: int | None = None,
) -> Iterator[bytes]:
    """Yield the file of all rows, in the order of the parts.

    Args:
        parts: Parquet files with one schema, read one after the other.
        file_format: csv (header line, missing values empty, delimiter and cells as in the upload),
            arrow (IPC file, dictionaries written out), sav (SPSS, with labels and missing codes),
            xlsx (typed cells and a sheet of labels) or parquet (zstd).
        safe: put a single quote before texts of a CSV that a spreadsheet would run.
        plain: a CSV with commas, decimal points and ISO dates (RFC 4180), whatever the upload had.
        rows: of all parts, which the header of a .sav file tells.

    Raises:
        pyarrow.ArrowInvalid: for a part that is not Parquet or has another schema.
        ValueError: more rows than a sheet of a workbook holds.
    """
    sink, writer, schema = _Sink(), None, None
    for part in parts:
        source = pyarrow.parquet.ParquetFile(pa.BufferReader(part))
        if writer is None:
            schema = _written_schema(source.schema_arrow, file_format, safe, plain)
            dialect = None if plain else dialect_of(source.schema_arrow)
            writer = _open_writer(sink, schema, file_format, rows, dialect)
        for batch in source.iter_batches(BATCH_ROWS):
            writer.write_batch(_as_written(batch, file_format, safe, plain).cast(schema))
            if data := sink.take():
                yield data
    if writer is not None:
        writer.close()
        yield sink.take()


def _as_written(
    batch: pa.RecordBatch, file_format: Format, safe: bool, plain: bool
) -> pa.RecordBatch:
    """Return the batch with the cells of a CSV; other formats keep their types."""
    if file_format != "csv":
        return batch
    batch = _safe_batch(batch) if safe else batch
    return batch if plain else csv_batch(batch)


def _written_schema(schema: pa.Schema, file_format: Format, safe: bool, plain: bool) -> pa.Schema:
    if file_format == "csv":
        empty = [pa.array([], field.type) for field in schema]
        batch = pa.RecordBatch.from_arrays(empty, schema=schema)
        return _plain(_as_written(batch, file_format, safe, plain).schema)
    # An Arrow file has one dictionary per column, but each part has its own: write plain values.
    if file_format != "arrow":
        return schema
    return _plain(schema)


def _plain(schema: pa.Schema) -> pa.Schema:
    plain = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in schema
    ]
    return pa.schema(plain, schema.metadata)


def _open_writer(
    sink: _Sink,
    schema: pa.Schema,
    file_format: Format,
    rows: int | None,
    dialect: CsvDialect | None,
) -> Any:
    if file_format == "csv":
        return csv_writer(sink, schema, dialect)
    if file_format == "arrow":
        return pa.ipc.new_file(sink, schema)
    if file_format == "sav":
        return SavWriter(sink, schema, -1 if rows is None else rows)
    if file_format == "xlsx":
        return XlsxWriter(sink, schema)
    return pyarrow.parquet.ParquetWriter(sink, schema, compression="zstd")


_FORMULA = r"^[=+\-@\t\r\n]"
_NUMBER = r"^[+-]?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?$"


def _safe_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the batch with texts and column names that a spreadsheet does not run as a formula.

    A text that begins with one of OWASP's characters gets a single quote in front. Numbers stay
    numbers, also as text: `-5` is no formula.
    """
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
