"""Draw a number that rises or falls with another column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulacra_trainer.families.codec import BELOW_ONE, Floats, Ints
from simulacra_trainer.families.forest.samplers.base import SLIP, Context, Sampler
from simulacra_trainer.families.forest.samplers.stored import Outline, Reader, Writer
from simulacra_trainer.families.grid import Cells, ColumnGrid


@dataclass(frozen=True)
class Monotone(Sampler):
    """Draw a number that rises or falls with column `on`, such as its logarithm.

    keys float64 [k], ascending; low and high, float64 [k], are the ends of the interval at each key
    and are interpolated between keys. Missing stays missing.
    """

    kind = "monotone"
    is_dependency = True
    follows = True
    on: int
    keys: Floats
    low: Floats
    high: Floats

    def draw(self, context: Context, rows: Ints, u: Floats) -> Floats:
        low, high = self._interval(context, rows)
        return low + u * (high - low)

    def abduct(self, context: Context, rows: Ints, values: Floats, v: Floats) -> Floats:
        low, high = self._interval(context, rows)
        width = high - low
        inside = np.clip((values - low) / np.where(width > 0, width, 1.0), 0.0, BELOW_ONE)
        return np.where(width > 0, inside, v)

    def probabilities(self, grid: ColumnGrid, context: Context, rows: Ints, cells: Cells) -> Floats:
        low, high = self._interval(context, rows)
        inside = grid.spread(low, high)[np.arange(rows.size), cells]
        return (1.0 - SLIP) * inside + SLIP / grid.size

    def _interval(self, context: Context, rows: Ints) -> tuple[Floats, Floats]:
        """Return both ends of each row's interval, float64 [rows]; NaN where `on` is missing."""
        given = context.values[self.on][rows]
        return np.interp(given, self.keys, self.low), np.interp(given, self.keys, self.high)

    @property
    def columns_used(self) -> set[int]:
        return {self.on}

    def outline(self, writer: Writer) -> Outline:
        at = writer.add(keys=self.keys, low=self.low, high=self.high)
        return {"on": self.on, "at": at}

    @classmethod
    def load(cls, node: Outline, reader: Reader) -> Monotone:
        on, keys = reader.column(node["on"]), reader.slice(node, "keys")
        low, high = reader.intervals(node)
        reader.require(keys.size == low.size)
        return cls(on, keys, low, high)
