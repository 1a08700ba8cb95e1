"""Draw from the intervals of a pool, whatever the row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulacra_trainer.families.codec import Floats, Ints
from simulacra_trainer.families.forest.samplers.base import Context, Sampler
from simulacra_trainer.families.forest.samplers.ranks import interval_ranks
from simulacra_trainer.families.forest.samplers.stored import Outline, Reader, Writer
from simulacra_trainer.families.forest.trees.tree import smoothed
from simulacra_trainer.families.grid import Cells, ColumnGrid


@dataclass(frozen=True)
class Pool(Sampler):
    """Draw uniformly from one of m intervals [low, high], float64 [m]; equal ends are exact."""

    kind = "pool"
    low: Floats
    high: Floats

    def draw(self, _context: Context, rows: Ints, u: Floats) -> Floats:
        scaled = u * self.low.size
        chosen = np.minimum(scaled.astype(np.int64), self.low.size - 1)
        low = self.low[chosen]
        return low + (scaled - chosen) * (self.high[chosen] - low)

    def abduct(self, _context: Context, rows: Ints, values: Floats, v: Floats) -> Floats:
        return interval_ranks(*self.whole(rows.size), self.low, self.high, values, v)

    def whole(self, size: int) -> tuple[Ints, Ints]:
        """Return begin and end of all intervals, `size` times, int32 [size] each."""
        return np.zeros(size, np.int32), np.full(size, self.low.size, np.int32)

    def probabilities(
        self, grid: ColumnGrid, _context: Context, rows: Ints, cells: Cells
    ) -> Floats:
        return self.cell_shares(grid)[cells]

    def cell_shares(self, grid: ColumnGrid) -> Floats:
        """Return the probability of each cell, float64 [cells]."""
        return smoothed(grid.spread(self.low, self.high).sum(axis=0)[None], self.low.size)[0]

    def level_shares(self, _context: Context, rows: Ints, size: int) -> Floats:
        return np.tile(self.shares_of(size), (rows.size, 1))

    def shares_of(self, size: int) -> Floats:
        """Return the probability of each level, as `level_shares` of any row, float64 [size]."""
        at = np.where(np.isnan(self.low), 0, self.low + 1).astype(np.int64)
        return np.bincount(at, minlength=size) / at.size

    @property
    def columns_used(self) -> set[int]:
        return set()

    @property
    def span(self) -> tuple[float, float]:
        return float(self.low.min()), float(self.high.max())

    @property
    def is_never_drawn(self) -> bool:
        """Whether it stands for a column that callers always give."""
        return bool(np.isnan(self.low).all())

    def outline(self, writer: Writer) -> Outline:
        return {"at": writer.add(low=self.low, high=self.high)}

    @classmethod
    def load(cls, node: Outline, reader: Reader) -> Pool:
        return cls(*reader.intervals(node))
