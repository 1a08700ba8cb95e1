"""What runs inside the confined process: tell the format from the bytes, check, and copy batch by batch.

Nothing here holds the whole table: batches go from the reader to the Arrow stream, so memory stays flat.
"""

from __future__ import annotations

import io
import os

import pyarrow as pa

from simulacra_trainer.table import csv_upload, parquet_upload
from simulacra_trainer.table.errors import invalid_upload
from simulacra_trainer.table.limits import MAX_ROWS
from simulacra_trainer.table.names import check_row_count
from simulacra_trainer.table.read import DELIMITER, NETWORK, ORIGIN
from simulacra_trainer.table.sniff import is_parquet


def parse(source: io.FileIO, file_format: str, sink_fd: int, isolated: bool) -> None:
    """Copy the table in source (a seekable file) to an Arrow IPC stream on sink_fd.

    Raises:
        InputError: the bytes are no table within the limits.
    """
    if os.fstat(source.fileno()).st_size == 0:
        raise invalid_upload("The file is empty.")
    parquet = is_parquet(source)
    if parquet and file_format == "csv":
        raise invalid_upload("The file was announced as CSV but holds Parquet.", "Upload it with format parquet.")
    if file_format == "parquet" and not parquet:
        raise invalid_upload("The file was announced as Parquet but is not Parquet.", "Upload it with format csv.")
    reader = parquet_upload.open_batches(source) if parquet else csv_upload.open_batches(source)
    metadata = {
        ORIGIN: b"parquet" if parquet else b"csv",
        NETWORK: b"isolated" if isolated else b"inherited",
    }
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
