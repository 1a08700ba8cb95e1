"""The sampler of one column as a small tree of samplers, each saying how the rows that reach it get
their value.

A row brings one uniform number. Every sampler uses as much of it as its choice needs and hands the
remainder on; leaf donors are sorted by value, so two interventions run on the same random numbers
are coupled by rank.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from simulacra_trainer.families.codec import Codes, Floats
from simulacra_trainer.families.forest.traversal import (
    table_sums,
    table_sum_codes,
    pick_donors,
    find_leaves,
)

Ints = npt.NDArray[np.int32]
Booleans = npt.NDArray[np.bool_]
BELOW_ONE = 1.0 - 2.0**-53


@dataclass(frozen=True)
class Variate:
    """A sum over columns that a tree splits like a column: columns int32 [k] (schema order), tables
    float64 [k, 256] what each predictor code of a column adds. The whole sampler of the sum, 0 to 255,
    is its code.
    """

    columns: Ints
    tables: Floats

    def codes(self, codes: Codes, rows: Ints) -> Codes:
        """Return the code of each row's sum, uint8 [rows]; codes uint8 [columns, n]."""
        return table_sum_codes(codes, rows, self.columns, self.tables)


@dataclass(frozen=True)
class Tree:
    """A fitted tree: feature int32 [nodes] is the column (schema order) split on, -1 in leaves;
    masks uint64 [nodes, 4] holds the predictor codes that go left; child int32 the left child
    (right is the next node); start and stop int32 the segment of donors of each node. Features from
    the number of columns on are the variates.
    """

    feature: Ints
    masks: npt.NDArray[np.uint64]
    child: Ints
    start: Ints
    stop: Ints
    variates: tuple[Variate, ...] = ()

    @functools.cached_property
    def columns(self) -> frozenset[int]:
        """The columns (schema order) that its splits look at."""
        split = np.unique(self.feature[self.feature >= 0])
        plain = split[
            : split.size - len(self.variates)
        ]  # every variate is split on, and their numbers are the highest
        return frozenset(
            map(int, np.concatenate([plain, *(variate.columns for variate in self.variates)]))
        )

    def donors(self, context: Context, rows: Ints, u: Floats) -> Ints:
        """Pick a donor of each row's leaf, int32 [rows]; u is used up in place."""
        return pick_donors(self.leaves(context, rows), self.start, self.stop, u)

    def leaves(self, context: Context, rows: Ints) -> Ints:
        """Return the leaf of each row, int32 [rows]."""
        sums = np.empty((len(self.variates), rows.size), np.uint8)
        for into, variate in zip(sums, self.variates, strict=True):
            into[:] = variate.codes(context.codes, rows)
        return find_leaves(context.codes, sums, rows, self.feature, self.masks, self.child)


@dataclass(frozen=True)
class Context:
    """Rows drawn so far: codes uint8 [columns, n], values float64 [columns][n]."""

    codes: Codes
    values: list[Floats]


@dataclass(frozen=True)
class Pool:
    """Draw uniformly from [low, high], float64 [m] each; equal ends are kept exactly."""

    low: Floats
    high: Floats

    def draw(self, _context: Context, rows: Ints, u: Floats) -> Floats:
        """Return values, float64 [rows]."""
        scaled = u * self.low.size
        chosen = np.minimum(scaled.astype(np.int64), self.low.size - 1)
        low = self.low[chosen]
        return low + (scaled - chosen) * (self.high[chosen] - low)


@dataclass(frozen=True)
class Numbers:
    """Draw a donor interval [low, high] (float64 [donors]) from the leaf of a number tree."""

    tree: Tree
    low: Floats
    high: Floats

    def draw(self, context: Context, rows: Ints, u: Floats) -> Floats:
        """Return values, float64 [rows]."""
        donors = self.tree.donors(context, rows, u)
        low = self.low[donors]
        return low + u * (self.high[donors] - low)


@dataclass(frozen=True)
class Classes:
    """Draw a class from the leaf of a class tree: donors [donors] holds classes, values float64
    [classes] what each stands for (NaN: missing), and samplers what draws the value of a class that
    stands for several.
    """

    tree: Tree
    donors: npt.NDArray[np.integer]
    values: Floats
    samplers: dict[int, Sampler] = field(default_factory=dict)

    def draw(self, context: Context, rows: Ints, u: Floats) -> Floats:
        """Return values, float64 [rows]."""
        chosen = self.donors[self.tree.donors(context, rows, u)]
        out = self.values[chosen]
        for klass, sampler in self.samplers.items():
            at = np.flatnonzero(chosen == klass)
            if at.size:
                out[at] = sampler.draw(context, rows[at], u[at])
        return out


@dataclass(frozen=True)
class Switch:
    """A dependency with another column: the value of column `on` decides which sampler draws (the
    nearest key does for a value not seen). keys float64 [k] ascending, NaN last where missing is a
    key.
    """

    on: int
    keys: Floats
    samplers: tuple[Sampler, ...]

    def draw(self, context: Context, rows: Ints, u: Floats) -> Floats:
        """Return values, float64 [rows]."""
        chosen = nearest(self.keys, context.values[self.on][rows])
        out = np.empty(rows.size)
        for key in np.unique(chosen):
            at = np.flatnonzero(chosen == key)
            out[at] = self.samplers[key].draw(context, rows[at], u[at])
        return out


@dataclass(frozen=True)
class Lookup:
    """A functional dependency on column `on`. keys as in `Switch`, values float64 [k]."""

    on: int
    keys: Floats
    values: Floats

    def draw(self, context: Context, rows: Ints, _u: Floats) -> Floats:
        """Return values, float64 [rows]."""
        return self.values[nearest(self.keys, context.values[self.on][rows])]


@dataclass(frozen=True)
class Monotone:
    """A monotone dependency between numbers (a logarithm, a rounded conversion): the value of
    column `on` gives the interval to draw from, interpolated between keys. keys float64 [k]
    ascending, low and high float64 [k]; missing stays missing.
    """

    on: int
    keys: Floats
    low: Floats
    high: Floats

    def draw(self, context: Context, rows: Ints, u: Floats) -> Floats:
        """Return values, float64 [rows]."""
        low, high = self.interval(context, rows)
        return low + u * (high - low)

    def interval(self, context: Context, rows: Ints) -> tuple[Floats, Floats]:
        """Return both ends of each row's interval, float64 [rows]; NaN where `on` is missing."""
        given = context.values[self.on][rows]
        return np.interp(given, self.keys, self.low), np.interp(given, self.keys, self.high)


@dataclass(frozen=True)
class Latent:
    """A number drawn as a normal score: an additive regression on earlier columns, plus a residual
    from the leaf of a number tree; the margin gives the value that has this score (`latent`).
    columns int32 [k] (schema order), tables float64 [k, 256]: what each predictor code of a column
    adds.
    """

    columns: Ints
    tables: Floats
    residual: Numbers
    margin: Pool

    def draw(self, context: Context, rows: Ints, u: Floats) -> Floats:
        """Return values, float64 [rows]."""
        score = self.expected(context, rows) + self.residual.draw(context, rows, u)
        return self.margin.draw(context, rows, np.minimum(ndtr(score), BELOW_ONE))

    def expected(self, context: Context, rows: Ints) -> Floats:
        """Return what the regression says of each row, float64 [rows]."""
        return table_sums(context.codes, rows, self.columns, self.tables)


Sampler = Pool | Numbers | Classes | Switch | Lookup | Monotone | Latent


def nearest(keys: Floats, values: Floats) -> npt.NDArray[np.int64]:
    """Return the nearest key's position; a missing value takes the NaN key or the first."""
    has_missing = bool(keys.size) and bool(np.isnan(keys[-1]))
    known = keys[:-1] if has_missing else keys
    missing = np.isnan(values)
    if not known.size:
        return np.zeros(values.size, np.int64)
    after = np.clip(np.searchsorted(known, values), 0, known.size - 1)
    before = np.maximum(after - 1, 0)
    chosen = np.where(np.abs(known[before] - values) < np.abs(known[after] - values), before, after)
    return np.where(missing, known.size if has_missing else 0, chosen)
