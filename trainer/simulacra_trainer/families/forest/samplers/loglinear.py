"""Draw a class by a log-linear regression, then a value of the class."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from simulacra_trainer.families.codec import BELOW_ONE, Floats, Ints
from simulacra_trainer.families.forest.factors.battery import Battery
from simulacra_trainer.families.forest.samplers.base import TINY, Context, Sampler
from simulacra_trainer.families.forest.samplers.classes import (
    cells_of,
    class_of,
    level_means,
    span_of,
)
from simulacra_trainer.families.forest.samplers.pool import Pool
from simulacra_trainer.families.forest.samplers.stored import Outline, Reader, Writer
from simulacra_trainer.families.forest.trees.kernels import BINS
from simulacra_trainer.families.grid import Cells, ColumnGrid

SHARE_ROWS = 4_096
"""Rows drawn at a time by shares of classes, which limits their memory."""
LEAST_LOG_SHARE = -50.0


@dataclass(frozen=True)
class ScoredItems:
    """Items that act on a column through factor scores (see `factors.scores`).

    Attributes:
        items: those before the column, as positions in the battery, int32 [k].
        effects: what each sum of the battery adds to the log-odds, float64 [sums, classes].
    """

    battery: Battery
    items: Ints
    effects: Floats

    @property
    def columns(self) -> Ints:
        """Positions of the items in the schema, int32 [k]."""
        return self.battery.columns[self.items]

    def log_odds(self, context: Context, rows: Ints) -> Floats:
        """Return what the items add to the log-odds, float64 [rows, classes]."""
        sums = context.sums.of(self.battery, context.codes, self.items)
        return sums[rows] @ self.effects

    def tables(self) -> list[Floats]:
        """Return what each code of each item adds to the log-odds, [codes, classes] each."""
        return [self.battery.table(item) @ self.effects for item in self.items]

    def outline(self, writer: Writer) -> Outline:
        """See `Sampler.outline`."""
        place, at = writer.battery(self.battery), writer.add(values=self.effects.ravel())
        return {"battery": place, "items": self.items.tolist(), "at": at}

    @classmethod
    def load(cls, node: Outline, reader: Reader, classes: int) -> ScoredItems:
        """See `Sampler.load`."""
        battery = reader.battery(node["battery"])
        items, flat = np.array(node["items"], np.int32), reader.slice(node, "values")
        reader.require(items.ndim == 1 and items.size > 0 and items.min() >= 0)
        reader.require(items.max() < battery.columns.size and np.isfinite(flat).all())
        reader.require(flat.size == battery.tables.shape[1] * classes)
        return cls(battery, items, flat.reshape(-1, classes))


@dataclass(frozen=True)
class LogLinear(Sampler):
    """Draw a class by a log-linear regression, then a value of it (`regression.loglinear`).

    Attributes:
        columns: positions in the schema, int32 [k].
        tables: by column, what each predictor code adds to the log-odds of the classes, float64
            [codes, classes]; the last code stands for all that follow.
        offsets: log-odds at the mean of all tables, float64 [classes].
        values: value of each class, float64 [classes]; NaN means missing. Ordered classes ascend.
        samplers: by class, what draws the value of a class with several values.
        scored: earlier items that act through factor scores, None without.
    """

    kind = "loglinear"
    columns: Ints
    tables: tuple[Floats, ...]
    offsets: Floats
    values: Floats
    samplers: dict[int, Pool] = field(default_factory=dict)
    scored: ScoredItems | None = None

    def draw(self, context: Context, rows: Ints, u: Floats) -> Floats:
        out = np.empty(rows.size)
        for begin in range(0, rows.size, SHARE_ROWS):
            block = slice(begin, begin + SHARE_ROWS)
            out[block] = self._draw(context, rows[block], u[block])
        return out

    def _draw(self, context: Context, rows: Ints, u: Floats) -> Floats:
        share, at = self.shares(context, rows), np.arange(rows.size)
        upto = np.cumsum(share, axis=1)
        chosen = (upto[:, :-1] <= u[:, None]).sum(axis=1)
        below = upto[at, chosen] - share[at, chosen]
        rest = np.clip((u - below) / share[at, chosen], 0.0, BELOW_ONE)
        out = self.values[chosen]
        for klass, sampler in self.samplers.items():
            drawn = np.flatnonzero(chosen == klass)
            if drawn.size:
                out[drawn] = sampler.draw(context, rows[drawn], rest[drawn])
        return out

    @property
    def effects(self) -> dict[int, Floats]:
        """What each code of each column adds to the log-odds, by column (schema order)."""
        found = dict(zip(map(int, self.columns), self.tables, strict=True))
        if self.scored is not None:
            for column, table in zip(
                map(int, self.scored.columns), self.scored.tables(), strict=True
            ):
                found[column] = table + found[column] if column in found else table
        return found

    def shares(self, context: Context, rows: Ints) -> Floats:
        """Return the probability of each class, float64 [rows, classes]; all above 0."""
        odds = np.tile(self.offsets, (rows.size, 1))
        for column, table in zip(self.columns, self.tables, strict=True):
            odds += table[np.minimum(context.codes[column][rows], len(table) - 1)]
        if self.scored is not None:
            odds += self.scored.log_odds(context, rows)
        odds -= odds.max(axis=1, keepdims=True)
        np.exp(np.maximum(odds, LEAST_LOG_SHARE, out=odds), out=odds)
        odds /= odds.sum(axis=1, keepdims=True)
        return odds

    def abduct(self, context: Context, rows: Ints, values: Floats, v: Floats) -> Floats:
        classes = class_of(self.values, self.samplers, values)
        share, rest = self.shares(context, rows), v.copy()
        for klass, pool in self.samplers.items():
            at = np.flatnonzero(classes == klass)
            if at.size:
                rest[at] = pool.abduct(context, rows[at], values[at], rest[at])
        own = share[np.arange(rows.size), classes]
        below = np.cumsum(share, axis=1)[np.arange(rows.size), classes] - own
        return np.clip(below + rest * own, 0.0, BELOW_ONE)

    def probabilities(self, grid: ColumnGrid, context: Context, rows: Ints, cells: Cells) -> Floats:
        to_cells = cells_of(self.values, self.samplers, grid)
        for k, pool in self.samplers.items():
            to_cells[k] = pool.cell_shares(grid)
        share = self.shares(context, rows)
        out: Floats = np.einsum("ik,ik->i", share, to_cells.T[cells])
        return np.maximum(out, TINY)

    def level_shares(self, context: Context, rows: Ints, size: int) -> Floats:
        return self.shares(context, rows) @ level_means(self.values, self.samplers, size)

    @property
    def columns_used(self) -> set[int]:
        items = () if self.scored is None else self.scored.columns
        return set(map(int, (*self.columns, *items)))

    @property
    def span(self) -> tuple[float, float]:
        return span_of(self.values, self.samplers)

    @property
    def regression(self) -> LogLinear:
        return self

    def outline(self, writer: Writer) -> Outline:
        flat = np.concatenate([np.empty(0), *(table.ravel() for table in self.tables)])
        node: Outline = {
            "columns": self.columns.tolist(),
            "codes": [len(table) for table in self.tables],
            "tables": writer.add(values=flat),
            "offsets": writer.add(values=self.offsets),
            "at": writer.add(values=self.values),
            "parts": {str(k): writer.sampler(pool) for k, pool in self.samplers.items()},
        }
        return node if self.scored is None else node | {"scored": self.scored.outline(writer)}

    @classmethod
    def load(cls, node: Outline, reader: Reader) -> LogLinear:
        columns, codes = [reader.column(on) for on in node["columns"]], node["codes"]
        values = reader.slice(node, "values")
        offsets, flat = reader.floats(node["offsets"]), reader.floats(node["tables"])
        reader.require(0 < values.size == offsets.size and len(codes) == len(columns))
        reader.require(all(isinstance(size, int) and 0 < size <= BINS for size in codes))
        reader.require(flat.size == sum(codes) * values.size)
        reader.require(np.isfinite(offsets).all() and np.isfinite(flat).all())
        parts = np.split(flat.reshape(-1, values.size), np.cumsum(codes)[:-1])
        tables = tuple(parts) if codes else ()
        pools = {int(k): reader.sampler_of(Pool, inner) for k, inner in node["parts"].items()}
        reader.require(all(0 <= k < values.size for k in pools))
        scored = None
        if "scored" in node:
            scored = ScoredItems.load(node["scored"], reader, values.size)
        return cls(np.array(columns, np.int32), tables, offsets, values, pools, scored)
