"""The log-linear regression of one column: its classes, their values, and its prior."""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from simulacra_intake.rows_of_persons import Ints as Persons
from simulacra_trainer.families.codec import Floats, Indices, Ints
from simulacra_trainer.families.forest.growth.decided_values import decided_values
from simulacra_trainer.families.forest.growth.training_rows import (
    MAX_COLUMNS,
    Prepared,
    TrainingRows,
)
from simulacra_trainer.families.forest.regression.loglinear import (
    learn_prior,
    regression_of,
    tables_of,
)
from simulacra_trainer.families.forest.regression.loglinear_mode import fit_weights
from simulacra_trainer.families.forest.regression.loglinear_problem import Regression, Weights
from simulacra_trainer.families.forest.regression.loglinear_terms import (
    MAX_CLASSES,
    Functions,
    Grouping,
    Scores,
    group_names,
    group_ordered,
    scores_of,
)
from simulacra_trainer.families.forest.samplers import LogLinear, Pool, ScoredItems

NEGLIGIBLE = 0.02
"""A column whose log-odds have a smaller standard deviation is left out of a regression."""
WIDE_COLUMNS = 40
"""With more columns, predictors have their smooth functions alone, and numbers keep scores or
trees unless there are factor scores. So the cost is bounded.
"""
PoolOf = Callable[[Ints], Pool]


class ColumnRegression:
    """Fits a log-linear regression of a column on predictors (positions in schema order).

    before: all earlier columns, whose items a wide table reduces to factor scores; drawn: the rows
    that the column is drawn in, None for all.
    """

    def __init__(
        self,
        data: TrainingRows,
        column: int,
        predictors: Ints,
        before: Sequence[int] = (),
        drawn: Ints | None = None,
    ) -> None:
        self.drawn = drawn
        self.data, self.column, self.predictors = data, column, predictors
        self.candidates = predictors
        self.values = data.values[column]
        self.items = np.empty(0, np.int32)
        if data.factors is not None:
            direct = data.factors.direct(column, before, predictors.tolist())
            self.predictors = np.array(sorted(direct), np.int32)
            self.items = data.factors.items(before)

    @property
    def is_possible(self) -> bool:
        """Whether the column has more than one class, and not too many; the table is not wide."""
        wide = len(self.data.codecs)
        if self.data.factors is None and wide > (
            MAX_COLUMNS if self.data.codecs[self.column].is_category else WIDE_COLUMNS
        ):
            return False
        return 1 < self._grouping_of_all.is_tied.size <= MAX_CLASSES

    @cached_property
    def stages(self) -> Indices:
        """What is drawn before the regression, int64 [n]: -1 missing, 1, 2, ... values; else 0."""
        decided = decided_values(self.data, self.values, self.candidates)
        labels = np.zeros(self.values.size, np.int64)
        for label, value in enumerate(decided, start=1):
            if np.isnan(value):
                labels[np.isnan(self.values)] = -1
            else:
                labels[self.values == value] = label
        return labels

    def _grouping(self, values: Floats, persons: Persons | None) -> Grouping:
        codec = self.data.codecs[self.column]
        if codec.is_category and not codec.ordered:
            return group_names(values, persons)
        return group_ordered(values, codec, persons)

    @property
    def _functions(self) -> list[Functions]:
        """Functions of the predictors; in wide tables the smooth ones of ordered columns alone."""
        found = [self.data.class_functions[f] for f in self.predictors]
        return found if len(self.data.codecs) <= WIDE_COLUMNS else [of.smooth for of in found]

    def grow(self, rows: Ints, pool_of: PoolOf) -> LogLinear | Pool:
        """Return the regression of these rows; pool_of: draws the values of a class's rows."""
        prepared = self._prepared(rows, pool_of)
        meaning, pools, problem = prepared.meaning, prepared.pools, prepared.problem
        if problem is None:
            return pools.get(0, Pool(meaning, meaning))
        prior, start = self._prior(problem, pool_of)
        offsets, weights = fit_weights(problem, prior * self.data.scale, start)
        share = problem.scores.share
        tables = tables_of(self._functions, weights, problem.scores)
        scored = self._scored(weights, problem.scores)
        moves = [
            np.sqrt(share @ table[self.data.codes[f][rows]].var(axis=0)) > NEGLIGIBLE
            for f, table in zip(self.predictors, tables, strict=True)
        ]
        kept = np.flatnonzero(moves)
        inputs = tuple(tables[i] for i in kept)
        odds = offsets + np.log(share)
        return LogLinear(self.predictors[kept], inputs, odds, meaning, pools, scored)

    def _scored(self, weights: Floats, scores: Scores) -> ScoredItems | None:
        """Return how items act through factor scores; weights: W of the regression."""
        if self.data.factors is None or not self.items.size:
            return None
        features, _ = self._from_sums
        own = weights[weights.shape[0] - features.shape[1] :]
        effects = features @ own @ scores.values.T
        return ScoredItems(self.data.factors.battery, self.items, effects)

    @cached_property
    def _from_sums(self) -> tuple[Floats, list[int]]:
        """Map of the battery's sums to features, and sizes of their blocks."""
        if self.data.factors is None or not self.items.size:
            return np.empty((0, 0)), []
        return self.data.factors.predictors(self.column, self.items)

    @cached_property
    def _further(self) -> Floats:
        """Features of all rows that are functions of the battery's sums, float64 [n, features]."""
        features, sizes = self._from_sums
        if self.data.factors is None or not sizes:
            return np.empty((self.values.size, 0))
        battery, context = self.data.factors.battery, self.data.context
        return context.sums.of(battery, context.codes, self.items) @ features

    def _grouping_of(self, rows: Ints) -> Grouping:
        persons = None if self.data.persons is None else self.data.persons[rows]
        return self._grouping(self.values[rows], persons)

    def _problem(self, rows: Ints, grouping: Grouping) -> Regression:
        weight = self.data.information_of(rows)
        codes = [self.data.codes[f][rows] for f in self.predictors]
        further = self._further[rows], self._from_sums[1]
        return regression_of(
            codes, self._functions, grouping.y, scores_of(grouping, weight), weight, further
        )

    @cached_property
    def _key(self) -> tuple[int, ...]:
        return (self.column, *self.predictors.tolist(), -1, *self.items.tolist())

    @cached_property
    def _grouping_of_all(self) -> Grouping:
        if self._key in self.data.prepared:
            return self.data.prepared[self._key].grouping
        return self._grouping(self.values, self.data.persons)

    def _prepared(self, rows: Ints, pool_of: PoolOf) -> Prepared:
        """Return the regression of these rows; a small one of all rows is kept."""
        are_all = rows.size == self.values.size
        if are_all and self._key in self.data.prepared:
            return self.data.prepared[self._key]
        grouping = self._grouping_of_all if are_all else self._grouping_of(rows)
        meaning, pools = self._class_values(rows, grouping, pool_of)
        problem = self._problem(rows, grouping) if meaning.size > 1 else None
        found = Prepared(grouping, meaning, pools, problem)
        if are_all and problem is not None and problem.is_small:
            self.data.prepared[self._key] = found
        return found

    def _prior(self, problem: Regression, pool_of: PoolOf) -> tuple[Floats, Weights]:
        """Return the prior that all rows support, and weights to start from.

        It is kept for the folds and other scales. A fold may lack a class. Its prior is then
        learned from its own rows.
        """
        if self._key not in self.data.priors:
            is_left = self.stages == 0
            if self.drawn is not None:
                is_left &= np.isin(np.arange(is_left.size), self.drawn)
            rows = np.flatnonzero(is_left).astype(np.int32)
            everyone = self._prepared(rows, pool_of).problem
            assert everyone is not None  # some of its rows have several classes
            self.data.priors[self._key] = learn_prior(everyone)
        prior, start = self.data.priors[self._key]
        return (prior, start) if prior.shape == problem.shape else learn_prior(problem)

    def _class_values(
        self, rows: Ints, grouping: Grouping, pool_of: PoolOf
    ) -> tuple[Floats, dict[int, Pool]]:
        """Return the value of each class, float64 [classes], and pools of those with several."""
        classes = grouping.is_tied.size
        meaning, pools = np.full(classes, np.nan), {}
        for klass in range(classes):
            members = rows[grouping.y == klass]
            meaning[klass] = self.values[members[0]]
            is_exact = self.data.is_exact(self.column, meaning[klass : klass + 1])[0]
            if np.ptp(self.values[members]) > 0 or not is_exact:
                pools[klass] = pool_of(members)
                meaning[klass] = np.nan
        return meaning, pools
