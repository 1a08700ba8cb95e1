"""A table between the process that parses it and the one that cleans it, in an encrypted file.

The file is a sequence of pieces: the number of a column and the number of bytes, then the bytes.
The first piece is the schema and the last one the number of rows; those of a column make up an
Arrow IPC stream of this column alone.
So a reader has one column in memory at a time, although it cannot map an encrypted file.
"""

from __future__ import annotations

import copy
import io
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from simulacra_intake.scratch import EncryptedFile

ORIGIN = b"simulacra.origin"
"""Schema metadata key: csv, parquet, arrow, xlsx or spss. CSV cells are untyped text."""
DELIMITER = b"simulacra.delimiter"
"""Schema metadata key of a CSV: its delimiter. A semicolon suggests decimal commas."""
ENCODING = b"simulacra.encoding"
HEADER_ROWS = b"simulacra.header_rows"
"""Schema metadata keys of a CSV: its codec, and the numbers of its header rows as JSON."""
NOTES = b"simulacra.notes"
"""Schema metadata key: notes on omitted content, one per line."""
NETWORK = b"simulacra.network"
"""Schema metadata key: "isolated" if the parser had no network, else "inherited"."""
_HEADER = struct.Struct("<IQ")
_COUNT = struct.Struct("<Q")
_SCHEMA, _ROWS = 2**32 - 1, 2**32 - 2
"""Numbers of the pieces that belong to no column."""
Pieces = list[tuple[int, int]]
"""Position and length of each piece of a column."""


class RawTableWriter:
    """Writes the batches of a table, column by column."""

    def __init__(self, sink: io.BufferedWriter, schema: pa.Schema) -> None:
        self._sink = sink
        self._write_piece(_SCHEMA, schema.serialize())
        self._pending = io.BytesIO()
        self._schemas = [_stream_schema(field) for field in schema]
        self._streams = [pa.ipc.new_stream(self._pending, one) for one in self._schemas]

    def write(self, batch: pa.RecordBatch) -> None:
        """Append the rows of a batch."""
        for i, column in enumerate(batch.columns):
            self._streams[i].write_batch(pa.record_batch([column], schema=self._schemas[i]))
            with self._pending.getbuffer() as data:
                self._write_piece(i, data)
            self._pending.seek(0)
            self._pending.truncate()

    def finish(self, rows: int) -> None:
        """Write the number of rows, which completes the table."""
        self._write_piece(_ROWS, _COUNT.pack(rows))

    def _write_piece(self, column: int, data: bytes | memoryview | pa.Buffer) -> None:
        self._sink.write(_HEADER.pack(column, memoryview(data).nbytes))
        self._sink.write(data)


class RawTable:
    """An uploaded table, of which `column` decrypts and validates one column.

    What `clean_table` needs of a `pyarrow.Table`, under the same names.
    """

    def __init__(self, file: EncryptedFile) -> None:
        self._file = file
        pieces = self._find_pieces()
        (schema,), (rows,) = pieces.pop(_SCHEMA), pieces.pop(_ROWS)
        self.schema: pa.Schema = pa.ipc.read_schema(pa.py_buffer(self._read(*schema)))
        self.num_rows: int = _COUNT.unpack(self._read(*rows))[0]
        self._pieces = [pieces.get(i, []) for i in range(len(self.schema))]

    def select(self, places: Sequence[int], schema: pa.Schema) -> RawTable:
        """Return the table with these columns only, described by another schema."""
        chosen = copy.copy(self)
        chosen.schema = schema
        chosen._pieces = [self._pieces[i] for i in places]
        return chosen

    @property
    def column_names(self) -> list[str]:
        """Names of the columns, in the order of the file."""
        return list(self.schema.names)

    @property
    def num_columns(self) -> int:
        """Number of columns."""
        return len(self.schema)

    def field(self, i: int) -> pa.Field:
        """Return name, type and metadata of a column."""
        return self.schema.field(i)

    def column(self, i: int) -> pa.ChunkedArray:
        """Read one column. Raises `pyarrow.ArrowInvalid` if it is not sound."""
        kind = self.schema.field(i).type
        if not self._pieces[i]:
            return pa.chunked_array([], kind)
        column = pa.ipc.open_stream(_joined(self._file, self._pieces[i])).read_all().column(0)
        column.validate(full=True)
        if column.type != kind or len(column) != self.num_rows:
            raise pa.ArrowInvalid("a column differs from the schema or the number of rows")
        return column

    def head(self, i: int, rows: int) -> pa.ChunkedArray:
        """Read the first rows of one column."""
        chunks, count = [], 0
        if self._pieces[i]:
            for batch in pa.ipc.open_stream(_joined(self._file, self._pieces[i])):
                chunks.append(batch.column(0))
                count += batch.num_rows
                if count >= rows:
                    break
        return pa.chunked_array(chunks, self.schema.field(i).type).slice(0, rows)

    def batches(self) -> Iterator[pa.Table]:
        """Yield the rows as tables, in constant memory."""
        if not all(self._pieces):
            yield self.read_all()
            return
        streams = [pa.ipc.open_stream(_joined(self._file, one)) for one in self._pieces]
        for batches in zip(*streams, strict=True):
            columns = [batch.column(0) for batch in batches]
            yield pa.Table.from_arrays(columns, schema=self.schema)

    def read_all(self) -> pa.Table:
        """Return the whole table in memory."""
        columns = [self.column(i) for i in range(self.num_columns)]
        return pa.Table.from_arrays(columns, schema=self.schema)

    def _find_pieces(self) -> dict[int, Pieces]:
        end = self._file.seek(0, io.SEEK_END)
        found: dict[int, Pieces] = {}
        position = 0
        while position < end:
            column, length = _HEADER.unpack(self._read(position, _HEADER.size))
            position += _HEADER.size
            found.setdefault(column, []).append((position, length))
            position += length
        return found

    def _read(self, position: int, length: int) -> bytes:
        return _joined(self._file, [(position, length)]).read(length)


class _Joined(io.RawIOBase):
    """Pieces of a file, one after the other."""

    def __init__(self, file: EncryptedFile, pieces: Pieces) -> None:
        self._file = file
        self._rest = list(reversed(pieces))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            return 0
        position, length = self._rest.pop()
        self._file.seek(position)
        count = self._file.readinto(memoryview(buffer)[:length])
        if count < length:
            self._rest.append((position + count, length - count))
        return count


def _joined(file: EncryptedFile, pieces: Pieces) -> io.BufferedReader:
    return io.BufferedReader(_Joined(file, pieces))


def _stream_schema(field: pa.Field) -> pa.Schema:
    return pa.schema([pa.field("", field.type)])
