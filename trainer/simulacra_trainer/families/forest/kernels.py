"""Compiled growth of the trees, for class and number targets.

Predictors are uint8 bin positions Z [features, rows]. A tree is grown depth first on one permuted row index, so a
leaf is a segment of it and its donors lie side by side. All kernels release the GIL and use no randomness.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

U1 = npt.NDArray[np.uint8]
I2 = npt.NDArray[np.int16]
I4 = npt.NDArray[np.int32]
I8 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint64]
F8 = npt.NDArray[np.float64]
Split = tuple[float, int, int]
Grown = tuple[I4, I2, I4, I4, I4, I4]

MIN_LEAF = 5
BINS = 256
VARIANCE_FLOOR = 1.0 / 12.0
"""Variance of a value that is uniform inside one bin: a number target cannot be known better than its bin."""

compiled = numba.njit(nogil=True, cache=True)


@compiled
def _xlogx(n: int) -> F8:
    table = np.zeros(n + 2)
    for i in range(2, n + 2):
        table[i] = i * np.log(i)
    return table


@compiled
def _partition(index: I4, scratch: I4, start: int, stop: int, bins: U1, threshold: int) -> int:
    """Put rows with bin <= threshold first, stably; return where the right side begins."""
    left, held = start, 0
    for i in range(start, stop):
        row = index[i]
        if bins[row] <= threshold:
            index[left] = row
            left += 1
        else:
            scratch[held] = row
            held += 1
    for i in range(held):
        index[left + i] = scratch[i]
    return left


@compiled
def _best_class_split(
    Z: U1, y: I4, index: I4, start: int, stop: int, counts: I8, xlogx: F8, work: tuple[I8, I4, I8, I8]
) -> Split:
    """Largest multinomial log-likelihood gain (nats) of one node over all features and thresholds.

    A counting sort by bin and one scan; each row moves from right to left in O(1) by the x*log(x) table.
    """
    offsets, ordered, left, right = work
    m = stop - start
    whole = 0.0
    for k in range(counts.shape[0]):
        whole += xlogx[counts[k]]
    base = whole - xlogx[m]
    best_gain, best_feature, best_threshold = 0.0, -1, -1
    for f in range(Z.shape[0]):
        z = Z[f]
        offsets[:] = 0
        for i in range(start, stop):
            offsets[z[index[i]] + 1] += 1
        if offsets[z[index[start]] + 1] == m:
            continue
        for b in range(BINS):
            offsets[b + 1] += offsets[b]
        for i in range(start, stop):
            row = index[i]
            b = z[row]
            ordered[offsets[b]] = y[row]
            offsets[b] += 1
        for k in range(counts.shape[0]):
            left[k] = 0
            right[k] = counts[k]
        sum_left, sum_right, begin = 0.0, whole, 0
        for b in range(BINS):
            end = offsets[b]
            if end == begin:
                continue
            if m - begin < MIN_LEAF:
                break
            for i in range(begin, end):
                k = ordered[i]
                a, c = left[k], right[k]
                sum_left += xlogx[a + 1] - xlogx[a]
                sum_right += xlogx[c - 1] - xlogx[c]
                left[k] = a + 1
                right[k] = c - 1
            begin = end
            if end >= MIN_LEAF and m - end >= MIN_LEAF:
                gain = sum_left - xlogx[end] + sum_right - xlogx[m - end] - base
                if gain > best_gain:
                    best_gain, best_feature, best_threshold = gain, f, b
    return best_gain, best_feature, best_threshold


@compiled
def _best_number_split(Z: U1, y: F8, index: I4, start: int, stop: int, work: tuple[I8, F8, F8]) -> Split:
    """Largest Gaussian log-likelihood gain (nats) of one node, from histograms of count, sum and sum of squares."""
    counts, sums, squares = work
    m = stop - start
    total, total_square = 0.0, 0.0
    for i in range(start, stop):
        v = y[index[i]]
        total += v
        total_square += v * v
    whole = m * np.log(max(total_square / m - (total / m) ** 2, VARIANCE_FLOOR))
    best_gain, best_feature, best_threshold = 0.0, -1, -1
    for f in range(Z.shape[0]):
        z = Z[f]
        counts[:] = 0
        sums[:] = 0.0
        squares[:] = 0.0
        for i in range(start, stop):
            row = index[i]
            b, v = z[row], y[row]
            counts[b] += 1
            sums[b] += v
            squares[b] += v * v
        n_left, left, left_square = 0, 0.0, 0.0
        for b in range(BINS):
            if counts[b] == 0:
                continue
            n_left += counts[b]
            left += sums[b]
            left_square += squares[b]
            n_right = m - n_left
            if n_right < MIN_LEAF:
                break
            if n_left < MIN_LEAF:
                continue
            v_left = max(left_square / n_left - (left / n_left) ** 2, VARIANCE_FLOOR)
            right = total - left
            v_right = max((total_square - left_square) / n_right - (right / n_right) ** 2, VARIANCE_FLOOR)
            gain = 0.5 * (whole - n_left * np.log(v_left) - n_right * np.log(v_right))
            if gain > best_gain:
                best_gain, best_feature, best_threshold = gain, f, b
    return best_gain, best_feature, best_threshold


@compiled
def grow_classes(Z: U1, y: I4, classes: int, prices: F8) -> Grown:
    """Grow a tree for a class target.

    Args:
        Z: uint8 [features, rows], bin positions.
        y: int32 [rows], classes 0..classes-1.
        classes: number of classes.
        prices: nats that a split must gain in a node with k further classes present, float64 [classes].

    Returns:
        feature int32 [nodes] (-1: leaf), threshold int16, child int32 (left; right is the next), start, stop int32
        (segments of the index), index int32 [rows].
    """
    n = y.shape[0]
    capacity = 2 * (n // MIN_LEAF) + 3
    feature = np.full(capacity, -1, np.int32)
    threshold = np.zeros(capacity, np.int16)
    child = np.zeros(capacity, np.int32)
    start = np.zeros(capacity, np.int32)
    stop = np.zeros(capacity, np.int32)
    index = np.arange(n).astype(np.int32)
    scratch = np.empty(n, np.int32)
    xlogx = _xlogx(n)
    counts = np.zeros(classes, np.int64)
    work = (
        np.zeros(BINS + 1, np.int64),
        np.empty(n, np.int32),
        np.zeros(classes, np.int64),
        np.zeros(classes, np.int64),
    )
    stop[0], nodes = n, 1
    stack = [0]
    while len(stack) > 0:
        node = stack.pop()
        a, b = start[node], stop[node]
        counts[:] = 0
        for i in range(a, b):
            counts[y[index[i]]] += 1
        present, most = 0, xlogx[b - a]
        for k in range(classes):
            present += counts[k] > 0
            most -= xlogx[counts[k]]
        price = prices[present - 1]
        if present < 2 or b - a < 2 * MIN_LEAF or most <= price:
            continue
        gain, f, t = _best_class_split(Z, y, index, a, b, counts, xlogx, work)
        if f < 0 or gain <= price:
            continue
        middle = _partition(index, scratch, a, b, Z[f], t)
        feature[node], threshold[node], child[node] = f, t, nodes
        start[nodes], stop[nodes], start[nodes + 1], stop[nodes + 1] = a, middle, middle, b
        stack.append(nodes + 1)
        stack.append(nodes)
        nodes += 2
    return feature[:nodes], threshold[:nodes], child[:nodes], start[:nodes], stop[:nodes], index


@compiled
def grow_numbers(Z: U1, y: F8, price: float) -> Grown:
    """Grow a tree for a number target y, float64 [rows], in bins (see `VARIANCE_FLOOR`).

    price: nats that a split must gain; else as `grow_classes`.
    """
    n = y.shape[0]
    capacity = 2 * (n // MIN_LEAF) + 3
    feature = np.full(capacity, -1, np.int32)
    threshold = np.zeros(capacity, np.int16)
    child = np.zeros(capacity, np.int32)
    start = np.zeros(capacity, np.int32)
    stop = np.zeros(capacity, np.int32)
    index = np.arange(n).astype(np.int32)
    scratch = np.empty(n, np.int32)
    work = (np.zeros(BINS, np.int64), np.zeros(BINS), np.zeros(BINS))
    stop[0], nodes = n, 1
    stack = [0]
    while len(stack) > 0:
        node = stack.pop()
        a, b = start[node], stop[node]
        if b - a < 2 * MIN_LEAF:
            continue
        gain, f, t = _best_number_split(Z, y, index, a, b, work)
        if f < 0 or gain <= price:
            continue
        middle = _partition(index, scratch, a, b, Z[f], t)
        feature[node], threshold[node], child[node] = f, t, nodes
        start[nodes], stop[nodes], start[nodes + 1], stop[nodes + 1] = a, middle, middle, b
        stack.append(nodes + 1)
        stack.append(nodes)
        nodes += 2
    return feature[:nodes], threshold[:nodes], child[:nodes], start[:nodes], stop[:nodes], index
