"""Most probable weights of a log-linear regression: Newton for few of them, else L-BFGS.

A regression on factor scores has some ten weights, so a Newton step costs little more than a
gradient and four of them suffice. With hundreds of weights the Hessian is too large
(`loglinear_lbfgs`).
"""

from functools import cache

import numpy as np
from scipy.linalg import helmert

from simulacra_trainer.families.codec import Floats
from simulacra_trainer.families.forest.regression.loglinear_lbfgs import lbfgs
from simulacra_trainer.families.forest.regression.loglinear_problem import (
    INTERCEPT_PRECISION,
    Regression,
    Weights,
    pairs_of,
)
from simulacra_trainer.families.forest.trees.kernels import F8, I8, compiled

MAX_NEWTON = 64
"""Up to this many weights, Newton steps are faster."""
UNTIED = 1e-9
"""Variance of differences between classes that no score tells apart, which stay as they are."""
NEWTON_STEPS, HALVINGS = 30, 20
NEAR, NEAR_NEWTON = 3e-4, 1e-2
"""Nats that a step promises from which it is the last: the error after a Newton step is quadratic.
"""


def fit_weights(
    problem: Regression, prior: Floats, start: Weights | None = None, *, rough: float = 0.0
) -> Weights:
    """Return the most probable b and W.

    prior: standard deviation of each weight, float64 [D, m]; start: b and W to begin with, on which
    the result hardly depends; rough: nats that may be missed.
    """
    b = np.zeros(problem.scores.share.size) if start is None else start[0]
    V = np.zeros(problem.shape) if start is None else start[1] / prior
    if (1 + len(V)) * (b.size - 1) <= MAX_NEWTON:
        b, V = _newton(problem, prior, b, V, max(rough, NEAR_NEWTON))
    else:
        b, V = lbfgs(problem, prior, b, V, max(rough, NEAR))
    return b - b.mean(), prior * V  # only differences count, and the prior is of mean 0


def _newton(problem: Regression, prior: Floats, b: Floats, V: Floats, near: float) -> Weights:
    """Return b and V = W / prior at the minimum, by Newton steps that are halved while too long.

    Only differences between classes count. So the search is in an orthonormal basis of these, in
    which the effect T_d = W_d C' of a function has covariance C diag(t_d^2) C'.
    """
    basis, squares, precision, back = _coordinates(problem, prior)
    rows, classes = problem.y.size, len(basis)
    pulled, curved = np.empty((rows, classes)), np.empty((rows, len(squares)))
    given = problem.base, problem.y, problem.weight
    T = np.vstack([b, (prior * V) @ problem.scores.values.T]) @ basis
    step, least, halvings = np.zeros_like(T), np.inf, 0
    for _ in range(NEWTON_STEPS):
        pull = np.einsum("dij,dj->di", precision, T)
        nats = row_terms(problem.design @ (T @ basis.T), *given, pulled, curved)
        nats += 0.5 * float(np.vdot(pull, T))
        if nats > least and halvings < HALVINGS:
            step /= 2.0
            T, halvings = T - step, halvings + 1
            continue
        gradient = problem.design.T @ pulled @ basis + pull
        H: Floats = problem.curvature(curved) @ squares
        H = H.reshape(len(T), *precision.shape)
        H[np.arange(len(T)), np.arange(len(T))] += precision
        H = H.transpose(0, 2, 1, 3).reshape(T.size, T.size)
        step, least = -np.linalg.solve(H, gradient.ravel()).reshape(T.shape), nats
        T = T + step
        if -np.vdot(gradient, step) < near:
            break
    return basis @ T[0], np.einsum("dmi,di->dm", back, T[1:])


@compiled
def row_terms(odds: F8, base: F8, y: I8, weight: F8, pulled: F8, curved: F8) -> float:
    """Return minus the log-likelihood; fill in each row's gradient and Hessian by its log-odds.

    In one pass over the rows: a wide table takes thousands of Newton steps, on a few hundred rows
    and a handful of functions each. As array operations most of their time is the overhead of some
    twenty calls.

    Args:
        odds: log-odds beyond those at no effect, float64 [n, classes].
        base: log-odds at no effect, float64 [classes].
        y: class of each row, int64 [n].
        weight: of each row, float64 [n].
        pulled: the gradient, float64 [n, classes].
        curved: the Hessian's upper triangle by rows, float64 [n, classes (classes + 1) / 2].
    """
    classes, nats = base.shape[0], 0.0
    share = np.empty(classes)
    for i in range(odds.shape[0]):
        most = -np.inf
        for k in range(classes):
            share[k] = odds[i, k] + base[k]
            most = max(most, share[k])
        seen, total = share[y[i]] - most, 0.0
        for k in range(classes):
            share[k] = np.exp(share[k] - most)
            total += share[k]
        nats += weight[i] * (np.log(total) - seen)
        at = 0
        for k in range(classes):
            share[k] /= total
        for k in range(classes):
            weighted = weight[i] * share[k]
            pulled[i, k] = weighted
            curved[i, at] = weighted * (1.0 - share[k])
            for m in range(k + 1, classes):
                curved[i, at + m - k] = -weighted * share[m]
            at += classes - k
        pulled[i, y[i]] -= weight[i]
    return nats


def _coordinates(problem: Regression, prior: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the basis of the differences between classes, and the prior in it.

    Returns:
        basis, float64 [classes, r]; what turns pairs of classes into pairs of it, float64 [pairs,
        r^2]; precision of the intercept and of each function's effect, float64 [1 + D, r, r]; what
        turns an effect into V, float64 [D, m, r].
    """
    basis, squares = _basis(problem.scores.share.size)
    C = basis.T @ problem.scores.values
    spread = C * prior[:, None, :]
    covariance = spread @ spread.transpose(0, 2, 1)
    covariance[:, np.arange(len(C)), np.arange(len(C))] += UNTIED
    precision = np.asarray(np.linalg.inv(covariance), np.float64)
    back: Floats = spread.transpose(0, 2, 1) @ precision
    intercept = INTERCEPT_PRECISION * np.eye(len(C))
    whole: Floats = np.concatenate([intercept[None], precision])
    return basis, squares, whole, back


@cache
def _basis(classes: int) -> tuple[Floats, Floats]:
    """Return an orthonormal basis of the differences between classes, and its products by pair.

    A symmetric matrix of the classes, by its upper triangle, times these is that matrix in the
    basis, by rows.
    """
    basis = helmert(classes).T
    first, second = pairs_of(classes)[0]
    squares = basis[first][:, :, None] * basis[second][:, None, :]
    both = squares + squares.transpose(0, 2, 1)
    squares = np.where((first == second)[:, None, None], squares, both)
    return basis, squares.reshape(len(squares), -1)
