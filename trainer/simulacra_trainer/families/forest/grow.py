"""Fits the sampler of one column: which stages it has, and a penalized tree for each stage.

- Levels, and numbers with few distinct values: one class tree. Levels with fewer than 5 rows share
  one class and are drawn at random inside it, so a rare level is never tied to the attributes of
  its owner.
- Numbers that mostly repeat: coarse to fine. A class tree over 16 groups, then inside a group a
  class tree over the exact values. Values that another column determines (a figure that depends on
  the survey year) stay exact; bins alone would merge them.
- Other numbers: a class tree for missing and spikes, then a number tree whose leaves interpolate
  between donors.
- Numbers of either kind for which held-out rows prefer it: a class tree for missing, then a normal
  score that follows a regression, with a number tree for the residual (`latent`).
- Columns of small tables for which held-out rows prefer it: a log-linear regression of classes
  (`loglinear`), bins of a number among them, then a value of the class.
- Class trees split canonical variates (`variates`) as well as columns.
- Dependencies (`dependencies.Dependency`): looked up, or drawn separately for each value of the
  column that this one determines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Literal

import numpy as np
import numpy.typing as npt

from simulacra_trainer.families.codec import Codes, Floats
from simulacra_trainer.families.forest.category_order import order_by_correspondence, order_by_mean
from simulacra_trainer.families.forest.column_regression import ColumnRegression
from simulacra_trainer.families.forest.dependencies import MAX_SWITCH_KEYS, Dependency
from simulacra_trainer.families.forest.kernels import grow_classes, grow_numbers
from simulacra_trainer.families.forest.latent import fit_additive
from simulacra_trainer.families.forest.likelihood import MIN_ROWS, is_likelier
from simulacra_trainer.families.forest.samplers import (
    Booleans,
    Classes,
    Ints,
    Latent,
    Lookup,
    Monotone,
    Numbers,
    Pool,
    Sampler,
    Switch,
    Tree,
    Variate,
)
from simulacra_trainer.families.forest.training_rows import MAX_REGRESSION_ROWS, TrainingRows
from simulacra_trainer.families.forest.traversal import relabel, split_masks
from simulacra_trainer.families.forest.variates import fit_variates
from simulacra_trainer.families.forest.weighted import repeat_donors, repeats
from simulacra_trainer.families.grid import bin_edges, level_grid, number_grid
from simulacra_trainer.persons import MIN_PERSONS

ATOM = MIN_PERSONS
"""A value that at least this many persons share identifies nobody and is drawn exactly."""
FEW_VALUES = 8
COARSE_GROUPS = 16
MOSTLY_REPEATED = 0.9
SPIKE_SHARE = 0.1
NUMBER_PARAMETERS = 2
"""A split of a number target has two further parameters: a mean and a variance."""
SCALE = 72.0
"""Standard deviation of numbers spread evenly over 250 bins, the scale of score trees."""
IDENTITY = np.arange(256, dtype=np.uint8)
WINDOW_SHARE = 0.005
"""How far interpolation reaches on either side, as a share of all ranks."""
Method = Literal["trees", "scores", "loglinear"]


class ColumnGrower:
    """Fits one column given the columns before it (positions in schema order).

    predictors: columns that trees may split on; before: all earlier columns, of which a wide table
    has factor scores. method: to use where possible; None lets held-out rows decide. Special codes
    whose number comes before are fitted to the rows without one (`gaps`).
    """

    def __init__(
        self,
        data: TrainingRows,
        column: int,
        predictors: Sequence[int],
        *,
        before: Sequence[int] = (),
        method: Method | None = None,
    ) -> None:
        self.data, self.column, self.method = data, column, method
        self.before = before
        number = data.codes_of.get(column)
        self.gaps: Ints | None = None
        if number is not None and number in before:
            self.gaps = np.flatnonzero(np.isnan(data.values[number])).astype(np.int32)
        self.predictors = np.array(sorted(predictors), np.int32)
        self.values = data.values[column]
        distinct, inverse = np.unique(self.values, return_inverse=True)
        inverse = inverse.reshape(-1)
        everyone = np.arange(self.values.size, dtype=np.int32)
        shared = data.persons_a_group(everyone, inverse, distinct.size) >= ATOM
        self.is_atom = shared[inverse]
        loose = np.sort(self.values[~self.is_atom & ~np.isnan(self.values)])
        if data.persons is not None:
            loose = np.unique(loose)
        self._loose = loose if loose.size else distinct[~np.isnan(distinct)]

    def grow(self, dependency: Dependency | None) -> Sampler:
        """Return the fitted sampler of the column."""
        rows = np.arange(self.values.size, dtype=np.int32)
        if dependency is None or self.gaps is not None:
            return self._by(self._chosen_method())(rows)
        keys, inverse = np.unique(self.data.values[dependency.on], return_inverse=True)
        inverse = inverse.reshape(-1)
        match dependency.kind:
            case "decided":
                return self._lookup(rows, dependency.on, keys, inverse)
            case "monotone":
                return self._monotone(rows, dependency.on, keys, inverse)
            case "deciding":
                return self._switch(rows, dependency.on, keys, inverse)

    def _lookup(self, rows: Ints, on: int, keys: Floats, inverse: npt.NDArray[np.intp]) -> Lookup:
        first = np.empty(keys.size, np.int64)
        first[inverse[::-1]] = rows[::-1]
        return Lookup(on, keys, self.values[first])

    def _switch(self, rows: Ints, on: int, keys: Floats, inverse: npt.NDArray[np.intp]) -> Switch:
        return Switch(on, keys, tuple(self._any(rows[inverse == k]) for k in range(keys.size)))

    def _monotone(
        self, rows: Ints, on: int, keys: Floats, inverse: npt.NDArray[np.intp]
    ) -> Sampler:
        """Draw between the smallest and largest value of each key; repeated values stay exact."""
        low, high = np.full(keys.size, np.inf), np.full(keys.size, -np.inf)
        present = ~np.isnan(self.values)
        np.minimum.at(low, inverse[present], self.values[present])
        np.maximum.at(high, inverse[present], self.values[present])
        known = ~np.isnan(keys)
        decided = np.array_equal(low[known], high[known])
        pairs = self.data.persons_a_group(rows, inverse, keys.size)
        keys_repeat = keys.size * ATOM <= pairs.sum()
        if self.is_atom.mean() < MOSTLY_REPEATED or (decided and not keys_repeat):
            return Monotone(on, keys[known], low[known], high[known])
        if decided:
            return self._lookup(rows, on, keys, inverse)
        if keys.size <= MAX_SWITCH_KEYS:
            return self._switch(rows, on, keys, inverse)
        return self._any(rows)

    def _by(self, method: Method) -> Callable[[Ints], Sampler]:
        grow: Callable[[Ints], Sampler]
        match method:
            case "trees":
                grow = self._any
            case "scores":
                grow = self._by_scores
            case "loglinear":
                grow = self._by_regression
        if self.gaps is None:
            return grow
        return partial(self._in_gaps, grow=grow)

    def _in_gaps(self, rows: Ints, grow: Callable[[Ints], Sampler]) -> Sampler:
        """Return a sampler that draws special codes in the gaps of their number alone."""
        number = self.data.codes_of[self.column]
        is_gap = np.isnan(self.data.values[number][rows])
        no_code = Lookup(number, np.zeros(1), np.full(1, np.nan))
        if not is_gap.any():
            return no_code
        return Switch(number, np.array([0.0, np.nan]), (no_code, grow(rows[is_gap])))

    def _chosen_method(self) -> Method:
        """Return the method of the column: the one given, or the one that held-out rows prefer."""
        if self.method is not None:
            return self.method if self._is_possible(self.method) else "trees"
        best: Method = "trees"
        methods: tuple[Method, ...] = ("scores", "loglinear")
        for method in methods:
            if self._is_possible(method) and self._is_likelier(method, best):
                best = method
        return best

    def _is_possible(self, method: Method) -> bool:
        known = self.values[~np.isnan(self.values)]
        if not self.predictors.size or known.size < MIN_ROWS:
            return False
        few = np.unique(known).size <= FEW_VALUES
        match method:
            case "trees":
                return True
            case "scores":
                is_category = self.data.codecs[self.column].is_category
                return not (few or is_category or self.data.weights is not None)
            case "loglinear":
                is_small = self.values.size <= MAX_REGRESSION_ROWS or self.method is not None
                return is_small and self._regression.is_possible

    @cached_property
    def _regression(self) -> ColumnRegression:
        return ColumnRegression(self.data, self.column, self.predictors, self.before, self.gaps)

    def _is_likelier(self, method: Method, other: Method) -> bool:
        codec, context = self.data.codecs[self.column], self.data.context
        return is_likelier(
            self._by(method),
            self._by(other),
            context,
            self.values,
            grid=level_grid(codec.levels) if codec.is_category else number_grid(self.values),
            seed=self.column,
            persons=self.data.persons,
        )

    def _any(self, rows: Ints) -> Sampler:
        values = self.values[rows]
        known = values[~np.isnan(values)]
        distinct = np.unique(known)
        if self.data.codecs[self.column].is_category or distinct.size <= FEW_VALUES:
            return self._exact(rows)
        if np.mean(self.is_atom[rows]) >= MOSTLY_REPEATED:
            groups = np.searchsorted(bin_edges(known, COARSE_GROUPS), values, side="right")
            return self._grouped(rows, np.where(np.isnan(values), -1, groups), self._exact)
        return self._grouped(rows, self._spikes(rows, known), self._numbers)

    def _by_scores(self, rows: Ints) -> Sampler:
        return self._grouped(rows, np.where(np.isnan(self.values[rows]), -1, 0), self._latent)

    def _by_regression(self, rows: Ints) -> Sampler:
        """Return a log-linear regression; a tree draws what another column decides first."""

        def grow(members: Ints) -> Sampler:
            return self._regression.grow(members, self._exact_pool)

        labels = self._regression.stages[rows]
        return self._grouped(rows, labels, grow) if labels.any() else grow(rows)

    def _spikes(self, rows: Ints, known: Floats) -> npt.NDArray[np.int64]:
        """Return a label per row: -1 for missing, 0 for the bulk, 1, 2, ... for the spikes."""
        values = self.values[rows]
        shared = known if self.data.persons is None else values[self.is_atom[rows]]
        distinct, counts = np.unique(shared[~np.isnan(shared)], return_counts=True)
        spikes = distinct[counts >= SPIKE_SHARE * values.size]
        labels = np.where(np.isnan(values), -1, 0)
        for label, spike in enumerate(spikes, start=1):
            labels[values == spike] = label
        return labels

    def _grouped(
        self, rows: Ints, labels: npt.NDArray[np.int64], inner: Callable[[Ints], Sampler]
    ) -> Sampler:
        """Return a sampler that draws a group (label -1: missing), then its value by `inner`."""
        present, y = np.unique(labels, return_inverse=True)
        y = y.reshape(-1).astype(np.int32)
        meaning = np.full(present.size, np.nan)
        samplers: dict[int, Sampler] = {}
        for klass, label in enumerate(present):
            members = rows[y == klass]
            if label >= 0:
                values = self.values[members]
                meaning[klass] = values[0]
                if _differ(values):
                    samplers[klass] = inner(members)
        if present.size == 1 and samplers:
            return samplers[0]
        return self._classes(rows, y, meaning, samplers)

    def _exact(self, rows: Ints) -> Sampler:
        """Return a class tree over exact values; values below ATOM persons share one class."""
        values = self.values[rows]
        distinct, y = np.unique(values, return_inverse=True)
        y = y.reshape(-1).astype(np.int32)
        counts = self.data.persons_a_group(rows, y, distinct.size)
        rare = (counts < ATOM) & ~np.isnan(distinct)
        if rare.sum() < 2:
            return self._classes(rows, y, distinct, {})
        kept = np.flatnonzero(~rare)
        recode = np.full(distinct.size, kept.size, np.int32)
        recode[kept] = np.arange(kept.size)
        merged = recode[y]
        pooled = rows[merged == kept.size]
        pool = self._pool(pooled, np.zeros(pooled.size, np.bool_))
        return self._classes(rows, merged, np.append(distinct[kept], np.nan), {kept.size: pool})

    def _exact_pool(self, rows: Ints) -> Pool:
        return self._pool(rows, self.is_atom[rows])

    def _pool(self, rows: Ints, is_atom: Booleans) -> Pool:
        """Return a pool of the values of rows; is_atom: which stay exact, bool [rows]."""
        order = np.argsort(self.values[rows], kind="stable")
        rows = rows[order]
        low = high = values = self.values[rows]
        if not self.data.codecs[self.column].is_category:
            leaf = np.zeros(values.size, np.int32)
            low, high = self._intervals(values, is_atom[order], leaf, self._loose)
        if self.data.weights is not None and self.data.weights[rows].any():
            places = np.repeat(np.arange(rows.size), repeats(self.data.weights[rows]))
            low, high = low[places], high[places]
        return Pool(low, high)

    def _classes(
        self, rows: Ints, y: npt.NDArray[np.integer], meaning: Floats, samplers: dict[int, Sampler]
    ) -> Sampler:
        if meaning.size == 1:
            return samplers[0] if samplers else Pool(meaning, meaning)
        luts = self._luts(rows, lambda x: order_by_correspondence(x, y, meaning.size))
        variates = self._variates(rows, y, meaning.size)
        Z = np.concatenate(
            [self._bins(rows, luts), *(v.codes(self.data.codes, rows)[None] for v in variates)]
        )
        prices = self.data.prices(meaning.size)
        *grown, index = grow_classes(Z, y, meaning.size, prices)
        tree = self._tree(grown, luts, variates)
        donors = y[index]
        order = np.lexsort((donors, _leaf_of(tree)))
        if self.data.weights is not None:
            tree, places = repeat_donors(tree, self.data.weights[rows[index[order]]])
            order = order[places]
        return Classes(
            tree, donors[order].astype(np.min_scalar_type(meaning.size)), meaning, samplers
        )

    def _variates(self, rows: Ints, y: npt.NDArray[np.integer], classes: int) -> list[Variate]:
        bases = [self.data.functions[f] for f in self.predictors]
        codes, apart = self.data.codes[np.ix_(self.predictors, rows)], self.data.rows_a_person
        found = fit_variates(codes, bases, y, classes, self.data.penalty, apart)
        return [replace(variate, columns=self.predictors[variate.columns]) for variate in found]

    def _numbers(self, rows: Ints) -> Numbers:
        y = self.data.codes[self.column][rows].astype(np.float64)
        return self._number_tree(rows, y, self.values[rows], self.is_atom[rows], self._loose)

    def _latent(self, rows: Ints) -> Latent:
        values, codes = self.values[rows], self.data.codes[np.ix_(self.predictors, rows)]
        bases = [self.data.functions[f] for f in self.predictors]
        rng = np.random.default_rng([self.column, 19])
        fit = fit_additive(codes, bases, values, self.data.penalty, rng, self.data.rows_a_person)
        residual = self.residual_tree(rows, fit.scores - fit.expected)
        order = np.argsort(values, kind="stable")
        return Latent(self.predictors[fit.columns], fit.tables, residual, self._margin(rows[order]))

    def residual_tree(self, rows: Ints, left: Floats) -> Numbers:
        """Return a tree that draws the residuals `left` of a regression, float64 [rows]."""
        scaled = left * (SCALE / max(float(left.std()), np.finfo(np.float64).tiny))
        return self._number_tree(rows, scaled, left, np.zeros(left.size, np.bool_), np.sort(left))

    def _margin(self, rows: Ints) -> Pool:
        """Return disjoint intervals that turn a rank into a value; rows sorted by value."""
        values = self.values[rows]
        low, high = self._intervals(
            values, self.is_atom[rows], np.zeros(rows.size, np.int32), self._loose
        )
        if self.data.persons is not None:
            return Pool(*_share_ties(values, low, high))
        low[1:], high[:-1] = np.maximum(low[1:], values[:-1]), np.minimum(high[:-1], values[1:])
        return Pool(low, high)

    def _number_tree(
        self, rows: Ints, y: Floats, values: Floats, is_atom: Booleans, everywhere: Floats
    ) -> Numbers:
        """Return a tree grown on y, float64 [rows], whose leaves draw from values [rows]."""
        luts = self._luts(rows, lambda x: order_by_mean(x, y))
        price = self.data.prices(NUMBER_PARAMETERS)[-1]
        *grown, index = grow_numbers(self._bins(rows, luts), y, price)
        tree = self._tree(grown, luts)
        leaf = _leaf_of(tree)
        members = index[np.lexsort((values[index], leaf))]
        low, high = self._intervals(values[members], is_atom[members], leaf, everywhere)
        if self.data.weights is None:
            return Numbers(tree, low, high)
        tree, places = repeat_donors(tree, self.data.weights[rows[members]])
        return Numbers(tree, low[places], high[places])

    def _luts(self, rows: Ints, score: Callable[[Codes], Floats]) -> list[Codes]:
        """Return for each predictor the bin of each code, uint8 [256]; categories by score."""
        return [
            IDENTITY
            if self.data.codecs[f].has_natural_order
            else _positions(score(self.data.codes[f][rows]))
            for f in self.predictors
        ]

    def _bins(self, rows: Ints, luts: list[Codes]) -> Codes:
        """Return the predictors as bin positions, uint8 [predictors, rows]."""
        Z = np.empty((len(luts), rows.size), np.uint8)
        for i, f in enumerate(self.predictors):
            codes = self.data.codes[f]
            codes = codes if rows.size == self.values.size else codes[rows]
            Z[i] = codes if self.data.codecs[f].has_natural_order else relabel(codes, luts[i])
        return Z

    def _tree(self, grown: list[Ints], luts: list[Codes], variates: Sequence[Variate] = ()) -> Tree:
        feature, threshold, child, start, stop = grown
        used = [i for i in range(len(variates)) if np.any(feature == len(luts) + i)]
        columns = np.full(len(luts) + len(variates) + 1, -1, np.int32)  # the last entry: leaves
        columns[: len(luts)] = self.predictors
        columns[[len(luts) + i for i in used]] = len(self.data.codecs) + np.arange(len(used))
        luts = [*luts, *[IDENTITY] * (len(variates) + 1)]
        masks = split_masks(feature, threshold, np.stack(luts))
        return Tree(columns[feature], masks, child, start, stop, tuple(variates[i] for i in used))

    def _intervals(
        self, values: Floats, is_atom: Booleans, leaf: Ints, everywhere: Floats
    ) -> tuple[Floats, Floats]:
        """Return the interval [low, high] that each donor draws from, float64 [donors] each.

        It reaches halfway to the neighbors in the leaf, and at most `WINDOW_SHARE` of the ranks in
        `everywhere`. Atoms stay exact.

        Args:
            values: of the donors, sorted by leaf, then value.
            is_atom: bool [donors].
            leaf: rank of each donor's leaf, int32 [donors].
            everywhere: all values of the column that are not atoms, ascending.
        """
        if self.data.persons is not None and values.size:
            # The rows of one person often share a value, which must not become an exact one.
            is_new = np.append(True, (np.diff(values) != 0) | (np.diff(leaf) != 0))
            group = np.cumsum(is_new) - 1
            ends = self._reach(values[is_new], is_atom[is_new], leaf[is_new], everywhere)
            return ends[0][group], ends[1][group]
        return self._reach(values, is_atom, leaf, everywhere)

    @staticmethod
    def _reach(
        values: Floats, is_atom: Booleans, leaf: Ints, everywhere: Floats
    ) -> tuple[Floats, Floats]:
        """Return the intervals of `_intervals`, one for each given value."""
        low, high = values.copy(), values.copy()
        loose = np.flatnonzero(~is_atom)
        if not loose.size:
            return low, high
        v, of = values[loose], leaf[loose]
        same = of[1:] == of[:-1]
        half = np.diff(v) / 2.0
        down = np.append(np.nan, np.where(same, half, np.nan))
        up = np.append(np.where(same, half, np.nan), np.nan)
        down, up = np.where(np.isnan(down), up, down), np.where(np.isnan(up), down, up)
        reach = max(int(np.ceil(WINDOW_SHARE * everywhere.size)), 1)
        rank = np.searchsorted(everywhere, v)
        floor = everywhere[np.maximum(rank - reach, 0)]
        ceiling = everywhere[np.minimum(rank + reach, everywhere.size - 1)]
        low[loose] = np.minimum(np.fmax(v - down, floor), v)
        high[loose] = np.maximum(np.fmin(v + up, ceiling), v)
        return low, high


def _differ(values: Floats) -> bool:
    """Return whether there are several values; missing counts as one."""
    missing = np.isnan(values)
    return not missing.all() if missing.any() else bool(np.ptp(values) > 0)


def _share_ties(values: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Return the intervals of equal values, ascending, cut into one part for each of them."""
    first = np.flatnonzero(np.append(True, np.diff(values) != 0))
    distinct, low, high = values[first], low[first], high[first]
    low[1:], high[:-1] = np.maximum(low[1:], distinct[:-1]), np.minimum(high[:-1], distinct[1:])
    sizes = np.diff(np.append(first, values.size))
    step = np.repeat((high - low) / sizes, sizes)
    place = np.arange(values.size) - np.repeat(first, sizes)
    start = np.repeat(low, sizes)
    return start + place * step, start + (place + 1) * step


def _positions(scores: Floats) -> Codes:
    """Return the rank of each predictor code by score, uint8 [256]."""
    order = np.argsort(scores, kind="stable")
    positions = np.empty(256, np.uint8)
    positions[order] = np.arange(256)
    return positions


def _leaf_of(tree: Tree) -> Ints:
    """Return the rank of the leaf of each donor position, ascending, int32 [donors]."""
    leaves = tree.leaves_in_order
    return np.repeat(np.arange(leaves.size), tree.stop[leaves] - tree.start[leaves]).astype(
        np.int32
    )
