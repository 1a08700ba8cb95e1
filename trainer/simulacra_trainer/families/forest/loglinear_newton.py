"""What rows say of a Newton step on a log-linear regression, in one pass over them.

A wide table takes thousands of such steps, on a few hundred rows and a handful of functions each.
As array operations most of their time is the overhead of some twenty calls.
"""

from __future__ import annotations

import numpy as np

from simulacra_trainer.families.forest.kernels import F8, I8, compiled


@compiled
def row_terms(
    odds: F8,
    base: F8,
    y: I8,
    weight: F8,
    basis: F8,
    squares: F8,
    pairs: tuple[I8, I8],
    pulled: F8,
    curved: F8,
) -> float:
    """Return minus the log-likelihood; fill in each row's gradient and Hessian by its log-odds.

    Both are in the coordinates of a basis of the differences between classes.

    Args:
        odds: log-odds beyond those at no effect, float64 [n, classes].
        base: log-odds at no effect, float64 [classes].
        y: class of each row, int64 [n].
        weight: of each row, float64 [n].
        basis: float64 [classes, r].
        squares: products of the basis's pairs, float64 [classes, r (r + 1) / 2].
        pairs: places of these pairs in the basis, int64 each.
        pulled: the gradient, float64 [n, r].
        curved: the Hessian's upper triangle, float64 [n, r (r + 1) / 2].
    """
    classes, width = basis.shape
    share, nats = np.empty(classes), 0.0
    first, second = pairs
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
        for j in range(width):
            mean = 0.0
            for k in range(classes):
                mean += share[k] * basis[k, j]
            pulled[i, j] = mean / total
        for m in range(first.shape[0]):
            square = 0.0
            for k in range(classes):
                square += share[k] * squares[k, m]
            curved[i, m] = weight[i] * (square / total - pulled[i, first[m]] * pulled[i, second[m]])
        for j in range(width):
            pulled[i, j] = weight[i] * (pulled[i, j] - basis[y[i], j])
    return nats
