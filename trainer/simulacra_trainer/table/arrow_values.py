"""Arrow columns and rows as several parts of the engine need them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""Counts of Arrow's units of time in a second."""


def is_text(kind: pa.DataType) -> bool:
    """Return whether a type is one of Arrow's string types."""
    return (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array."""
    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined


def as_floats(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.float64]:
    """Return numbers, or moments in their own unit since 1970, as float64 [n]; missing is NaN."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    numbers = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    copy: npt.NDArray[np.float64] = numbers.astype(np.float64)  # Arrow's own memory is read-only
    return copy


def sample_rows(table: pa.Table, most: int, rng: np.random.Generator) -> pa.Table:
    """Return all rows, or `most` of them drawn without replacement."""
    if table.num_rows <= most:
        return table
    return table.take(pa.array(np.sort(rng.choice(table.num_rows, most, replace=False))))
