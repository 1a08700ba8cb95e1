"""Parsing inside the confined process: detect the format and copy batches to the sink.

The table is never in memory as a whole.
"""

import io
import json
from importlib import import_module

from simulacra_intake.errors import invalid_upload
from simulacra_intake.limits import MAX_ROWS
from simulacra_intake.raw_table import (
    DELIMITER,
    ENCODING,
    HEADER_ROWS,
    NETWORK,
    NOTES,
    ORIGIN,
    RawTableWriter,
)
from simulacra_intake.readers.batches import Batches
from simulacra_intake.readers.names import check_row_count
from simulacra_intake.readers.sniff import NAMES, format_of
from simulacra_intake.readers.stated_layout import DETECT, StatedLayout, mismatch

MAGIC_BYTES = 8


def parse(
    source: io.RawIOBase,
    file_format: str,
    sink: io.BufferedWriter,
    isolated: bool,
    stated: StatedLayout = DETECT,
) -> None:
    """Copy the table in source (a seekable file) to the sink.

    Raises:
        InputError: the bytes are not a table within the limits.
    """
    if source.seek(0, io.SEEK_END) == 0:
        raise invalid_upload("The file is empty.")
    source.seek(0)
    found = format_of(source.read(MAGIC_BYTES) or b"") or "csv"
    source.seek(0)
    if file_format not in ("auto", found):
        declared = next(name for key, name in NAMES.items() if key == file_format)
        raise invalid_upload(
            f"The declared format is {declared}, but the file is {NAMES[found]}.",
            f"Upload it with format {found} or auto.",
        )
    # Import one reader only: each takes memory and time.
    module = import_module(f"simulacra_intake.readers.{found}_reader")
    if found != "csv" and stated != DETECT:
        name = "encoding" if stated.encoding else "dialect"
        raise mismatch(f"/{name}", f"Only a CSV has it, and the file is {NAMES[found]}.")
    reader: Batches = module.open_batches(source, *([stated] if found == "csv" else []))
    metadata = {ORIGIN: found.encode(), NETWORK: b"isolated" if isolated else b"inherited"}
    if reader.notes:
        metadata[NOTES] = "\n".join(reader.notes).encode()
    if reader.delimiter:
        metadata[DELIMITER] = reader.delimiter.encode()
        metadata[ENCODING] = reader.encoding.encode()
        metadata[HEADER_ROWS] = json.dumps(list(reader.header_rows)).encode()
    rows = 0
    writer = RawTableWriter(
        sink, reader.schema.with_metadata({**(reader.schema.metadata or {}), **metadata})
    )
    for batch in reader.batches:
        rows += batch.num_rows
        if rows > MAX_ROWS:
            check_row_count(rows)
        writer.write(batch)
    check_row_count(rows)
    writer.finish(rows)
