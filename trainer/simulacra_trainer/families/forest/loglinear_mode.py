"""Most probable weights of a log-linear regression: Newton for few of them, else L-BFGS.

A regression on factor scores has some ten weights, so a Newton step costs little more than a
gradient and four of them suffice. With hundreds of weights the Hessian is too large; there L-BFGS
searches in coordinates in which the Hessian at no effect is the identity. That is known before the
search: the classes then have their shares in every row, so it is one matrix of cross products of
the predictors, times the variance of a score.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from scipy.linalg import cholesky, helmert, solve_triangular
from scipy.optimize import minimize

from simulacra_trainer.families.codec import Floats
from simulacra_trainer.families.forest.loglinear_terms import Scores
from simulacra_trainer.families.forest.samplers import Indices

MAX_NEWTON = 64
"""Up to this many weights, Newton steps are faster."""
UNTIED = 1e-9
"""Variance of differences between classes that no score tells apart, which stay as they are."""
NEWTON_STEPS, HALVINGS = 30, 20
LBFGS_STEPS, MEMORY = 100, 12
NEAR = 1e-2
"""Nats that a Newton step promises from which it is the last: the error after it is quadratic."""

Weights = tuple[Floats, Floats]
"""b, float64 [classes], and W, float64 [D, m]."""


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

    @cached_property
    def base(self) -> Floats:
        """Log-odds at no effect, float64 [classes]."""
        out: Floats = np.log(self.scores.share)
        return out

    @cached_property
    def seen(self) -> Floats:
        """Weight of each row at its class, float64 [n, classes]."""
        out = np.zeros((self.y.size, self.scores.share.size))
        out[np.arange(self.y.size), self.y] = self.weight
        return out

    @cached_property
    def products(self) -> Floats:
        """Products of each pair of 1 and the functions, float64 [(D + 1) (D + 2) / 2, n]."""
        first, second = _pairs(1 + self.shape[0])[0]
        design = self.design.T
        return design[first] * design[second]

    @cached_property
    def design(self) -> Floats:
        """A column of ones and the functions, float64 [n, 1 + D]."""
        return np.column_stack([np.ones(self.y.size), self.X])

    @cached_property
    def gram(self) -> Floats:
        """Weighted cross products of the centered functions, float64 [D, D]."""
        centered = self.X - np.average(self.X, axis=0, weights=self.weight)
        return centered.T @ (centered * self.weight[:, None])


def fit_weights(problem: Regression, prior: Floats, start: Weights | None = None) -> Weights:
    """Return the most probable b and W.

    Args:
        problem: the regression.
        prior: standard deviation of each weight, float64 [D, m].
        start: b and W to begin with; the result hardly depends on it.
    """
    b = np.zeros(problem.scores.share.size) if start is None else start[0]
    V = np.zeros(problem.shape) if start is None else start[1] / prior
    solve = _newton if (1 + len(V)) * (b.size - 1) <= MAX_NEWTON else _lbfgs
    b, V = solve(problem, prior, b, V)
    return b, prior * V


def _shares(problem: Regression, S: Floats) -> tuple[float, Floats]:
    """Return minus the log-likelihood, and the probability of each class, float64 [n, classes].

    S: log-odds beyond those at no effect, overwritten.
    """
    S += problem.base
    S -= S.max(axis=1, keepdims=True)
    nats = -float(np.vdot(problem.seen, S))
    np.exp(S, out=S)
    total = S @ np.ones(S.shape[1])
    S /= total[:, None]
    return nats + float(problem.weight @ np.log(total)), S


def _newton(problem: Regression, prior: Floats, b: Floats, V: Floats) -> Weights:
    """Return b and V = W / prior at the minimum, by Newton steps that are halved while too long.

    Only differences between classes count. So the search is in an orthonormal basis of these, in
    which the effect T_d = W_d C' of a function has covariance C diag(t_d^2) C'.
    """
    basis, squares, precision, back = _coordinates(problem, prior)
    weight = problem.weight[:, None]
    pairs, into = _pairs(basis.shape[1])
    at = _pairs(1 + len(V))[1]
    T = np.vstack([b, (prior * V) @ problem.scores.values.T]) @ basis
    step, least, halvings = np.zeros_like(T), np.inf, 0
    for _ in range(NEWTON_STEPS):
        pull = np.einsum("dij,dj->di", precision, T)
        nats, share = _shares(problem, problem.design @ T @ basis.T)
        nats += 0.5 * float(np.vdot(pull, T))
        if nats > least and halvings < HALVINGS:
            step /= 2.0
            T, halvings = T - step, halvings + 1
            continue
        share *= weight
        mean = share @ basis
        gradient = problem.design.T @ (mean - problem.seen @ basis) + pull
        curved = share @ squares
        curved -= (mean / weight)[:, pairs[0]] * mean[:, pairs[1]]
        H = (problem.products @ curved)[at][:, :, into]
        H[np.arange(len(T)), np.arange(len(T))] += precision
        H = H.transpose(0, 2, 1, 3).reshape(T.size, T.size)
        step, least = -np.linalg.solve(H, gradient.ravel()).reshape(T.shape), nats
        T = T + step
        if -np.vdot(gradient, step) < NEAR:
            break
    return basis @ T[0], np.einsum("dmi,di->dm", back, T[1:])


def _coordinates(problem: Regression, prior: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the basis of the differences between classes, and the prior in it.

    Returns:
        basis, float64 [classes, r]; products of its pairs, float64 [classes, r (r + 1) / 2];
        precision of the intercept and of each function's effect, float64 [1 + D, r, r]; what turns
        an effect into V, float64 [D, m, r].
    """
    basis = helmert(problem.scores.share.size).T
    first, second = _pairs(basis.shape[1])[0]
    C = basis.T @ problem.scores.values
    spread = C * prior[:, None, :]
    covariance = spread @ spread.transpose(0, 2, 1)
    covariance[:, np.arange(len(C)), np.arange(len(C))] += UNTIED
    precision = np.linalg.inv(covariance)
    back = spread.transpose(0, 2, 1) @ precision
    precision = np.concatenate([np.eye(len(C))[None], precision])
    return basis, basis[:, first] * basis[:, second], precision, back


@cache
def _pairs(size: int) -> tuple[tuple[Indices, Indices], Indices]:
    """Return the places (i, j) with i <= j, and for every (i, j) which of them it is."""
    first, second = np.triu_indices(size)
    into = np.empty((size, size), np.int64)
    into[first, second] = into[second, first] = np.arange(first.size)
    return (first, second), into


def _lbfgs(problem: Regression, prior: Floats, b: Floats, V: Floats) -> Weights:
    """Return b and V = W / prior at the minimum, by L-BFGS in whitened coordinates."""
    size, spread = b.size, np.sqrt(1.0 + problem.weight.sum() * problem.scores.share)
    turn = _uncorrelated(problem.scores)
    U = problem.scores.values @ turn
    roots = _roots(problem, prior, problem.scores.share @ U**2)

    def colored(z: Floats) -> Floats:
        return np.hstack([root @ z[:, columns] for columns, root in roots])

    def loss(z: Floats) -> tuple[float, Floats]:
        b, V = z[:size] / spread, colored(z[size:].reshape(prior.shape))
        nats, share = _shares(problem, (problem.X @ (prior * V)) @ U.T + b)
        nats += 0.5 * float(b @ b) + 0.5 * float(np.vdot(V, V))
        share *= problem.weight[:, None]
        share -= problem.seen
        gradient = prior * (problem.X.T @ (share @ U)) + V
        whitened = [root.T @ gradient[:, columns] for columns, root in roots]
        return nats, np.append((share.sum(axis=0) + b) / spread, np.hstack(whitened))

    V = V @ turn
    first = [np.linalg.solve(root, V[:, columns]) for columns, root in roots]
    options = {"maxiter": LBFGS_STEPS, "ftol": 1e-7, "gtol": 1e-3, "maxcor": MEMORY}
    z = minimize(
        loss, np.append(b * spread, np.hstack(first)), jac=True, method="L-BFGS-B", options=options
    ).x
    return z[:size] / spread, colored(z[size:].reshape(prior.shape)) @ turn.T


def _uncorrelated(scores: Scores) -> Floats:
    """Return a rotation of the scores that share a prior: of names, to uncorrelated ones."""
    if len(scores.sizes) > 1:
        return np.eye(scores.values.shape[1])
    return np.linalg.eigh((scores.values.T * scores.share) @ scores.values)[1]


def _roots(problem: Regression, prior: Floats, variance: Floats) -> list[tuple[slice, Floats]]:
    """Return for some scores each a matrix R whose R R' inverts the Hessian at no effect.

    variance: of each score, float64 [m]. Small deviations of ordered classes have one R.
    """
    sizes = problem.scores.sizes
    found, begin = [], 0
    for count in sizes if len(sizes) > 1 else [1] * sizes[0]:
        columns = slice(begin, begin + count)
        begin += count
        sd = prior[:, columns.start]
        H = variance[columns].mean() * sd[:, None] * problem.gram * sd
        H[np.diag_indices_from(H)] += 1.0
        root = solve_triangular(cholesky(H, lower=True), np.eye(sd.size), lower=True, trans=1)
        found.append((columns, root))
    return found
