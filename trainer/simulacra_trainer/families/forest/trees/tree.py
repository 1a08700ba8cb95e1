"""A fitted tree, and the sums over columns that it splits on like columns."""

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulacra_trainer.families.codec import Codes, Floats, Indices, Ints
from simulacra_trainer.families.forest.trees.traversal import (
    find_leaves,
    pick_donors,
    table_sum_codes,
)


@dataclass(frozen=True)
class Variate:
    """A sum over columns that a tree splits like a column (see `regression.variates`).

    Attributes:
        columns: positions in the schema, int32 [k].
        tables: what each predictor code of a column adds to the sum, float64 [k, 256].
    """

    columns: Ints
    tables: Floats

    def codes(self, codes: Codes, rows: Ints) -> Codes:
        """Return each row's sum cut to a whole number 0..255, uint8 [rows]."""
        return table_sum_codes(codes, rows, self.columns, self.tables)


@dataclass(frozen=True)
class Tree:
    """A fitted tree of binary splits.

    Attributes:
        feature: column (schema order) that each node splits on, -1 in leaves, int32 [nodes];
            numbers from the count of columns upward mean variates.
        masks: bit c is set where predictor code c goes left, uint64 [nodes, 4].
        child: left child; the right child is the next node, int32 [nodes].
        start, stop: segment of donors of each node, int32 [nodes].
        variates: those that some node splits on.
    """

    feature: Ints
    masks: npt.NDArray[np.uint64]
    child: Ints
    start: Ints
    stop: Ints
    variates: tuple[Variate, ...] = ()

    @functools.cached_property
    def columns(self) -> frozenset[int]:
        """Columns (schema order) that its splits read."""
        split = np.unique(self.feature[self.feature >= 0])
        # Every variate is split on, and variates have the highest numbers.
        plain = split[: split.size - len(self.variates)]
        return frozenset(map(int, np.concatenate([plain, *(v.columns for v in self.variates)])))

    @property
    def leaves_in_order(self) -> Indices:
        """Leaves in the order of their donors."""
        leaves = np.flatnonzero(self.feature < 0)
        return leaves[np.argsort(self.start[leaves], kind="stable")]

    def donors(self, codes: Codes, rows: Ints, u: Floats) -> Ints:
        """Return a donor from each row's leaf, int32 [rows]; u keeps the remainder, in place."""
        return pick_donors(self.leaves(codes, rows), self.start, self.stop, u)

    def leaves(self, codes: Codes, rows: Ints) -> Ints:
        """Return the leaf of each row, int32 [rows]; codes: of the columns, uint8 [columns, n]."""
        sums = np.empty((len(self.variates), rows.size), np.uint8)
        for into, variate in zip(sums, self.variates, strict=True):
            into[:] = variate.codes(codes, rows)
        return find_leaves(codes, sums, rows, self.feature, self.masks, self.child)

    def segments(self, codes: Codes, rows: Ints) -> tuple[Ints, Ints]:
        """Return begin and end of the donors of each row's leaf, int32 [rows] each."""
        leaves = self.leaves(codes, rows)
        return self.start[leaves], self.stop[leaves]

    def leaf_means(self, donors: Floats) -> Floats:
        """Return the smoothed mean of each leaf's donors, float64 [nodes, width]; 0 elsewhere."""
        leaves = self.leaves_in_order
        sums = np.add.reduceat(donors, self.start[leaves], axis=0)
        out = np.zeros((self.feature.size, donors.shape[1]))
        root = smoothed(donors.sum(axis=0)[None], donors.shape[0])
        size = (self.stop[leaves] - self.start[leaves])[:, None]
        out[leaves] = (sums + PRIOR_ROWS * root) / (size + PRIOR_ROWS)
        return out


PRIOR_ROWS = 1.0
"""Weight, in rows, of the root distribution in a leaf, and of the uniform one in the root."""


def smoothed(counts: Floats, rows: int) -> Floats:
    """Return shares of the counts of that many rows, with the uniform prior, as `counts`."""
    return (counts + PRIOR_ROWS / counts.shape[1]) / (rows + PRIOR_ROWS)
