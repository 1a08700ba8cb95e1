"""Gradient boosted trees on binned features, compiled: what the linear part of a nuisance model
leaves over.

Trees of fixed depth by histograms of gradients and hessians (Friedman, 2001; Chen & Guestrin, 2016)
in heap layout: node k has children 2k+1 and 2k+2. Losses: squared, and logistic for outcomes 0/1.
No randomness.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

DEPTH = 3
SPLITS = 2**DEPTH - 1
LEAVES = 2**DEPTH
BINS = 64
RATE = 0.1
RIDGE = 1.0
MIN_LEAF = 10

Bins = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Splits = npt.NDArray[np.int16]
Ensemble = tuple[Splits, Splits, Floats]
"""feature [trees, SPLITS] (-1: all rows go left), threshold [trees, SPLITS] (bin <= threshold:
left), leaf value [trees, LEAVES], already multiplied by the rate where it is."""

_compiled = numba.njit(nogil=True, cache=True)


@_compiled
def _gradients(y: Floats, score: Floats, logistic: bool, slope: Floats, curve: Floats) -> None:
    for i in range(y.shape[0]):
        if logistic:
            p = 1.0 / (1.0 + np.exp(-score[i]))
            slope[i], curve[i] = y[i] - p, max(p * (1.0 - p), 1e-6)
        else:
            slope[i], curve[i] = y[i] - score[i], 1.0


@_compiled
def _loss(y: Floats, score: Floats, logistic: bool) -> float:
    total = 0.0
    for i in range(y.shape[0]):
        if logistic:
            total += np.logaddexp(0.0, score[i]) - y[i] * score[i]
        else:
            total += 0.5 * (y[i] - score[i]) ** 2
    return total


@_compiled
def _best_split(slopes: Floats, curves: Floats, counts: Floats, node: int) -> tuple[int, int]:
    """Return the feature and threshold of largest gain of one node, (-1, 0) when none gains; tables [node, f, bin]."""
    best, feature, threshold = 1e-9, -1, 0
    for f in range(slopes.shape[1]):
        s, c, n = slopes[node, f].sum(), curves[node, f].sum(), counts[node, f].sum()
        if n < 2 * MIN_LEAF:
            continue
        whole = s * s / (c + RIDGE)
        s_left, c_left, n_left = 0.0, 0.0, 0.0
        for b in range(BINS - 1):
            s_left += slopes[node, f, b]
            c_left += curves[node, f, b]
            n_left += counts[node, f, b]
            if n_left < MIN_LEAF:
                continue
            if n - n_left < MIN_LEAF:
                break
            gain = (
                s_left * s_left / (c_left + RIDGE)
                + (s - s_left) ** 2 / (c - c_left + RIDGE)
                - whole
            )
            if gain > best:
                best, feature, threshold = gain, f, b
    return feature, threshold


@_compiled
def _grow(
    Z: Bins, slope: Floats, curve: Floats, feature: Splits, threshold: Splits, leaf: Floats
) -> npt.NDArray[np.int32]:
    """Grow one tree into feature, threshold and leaf; return the leaf of each row."""
    features, n = Z.shape
    place = np.zeros(n, np.int32)
    for depth in range(DEPTH):
        width = 2**depth
        slopes, curves = np.zeros((width, features, BINS)), np.zeros((width, features, BINS))
        counts = np.zeros((width, features, BINS))
        for f in range(features):
            z = Z[f]
            for i in range(n):
                slopes[place[i], f, z[i]] += slope[i]
                curves[place[i], f, z[i]] += curve[i]
                counts[place[i], f, z[i]] += 1.0
        for node in range(width):
            feature[width - 1 + node], threshold[width - 1 + node] = _best_split(
                slopes, curves, counts, node
            )
        for i in range(n):
            f = feature[width - 1 + place[i]]
            right = f >= 0 and Z[f, i] > threshold[width - 1 + place[i]]
            place[i] = 2 * place[i] + right
    total_slope, total_curve = np.zeros(LEAVES), np.zeros(LEAVES)
    for i in range(n):
        total_slope[place[i]] += slope[i]
        total_curve[place[i]] += curve[i]
    for k in range(LEAVES):
        leaf[k] = RATE * total_slope[k] / (total_curve[k] + RIDGE)
    return place


@_compiled
def boost(
    Z: Bins,
    y: Floats,
    offset: Floats,
    is_check: npt.NDArray[np.bool_],
    logistic: bool,
    rounds: int,
    patience: int,
    whole: int,
) -> tuple[Ensemble, int, float]:
    """Boost from an offset.

    Args:
        Z: uint8 [features, n], bins below BINS.
        y: float64 [n]; 0 or 1 where logistic.
        offset: float64 [n], the score to start from (log odds where logistic).
        is_check: rows that only judge when to stop.
        logistic: the loss.
        rounds: trees at most.
        patience: stop after so many trees without a smaller loss on the check rows; without check
            rows, never.
        whole: so many trees, the first ones, count in full instead of by the rate.

    Returns:
        The ensemble, cut where the loss on the check rows is smallest, its number of trees, and
        that loss.
    """
    feature, threshold = (
        np.full((rounds, SPLITS), -1, np.int16),
        np.zeros((rounds, SPLITS), np.int16),
    )
    leaf = np.zeros((rounds, LEAVES))
    learn, check = np.flatnonzero(~is_check), np.flatnonzero(is_check)
    Z_learn, y_learn, score = Z[:, learn].copy(), y[learn], offset[learn].copy()
    y_check, check_score = y[check], offset[check].copy()
    slope, curve = np.empty(learn.shape[0]), np.empty(learn.shape[0])
    least, best = _loss(y_check, check_score, logistic), 0
    for t in range(rounds):
        _gradients(y_learn, score, logistic, slope, curve)
        place = _grow(Z_learn, slope, curve, feature[t], threshold[t], leaf[t])
        if t < whole:
            leaf[t] /= RATE
        for i in range(learn.shape[0]):
            score[i] += leaf[t, place[i]]
        if check.shape[0] == 0:
            best = t + 1
            continue
        for i in range(check.shape[0]):
            check_score[i] += leaf[t, _leaf_of(Z, check[i], feature[t], threshold[t])]
        now = _loss(y_check, check_score, logistic)
        if now < least:
            least, best = now, t + 1
        elif t + 1 - best >= patience:
            break
    return (feature[:best], threshold[:best], leaf[:best]), best, least


@_compiled
def _leaf_of(Z: Bins, row: int, feature: Splits, threshold: Splits) -> int:
    node = 0
    for _ in range(DEPTH):
        f = feature[node]
        node = 2 * node + 1 + (f >= 0 and Z[f, row] > threshold[node])
    return node - SPLITS


@_compiled
def boosted_score(Z: Bins, ensemble: Ensemble) -> Floats:
    """Return what the trees add to the offset, float64 [n]."""
    feature, threshold, leaf = ensemble
    out = np.zeros(Z.shape[1])
    for t in range(feature.shape[0]):
        for i in range(Z.shape[1]):
            out[i] += leaf[t, _leaf_of(Z, i, feature[t], threshold[t])]
    return out
