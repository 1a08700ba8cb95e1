"""Columns of several clean tables in one coding: float numbers, shared level codes."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.arrow_values import GOLDEN, as_floats, mixed_bits

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BINS = 10


def is_category(table: pa.Table, name: str) -> bool:
    """Return whether the column is a dictionary (categorical, ordinal, boolean)."""
    return bool(pa.types.is_dictionary(table.schema.field(name).type))


def numbers(table: pa.Table, name: str) -> FloatArray:
    """Return numbers and timestamps (microseconds) as float64 [rows]; missing as NaN."""
    values = as_floats(table.column(name))
    return np.where(np.isfinite(values), values, np.nan)


def level_codes(tables: Sequence[pa.Table], name: str) -> tuple[list[IntArray], int]:
    """Return a column's level codes, int64 [rows] per table, and the number of codes.

    Codes are the same in all tables: 0 for missing, then 1.. in order of first appearance.
    """
    known: dict[str, int] = {}
    coded = []
    for table in tables:
        chunk = table.column(name).combine_chunks()
        dictionary = chunk.dictionary.to_pylist()
        levels = [0 if v is None else known.setdefault(v, len(known) + 1) for v in dictionary]
        lookup = np.array([*levels, 0], dtype=np.int64)
        coded.append(lookup[chunk.indices.fill_null(len(levels)).to_numpy(zero_copy_only=False)])
    return coded, len(known) + 1


def bin_codes(tables: Sequence[pa.Table], name: str) -> tuple[list[IntArray], int]:
    """Return a column's codes, int64 [rows] per table, and the number of codes.

    Levels have their codes; numbers are cut at the deciles of the first table. Missing is 0. A
    value that spans two or more deciles (a spike at zero) gets its own code by a second cut just
    above it.
    """
    if is_category(tables[0], name):
        return level_codes(tables, name)
    values = [numbers(t, name) for t in tables]
    present = values[0][~np.isnan(values[0])]
    quantiles = np.linspace(0, 1, BINS + 1)[1:-1]
    deciles = np.quantile(present, quantiles) if len(present) else np.empty(0)
    edges, repeats = np.unique(deciles, return_counts=True)
    edges = np.sort(np.concatenate([edges, np.nextafter(edges[repeats > 1], np.inf)]))
    bins = [np.where(np.isnan(v), 0, 1 + np.searchsorted(edges, v, side="right")) for v in values]
    return bins, len(edges) + 2


def row_hashes(tables: Sequence[pa.Table], names: Sequence[str]) -> list[npt.NDArray[np.uint64]]:
    """Return a 64-bit hash of every row, uint64 [rows] per table; numbers to 6 decimals."""
    hashes = [np.zeros(t.num_rows, dtype=np.uint64) for t in tables]
    for name in names:
        if is_category(tables[0], name):
            codes, _ = level_codes(tables, name)
            parts = [c.astype(np.uint64) for c in codes]
        else:
            known = [np.nan_to_num(numbers(t, name), nan=np.inf) for t in tables]
            parts = [(np.round(v, 6) + 0.0).view(np.uint64) for v in known]
        for i, part in enumerate(parts):
            hashes[i] = mixed_bits(hashes[i] * GOLDEN + part)
    return hashes
