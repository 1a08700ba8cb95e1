"""Draw a class by a tree, then a value of the class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from simulacra_trainer.families.codec import BELOW_ONE, Floats, Indices, Ints
from simulacra_trainer.families.forest.samplers.base import (
    TINY,
    Context,
    Respond,
    Sampler,
    first_regression,
)
from simulacra_trainer.families.forest.samplers.numbers import Numbers
from simulacra_trainer.families.forest.samplers.pool import Pool
from simulacra_trainer.families.forest.samplers.ranks import class_ranks
from simulacra_trainer.families.forest.samplers.stored import Outline, Reader, Writer
from simulacra_trainer.families.forest.trees.tree import Tree
from simulacra_trainer.families.grid import Cells, ColumnGrid

if TYPE_CHECKING:
    from simulacra_trainer.families.forest.samplers.loglinear import LogLinear


@dataclass(frozen=True)
class Classes(Sampler):
    """Draw a class from the leaf of a class tree, then a value of the class.

    Attributes:
        tree: its leaves hold donors.
        donors: class of each donor, [donors].
        values: value of each class, float64 [classes]; NaN means missing.
        samplers: by class, what draws the value of a class with several values.
    """

    kind = "classes"
    tree: Tree
    donors: npt.NDArray[np.integer]
    values: Floats
    samplers: dict[int, Sampler] = field(default_factory=dict)

    def draw(self, context: Context, rows: Ints, u: Floats) -> Floats:
        chosen = self.donors[self.tree.donors(context.codes, rows, u)]
        out = self.values[chosen]
        for klass, sampler in self.samplers.items():
            at = np.flatnonzero(chosen == klass)
            if at.size:
                out[at] = sampler.draw(context, rows[at], u[at])
        return out

    def abduct(self, context: Context, rows: Ints, values: Floats, v: Floats) -> Floats:
        classes = class_of(self.values, self.samplers, values)
        start, stop = self.tree.segments(context.codes, rows)
        first, rest = class_ranks(start, stop, self.donors.astype(np.int32), classes, v)
        for klass, inner in self.samplers.items():
            at = np.flatnonzero(classes == klass)
            if at.size:
                rest[at] = inner.abduct(context, rows[at], values[at], rest[at])
        return np.minimum((first - start + rest) / (stop - start), BELOW_ONE)

    def probabilities(self, grid: ColumnGrid, context: Context, rows: Ints, cells: Cells) -> Floats:
        classes = np.zeros((self.donors.size, self.values.size))
        classes[np.arange(self.donors.size), self.donors] = 1.0
        table = self.tree.leaf_means(classes)
        to_cells = cells_of(self.values, self.samplers, grid)
        leaves = self.tree.leaves(context.codes, rows)
        out: Floats = (table @ to_cells)[leaves, cells]
        for k, inner in self.samplers.items():
            out += table[leaves, k] * inner.probabilities(grid, context, rows, cells)
        return np.maximum(out, TINY)

    def level_shares(self, context: Context, rows: Ints, size: int) -> Floats:
        pools = {k: inner for k, inner in self.samplers.items() if isinstance(inner, Pool)}
        means = level_means(self.values, pools, size)
        others = {k: inner for k, inner in self.samplers.items() if k not in pools}
        means[list(others)] = 0.0
        leaves = self.tree.leaves(context.codes, rows)
        out = self._leaf_shares(means)[leaves]
        for klass, inner in others.items():
            share = self._leaf_shares(np.eye(1, self.values.size, klass).T)[leaves]
            out += share * inner.level_shares(context, rows, size)
        return out

    def _leaf_shares(self, means: Floats) -> Floats:
        """Return the level shares of each leaf, float64 [nodes, size]; 0 in inner nodes."""
        tree = self.tree
        out = np.zeros((tree.feature.size, means.shape[1]))
        for leaf in np.flatnonzero(tree.feature < 0):
            held = self.donors[tree.start[leaf] : tree.stop[leaf]]
            out[leaf] = np.bincount(held, minlength=len(means)) @ means / held.size
        return out

    @property
    def columns_used(self) -> set[int]:
        return set(self.tree.columns).union(*(of.columns_used for of in self.samplers.values()))

    @property
    def span(self) -> tuple[float, float]:
        return span_of(self.values, self.samplers)

    @property
    def regression(self) -> LogLinear | None:
        return first_regression(self.samplers.values())

    @property
    def follows_scores(self) -> bool:
        return any(of.follows_scores for of in self.samplers.values())

    @property
    def draws_each_value(self) -> bool:
        return all(isinstance(inner, Pool) for inner in self.samplers.values())

    def with_responses(self, values: Floats, respond: Respond) -> Sampler:
        numbers = {klass: of for klass, of in self.samplers.items() if isinstance(of, Numbers)}
        if not len(numbers) == len(self.samplers) == 1:
            return self
        plain = np.delete(self.values, list(numbers))
        rows = np.flatnonzero(~np.isnan(values) & ~np.isin(values, plain)).astype(np.int32)
        return replace(self, samplers={klass: respond(of, rows) for klass, of in numbers.items()})

    def outline(self, writer: Writer) -> Outline:
        inner = {str(k): writer.sampler(of) for k, of in self.samplers.items()}
        at = writer.add(donors=self.donors, values=self.values)
        return {"tree": writer.tree(self.tree), "at": at, "parts": inner}

    @classmethod
    def load(cls, node: Outline, reader: Reader) -> Classes:
        donors, values = reader.slice(node, "donors"), reader.slice(node, "values")
        reader.require(donors.size > 0 and donors.min() >= 0 and donors.max() < values.size)
        samplers = {int(k): reader.sampler(inner) for k, inner in node["parts"].items()}
        reader.require(all(0 <= k < values.size for k in samplers))
        tree = reader.tree(node["tree"], donors.size)
        return cls(tree, donors.astype(np.min_scalar_type(values.size)), values, samplers)


def class_of(own: Floats, samplers: Mapping[int, Sampler], values: Floats) -> Ints:
    """Return the class of each value, int32 [m]: the exact match, else that of the nearest range.

    own: value of each class, float64 [classes]; samplers: of the classes with several values;
    values: float64 [m].
    """
    plain = np.array([k for k in range(own.size) if k not in samplers], np.int64)
    out, missing = np.full(values.size, -1, np.int32), np.isnan(values)
    for klass in plain[np.isnan(own[plain])]:
        out[missing] = klass
    known = plain[~np.isnan(own[plain])]
    known = known[np.argsort(own[known], kind="stable")]
    if known.size:
        place = np.minimum(np.searchsorted(own[known], values), known.size - 1)
        exact = own[known][place] == values
        out[exact] = known[place][exact]
    left = np.flatnonzero(out < 0)
    if left.size and samplers:
        spans = np.array([inner.span for inner in samplers.values()])
        apart = np.maximum(spans[:, :1] - values[left], values[left] - spans[:, 1:])
        out[left] = np.array(list(samplers), np.int32)[np.argmin(np.maximum(apart, 0.0), axis=0)]
    elif left.size:
        out[left] = known[nearest(own[known], values[left])] if known.size else 0
    return out


def cells_of(own: Floats, samplers: Mapping[int, Sampler], grid: ColumnGrid) -> Floats:
    """Return the cell of each class without a sampler, one-hot, float64 [classes, cells]."""
    plain = np.array([k not in samplers for k in range(own.size)])
    out = np.zeros((own.size, grid.size))
    out[np.flatnonzero(plain), grid.cells(own)[plain]] = 1.0
    return out


def level_means(own: Floats, pools: Mapping[int, Pool], size: int) -> Floats:
    """Return the level shares of each class, float64 [classes, size]: 0 is missing."""
    means = [
        pools[k].shares_of(size)
        if k in pools
        else np.eye(1, size, 0 if np.isnan(value) else int(value) + 1)[0]
        for k, value in enumerate(own)
    ]
    return np.array(means)


def span_of(own: Floats, samplers: Mapping[int, Sampler]) -> tuple[float, float]:
    """Return the smallest and largest value of the classes and of their samplers."""
    ends = [end for inner in samplers.values() for end in inner.span]
    known = np.append(np.delete(own, list(samplers)), ends)
    return float(np.nanmin(known)), float(np.nanmax(known))


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
