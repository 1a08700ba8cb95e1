"""Chi-squared tests of many pairs of columns, and how far generated cells are from unseen ones."""

import numpy as np
from scipy.special import chdtrc

from simulacra_intake.survey_weights import Floats
from simulacra_trainer.report.comparison.strength import Bools

LEAST_ROWS = 10
LEAST_CELL = 5
SIGNIFICANCE = 0.001
INNER = (0.03, 0.97)
"""Shares outside are left out: their error is not normal."""


def without_rare(counts: Floats) -> Floats:
    """Return the counts without levels of fewer rows than `LEAST_CELL`."""
    rows, columns = counts.sum(axis=2) >= LEAST_CELL, counts.sum(axis=1) >= LEAST_CELL
    return counts * rows[:, :, None] * columns[:, None, :]


def depend(counts: Floats) -> Bools:
    """Return in which pairs a chi-squared test of all real rows finds a dependence, bool [pairs].

    counts: without rare levels, float64 [pairs, left, right].
    """
    rows, columns = counts.sum(axis=2) > 0, counts.sum(axis=1) > 0
    total = np.maximum(counts.sum(axis=(1, 2)), 1.0)[:, None, None]
    expected = counts.sum(axis=2)[:, :, None] * counts.sum(axis=1)[:, None, :] / total
    # A floor of half a row keeps single rows in cells of next to none from deciding the test.
    statistic = np.sum((counts - expected) ** 2 / np.maximum(expected, 0.5), axis=(1, 2))
    freedom = (rows.sum(axis=1) - 1) * (columns.sum(axis=1) - 1)
    found: Bools = chdtrc(np.maximum(freedom, 1), statistic) < SIGNIFICANCE
    return found & (rows.sum(axis=1) > 1) & (columns.sum(axis=1) > 1)


def discrepancies(unseen: Floats, *draws: Floats) -> Floats:
    """Return the mean of z^2 over both directions of each pair; NaN where rows are too few.

    unseen, draws: counts, float64 [pairs, left, right]; two draws.
    """
    across = (of.mT for of in (unseen, *draws))
    both = np.stack([_mean_squares(unseen, *draws), _mean_squares(*across)])
    return _means(both, ~np.isnan(both), 0)


def _mean_squares(unseen: Floats, first: Floats, second: Floats) -> Floats:
    drawn = first + second
    k, drawn_k = unseen.sum(axis=2), drawn.sum(axis=2)
    most = k.sum(axis=1, keepdims=True) - LEAST_ROWS
    enough = (k >= LEAST_ROWS) & (k <= most) & (drawn_k >= 5 * LEAST_ROWS)
    k, drawn_k = (np.where(enough, of, 1.0)[:, :, None] for of in (k, drawn_k))
    q, of_model = unseen / k, drawn / drawn_k
    inner = enough[:, :, None] & (of_model > INNER[0]) & (of_model < INNER[1])
    variance = np.where(inner, of_model * (1.0 - of_model), 1.0) / k
    square = ((q - of_model) ** 2 - _noise(first, second)) / variance
    return _means(square, inner, (1, 2))


def _noise(first: Floats, second: Floats) -> Floats:
    """Return the squared error of the shares of two draws together, by their difference.

    Unbiased however the rows of one draw depend on one another, as long as the draws do not. first,
    second: as in `_discrepancies`.
    """
    counts = [np.maximum(of.sum(axis=2, keepdims=True), 1.0) for of in (first, second)]
    part = counts[0] / (counts[0] + counts[1])
    return part * (1.0 - part) * (first / counts[0] - second / counts[1]) ** 2


def _means(values: Floats, is_counted: Bools, axis: int | tuple[int, ...]) -> Floats:
    """Return means over axes of the values that count; NaN where none does."""
    counts = is_counted.sum(axis=axis)
    sums = np.where(is_counted, values, 0.0).sum(axis=axis)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
