"""Parquet files read from memory that Arrow owns.

Arrow's threads may drop their last reference to a Python file or buffer when the table is long
read. They take Python's lock for it, and in a process that is about to end this aborts it:
"terminate called without an active exception" (exit status 134).
"""

import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a file, which may be encrypted.

    columns: the names to read, all by default.

    Raises:
        OSError, pyarrow.ArrowException: it cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        content = pa.allocate_buffer(size)
        read = file.readinto(memoryview(content).cast("B"))
    if read != size:
        raise OSError(f"{path.name} ended after {read} of {size} bytes")
    wanted = None if columns is None else list(columns)
    return pq.read_table(pa.BufferReader(content), columns=wanted)
