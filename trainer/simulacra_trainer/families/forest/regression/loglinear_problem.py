"""The regression problem of one column: rows of predictors, classes, and what solvers share."""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from simulacra_trainer.families.codec import Floats, Indices
from simulacra_trainer.families.forest.regression.loglinear_terms import Scores

MAX_KEPT = 25_000
"""Numbers of a regression that is kept for other strengths."""
MAX_PRODUCTS = 5_000_000
"""Products of functions that a regression holds in memory, 40 MB."""
INTERCEPT_PRECISION = 0.01
"""Of the prior of b, nearly flat: of numbers that go together closely, the outer bins have
intercepts of -10 and less, because they are rare at a mean predictor.
"""
Weights = tuple[Floats, Floats]
"""b, float64 [classes], and W, float64 [D, m]."""


@dataclass(frozen=True)
class Regression:
    """A regression problem: rows of predictors and the class of each.

    Attributes:
        X: functions of the predictors, float64 [n, D].
        blocks: functions that share a prior, as slices of D.
        y: class of each row, int64 [n].
        weight: of each row, float64 [n]; its sum is the number of independent rows.
    """

    X: Floats
    blocks: list[slice]
    y: Indices
    scores: Scores
    weight: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the weights W."""
        return self.X.shape[1], self.scores.values.shape[1]

    @property
    def is_small(self) -> bool:
        """Whether few enough numbers describe it that a fit can keep it."""
        return self.X.shape[0] * (1 + self.shape[0]) * (2 + self.shape[0]) <= 2 * MAX_KEPT

    @cached_property
    def base(self) -> Floats:
        """Log-odds at no effect, float64 [classes]."""
        return np.log(self.scores.share)

    def curvature(self, curved: Floats) -> Floats:
        """Return the weighted cross products of 1 and the functions, float64 [1 + D, 1 + D, k].

        Products of functions are kept between Newton steps where there are few of them. At
        200,000 cells they would take gigabytes, and a product of matrices a weight is as fast.

        curved: k weights of each row, float64 [n, k].
        """
        first, into = pairs_of(1 + self.shape[0])
        if first[0].size * self.y.size <= MAX_PRODUCTS:
            return (self.products @ curved)[into]
        return np.stack([(self.design * w[:, None]).T @ self.design for w in curved.T], axis=-1)

    @cached_property
    def products(self) -> Floats:
        """Products of each pair of 1 and the functions, float64 [(D + 1) (D + 2) / 2, n]."""
        design = np.ascontiguousarray(self.design.T)
        found, end = np.empty((pairs_of(len(design))[0][0].size, self.y.size)), 0
        for i, function in enumerate(design):  # picking the rows of all pairs first is slower
            begin, end = end, end + len(design) - i
            np.multiply(function, design[i:], out=found[begin:end])
        return found

    @cached_property
    def features(self) -> Floats:
        """The functions, one a row, float64 [D, n]."""
        return np.ascontiguousarray(self.X.T)

    @cached_property
    def design(self) -> Floats:
        """A column of ones and the functions, float64 [n, 1 + D]."""
        return np.column_stack([np.ones(self.y.size), self.X])

    @cached_property
    def gram(self) -> Floats:
        """Weighted cross products of the centered functions, float64 [D, D]."""
        centered = self.X - np.average(self.X, axis=0, weights=self.weight)
        centered *= np.sqrt(self.weight)[:, None]
        return centered.T @ centered  # half the work of a product of two matrices


@cache
def pairs_of(size: int) -> tuple[tuple[Indices, Indices], Indices]:
    """Return the places (i, j) with i <= j, and for every (i, j) which of them it is."""
    first, second = np.triu_indices(size)
    into = np.empty((size, size), np.int64)
    into[first, second] = into[second, first] = np.arange(first.size)
    return (first, second), into
