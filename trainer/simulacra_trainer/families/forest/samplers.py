"""Samplers, which draw the values of one column given the columns before it.

Samplers nest: a class tree picks a class, and another sampler may draw the value inside the class.
Each row has one uniform number. A sampler uses as much of it as its choice needs and passes on the
remainder, which is uniform again. Leaf donors are sorted by value, so the same number gives a value
of the same rank under two interventions.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from simulacra_trainer.families.codec import Codes, Floats
from simulacra_trainer.families.forest.battery import Battery, RunningSums
from simulacra_trainer.families.forest.traversal import (
    find_leaves,
    pick_donors,
    table_sum_codes,
    table_sums,
)

Ints = npt.NDArray[np.int32]
Indices = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
BELOW_ONE = 1.0 - 2.0**-53
SHARE_ROWS = 4_096
"""Rows drawn at a time by shares of classes, which limits their memory."""
LEAST_LOG_SHARE = -50.0


@dataclass(frozen=True)
class Variate:
    """A sum over columns that a tree splits like a column (see `variates`).

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

    def donors(self, context: Context, rows: Ints, u: Floats) -> Ints:
        """Return a donor from each row's leaf, int32 [rows]; u keeps the remainder, in place."""
        return pick_donors(self.leaves(context, rows), self.start, self.stop, u)

    def leaves(self, context: Context, rows: Ints) -> Ints:
        """Return the leaf of each row, int32 [rows]."""
        sums = np.empty((len(self.variates), rows.size), np.uint8)
        for into, variate in zip(sums, self.variates, strict=True):
            into[:] = variate.codes(context.codes, rows)
        return find_leaves(context.codes, sums, rows, self.feature, self.masks, self.child)


@dataclass(frozen=True)
class Context:
    """Rows drawn so far: predictor codes uint8 [columns, n], values float64 [columns][n].

    sums: of these rows over the items of a battery.
    """

    codes: Codes
    values: list[Floats]
    sums: RunningSums = field(default_factory=RunningSums)


@dataclass(frozen=True)
class Pool:
    """Draw uniformly from one of m intervals [low, high], float64 [m]; equal ends are exact."""

    low: Floats
    high: Floats

    def draw(self, _context: Context, rows: Ints, u: Floats) -> Floats:
        """Draw one value per row from u, uniform float64 [rows]; returns float64 [rows]."""
        scaled = u * self.low.size
        chosen = np.minimum(scaled.astype(np.int64), self.low.size - 1)
        low = self.low[chosen]
        return low + (scaled - chosen) * (self.high[chosen] - low)


@dataclass(frozen=True)
class Numbers:
    """Draw from a donor interval [low, high], float64 [donors], in the leaf of a number tree."""

    tree: Tree
    low: Floats
    high: Floats

    def draw(self, context: Context, rows: Ints, u: Floats) -> Floats:
        """See `Pool.draw`."""
        donors = self.tree.donors(context, rows, u)
        low = self.low[donors]
        return low + u * (self.high[donors] - low)


@dataclass(frozen=True)
class Classes:
    """Draw a class from the leaf of a class tree, then a value of the class.

    Attributes:
        tree: its leaves hold donors.
        donors: class of each donor, [donors].
        values: value of each class, float64 [classes]; NaN means missing.
        samplers: by class, what draws the value of a class with several values.
    """

    tree: Tree
    donors: npt.NDArray[np.integer]
    values: Floats
    samplers: dict[int, Sampler] = field(default_factory=dict)

    def draw(self, context: Context, rows: Ints, u: Floats) -> Floats:
        """See `Pool.draw`."""
        chosen = self.donors[self.tree.donors(context, rows, u)]
        out = self.values[chosen]
        for klass, sampler in self.samplers.items():
            at = np.flatnonzero(chosen == klass)
            if at.size:
                out[at] = sampler.draw(context, rows[at], u[at])
        return out


@dataclass(frozen=True)
class Switch:
    """Draw by a sampler that the value of column `on` selects; unseen values use the nearest key.

    keys: float64 [k], ascending, NaN last where missing is a key.
    """

    on: int
    keys: Floats
    samplers: tuple[Sampler, ...]

    def draw(self, context: Context, rows: Ints, u: Floats) -> Floats:
        """See `Pool.draw`."""
        out = np.empty(rows.size)
        for sampler, at in self.selected(context, rows):
            out[at] = sampler.draw(context, rows[at], u[at])
        return out

    def selected(self, context: Context, rows: Ints) -> Iterator[tuple[Sampler, Indices]]:
        """Yield each sampler that some rows use, and the positions of these rows."""
        chosen = nearest(self.keys, context.values[self.on][rows])
        for key in np.unique(chosen):
            yield self.samplers[key], np.flatnonzero(chosen == key)


@dataclass(frozen=True)
class Lookup:
    """Return the value that column `on` determines: keys as in `Switch`, values float64 [k]."""

    on: int
    keys: Floats
    values: Floats

    def draw(self, context: Context, rows: Ints, _u: Floats) -> Floats:
        """See `Pool.draw`."""
        return self.values[nearest(self.keys, context.values[self.on][rows])]


@dataclass(frozen=True)
class Monotone:
    """Draw a number that rises or falls with column `on`, such as its logarithm.

    keys float64 [k], ascending; low and high, float64 [k], are the ends of the interval at each key
    and are interpolated between keys. Missing stays missing.
    """

    on: int
    keys: Floats
    low: Floats
    high: Floats

    def draw(self, context: Context, rows: Ints, u: Floats) -> Floats:
        """See `Pool.draw`."""
        low, high = self.interval(context, rows)
        return low + u * (high - low)

    def interval(self, context: Context, rows: Ints) -> tuple[Floats, Floats]:
        """Return both ends of each row's interval, float64 [rows]; NaN where `on` is missing."""
        given = context.values[self.on][rows]
        return np.interp(given, self.keys, self.low), np.interp(given, self.keys, self.high)


@dataclass(frozen=True)
class Latent:
    """Draw a number as a normal score: regression on earlier columns plus residual (see `latent`).

    Attributes:
        columns: positions in the schema, int32 [k].
        tables: what each predictor code of a column adds, float64 [k, 256].
        residual: number tree that draws the residual.
        margin: turns the score's rank into a value.
    """

    columns: Ints
    tables: Floats
    residual: Numbers
    margin: Pool

    def draw(self, context: Context, rows: Ints, u: Floats) -> Floats:
        """See `Pool.draw`."""
        score = self.expected(context, rows) + self.residual.draw(context, rows, u)
        return self.margin.draw(context, rows, np.minimum(ndtr(score), BELOW_ONE))

    def expected(self, context: Context, rows: Ints) -> Floats:
        """Return the regression's prediction for each row, float64 [rows]."""
        return table_sums(context.codes, rows, self.columns, self.tables)


@dataclass(frozen=True)
class ScoredItems:
    """Items that act on a column through factor scores (see `factor_scores`).

    Attributes:
        battery: of the table.
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
        out: Floats = sums[rows] @ self.effects
        return out

    def tables(self) -> list[Floats]:
        """Return what each code of each item adds to the log-odds, [codes, classes] each."""
        return [self.battery.table(item) @ self.effects for item in self.items]


@dataclass(frozen=True)
class LogLinear:
    """Draw a class by a log-linear regression, then a value of the class (see `loglinear`).

    Attributes:
        columns: positions in the schema, int32 [k].
        tables: by column, what each predictor code adds to the log-odds of the classes, float64
            [codes, classes]; the last code stands for all that follow.
        offsets: log-odds at the mean of all tables, float64 [classes].
        values: value of each class, float64 [classes]; NaN means missing. Ordered classes ascend.
        samplers: by class, what draws the value of a class with several values.
        scored: earlier items that act through factor scores, None without.
    """

    columns: Ints
    tables: tuple[Floats, ...]
    offsets: Floats
    values: Floats
    samplers: dict[int, Pool] = field(default_factory=dict)
    scored: ScoredItems | None = None

    def draw(self, context: Context, rows: Ints, u: Floats) -> Floats:
        """See `Pool.draw`."""
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


Sampler = Pool | Numbers | Classes | Switch | Lookup | Monotone | Latent | LogLinear


def nearest(keys: Floats, values: Floats) -> Indices:
    """Return the index of the nearest key; a missing value takes the NaN key, else the first."""
    has_missing = bool(keys.size) and bool(np.isnan(keys[-1]))
    known = keys[:-1] if has_missing else keys
    missing = np.isnan(values)
    if not known.size:
        return np.zeros(values.size, np.int64)
    after = np.clip(np.searchsorted(known, values), 0, known.size - 1)
    before = np.maximum(after - 1, 0)
    chosen = np.where(np.abs(known[before] - values) < np.abs(known[after] - values), before, after)
    return np.where(missing, known.size if has_missing else 0, chosen)
