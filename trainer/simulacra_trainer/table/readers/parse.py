"""Parsing inside the confined process: detect the format and copy batches to an Arrow stream.

The table is never in memory as a whole.
"""

from __future__ import annotations

import io
import os
from importlib import import_module

import pyarrow as pa

from simulacra_trainer.table.errors import invalid_upload
from simulacra_trainer.table.limits import MAX_ROWS
from simulacra_trainer.table.read import DELIMITER, NETWORK, NOTES, ORIGIN
from simulacra_trainer.table.readers.batches import Batches
from simulacra_trainer.table.readers.names import check_row_count
from simulacra_trainer.table.readers.sniff import NAMES, format_of

MAGIC_BYTES = 8


def parse(source: io.FileIO, file_format: str, sink_fd: int, isolated: bool) -> None:
    """Copy the table in source (a seekable file) to an Arrow IPC stream on sink_fd.

    Raises:
        InputError: the bytes are not a table within the limits.
    """
    if os.fstat(source.fileno()).st_size == 0:
        raise invalid_upload("The file is empty.")
    found = format_of(source.read(MAGIC_BYTES)) or "csv"
    source.seek(0)
    if file_format not in ("auto", found):
        declared = next(name for key, name in NAMES.items() if key == file_format)
        raise invalid_upload(
            f"The declared format is {declared}, but the file is {NAMES[found]}.",
            f"Upload it with format {found} or auto.",
        )
    # Import one reader only: each takes memory and time.
    module = import_module(f"simulacra_trainer.table.readers.{found}_reader")
    reader: Batches = module.open_batches(source)
    metadata = {ORIGIN: found.encode(), NETWORK: b"isolated" if isolated else b"inherited"}
    if reader.notes:
        metadata[NOTES] = "\n".join(reader.notes).encode()
    if reader.delimiter:
        metadata[DELIMITER] = reader.delimiter.encode()
    rows = 0
    with (
        os.fdopen(sink_fd, "wb", closefd=False) as sink,
        pa.ipc.new_stream(sink, reader.schema.with_metadata(metadata)) as writer,
    ):
        for batch in reader.batches:
            rows += batch.num_rows
            if rows > MAX_ROWS:
                check_row_count(rows)
            writer.write_batch(batch)
    check_row_count(rows)
