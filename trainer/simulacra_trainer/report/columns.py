"""Columns of several clean tables side by side: float numbers, shared level codes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BINS = 10


def is_category(table: pa.Table, name: str) -> bool:
    """True for dictionary columns (categorical, ordinal, boolean)."""
    return bool(pa.types.is_dictionary(table.schema.field(name).type))


def numbers(table: pa.Table, name: str) -> FloatArray:
    """Return numbers and timestamps (microseconds) as float64 [rows]; missing as NaN."""
    column = table.column(name)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    values: FloatArray = column.cast(pa.float64(), safe=False).to_numpy().astype(np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def level_codes(tables: Sequence[pa.Table], name: str) -> tuple[list[IntArray], int]:
    """Code the levels of one column alike in all tables: 0 missing, 1.. in order of first
    appearance.

    Returns one int64[rows] a table, and the number of codes.
    """
    known: dict[str, int] = {}
    coded = []
    for table in tables:
        chunk = table.column(name).combine_chunks()
        levels = [
            known.setdefault(v, len(known) + 1) if v is not None else 0
            for v in chunk.dictionary.to_pylist()
        ]
        lookup = np.array([*levels, 0], dtype=np.int64)
        coded.append(lookup[chunk.indices.fill_null(len(levels)).to_numpy(zero_copy_only=False)])
    return coded, len(known) + 1


def bin_codes(tables: Sequence[pa.Table], name: str) -> tuple[list[IntArray], int]:
    """Code one column alike in all tables: levels as they are, numbers cut at the first table's
    deciles.

    Missing is a code of its own (0), and so is a value that spans two deciles or more (a spike at
    zero): there a second cut falls just above it. Returns one int64[rows] a table, and the number
    of codes.
    """
    if is_category(tables[0], name):
        return level_codes(tables, name)
    values = [numbers(t, name) for t in tables]
    present = values[0][~np.isnan(values[0])]
    quantiles = np.linspace(0, 1, BINS + 1)[1:-1]
    edges, repeats = np.unique(
        np.quantile(present, quantiles) if len(present) else [], return_counts=True
    )
    edges = np.sort(np.concatenate([edges, np.nextafter(edges[repeats > 1], np.inf)]))
    return [
        np.where(np.isnan(v), 0, 1 + np.searchsorted(edges, v, side="right")) for v in values
    ], len(edges) + 2


def row_hashes(tables: Sequence[pa.Table], names: Sequence[str]) -> list[npt.NDArray[np.uint64]]:
    """Return a 64-bit hash of every row, uint64 [rows] a table; numbers to 6 decimals."""
    hashes = [np.zeros(t.num_rows, dtype=np.uint64) for t in tables]
    for name in names:
        if is_category(tables[0], name):
            codes, _ = level_codes(tables, name)
            parts = [c.astype(np.uint64) for c in codes]
        else:
            rounded = [
                np.round(np.nan_to_num(numbers(t, name), nan=np.inf), 6) + 0.0 for t in tables
            ]
            parts = [r.view(np.uint64) for r in rounded]
        for i, part in enumerate(parts):
            hashes[i] = _mix(hashes[i] * np.uint64(0x9E3779B97F4A7C15) + part)
    return hashes


def _mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Finalize as SplitMix64 does (Steele, Lea, Flood 2014); wraps around on purpose."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def sample_rows(table: pa.Table, most: int, rng: np.random.Generator) -> pa.Table:
    """Return at most so many rows, drawn without replacement."""
    if table.num_rows <= most:
        return table
    return table.take(pa.array(np.sort(rng.choice(table.num_rows, most, replace=False))))
