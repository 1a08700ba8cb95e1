"""Draw by a sampler that another column selects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from simulacra_trainer.families.codec import Floats, Indices, Ints
from simulacra_trainer.families.forest.samplers.base import Context, Sampler, first_regression
from simulacra_trainer.families.forest.samplers.classes import nearest
from simulacra_trainer.families.forest.samplers.stored import Outline, Reader, Writer
from simulacra_trainer.families.grid import Cells, ColumnGrid

if TYPE_CHECKING:
    from simulacra_trainer.families.forest.samplers.loglinear import LogLinear


@dataclass(frozen=True)
class Switch(Sampler):
    """Draw by a sampler that the value of column `on` selects; unseen values use the nearest key.

    keys: float64 [k], ascending, NaN last where missing is a key.
    """

    kind = "switch"
    is_dependency = True
    on: int
    keys: Floats
    samplers: tuple[Sampler, ...]

    def draw(self, context: Context, rows: Ints, u: Floats) -> Floats:
        out = np.empty(rows.size)
        for sampler, at in self._selected(context, rows):
            out[at] = sampler.draw(context, rows[at], u[at])
        return out

    def abduct(self, context: Context, rows: Ints, values: Floats, v: Floats) -> Floats:
        out = np.empty(rows.size)
        for inner, at in self._selected(context, rows):
            out[at] = inner.abduct(context, rows[at], values[at], v[at])
        return out

    def probabilities(self, grid: ColumnGrid, context: Context, rows: Ints, cells: Cells) -> Floats:
        out = np.empty(rows.size)
        for inner, at in self._selected(context, rows):
            out[at] = inner.probabilities(grid, context, rows[at], cells[at])
        return out

    def level_shares(self, context: Context, rows: Ints, size: int) -> Floats:
        out = np.empty((rows.size, size))
        for inner, at in self._selected(context, rows):
            out[at] = inner.level_shares(context, rows[at], size)
        return out

    def _selected(self, context: Context, rows: Ints) -> Iterator[tuple[Sampler, Indices]]:
        """Yield each sampler that some rows use, and the positions of these rows."""
        chosen = nearest(self.keys, context.values[self.on][rows])
        for key in np.unique(chosen):
            yield self.samplers[key], np.flatnonzero(chosen == key)

    @property
    def columns_used(self) -> set[int]:
        return {self.on}.union(*(of.columns_used for of in self.samplers))

    @property
    def regression(self) -> LogLinear | None:
        return first_regression(self.samplers)

    def outline(self, writer: Writer) -> Outline:
        inner = [writer.sampler(of) for of in self.samplers]
        return {"on": self.on, "at": writer.add(keys=self.keys), "parts": inner}

    @classmethod
    def load(cls, node: Outline, reader: Reader) -> Switch:
        on, keys = reader.column(node["on"]), reader.slice(node, "keys")
        samplers = tuple(reader.sampler(inner) for inner in node["parts"])
        reader.require(0 < keys.size == len(samplers))
        return cls(on, keys, samplers)
