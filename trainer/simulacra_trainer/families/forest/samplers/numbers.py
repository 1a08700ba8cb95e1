"""Draw a number between the donors of a tree's leaf."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulacra_trainer.families.codec import Floats, Ints
from simulacra_trainer.families.forest.samplers.base import Context, Respond, Sampler
from simulacra_trainer.families.forest.samplers.ranks import interval_ranks
from simulacra_trainer.families.forest.samplers.stored import Outline, Reader, Writer
from simulacra_trainer.families.forest.trees.tree import Tree
from simulacra_trainer.families.grid import Cells, ColumnGrid


@dataclass(frozen=True)
class Numbers(Sampler):
    """Draw from a donor interval [low, high], float64 [donors], in the leaf of a number tree."""

    kind = "numbers"
    tree: Tree
    low: Floats
    high: Floats

    def draw(self, context: Context, rows: Ints, u: Floats) -> Floats:
        donors = self.tree.donors(context.codes, rows, u)
        low = self.low[donors]
        return low + u * (self.high[donors] - low)

    def abduct(self, context: Context, rows: Ints, values: Floats, v: Floats) -> Floats:
        ends = self.tree.segments(context.codes, rows)
        return interval_ranks(*ends, self.low, self.high, values, v)

    def probabilities(self, grid: ColumnGrid, context: Context, rows: Ints, cells: Cells) -> Floats:
        table = self.tree.leaf_means(grid.spread(self.low, self.high))
        return table[self.tree.leaves(context.codes, rows), cells]

    @property
    def columns_used(self) -> set[int]:
        return set(self.tree.columns)

    @property
    def span(self) -> tuple[float, float]:
        return float(self.low.min()), float(self.high.max())

    def with_responses(self, values: Floats, respond: Respond) -> Sampler:
        return respond(self, np.flatnonzero(~np.isnan(values)).astype(np.int32))

    def outline(self, writer: Writer) -> Outline:
        return {"tree": writer.tree(self.tree), "at": writer.add(low=self.low, high=self.high)}

    @classmethod
    def load(cls, node: Outline, reader: Reader) -> Numbers:
        low, high = reader.intervals(node)
        return cls(reader.tree(node["tree"], low.size), low, high)
