"""Stages of the sampler of one column: what a class tree, a pool, a regression or scores draw.

- Levels, and numbers with few distinct values: one class tree. Levels with fewer than 5 rows share
  one class and are drawn at random inside it, so a rare level is never tied to the attributes of
  its owner.
- Numbers that mostly repeat: coarse to fine. A class tree over 16 groups, then inside a group a
  class tree over the exact values. Values that another column determines (a figure that depends on
  the survey year) stay exact; bins alone would merge them.
- Other numbers: a class tree for missing and spikes, then a number tree whose leaves interpolate
  between donors.
- By scores: a class tree for missing, then a normal score that follows a regression, with a number
  tree for the residual (`samplers.latent`).
- By a log-linear regression of classes (`samplers.loglinear`), bins of a number among them: a
  value of the class. Values that another column decides are drawn by a class tree first.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from simulacra_intake.rows_of_persons import MIN_PERSONS
from simulacra_trainer.families.codec import Floats, Ints
from simulacra_trainer.families.forest.growth.column_regression import ColumnRegression
from simulacra_trainer.families.forest.growth.training_rows import TrainingRows
from simulacra_trainer.families.forest.growth.tree_growth import TreeGrower
from simulacra_trainer.families.forest.regression.latent import fit_additive
from simulacra_trainer.families.forest.samplers import Latent, Numbers, Pool, Sampler
from simulacra_trainer.families.forest.trees.donors import donor_intervals, repeats
from simulacra_trainer.families.grid import bin_edges

ATOM = MIN_PERSONS
"""A value that at least this many persons share identifies nobody and is drawn exactly."""
FEW_VALUES = 8
COARSE_GROUPS = 16
MOSTLY_REPEATED = 0.9
SPIKE_SHARE = 0.1
SCALE = 72.0
"""Standard deviation of numbers spread evenly over 250 bins, the scale of score trees."""


class ColumnStages:
    """Grows the stages of a column on some of its rows, from predictors (schema order)."""

    def __init__(self, data: TrainingRows, column: int, predictors: Ints) -> None:
        self.data, self.column, self.predictors = data, column, predictors
        self.trees = TreeGrower(data, predictors)
        self.values = data.values[column]
        self.placed = data.placed_on_curve(column)

    @property
    def mostly_repeat(self) -> bool:
        """Whether most rows share their value with other persons."""
        return self.placed is None or bool(self.placed.is_exact.mean() >= MOSTLY_REPEATED)

    def by_trees(self, rows: Ints) -> Sampler:
        """Return the sampler of trees alone for these rows."""
        values = self.values[rows]
        known = values[~np.isnan(values)]
        distinct = np.unique(known)
        if self.placed is None or distinct.size <= FEW_VALUES:
            return self._exact(rows)
        if np.mean(self.placed.is_exact[rows]) >= MOSTLY_REPEATED:
            groups = np.searchsorted(bin_edges(known, COARSE_GROUPS), values, side="right")
            return self._grouped(rows, np.where(np.isnan(values), -1, groups), self._exact)
        return self._grouped(rows, self._spikes(rows), self._numbers)

    def by_scores(self, rows: Ints) -> Sampler:
        """Return the sampler of normal scores for these rows."""
        return self._grouped(rows, np.where(np.isnan(self.values[rows]), -1, 0), self._latent)

    def by_regression(self, rows: Ints, regression: ColumnRegression) -> Sampler:
        """Return the sampler of a log-linear regression for these rows."""

        def grow(members: Ints) -> Sampler:
            return regression.grow(members, self._pool)

        return self._grouped(rows, regression.stages[rows], grow)

    def residual_tree(self, rows: Ints, left: Floats) -> Numbers:
        """Return a tree that draws the residuals `left` of a regression, float64 [rows]."""
        scaled = left * (SCALE / max(float(left.std()), np.finfo(np.float64).tiny))
        return self.trees.numbers(
            rows, scaled, left, lambda members, leaf: donor_intervals(left[members], leaf)
        )

    def _spikes(self, rows: Ints) -> npt.NDArray[np.int64]:
        """Return a label per row: -1 for missing, 0 for the bulk, 1, 2, ... for the spikes."""
        values = self.values[rows]
        shared = values[self.data.is_exact(self.column, values)]
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
                if _differ(values) or not self.data.is_exact(self.column, values[:1])[0]:
                    samplers[klass] = inner(members)
        return self.trees.classes(rows, y, meaning, samplers)

    def _exact(self, rows: Ints) -> Sampler:
        """Return a class tree over exact values; values below ATOM persons share one class."""
        values = self.values[rows]
        distinct, y = np.unique(values, return_inverse=True)
        y = y.reshape(-1).astype(np.int32)
        counts = self.data.persons_a_group(rows, y, distinct.size)
        rare = ((counts < ATOM) | ~self.data.is_exact(self.column, distinct)) & ~np.isnan(distinct)
        if not rare.any():
            return self.trees.classes(rows, y, distinct, {})
        kept = np.flatnonzero(~rare)
        recode = np.full(distinct.size, kept.size, np.int32)
        recode[kept] = np.arange(kept.size)
        merged = recode[y]
        pooled = rows[merged == kept.size]
        pool = self._pool(pooled)
        meaning = np.append(distinct[kept], np.nan)
        return self.trees.classes(rows, merged, meaning, {kept.size: pool})

    def _pool(self, rows: Ints) -> Pool:
        """Return a pool of the values of rows."""
        order = np.argsort(self.values[rows], kind="stable")
        rows = rows[order]
        low = high = self.values[rows]
        if self.placed is not None:
            low, high = self.placed.low[rows], self.placed.high[rows]
        if self.data.weights is not None and self.data.weights[rows].any():
            places = np.repeat(np.arange(rows.size), repeats(self.data.weights[rows]))
            low, high = low[places], high[places]
        return Pool(low, high)

    def _numbers(self, rows: Ints) -> Numbers:
        y = self.data.codes[self.column][rows].astype(np.float64)
        placed = self.placed
        assert placed is not None

        def intervals(members: npt.NDArray[np.int64], _leaf: Ints) -> tuple[Floats, Floats]:
            return placed.low[rows[members]], placed.high[rows[members]]

        return self.trees.numbers(rows, y, self.values[rows], intervals)

    def _latent(self, rows: Ints) -> Latent:
        values, codes = self.values[rows], self.data.codes_at(self.predictors, rows)
        bases = [self.data.functions[f] for f in self.predictors]
        rng = np.random.default_rng([self.column, 19])
        fit = fit_additive(codes, bases, values, self.data.penalty, rng, self.data.rows_a_person)
        residual = self.residual_tree(rows, fit.scores - fit.expected)
        order = np.argsort(values, kind="stable")
        return Latent(self.predictors[fit.columns], fit.tables, residual, self._margin(rows[order]))

    def _margin(self, rows: Ints) -> Pool:
        """Return disjoint intervals that turn a rank into a value; rows sorted by value."""
        assert self.placed is not None
        return Pool(*self.placed.margin(rows))


def _differ(values: Floats) -> bool:
    """Return whether there are several values; missing counts as one."""
    missing = np.isnan(values)
    return not missing.all() if missing.any() else bool(np.ptp(values) > 0)
