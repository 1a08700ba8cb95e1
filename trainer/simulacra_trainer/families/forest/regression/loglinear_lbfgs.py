"""Most probable weights of a long log-linear regression: L-BFGS in whitened coordinates.

With hundreds of weights the Hessian is too large for Newton steps. L-BFGS (Nocedal, 1980) searches
in coordinates in which the Hessian at no effect is the identity. That is known before the search:
the classes then have their shares in every row, so it is one matrix of cross products of the
predictors, times the variance of a score. Steps of length 1 suit these coordinates, so a search
takes some ten gradients.

Arrays have a column a row of the table: sums and maxima over classes are then vectorized.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg.lapack import dpotrf, dtrtrs

from simulacra_trainer.families.codec import Floats
from simulacra_trainer.families.forest.regression.loglinear_problem import (
    INTERCEPT_PRECISION,
    Regression,
    Weights,
)
from simulacra_trainer.families.forest.regression.loglinear_terms import Scores

STEPS, MEMORY, HALVINGS = 100, 12, 20
ENOUGH = 1e-4
"""Share of the promised nats that a step must gain (Armijo)."""
SHORTEST, LONGEST = 0.1, 0.7
"""A step that gains too little, relative to the one before."""
Loss = Callable[[Floats], tuple[float, Floats]]


@dataclass(frozen=True)
class Root:
    """Coordinates of the weights of some scores that share a prior.

    Attributes:
        scores: which, as a slice.
        lower: Cholesky factor of the Hessian at no effect, float64 [D, D].
    """

    scores: slice
    lower: Floats

    def solved(self, rows: Floats, *, turned: bool = False) -> Floats:
        """Return the rows of these scores, times the inverse of the factor or of its transpose.

        For the few scores that share a prior, solving is as fast as a product with the inverse,
        which takes longer to find than the factor itself.
        """
        found: Floats = dtrtrs(self.lower, rows[self.scores].T, lower=1, trans=not turned)[0]
        return found.T


def lbfgs(problem: Regression, prior: Floats, b: Floats, V: Floats, near: float) -> Weights:
    """Return b and V = W / prior at the minimum.

    prior: standard deviation of each weight, float64 [D, m]; b, V: to begin with, float64 [classes]
    and [D, m]; near: nats that a step promises from which it is the last.
    """
    turn = _uncorrelated(problem.scores)
    U = problem.scores.values @ turn
    roots = _roots(problem, prior, problem.scores.share @ U**2)
    spread = np.sqrt(INTERCEPT_PRECISION + problem.weight.sum() * problem.scores.share)
    first = turn.T @ V.T
    start = [first[root.scores] @ root.lower for root in roots]
    loss = _loss(problem, U, roots, spread, prior.T)
    z = _minimum(loss, np.append(b * spread, np.vstack(start)), near)
    Z = z[b.size :].reshape(-1, len(V))
    found = np.vstack([root.solved(Z) for root in roots])
    return z[: b.size] / spread, (turn @ found).T


def _loss(problem: Regression, U: Floats, roots: list[Root], spread: Floats, sd: Floats) -> Loss:
    """Return the function of b and Z that is minimized, with its gradient.

    U: scores of the classes, float64 [classes, m]; spread: of the intercepts, float64 [classes];
    sd: of the prior, float64 [m, D].
    """
    features, weight, classes = problem.features, problem.weight, spread.size
    base = problem.base[:, None]
    seen = problem.y * problem.y.size + np.arange(problem.y.size)
    shape = U.shape[1], features.shape[0]

    def loss(z: Floats) -> tuple[float, Floats]:
        b, Z = z[:classes] / spread, z[classes:].reshape(shape)
        V = np.vstack([root.solved(Z) for root in roots])
        share = U @ ((V * sd) @ features) + (b[:, None] + base)
        share -= share.max(axis=0)
        at_seen = share.ravel()[seen]
        np.exp(share, out=share)
        total = share.sum(axis=0)
        nats = float(weight @ (np.log(total) - at_seen))
        share *= weight / total
        share.ravel()[seen] -= weight
        pull = (U.T @ share) @ features.T * sd + V
        whitened = [root.solved(pull, turned=True) for root in roots]
        pull_b = INTERCEPT_PRECISION * b
        nats += 0.5 * float(b @ pull_b) + 0.5 * float(np.vdot(V, V))
        return nats, np.append((share.sum(axis=1) + pull_b) / spread, np.vstack(whitened))

    return loss


def _minimum(loss: Loss, z: Floats, near: float) -> Floats:
    """Return the minimum of a convex function, searched from z."""
    value, gradient = loss(z)
    known: list[tuple[Floats, Floats, float]] = []
    for _ in range(STEPS):
        step = _step(gradient, known)
        slope = float(gradient @ step)
        if -slope < near:
            return z + step
        for _ in range(HALVINGS):
            after, turned = loss(z + step)
            if after <= value + ENOUGH * slope:
                break
            ahead = float(turned @ step)  # the slope is 0 in between, if it rises there
            shorter = slope / (slope - ahead) if ahead > 0 else 0.5
            shorter = min(max(shorter, SHORTEST), LONGEST)
            step, slope = shorter * step, shorter * slope
        else:
            return z
        change = turned - gradient
        curvature = float(step @ change)
        if curvature > 0:
            known = [*known[1 - MEMORY :], (step, change, curvature)]
        z, value, gradient = z + step, after, turned
    return z


def _step(gradient: Floats, known: list[tuple[Floats, Floats, float]]) -> Floats:
    """Return minus the gradient times the inverse Hessian that steps and changes tell of.

    known: last steps, the changes of the gradient along them, and the products of both.
    """
    out, sizes = -gradient, []
    for step, change, curvature in reversed(known):
        size = float(step @ out) / curvature
        sizes.append(size)
        out = out - size * change
    if known:
        _, change, curvature = known[-1]
        out *= curvature / float(change @ change)
    for (step, change, curvature), size in zip(known, reversed(sizes), strict=True):
        out += (size - float(change @ out) / curvature) * step
    return out


def _uncorrelated(scores: Scores) -> Floats:
    """Return a rotation of the scores that share a prior: of names, to uncorrelated ones."""
    if len(scores.sizes) > 1:
        return np.eye(scores.values.shape[1])
    return np.linalg.eigh((scores.values.T * scores.share) @ scores.values)[1]


def _roots(problem: Regression, prior: Floats, variance: Floats) -> list[Root]:
    """Return the coordinates of the scores; variance: of each, float64 [m].

    Small deviations of ordered classes share them; a name has its own.
    """
    sizes = problem.scores.sizes
    found, begin = [], 0
    for count in sizes if len(sizes) > 1 else [1] * sizes[0]:
        scores = slice(begin, begin + count)
        begin += count
        sd = prior[:, scores.start]
        H = variance[scores].mean() * sd[:, None] * problem.gram * sd
        H[np.diag_indices_from(H)] += 1.0
        found.append(Root(scores, dpotrf(H, lower=1)[0]))
    return found
