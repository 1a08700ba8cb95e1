"""Reader of Arrow IPC files (Feather 2) and streams; every batch is validated before its use.

Lengths and offsets in the file are untrusted and Arrow does not check all of them, so the memory
limit of the confined process matters here.
"""

import io
from collections.abc import Iterator

import pyarrow as pa

from simulacra_intake.errors import invalid_upload
from simulacra_intake.limits import MAX_ROW_GROUPS, MAX_ROWS
from simulacra_intake.readers.batches import Batches, read_column, readable_schema
from simulacra_intake.readers.names import check_row_count
from simulacra_intake.readers.sniff import ARROW_FILE

_DAMAGED = "The Arrow file is damaged or incomplete: {} cannot be read."
_OPTIONS = pa.ipc.IpcReadOptions(use_threads=False)


def open_batches(source: io.RawIOBase) -> Batches:
    """Open an Arrow file or stream after its schema was checked.

    Raises:
        InputError: here for the schema, later from the batches.
    """
    is_file = source.read(len(ARROW_FILE)) == ARROW_FILE
    source.seek(0)
    file = pa.PythonFile(source, mode="r")
    try:
        reader = (
            pa.ipc.open_file(file, options=_OPTIONS)
            if is_file
            else pa.ipc.open_stream(file, options=_OPTIONS)
        )
    except (pa.ArrowException, OSError, ValueError):
        raise invalid_upload(_DAMAGED.format("its schema")) from None
    if is_file and reader.num_record_batches > MAX_ROW_GROUPS:
        raise invalid_upload(
            f"An Arrow file may have {MAX_ROW_GROUPS:,} record batches at most.", "Rewrite it."
        )
    schema, notes = readable_schema(reader.schema)
    return Batches(schema, _batches(_raw(reader, is_file), schema), notes=notes)


def _raw(
    reader: pa.RecordBatchReader | pa.RecordBatchFileReader, is_file: bool
) -> Iterator[pa.RecordBatch]:
    try:
        if is_file:
            for i in range(reader.num_record_batches):
                yield reader.get_batch(i)
        else:
            yield from reader
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError):
        raise invalid_upload(_DAMAGED.format("one of its record batches")) from None


def _batches(raw: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in raw:
        if batch.num_rows > MAX_ROWS:
            check_row_count(batch.num_rows)
        try:
            batch.validate(full=True)
        except pa.ArrowInvalid:
            raise invalid_upload(_DAMAGED.format("one of its columns")) from None
        columns = [
            read_column(column, field) for column, field in zip(batch.columns, schema, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
