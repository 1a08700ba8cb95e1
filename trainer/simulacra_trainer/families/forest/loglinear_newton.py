"""What rows say of a Newton step on a log-linear regression, in one pass over them.

A wide table takes thousands of such steps, on a few hundred rows and a handful of functions each.
As array operations most of their time is the overhead of some twenty calls.
"""

from __future__ import annotations

import numpy as np

from simulacra_trainer.families.forest.kernels import F8, I8, compiled


@compiled
def row_terms(odds: F8, base: F8, y: I8, weight: F8, pulled: F8, curved: F8) -> float:
    """Return minus the log-likelihood; fill in each row's gradient and Hessian by its log-odds.

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
