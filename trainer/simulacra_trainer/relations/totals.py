"""Totals and means of batteries, and other sums with the coefficients 1 and -1."""

from collections.abc import Collection, Iterator

import numpy as np

from simulacra_schema.table import RelationSchema
from simulacra_trainer.relations.numbers import Floats, Numbers, Rows, spread_rows

MIN_PARTS, MAX_PARTS = 3, 60
SPARE_ROWS = 30
MAX_ROWS = 2_000
ALIKE = 0.9
"""Of the largest distance to zero, in standard deviations: what parts of a constant sum have."""
WHOLE = 0.02
"""How near the coefficients of a sum are to whole numbers."""


def run_totals(numbers: Numbers) -> Iterator[RelationSchema]:
    """Yield columns that are the sum or mean of at least three neighboring columns."""
    glance = numbers.values[:, numbers.glance]
    running = np.cumsum(np.vstack([np.zeros(glance.shape[1]), np.nan_to_num(glance)]), axis=0)
    count = len(numbers.names)
    for first in range(count - MIN_PARTS + 1):
        stops = np.arange(first + MIN_PARTS, min(first + MAX_PARTS, count) + 1)
        sums = running[stops] - running[first]
        for divided in (False, True):
            parts = (stops - first)[:, None] if divided else 1
            for at, column in _near(numbers, glance, sums / parts):
                of = range(first, int(stops[at]))
                if column not in of and (found := _total(numbers, column, of, divided)):
                    yield found


def _near(numbers: Numbers, glance: Floats, computed: Floats) -> Iterator[tuple[int, int]]:
    """Yield (row of computed, column) that agree wherever the column is present in the sample."""
    missing = np.isnan(glance)
    near = np.broadcast_to(numbers.can_be_sum, (computed.shape[0], glance.shape[0])).copy()
    for row in range(min(2, glance.shape[1])):
        same = numbers.alike(computed[:, row][:, None], glance[:, row][None, :], numbers.steps)
        near &= same | missing[None, :, row]
    for at, column in np.argwhere(near):
        same = numbers.alike(computed[at], glance[column], numbers.steps[column])
        if (same | missing[column]).all() and not missing[column].all():
            yield int(at), int(column)


def _total(
    numbers: Numbers, column: int, of: Collection[int], divided: bool
) -> RelationSchema | None:
    """Return the relation if it holds in all rows; missing parts make it missing or count as 0."""
    parts = numbers.values[list(of)]
    for as_zero in (False, True):
        computed = sum_of(parts, np.ones(len(of)), as_zero=as_zero)
        computed = computed / len(of) if divided else computed
        if numbers.gives(computed, column):
            return RelationSchema(
                kind="linear",
                column=numbers.names[column],
                of=[numbers.names[i] for i in of],
                coefficients=[1.0] * len(of),
                factor=1 / len(of) if divided else 1.0,
                missing_as_zero=as_zero and bool(np.isnan(parts).any()),
            )
    return None


def sum_of(parts: Floats, coefficients: Floats, *, as_zero: bool) -> Floats:
    """Return the sum of coefficient x part, float64 [rows], of parts [columns, rows]."""
    if not as_zero:
        return np.asarray(coefficients @ parts)
    total = coefficients @ np.nan_to_num(parts)
    return np.where(np.isnan(parts).all(axis=0), np.nan, total)


def other_sum(numbers: Numbers, known: Collection[str]) -> RelationSchema | None:
    """Return a column that is a constant plus a sum of scattered columns, by least squares.

    known: columns that other relations give; they are neither computed again nor summed.
    """
    free = np.array([i for i, name in enumerate(numbers.names) if name not in known])
    if free.size < MIN_PARTS:
        return None
    rows = _complete_rows(numbers.values[free], free.size)
    if rows is None:
        return None
    sample = numbers.values[np.ix_(free, rows)]
    for at in _dependent(sample):
        column = int(free[at])
        if numbers.can_be_sum[column]:
            others = np.delete(np.arange(free.size), at)
            if found := _solve(numbers, column, free[others], sample[others], sample[at]):
                return _as_rest(numbers, found)
    return None


def _as_rest(numbers: Numbers, found: RelationSchema) -> RelationSchema:
    """Return a constant sum with the part as its rest that is least near zero.

    What others leave of 100 is below zero in some drawn rows. Of few values these are drawn again,
    and the smaller the rest is, the more its small values are missing.
    """
    if not found.constant or set(found.coefficients) != {-1.0}:
        return found
    names = [*found.of, found.column]
    places = [numbers.names.index(name) for name in names]
    parts = numbers.values[places]
    means = np.abs(np.nanmean(parts, axis=1))
    distance = means / np.maximum(np.nanstd(parts, axis=1), 1e-12)
    # Ranks are alike up to chance: of those the last one in the file.
    at = int(np.flatnonzero(distance >= ALIKE * distance.max())[-1])
    rest, column = names.pop(at), places[at]
    given = found.constant - np.delete(parts, at, axis=0).sum(axis=0)
    if not (numbers.can_be_sum[column] and numbers.gives(given, column)):
        return found
    return found.model_copy(update={"column": rest, "of": names})


def _complete_rows(values: Floats, columns: int) -> Rows | None:
    rows = np.flatnonzero(~np.isnan(values).any(axis=0))
    needed = columns + SPARE_ROWS
    if rows.size < needed:
        return None
    return rows[spread_rows(rows.size, max(MAX_ROWS, needed))]


def _dependent(sample: Floats) -> Rows:
    """Return the columns that take part in a linear dependency, the last of the file first."""
    centered = sample - sample.mean(axis=1, keepdims=True)
    scaled = centered / np.maximum(centered.std(axis=1, keepdims=True), 1e-12)
    sizes, directions = np.linalg.eigh(scaled @ scaled.T / sample.shape[1])
    null = directions[:, sizes < 1e-4]
    return np.flatnonzero((np.abs(null) > 1e-2).any(axis=1))[::-1]


def _solve(
    numbers: Numbers, column: int, others: Rows, sample: Floats, target: Floats
) -> RelationSchema | None:
    # Centered: beside a constant, other columns that sum to one would share it with them.
    design = (sample - sample.mean(axis=1, keepdims=True)).T
    solution = np.asarray(np.linalg.lstsq(design, target - target.mean(), rcond=None)[0])
    whole = np.round(solution)
    used = np.flatnonzero(whole)
    is_sum = np.abs(solution - whole).max() < WHOLE and np.abs(whole).max() == 1
    if not is_sum or not 2 <= used.size <= MAX_PARTS:
        return None
    rest = target - whole[used] @ sample[used]
    constant = float(np.round(np.median(rest), 6))
    parts = numbers.values[others[used]]
    if not numbers.gives(constant + sum_of(parts, whole[used], as_zero=False), column):
        return None
    return RelationSchema(
        kind="linear",
        column=numbers.names[column],
        of=[numbers.names[i] for i in others[used]],
        coefficients=[float(c) for c in whole[used]],
        constant=constant,
    )
