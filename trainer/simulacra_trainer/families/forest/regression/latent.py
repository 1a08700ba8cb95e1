"""Numbers as normal scores that follow an additive regression, for tables with few rows.

A leaf needs rows of its own, so a tree cannot express many weak effects in a small table. Here a
number becomes the normal score of its rank (Hoff, 2007, for copulas; Masarotto & Varin, 2012, for
regression margins). The score is regressed on the scores of earlier numbers and the levels of
earlier categories (`additive`), and a penalized tree draws the residual. Rows with the same value
share an interval of scores; where each lies inside it is imputed from the regression, as in an
ordered probit model (Albert & Chib, 1993).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from simulacra_trainer.families.codec import BELOW_ONE, Booleans, Codes, Floats, Ints
from simulacra_trainer.families.forest.regression.additive import (
    MAX_FIT_ROWS,
    SAME,
    Design,
    design_of,
    fit_slopes,
    tables_of,
)
from simulacra_trainer.families.forest.trees.traversal import table_sums

SLOPE_NATS = 40.0
"""The penalty at which a slope costs as much as a split. Below it the price of a slope falls with
the square of the penalty, because a split is chosen among all columns and thresholds, a slope only
among columns.
"""
ROUNDS = 6
"""How often the scores of tied rows are imputed."""
TIED = 0.05
"""If no more than this share of the rows is tied, one round is enough."""


@dataclass(frozen=True)
class Additive:
    """A fitted regression of scores.

    Attributes:
        columns: predictors that have a slope, int32 [k].
        tables: what each code of these adds, float64 [k, 256].
        scores: of the training rows, float64 [n].
        expected: its predictions for them, float64 [n].
    """

    columns: Ints
    tables: Floats
    scores: Floats
    expected: Floats


def fit_additive(
    codes: Codes,
    bases: Sequence[Floats],
    values: Floats,
    penalty: float,
    rng: np.random.Generator,
    rows_a_person: float = 1.0,
) -> Additive:
    """Fit the regression.

    bases: `functions_of` the same columns as the codes; values: none missing; rng: places tied rows
    inside their interval; rows_a_person: rows that count as one.
    """
    low, high = _tie_ends(values)
    step = -(-values.size // MAX_FIT_ROWS)
    design = design_of(bases, codes, step)
    price = (0.5 + penalty**2 / SLOPE_NATS) * rows_a_person
    slopes = _slopes(design, low[::step], high[::step], price)
    columns, table = tables_of(bases, design.mean, slopes)
    rows = np.arange(values.size, dtype=np.int32)
    expected = table_sums(codes, rows, columns, table)
    inside = _imputed(expected, ndtri(low), ndtri(high), rng.random(values.size))
    scores = np.where(_is_tied(low, high), inside, ndtri((low + high) / 2.0))
    return Additive(columns, table, scores, expected)


def _slopes(design: Design, low: Floats, high: Floats, price: float) -> Floats:
    """Return each function's slope, 0 where it gains less than its price; imputes tied scores."""
    a, b, tied = ndtri(low), ndtri(high), _is_tied(low, high)
    scores = ndtri((low + high) / 2.0)
    for _ in range(ROUNDS if tied.mean() > TIED else 1):
        y = scores - scores.mean()
        slopes = fit_slopes(design, design.centered @ y, float(y @ y), y.size, price)
        scores = np.where(tied, _imputed(slopes @ design.centered, a, b, None), scores)
    return slopes


def _tie_ends(values: Floats) -> tuple[Floats, Floats]:
    """Return the shares of the rows below each row's value and up to it, float64 [n] each."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    upto = np.cumsum(counts)
    at = inverse.reshape(-1)
    return (upto - counts)[at] / values.size, upto[at] / values.size


def _is_tied(low: Floats, high: Floats) -> Booleans:
    return np.round((high - low) * low.size) > 1


def _imputed(expected: Floats, a: Floats, b: Floats, u: Floats | None) -> Floats:
    """Return scores between a and b: the truncated mean, or quantile u, float64 [n]."""
    spread = np.sqrt(max(1.0 - float(expected.var()), SAME))
    a = (a - expected) / spread
    b = (b - expected) / spread
    # Mirror to the side where the distribution function does not round to 1.
    sign = np.where(a > 0.0, -1.0, 1.0)
    a, b = np.where(sign > 0, a, -b), np.where(sign > 0, b, -a)
    below, upto = ndtr(a), ndtr(b)
    mass = np.maximum(upto - below, 1e-300)
    if u is None:
        inside = (np.exp(-0.5 * a**2) - np.exp(-0.5 * b**2)) / (np.sqrt(2.0 * np.pi) * mass)
    else:
        inside = ndtri(np.clip(below + u * mass, 1e-300, BELOW_ONE))
    return expected + spread * sign * np.clip(inside, a, b)
