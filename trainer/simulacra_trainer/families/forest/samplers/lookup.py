"""Return the value that another column determines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulacra_trainer.families.codec import Floats, Ints
from simulacra_trainer.families.forest.samplers.base import SLIP, Context, Sampler
from simulacra_trainer.families.forest.samplers.classes import nearest
from simulacra_trainer.families.forest.samplers.stored import Outline, Reader, Writer
from simulacra_trainer.families.grid import Cells, ColumnGrid


@dataclass(frozen=True)
class Lookup(Sampler):
    """Return the value that column `on` determines: keys as in `Switch`, values float64 [k]."""

    kind = "lookup"
    is_dependency = True
    follows = True
    on: int
    keys: Floats
    values: Floats

    def draw(self, context: Context, rows: Ints, _u: Floats) -> Floats:
        return self.values[nearest(self.keys, context.values[self.on][rows])]

    def abduct(self, _context: Context, rows: Ints, values: Floats, v: Floats) -> Floats:
        return v

    def probabilities(self, grid: ColumnGrid, context: Context, rows: Ints, cells: Cells) -> Floats:
        hit = grid.cells(self.draw(context, rows, np.empty(0))) == cells
        return np.where(hit, 1.0 - SLIP, SLIP / grid.size)

    def level_shares(self, context: Context, rows: Ints, size: int) -> Floats:
        out = np.zeros((rows.size, size))
        drawn = self.draw(context, rows, np.empty(0))
        level = np.where(np.isnan(drawn), 0, drawn + 1).astype(np.int64)
        out[np.arange(rows.size), level] = 1.0
        return out

    @property
    def columns_used(self) -> set[int]:
        return {self.on}

    def outline(self, writer: Writer) -> Outline:
        return {"on": self.on, "at": writer.add(keys=self.keys, values=self.values)}

    @classmethod
    def load(cls, node: Outline, reader: Reader) -> Lookup:
        on, keys = reader.column(node["on"]), reader.slice(node, "keys")
        values = reader.slice(node, "values")
        reader.require(0 < keys.size == values.size)
        return cls(on, keys, values)
