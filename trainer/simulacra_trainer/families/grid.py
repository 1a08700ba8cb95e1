"""The grid on which all families state likelihoods, so that their nats can be compared.

A number falls into one of at most 32 cells of similar size (with few distinct values, each has its
own cell), a level is a cell, missing is a cell. Likelihoods are probabilities of cells, so a family
gains nothing from a finer density.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Cells = npt.NDArray[np.int64]
NUMBER_CELLS = 32


@dataclass(frozen=True)
class ColumnGrid:
    """Cells of a column: 0 is missing, 1 + (edges <= v) for a number, 1 + k for level k."""

    edges: Floats | None
    size: int

    def cells(self, values: Floats) -> Cells:
        """Return the cell of each value, int64 [n]; values float64 [n], NaN is missing."""
        missing = np.isnan(values)
        known = np.where(missing, 0.0, values)
        if self.edges is None:
            return np.where(missing, 0, known.astype(np.int64) + 1)
        return np.where(missing, 0, np.searchsorted(self.edges, known, side="right") + 1)

    def spread(self, low: Floats, high: Floats) -> Floats:
        """Return the cell shares of a uniform draw from each [low, high], float64 [n, size]."""
        out = np.zeros((low.size, self.size))
        out[np.arange(low.size), self.cells(low)] = 1.0
        wide = np.flatnonzero(high > low)
        if wide.size and self.edges is not None:
            bounds = np.concatenate([[-np.inf], self.edges, [np.inf]])
            a, b = low[wide, None], high[wide, None]
            overlap = np.minimum(b, bounds[1:]) - np.maximum(a, bounds[:-1])
            out[wide, 1:] = np.clip(overlap, 0.0, None) / (b - a)
        return out


def number_grid(values: Floats) -> ColumnGrid:
    """Return the grid of a numeric column from its training values."""
    edges = bin_edges(values[~np.isnan(values)], NUMBER_CELLS)
    return ColumnGrid(edges, edges.size + 2)


def level_grid(levels: Sequence[str]) -> ColumnGrid:
    """Return the grid of a column with levels."""
    return ColumnGrid(None, len(levels) + 1)


def bin_edges(values: Floats, bins: int) -> Floats:
    """Return the edges, ascending, that cut numbers into at most `bins` groups of similar size.

    A value frequent enough to fill a group gets its own; with at most `bins` distinct values, every
    value does.
    """
    distinct, counts = np.unique(values, return_counts=True)
    if distinct.size < 2:
        return np.empty(0)
    ends = np.arange(1, distinct.size) if distinct.size <= bins else _group_ends(counts, bins)
    return (distinct[ends - 1] + distinct[ends]) / 2.0


@numba.njit(nogil=True, cache=True)
def find_bins(values: Floats, edges: Floats) -> npt.NDArray[np.uint8]:
    """Return 1 + the number of edges <= each value, 0 for NaN, uint8 [n].

    values: float64 [n]; edges: ascending, fewer than 255. A branchless binary search, four times as
    fast as numpy's on unsorted values.
    """
    out = np.zeros(values.shape[0], np.uint8)
    for i in range(values.shape[0]):
        v = values[i]
        if v == v:
            at, size = 0, edges.shape[0]
            while size > 0:
                half = (size + 1) >> 1
                at += half * (edges[at + half - 1] <= v)
                size -= half
            out[i] = at + 1
    return out


@numba.njit(nogil=True, cache=True)
def _group_ends(counts: npt.NDArray[np.int64], bins: int) -> npt.NDArray[np.int64]:
    """Return the exclusive ends of the groups of distinct values, without the last."""
    n, left, groups_left = counts.sum(), counts.sum(), bins
    for c in counts:  # values with their own group reduce what the other groups share
        if c * bins >= n:
            left -= c
            groups_left -= 2
    size = left / max(groups_left, 1)
    ends = np.empty(counts.shape[0], np.int64)
    found, held = 0, 0
    for i in range(counts.shape[0]):
        alone = counts[i] * bins >= n
        if held > 0 and alone:
            ends[found] = i
            found += 1
            held = 0
        held += counts[i]
        if (alone or held >= size) and i + 1 < counts.shape[0]:
            ends[found] = i + 1
            found += 1
            held = 0
    return ends[: min(found, bins - 1)]
