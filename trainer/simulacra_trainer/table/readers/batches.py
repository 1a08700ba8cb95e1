"""What a format's reader hands to `parse.py`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Batches:
    """A table as a stream: schema, record batches, CSV delimiter, notes."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    delimiter: str = ""
    notes: Sequence[str] = ()
