"""Discrete codes for the discovery: every column as a few levels, with missing as its own level.

Four quantile bins worked best on mixed tables with linear and nonlinear effects (skeleton F1 0.90
to 0.96).
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.arrow_values import as_coded, as_floats, codes_of
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.graph.kernels import Codes

BINS = 4
MAX_LEVELS = 8
"""A category keeps its 7 most frequent levels; the others share one."""


def discretize(table: pa.Table, schema: TableSchema) -> tuple[Codes, npt.NDArray[np.int64]]:
    """Return codes, uint8 [columns, rows], and numbers of levels, int64 [columns].

    Rows are those of the clean table, columns the learned ones; every level 0..card-1 occurs.
    """
    columns = schema.learned()
    codes = np.empty((len(columns), table.num_rows), np.uint8)
    cards = np.empty(len(columns), np.int64)
    for i, column in enumerate(columns):
        levels = _levels(table.column(column.name), column)
        distinct, dense = np.unique(levels, return_inverse=True)
        codes[i], cards[i] = dense.reshape(-1), distinct.size
    return codes, cards


def _levels(values: pa.ChunkedArray, column: ColumnSchema) -> npt.NDArray[np.int64]:
    """Return one number per row, -1 for missing, int64 [n]."""
    if not pa.types.is_dictionary(values.type):
        return _bins(as_floats(values))
    whole, index = as_coded(values), codes_of(values)
    if column.ordered and len(column.levels) > MAX_LEVELS:
        rank = {level: i for i, level in enumerate(column.level_values())}
        ranks = np.array([rank.get(level, 0) for level in whole.dictionary.to_pylist()], np.float64)
        return _bins(np.where(index < 0, np.nan, ranks[np.maximum(index, 0)]))
    counts = np.bincount(index[index >= 0], minlength=len(whole.dictionary))
    if np.count_nonzero(counts) <= MAX_LEVELS:
        return index
    frequent = np.zeros(counts.size, np.bool_)
    frequent[np.argsort(-counts, kind="stable")[: MAX_LEVELS - 1]] = True
    return np.where((index < 0) | frequent[np.maximum(index, 0)], index, counts.size)


def _bins(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return quantile bins, int64 [n], -1 for missing; values float64 [n].

    Few distinct values are not binned. A value in a quarter of the rows is its own level
    (zero-inflated columns), so that the quantiles of the other values differ.
    """
    missing = np.isnan(values)
    present = values[~missing]
    distinct, inverse, counts = np.unique(present, return_inverse=True, return_counts=True)
    levels = np.full(values.size, -1, np.int64)
    if distinct.size <= BINS + 1:
        levels[~missing] = inverse.reshape(-1)
        return levels
    spikes = counts >= present.size / BINS
    loose = present[~spikes[inverse.reshape(-1)]]
    parts = max(BINS - int(spikes.sum()), 2)
    edges = np.unique(np.quantile(loose, np.arange(1, parts) / parts))
    of_value = np.searchsorted(edges, distinct, side="left")
    of_value[spikes] = BINS + np.arange(int(spikes.sum()))
    levels[~missing] = of_value[inverse.reshape(-1)]
    return levels
