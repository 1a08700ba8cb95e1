"""Log-linear regressions of a column's classes on earlier columns, with empirical-Bayes priors.

log p(y = k | x) = log share_k + b_k + U_k . (x W),   W_dm ~ N(0, t_dm^2)

x are functions of the earlier columns, U scores of the classes (`loglinear_terms`). A tree needs
rows of its own for every effect; here weak effects of all columns add up, each shrunk by its own
prior. Each pair of an earlier column's functions and a kind of score has one standard deviation t,
found by maximizing the evidence (MacKay, 1992), so nothing is selected and nothing is
cross-validated. Privacy tuning multiplies all t by one scale: the smaller, the less a row tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from simulacra_trainer.families.codec import Floats
from simulacra_trainer.families.forest.loglinear_terms import Functions, Scores
from simulacra_trainer.families.forest.samplers import Indices

FIRST_SD, ROUNDS = 0.35, 4
"""Standard deviation of all weights at first, and updates of it."""
LEAST, MOST = 0.03, 6.0
"""Bounds of a standard deviation, relative to the first."""
STEPS, LAST_STEPS, MEMORY = 40, 100, 12
"""Steps of L-BFGS in each round and in the last fit, and the steps it remembers."""
TOLERANCE, GRADIENT = 1e-7, 1e-4


@dataclass(frozen=True)
class Regression:
    """A regression problem: rows of predictors and the class of each.

    Attributes:
        X: functions of the predictors, float64 [n, D].
        blocks: functions that share a prior, as slices of D.
        y: class of each row, int64 [n].
        scores: of the classes.
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


def learn_prior(problem: Regression) -> Floats:
    """Return the standard deviation of each weight, float64 [D, m].

    MacKay's update with the diagonal of the Hessian, one standard deviation a block.
    """
    prior = np.full(problem.shape, FIRST_SD)
    spread = np.maximum(problem.scores.variance, 1e-9)
    information = (problem.X**2 * problem.weight[:, None]).sum(axis=0)[:, None] * spread
    start = None
    for _ in range(ROUNDS):
        offsets, weights = fit_weights(problem, prior, start, STEPS)
        determined = 1.0 - 1.0 / (1.0 + information * prior**2)
        prior = np.empty_like(prior)
        for rows in problem.blocks:
            for columns in _slices(problem.scores.sizes):
                size = np.sum(weights[rows, columns] ** 2) / FIRST_SD**2
                relative = size / max(float(determined[rows, columns].sum()), 1e-9)
                prior[rows, columns] = FIRST_SD * np.sqrt(np.clip(relative, LEAST**2, MOST**2))
        start = offsets, weights
    return prior


def fit_weights(
    problem: Regression,
    prior: Floats,
    start: tuple[Floats, Floats] | None = None,
    steps: int = LAST_STEPS,
) -> tuple[Floats, Floats]:
    """Return the most probable b, float64 [classes], and W, float64 [D, m].

    Args:
        problem: the regression.
        prior: standard deviation of each weight, float64 [D, m].
        start: b and W to begin with.
        steps: of L-BFGS.
    """
    X, y, U, w = problem.X, problem.y, problem.scores.values, problem.weight
    base, size = np.log(problem.scores.share), problem.scores.share.size
    at = np.arange(y.size)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        b, V = parameters[:size], parameters[size:].reshape(problem.shape)
        S = (X @ (prior * V)) @ U.T
        S += base + b
        S -= S.max(axis=1, keepdims=True)
        seen = S[at, y]
        np.exp(S, out=S)
        total = S.sum(axis=1)
        nats = float(w @ (np.log(total) - seen))
        S *= (w / total)[:, None]
        S[at, y] -= w
        gradient = prior * (X.T @ (S @ U)) + V
        nats += 0.5 * float(b @ b) + 0.5 * float(np.sum(V**2))
        return nats, np.append(S.sum(axis=0) + b, gradient)

    first = np.zeros(size + prior.size)
    if start is not None:
        first = np.append(start[0], start[1] / prior)
    options = {"maxiter": steps, "ftol": TOLERANCE, "gtol": GRADIENT, "maxcor": MEMORY}
    found = minimize(loss, first, jac=True, method="L-BFGS-B", options=options).x
    return found[:size], prior * found[size:].reshape(problem.shape)


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
