"""Orders of a category's codes by the target, so that a threshold can split the category."""

from __future__ import annotations

import numpy as np

from simulacra_trainer.families.forest.trees.kernels import BINS, F8, I4, U1, compiled


@compiled
def order_by_mean(x: U1, y: F8) -> F8:
    """Return the mean of y, float64 [n], for each code of x, uint8 [n]: float64 [256]."""
    counts = np.zeros(BINS)
    sums = np.zeros(BINS)
    for i in range(x.shape[0]):
        counts[x[i]] += 1
        sums[x[i]] += y[i]
    mean = sums.sum() / max(x.shape[0], 1)
    for b in range(BINS):
        sums[b] = sums[b] / counts[b] if counts[b] > 0 else mean
    return sums


@compiled
def order_by_correspondence(x: U1, y: I4, classes: int) -> F8:
    """Return a score for each code of x, float64 [256], that orders codes by the classes of y.

    The score is the first axis of the correspondence analysis of x, uint8 [n], and y, int32 [n],
    found by power iteration on the standardized residuals (Greenacre, 1984).
    """
    table, rows, columns = np.zeros((BINS, classes)), np.zeros(BINS), np.zeros(classes)
    for i in range(x.shape[0]):
        table[x[i], y[i]] += 1.0
        rows[x[i]] += 1.0
        columns[y[i]] += 1.0
    n = float(x.shape[0])
    axis = np.empty(classes)
    for k in range(classes):  # any start that is not constant
        axis[k] = np.sin(1.0 + 3.7 * k)
    scores = np.zeros(BINS)
    for _ in range(12):
        center = 0.0
        for k in range(classes):
            center += axis[k] * columns[k] / n
        spread = 0.0
        for k in range(classes):
            axis[k] -= center
            spread += axis[k] * axis[k] * columns[k] / n
        if spread < 1e-24:
            break
        spread = np.sqrt(spread)
        for k in range(classes):
            axis[k] /= spread
        for b in range(BINS):
            scores[b] = 0.0
            if rows[b] > 0:
                for k in range(classes):
                    scores[b] += table[b, k] * axis[k]
                scores[b] /= rows[b]
        for k in range(classes):
            axis[k] = 0.0
            if columns[k] > 0:
                for b in range(BINS):
                    axis[k] += table[b, k] * scores[b]
                axis[k] /= columns[k]
    return scores
