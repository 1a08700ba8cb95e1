"""Reader of Parquet files: checks the footer against the limits, then yields batches.

A footer can give wrong sizes (a dictionary of a 558-byte file can unpack to 50 GB), so the memory
limit of the process has the last word. Dictionary-encoded text stays encoded, which keeps most such
files small.
"""

import io
import struct
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from simulacra_intake.errors import invalid_upload
from simulacra_intake.limits import GIB, MAX_DECODED_BYTES, MAX_FOOTER_BYTES, MAX_ROW_GROUPS, MIB
from simulacra_intake.readers.batches import Batches, read_column, readable_schema
from simulacra_intake.readers.names import check_column_count, check_row_count

BATCH_ROWS = 65_536
BATCH_CELLS = 4_000_000


def open_batches(source: io.RawIOBase) -> Batches:
    """Open a Parquet file after its footer was checked.

    Raises:
        InputError: a limit, an unreadable footer, an encrypted file, or a column that is not flat.
    """
    _check_footer_length(source)
    try:
        file = pq.ParquetFile(
            pa.PythonFile(source, mode="r"),
            thrift_string_size_limit=MAX_FOOTER_BYTES,
            thrift_container_size_limit=4_000_000,
            page_checksum_verification=True,
        )
    except (pa.ArrowInvalid, OSError):
        raise invalid_upload(
            "The Parquet file is damaged or encrypted: its footer cannot be read."
        ) from None
    _check_footer(file.metadata)
    schema = file.schema_arrow
    readable, notes = readable_schema(schema)
    return Batches(readable, _batches(file, readable), notes=notes)


def _check_footer_length(source: io.RawIOBase) -> None:
    size = source.seek(0, io.SEEK_END)
    source.seek(max(size - 8, 0))
    tail = source.read(8) or b""
    source.seek(0)
    if len(tail) < 8 or tail[4:] != b"PAR1":
        raise invalid_upload(
            "The Parquet file is incomplete or encrypted: it does not end as Parquet does."
        )
    length = struct.unpack("<I", tail[:4])[0]
    if length > min(MAX_FOOTER_BYTES, size):
        raise invalid_upload(
            f"The Parquet footer is damaged or larger than {MAX_FOOTER_BYTES // MIB} MiB."
        )


def _check_footer(metadata: pq.FileMetaData) -> None:
    check_column_count(metadata.num_columns)
    check_row_count(metadata.num_rows)
    if metadata.num_row_groups > MAX_ROW_GROUPS:
        raise invalid_upload(
            f"A Parquet file may have {MAX_ROW_GROUPS:,} row groups at most.", "Rewrite it."
        )
    declared = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    if not 0 <= declared <= MAX_DECODED_BYTES:
        raise invalid_upload(
            f"The Parquet file unpacks to more than {MAX_DECODED_BYTES // GIB} GiB."
        )


def _batches(file: pq.ParquetFile, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    rows = max(min(BATCH_ROWS, BATCH_CELLS // len(schema)), 1)
    for batch in file.iter_batches(batch_size=rows, use_threads=False):
        columns = [
            read_column(column, field) for column, field in zip(batch.columns, schema, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
