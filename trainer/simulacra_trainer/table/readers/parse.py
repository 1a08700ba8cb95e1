"""What runs inside the confined process: tell the format from the bytes, check, and copy batch by
batch.

Nothing here holds the whole table: batches go from the reader to the Arrow stream, so memory stays
flat.
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
        InputError: the bytes are no table within the limits.
    """
    if os.fstat(source.fileno()).st_size == 0:
        raise invalid_upload("The file is empty.")
    found = format_of(source.read(MAGIC_BYTES)) or "csv"
    source.seek(0)
    if file_format not in ("auto", found):
        announced = next(name for key, name in NAMES.items() if key == file_format)
        raise invalid_upload(
            f"The file was announced as {announced} but holds {NAMES[found]}.",
            f"Upload it with format {found} or auto.",
        )
    # only the one that is needed: each of the others takes memory and time
    reader: Batches = import_module(f"simulacra_trainer.table.readers.{found}_reader").open_batches(
        source
    )
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
