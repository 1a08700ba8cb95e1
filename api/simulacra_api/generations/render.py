"""Conversion of stored Parquet parts to one CSV, Arrow or Parquet file, as a stream.

Memory holds one part as stored, one batch of its rows, and the bytes written for the batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from simulacra_api.generations.safe_cells import safe_batch

BATCH_ROWS = 65_536
Format = Literal["parquet", "csv", "arrow"]


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


def render(parts: Iterable[bytes], file_format: Format, *, safe: bool = False) -> Iterator[bytes]:
    """Yield the file of all rows, in the order of the parts.

    Args:
        parts: Parquet files with one schema, read one after the other.
        file_format: csv (RFC 4180, header line, missing values empty), arrow (IPC file,
            dictionaries written out) or parquet (zstd).
        safe: put a single quote before texts of a CSV that a spreadsheet would run.

    Raises:
        pyarrow.ArrowInvalid: for a part that is not Parquet or has another schema.
    """
    quoted = safe and file_format == "csv"
    sink, writer, schema = _Sink(), None, None
    for part in parts:
        source = pyarrow.parquet.ParquetFile(pa.BufferReader(part))
        if writer is None:
            schema = _written_schema(source.schema_arrow, file_format)
            header = safe_batch(_empty(schema)).schema if quoted else schema
            writer = _open_writer(sink, header, file_format)
        for batch in source.iter_batches(BATCH_ROWS):
            cast = batch.cast(schema)
            writer.write_batch(safe_batch(cast) if quoted else cast)
            if data := sink.take():
                yield data
    if writer is not None:
        writer.close()
        yield sink.take()


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], one.type) for one in schema], schema=schema)


def _written_schema(schema: pa.Schema, file_format: Format) -> pa.Schema:
    # An Arrow file has one dictionary per column, but each part has its own: write plain values.
    if file_format != "arrow":
        return schema
    plain = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in schema
    ]
    return pa.schema(plain, schema.metadata)


def _open_writer(sink: _Sink, schema: pa.Schema, file_format: Format) -> Any:
    if file_format == "csv":
        return pyarrow.csv.CSVWriter(sink, schema)
    if file_format == "arrow":
        return pa.ipc.new_file(sink, schema)
    return pyarrow.parquet.ParquetWriter(sink, schema, compression="zstd")
