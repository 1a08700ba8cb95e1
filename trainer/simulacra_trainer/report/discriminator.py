"""Classifier two-sample test: can boosted trees tell synthetic from unseen real rows?

Gradient boosting (Friedman 2001) on histograms of 256 bins, logistic loss, Newton leaves. The
figure is the AUC of predictions out of fold (Lopez-Paz and Oquab 2017): 0.5 when the rows cannot be
told apart.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_trainer.cpus import threads
from simulacra_trainer.report.columns import (
    FloatArray,
    IntArray,
    is_category,
    level_codes,
    numbers,
    sample_rows,
)
from simulacra_trainer.survey_weights import weights_in

MIN_ROWS = 100
MAX_ROWS = 8_000
MAX_VALUES = 400_000
"""Rows times columns, at most (1,000 rows a side always): bounds the time to about a second."""
FOLDS = 3
TREES, DEPTH, RATE, LEAF_ROWS, RIDGE = 100, 5, 0.08, 20, 1.0
LEVEL_RIDGE = 2.5
BINS = 256
Bins = npt.NDArray[np.uint8]
Booleans = npt.NDArray[np.bool_]


def two_sample_auc(
    real: pa.Table,
    synthetic: pa.Table,
    names: list[str],
    rng: np.random.Generator,
    weight: str | None = None,
) -> float | None:
    """Return the out-of-fold AUC (0..1) of boosted trees on as many real as synthetic rows; None
    for too few rows.

    weight: the column of survey weights by which the real rows count, in the trees and in the AUC.
    """
    most = min(MAX_ROWS, max(1_000, MAX_VALUES // (2 * len(names))))
    rows = min(real.num_rows, synthetic.num_rows, most)
    if rows < MIN_ROWS:
        return None
    tables = [sample_rows(table, rows, rng) for table in (real, synthetic)]
    features = [_feature(tables, name) for name in names]
    label = np.repeat([0.0, 1.0], rows)
    weights = weights_in(tables[0], weight)
    counts = np.ones(2 * rows)
    if weights is not None:
        counts[:rows] = weights
    fold = np.concatenate([rng.permutation(rows) % FOLDS for _ in tables])
    score = np.empty(2 * rows)
    bins = np.column_stack([codes for codes, _ in features]).astype(np.uint8)
    is_level = np.array([levels for _, levels in features])
    sizes = bins.max(axis=0).astype(np.int64) + 1

    def judge(k: int) -> None:
        fit = fold != k
        score[~fit] = _boost(bins[fit], label[fit], counts[fit], bins[~fit], is_level, sizes)

    with ThreadPoolExecutor(threads()) as pool:
        list(pool.map(judge, range(FOLDS)))
    order = np.argsort(score[:rows], kind="stable")
    below, drawn = score[:rows][order], score[rows:]
    up_to = np.append(0.0, np.cumsum(counts[:rows][order]))
    first, last = (np.searchsorted(below, drawn, side=side) for side in ("left", "right"))
    ahead = up_to[first] + up_to[last]  # a tie counts half
    return float(ahead.mean() / (2 * up_to[-1]))


def _feature(tables: list[pa.Table], name: str) -> tuple[IntArray, bool]:
    """Return codes int64[rows of both tables] and whether they are levels; numbers are cut at pooled quantiles."""
    if is_category(tables[0], name):
        codes = np.concatenate(level_codes(tables, name)[0])
        by_count = np.argsort(np.argsort(-np.bincount(codes), kind="stable"), kind="stable")
        return np.minimum(by_count[codes], BINS - 1), True  # the rarest levels share the last bin
    values = np.concatenate([numbers(t, name) for t in tables])
    present = values[~np.isnan(values)]
    distinct = np.unique(present)
    if len(distinct) >= BINS - 1:
        distinct = np.unique(np.quantile(present, np.linspace(0, 1, BINS - 1)[1:]))
    return np.where(np.isnan(values), 0, 1 + np.searchsorted(distinct[:-1], values)), False


@numba.njit(nogil=True, cache=True)
def _boost(
    bins: Bins,
    label: FloatArray,
    counts: FloatArray,
    test: Bins,
    is_level: Booleans,
    sizes: IntArray,
) -> FloatArray:
    score = np.zeros(len(bins))
    out = np.zeros(len(test))
    nodes = 2**DEPTH
    feature = np.empty(nodes, np.int64)
    right = np.empty((nodes, BINS), np.int64)
    for _ in range(TREES):
        p = 1 / (1 + np.exp(-score))
        gradient, hessian = counts * (label - p), counts * p * (1 - p)
        at = np.ones(len(bins), np.int64)  # heap number of each row's node; the root is 1
        at_test = np.ones(len(test), np.int64)
        for level in range(DEPTH):
            _split_level(bins, gradient, hessian, at, 2**level, feature, right, is_level, sizes)
            _descend(bins, at, feature, right)
            _descend(test, at_test, feature, right)
        up, down = np.zeros(2 * nodes), np.full(2 * nodes, RIDGE)
        for i in range(len(bins)):
            up[at[i]] += gradient[i]
            down[at[i]] += hessian[i]
        leaf = RATE * up / down
        score += leaf[at]
        out += leaf[at_test]
    return out


@numba.njit(nogil=True, cache=True)
def _descend(bins: Bins, at: IntArray, feature: IntArray, right: IntArray) -> None:
    for i in range(len(at)):
        node = at[i]
        at[i] = 2 * node + right[node, bins[i, feature[node]]]


@numba.njit(nogil=True, cache=True)
def _insert(order: IntArray, key: FloatArray, number: int, value: float) -> None:
    """Insert bin `number` into the bins before it, which are in ascending order of their keys."""
    place = number
    while place > 0 and key[place - 1] > value:
        key[place], order[place] = key[place - 1], order[place - 1]
        place -= 1
    key[place], order[place] = value, number


@numba.njit(nogil=True, cache=True)
def _split_level(
    bins: Bins,
    gradient: FloatArray,
    hessian: FloatArray,
    at: IntArray,
    first: int,
    feature: IntArray,
    right: IntArray,
    is_level: Booleans,
    sizes: IntArray,
) -> None:
    """Choose the best split of each node first..2*first-1; a node without one sends all rows left.

    Levels are ordered by their mean gradient in the node (Fisher 1958), so that a split may group
    any of them.
    """
    columns = bins.shape[1]
    start = np.zeros(columns + 1, np.int64)
    start[1:] = np.cumsum(sizes)
    sums = np.zeros((first, start[columns], 3))
    order, key = np.zeros(BINS, np.int64), np.zeros(BINS)
    for i in range(len(at)):
        node = at[i] - first
        for j in range(columns):
            cell = sums[node, start[j] + bins[i, j]]
            cell[0] += gradient[i]
            cell[1] += hessian[i]
            cell[2] += 1
    for node in range(first):
        feature[first + node] = 0
        best = 1e-6
        g, h, n = 0.0, 0.0, 0.0
        right[first + node] = 0
        for b in range(sizes[0]):
            g += sums[node, b, 0]
            h += sums[node, b, 1]
            n += sums[node, b, 2]
        for j in range(columns):
            cells = sums[node, start[j] : start[j + 1]]
            for b in range(sizes[j]):
                order[b] = b
                if is_level[j]:
                    _insert(order, key, b, cells[b, 0] / (cells[b, 1] + LEVEL_RIDGE))
            left_g, left_h, left_n = 0.0, 0.0, 0.0
            for b in range(sizes[j] - 1):
                left_g += cells[order[b], 0]
                left_h += cells[order[b], 1]
                left_n += cells[order[b], 2]
                if left_n < LEAF_ROWS or n - left_n < LEAF_ROWS:
                    continue
                gain = (
                    left_g**2 / (left_h + RIDGE)
                    + (g - left_g) ** 2 / (h - left_h + RIDGE)
                    - g**2 / (h + RIDGE)
                )
                if gain > best:
                    best = gain
                    feature[first + node] = j
                    for c in range(sizes[j]):
                        right[first + node, order[c]] = c > b
