"""Log-linear regressions of a column's classes on earlier columns, with empirical-Bayes priors.

log p(y = k | x) = log share_k + b_k + U_k . (x W),   b_k ~ N(0, 10^2),   W_dm ~ N(0, t_dm^2)

x are functions of the earlier columns, U scores of the classes (`loglinear_terms`). A tree needs
rows of its own for every effect; here weak effects of all columns add up, each shrunk by its own
prior. Each pair of an earlier column's functions and a kind of score has one standard deviation t,
found by maximizing the evidence (MacKay, 1992), so nothing is selected and nothing is
cross-validated. Privacy tuning multiplies all t by one scale: the smaller, the less a row tells.
"""

from collections.abc import Sequence

import numpy as np

from simulacra_trainer.families.codec import Floats, Indices
from simulacra_trainer.families.forest.regression.loglinear_mode import fit_weights
from simulacra_trainer.families.forest.regression.loglinear_problem import Regression, Weights
from simulacra_trainer.families.forest.regression.loglinear_terms import Functions, Scores

FIRST_SD, ROUNDS = 0.35, 4
"""Standard deviation of all weights at first, and updates of it."""
ROUGH = 0.1
"""Nats that weights may miss while their prior changes; updates move the loss by several."""
LEAST, MOST = 0.03, 6.0
"""Bounds of a standard deviation, relative to the first."""


def regression_of(
    codes: Sequence[Indices],
    functions: Sequence[Functions],
    y: Indices,
    scores: Scores,
    w: Floats,
    further: tuple[Floats, list[int]],
) -> Regression:
    """Return the regression on columns with these predictor codes and functions.

    further: features that are no function of one column, float64 [n, k], and sizes of their blocks.
    """
    features, sizes = further
    parts = [of.table[code] for code, of in zip(codes, functions, strict=True)]
    X = np.hstack([*parts, features])
    blocks = _slices([*(size for of in functions for size in of.sizes), *sizes])
    return Regression(np.ascontiguousarray(X), blocks, y, scores, w)


def learn_prior(problem: Regression) -> tuple[Floats, Weights]:
    """Return the standard deviation of each weight, float64 [D, m], and the last weights.

    MacKay's update with the diagonal of the Hessian, one standard deviation a block.
    """
    prior = np.full(problem.shape, FIRST_SD)
    spread = np.maximum(problem.scores.variance, 1e-9)
    information = (problem.X**2).T @ problem.weight
    information = information[:, None] * spread
    start = None
    for _ in range(ROUNDS):
        start = fit_weights(problem, prior, start, rough=ROUGH)
        determined = 1.0 - 1.0 / (1.0 + information * prior**2)
        size = _block_sums(problem, start[1] ** 2) / FIRST_SD**2
        relative = size / np.maximum(_block_sums(problem, determined), 1e-9)
        prior = FIRST_SD * np.sqrt(np.clip(relative, LEAST**2, MOST**2))
    assert start is not None
    return prior, start


def _block_sums(problem: Regression, values: Floats) -> Floats:
    """Return at each weight the sum over its block of functions and kind of score, float64 [D, m].

    values: of each weight, float64 [D, m].
    """
    sizes = [block.stop - block.start for block in problem.blocks]
    begin = np.array([block.start for block in problem.blocks], np.int64)
    sums = np.add.reduceat(values, begin, axis=0)
    kinds = problem.scores.sizes
    sums = np.add.reduceat(sums, np.cumsum([0, *kinds[:-1]]), axis=1)
    return sums.repeat(sizes, axis=0).repeat(kinds, axis=1)


def tables_of(functions: Sequence[Functions], weights: Floats, scores: Scores) -> list[Floats]:
    """Return what each code of each column adds to the log-odds, float64 [codes, classes] each."""
    tables, begin = [], 0
    for of in functions:
        end = begin + of.table.shape[1]
        tables.append(of.table @ weights[begin:end] @ scores.values.T)
        begin = end
    return tables


def _slices(sizes: Sequence[int]) -> list[slice]:
    ends = np.cumsum(sizes)
    return [slice(int(end) - size, int(end)) for end, size in zip(ends, sizes, strict=True) if size]
