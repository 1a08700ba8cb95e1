"""Fits the sampler of one column: by a dependency on another column, or by one of three methods.

Held-out rows decide the method: trees, normal scores, or a log-linear regression, which small
tables prefer (`column_stages`). Dependencies (`dependencies.Dependency`) are looked up, or drawn
separately for each value of the column that this one determines.
"""

from collections.abc import Callable, Sequence
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt

from simulacra_intake.rows_of_persons import MIN_PERSONS
from simulacra_trainer.families.codec import Floats, Ints
from simulacra_trainer.families.curve import PERSONS_A_KNOT
from simulacra_trainer.families.forest.growth.column_regression import ColumnRegression
from simulacra_trainer.families.forest.growth.column_stages import ATOM, FEW_VALUES, ColumnStages
from simulacra_trainer.families.forest.growth.dependencies import MAX_SWITCH_KEYS, Dependency
from simulacra_trainer.families.forest.growth.likelihood import MIN_ROWS, is_likelier
from simulacra_trainer.families.forest.growth.training_rows import MAX_REGRESSION_ROWS, TrainingRows
from simulacra_trainer.families.forest.samplers import Lookup, Method, Monotone, Sampler, Switch
from simulacra_trainer.families.grid import level_grid, number_grid

BEYOND_KEYS, POINTS_BEYOND = 20, 12
"""Values whose trend goes on beyond the last person, and at how many points."""
FOLLOWS = 0.05
"""Share of the way between its neighbors by which the median point may miss their line. It is 0.2
for numbers that merely rank alike."""
FOLLOWED, MIN_KEYS = 0.5, 3
"""Keys of five persons stand for all if they hold this share of the rows, and are this many."""
STRAIGHTER = 0.9
"""A logarithm is taken where it leaves this share of the distances, or less."""


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
        self.stages = ColumnStages(data, column, self.predictors)

    def grow(self, dependency: Dependency | None, trees: Sampler | None = None) -> Sampler:
        """Return the fitted sampler of the column; trees: its sampler by trees, if there is one."""
        rows = np.arange(self.values.size, dtype=np.int32)
        if dependency is None or self.gaps is not None:
            method = self._chosen_method()
            if method == "trees" and trees is not None:
                return trees
            return self._by(method)(rows)
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
        """Look up what keys of five persons determine; others get what the nearest key does."""
        first = np.empty(keys.size, np.int64)
        first[inverse[::-1]] = rows[::-1]
        values = self.values[first]
        kept = self.data.persons_a_group(rows, inverse, keys.size) >= MIN_PERSONS
        if not kept.any():
            return Lookup(on, keys, values)
        if np.isnan(keys[-1]) and not kept[-1]:
            kept[-1], values[-1] = True, np.nan
        return Lookup(on, keys[kept], values[kept])

    def _switch(self, rows: Ints, on: int, keys: Floats, inverse: npt.NDArray[np.intp]) -> Switch:
        grown = (self.stages.by_trees(rows[inverse == k]) for k in range(keys.size))
        return Switch(on, keys, tuple(grown))

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
        if not self.stages.mostly_repeat or (decided and not keys_repeat):
            x, low, high, pairs = keys[known], low[known], high[known], pairs[known]
            often = pairs >= MIN_PERSONS
            if pairs[often].sum() >= FOLLOWED * pairs.sum() and often.sum() >= MIN_KEYS:
                x, low, high = _of_five(x, low, high, pairs)
            elif not (decided and _follow(x, low, self.data.codecs[self.column].step)):
                given = self.data.values[on][present]
                x, low = _of_many(given, self.values[present], self.data.rows_a_person)
                high = low
            return Monotone(on, *self._to_ends(on, x, low, high))
        if decided:
            return self._lookup(rows, on, keys, inverse)
        if keys.size <= MAX_SWITCH_KEYS:
            return self._switch(rows, on, keys, inverse)
        return self.stages.by_trees(rows)

    def _to_ends(
        self, on: int, keys: Floats, low: Floats, high: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Return keys and intervals that go on to the ends of column `on`.

        It has values beyond its last person. They would all get what this one has. If it follows
        another itself, it may be beyond its own ends too.
        """
        if keys.size < 3:
            return keys, low, high
        codec, middle = self.data.codecs[on], (low + high) / 2.0
        more = (codec.high - codec.low) / 2.0
        first, last = codec.low - more, max(codec.high + more, keys[-1])
        if keys[0] > 0:  # 0 has no logarithm
            first = codec.low or (codec.step or keys[0]) / 2.0
        before = np.linspace(min(first, keys[0]), keys[0], POINTS_BEYOND, endpoint=False)
        after = np.linspace(last, keys[-1], POINTS_BEYOND, endpoint=False)[::-1]
        begin, end = _beyond(keys, middle, before), _beyond(keys[::-1], middle[::-1], after)
        keys = np.concatenate([before, keys, after])
        low, high = np.concatenate([begin, low, end]), np.concatenate([begin, high, end])
        return keys, low, high

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
        match method:
            case "trees":
                return True
            case "scores":
                few = np.unique(known).size <= FEW_VALUES
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

    def _by(self, method: Method) -> Callable[[Ints], Sampler]:
        grow: Callable[[Ints], Sampler]
        match method:
            case "trees":
                grow = self.stages.by_trees
            case "scores":
                grow = self.stages.by_scores
            case "loglinear":
                grow = self._by_regression
        return grow if self.gaps is None else partial(self._in_gaps, grow=grow)

    def _by_regression(self, rows: Ints) -> Sampler:
        return self.stages.by_regression(rows, self._regression)

    def _in_gaps(self, rows: Ints, grow: Callable[[Ints], Sampler]) -> Sampler:
        """Return a sampler that draws special codes in the gaps of their number alone."""
        number = self.data.codes_of[self.column]
        is_gap = np.isnan(self.data.values[number][rows])
        no_code = Lookup(number, np.zeros(1), np.full(1, np.nan))
        if not is_gap.any():
            return no_code
        return Switch(number, np.array([0.0, np.nan]), (no_code, grow(rows[is_gap])))


def _follow(x: Floats, y: Floats, step: float) -> bool:
    """Return whether each point follows from its neighbors, as on a logarithm.

    Such points tell nothing of their persons; those of two numbers that merely rank alike do.
    """
    between = y[:-2] + (y[2:] - y[:-2]) * (x[1:-1] - x[:-2]) / (x[2:] - x[:-2])
    off = np.maximum(np.abs(y[1:-1] - between) - step, 0.0)
    return bool(np.median(off / np.maximum(np.abs(y[2:] - y[:-2]), 1e-300)) <= FOLLOWS)


def _of_five(
    x: Floats, low: Floats, high: Floats, persons: npt.NDArray[np.integer]
) -> tuple[Floats, Floats, Floats]:
    """Return keys of five persons or more and their intervals, ascending.

    Of n even numbers the range is (n - 1) / (n + 1) of their interval, which reaches halfway to the
    neighbors at most; so none ends at somebody's number. Rare keys are joined, by their means.
    """
    often = persons >= MIN_PERSONS
    middle = (low + high) / 2.0
    half = (high - low) / 2.0 * (persons + 1.0) / np.maximum(persons - 1.0, 1.0)
    half = np.where(often, half, np.median(half[often]))
    group, held, ends = np.zeros(x.size, np.int64), 0, True
    for k in range(x.size):
        ends = ends or bool(often[k])
        group[k] = group[k - 1] + ends if k else 0
        held = persons[k] if ends else held + persons[k]
        ends = held >= MIN_PERSONS
    of_group = np.bincount(group, persons)
    x, middle, half = (np.bincount(group, persons * of) / of_group for of in (x, middle, half))
    kept = of_group >= MIN_PERSONS
    x, middle, half = x[kept], middle[kept], half[kept]
    reach = np.abs(np.diff(middle)) / 2.0
    half = np.minimum(half, np.minimum(np.append(reach, np.inf), np.append(np.inf, reach)))
    return x, middle - half, middle + half


def _of_many(x: Floats, y: Floats, a_person: float) -> tuple[Floats, Floats]:
    """Return means of numbers that rank alike: of 20 persons around every 40th.

    Like knots of `families.curve`. A person's own point would tell that it was learned.
    """
    order = np.lexsort((y, x))
    x, y, n = x[order], y[order], x.size
    apart = PERSONS_A_KNOT * a_person
    reach = int(np.ceil(min(apart / 4.0, max(MIN_PERSONS * a_person, n / 8.0))))
    knots = np.linspace(0, n, max(int(n / apart), 4) + 1)[1:-1].astype(np.int64)
    windows = [slice(max(k - reach, 0), k + reach) for k in knots]
    keys, middle = (np.array([of[window].mean() for window in windows]) for of in (x, y))
    rises = np.append(True, np.diff(keys) > 0)
    return keys[rises], middle[rises]


def _beyond(x: Floats, y: Floats, at: Floats) -> Floats:
    """Return y at values before all x, by the straightest line through the first of them.

    Both are taken as they are or as logarithms, so that a logarithm or a square goes on as one.
    """
    x, y = x[:BEYOND_KEYS], y[:BEYOND_KEYS]
    best, found = np.inf, np.full(at.size, y[0])
    for log_x in (False, True) if min(x.min(), at.min()) > 0 else (False,):
        for log_y in (False, True) if y.min() > 0 else (False,):
            u, ahead = (np.log(x), np.log(at)) if log_x else (x, at)
            v = np.log(y) if log_y else y
            slope = float(np.polyfit(u - u[0], v, 1)[0])
            made, line = v[0] + slope * (u - u[0]), v[0] + slope * (ahead - u[0])
            left = float(np.abs((np.exp(made) if log_y else made) - y).sum())
            if left < STRAIGHTER * best:
                best, found = left, np.exp(line) if log_y else line
    return np.maximum(found, 0.0) if y.min() >= 0 else found
