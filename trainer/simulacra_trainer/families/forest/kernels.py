"""Compiled kernels of the trees: growth for class and number targets, and the walk that picks leaf donors.

Predictors are uint8 bin positions Z [features, rows]. A tree is grown depth first on one permuted row index, so a
leaf is a segment of it and its donors lie side by side. All kernels release the GIL and use no randomness.
"""

from __future__ import annotations

import numba
import numpy as np

MIN_LEAF = 5
BINS = 256
VARIANCE_FLOOR = 1.0 / 12.0
"""Variance of a value that is uniform inside one bin: a number target cannot be known better than its bin."""

_compiled = numba.njit(nogil=True, cache=True)


@_compiled
def _xlogx(n):
    table = np.zeros(n + 2)
    for i in range(2, n + 2):
        table[i] = i * np.log(i)
    return table


@_compiled
def _partition(index, scratch, start, stop, bins, threshold):
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


@_compiled
def _best_class_split(Z, y, index, start, stop, counts, xlogx, work):
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


@_compiled
def _best_number_split(Z, y, index, start, stop, work):
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


@_compiled
def grow_classes(Z, y, classes, penalty):
    """Grow a tree for a class target.

    Args:
        Z: uint8 [features, rows], bin positions.
        y: int32 [rows], classes 0..classes-1.
        classes: number of classes.
        penalty: nats that a split must gain beyond half a nat for each further class present in the node.

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
        price = 0.5 * (present - 1) + penalty
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


@_compiled
def grow_numbers(Z, y, penalty):
    """Grow a tree for a number target y, float64 [rows], in bins (see `VARIANCE_FLOOR`); else as `grow_classes`.

    A split has two further parameters, mean and variance: it must gain 1 nat beyond the penalty.
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
        if f < 0 or gain <= 1.0 + penalty:
            continue
        middle = _partition(index, scratch, a, b, Z[f], t)
        feature[node], threshold[node], child[node] = f, t, nodes
        start[nodes], stop[nodes], start[nodes + 1], stop[nodes + 1] = a, middle, middle, b
        stack.append(nodes + 1)
        stack.append(nodes)
        nodes += 2
    return feature[:nodes], threshold[:nodes], child[:nodes], start[:nodes], stop[:nodes], index


@_compiled
def walk(X, rows, feature, masks, child):
    """Return the leaf of each row: X uint8 [n, columns], rows int32 [m] into X; int32 [m]."""
    leaves = np.empty(rows.shape[0], np.int32)
    for i in range(rows.shape[0]):
        row, node = rows[i], 0
        while feature[node] >= 0:
            code = X[row, feature[node]]
            goes_left = (masks[node, code >> 6] >> np.uint64(code & 63)) & np.uint64(1)
            node = child[node] + (goes_left == 0)
        leaves[i] = node
    return leaves


@_compiled
def pick(leaves, start, stop, u):
    """Pick a donor of each row's leaf by u, in place: u [m] becomes the unused, again uniform, remainder."""
    donors = np.empty(leaves.shape[0], np.int32)
    for i in range(leaves.shape[0]):
        a = start[leaves[i]]
        size = stop[leaves[i]] - a
        scaled = u[i] * size
        k = min(int(scaled), size - 1)
        u[i] = scaled - k
        donors[i] = a + k
    return donors


@_compiled
def order_by_mean(x, y):
    """Order predictor codes by the mean of a number target: x uint8 [n], y float64 [n]; scores float64 [256]."""
    counts = np.zeros(BINS)
    sums = np.zeros(BINS)
    for i in range(x.shape[0]):
        counts[x[i]] += 1
        sums[x[i]] += y[i]
    mean = sums.sum() / max(x.shape[0], 1)
    for b in range(BINS):
        sums[b] = sums[b] / counts[b] if counts[b] > 0 else mean
    return sums


@_compiled
def order_by_correspondence(x, y, classes):
    """Order predictor codes by the first axis of correspondence analysis of predictor x target.

    Power iteration on the standardised residuals (Greenacre, 1984); x uint8 [n], y int32 [n]; scores float64 [256].
    """
    table = np.zeros((BINS, classes))
    for i in range(x.shape[0]):
        table[x[i], y[i]] += 1.0
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    n = float(x.shape[0])
    axis = np.empty(classes)
    for k in range(classes):  # any fixed start that is not constant
        axis[k] = np.sin(1.0 + 3.7 * k)
    scores = np.zeros(BINS)
    for _ in range(12):
        centre = 0.0
        for k in range(classes):
            centre += axis[k] * columns[k] / n
        spread = 0.0
        for k in range(classes):
            axis[k] -= centre
            spread += axis[k] * axis[k] * columns[k] / n
        if spread < 1e-24:
            break
        axis /= np.sqrt(spread)
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


@_compiled
def relabel(x, lut):
    """Return lut[x]: x uint8 [n], lut uint8 [256]."""
    out = np.empty(x.shape[0], np.uint8)
    for i in range(x.shape[0]):
        out[i] = lut[x[i]]
    return out


@_compiled
def split_masks(feature, threshold, luts):
    """Return uint64 [nodes, 4]: bit c is set where predictor code c goes left (its position is <= threshold)."""
    masks = np.zeros((feature.shape[0], 4), np.uint64)
    for node in range(feature.shape[0]):
        if feature[node] >= 0:
            for code in range(BINS):
                if luts[feature[node], code] <= threshold[node]:
                    masks[node, code >> 6] |= np.uint64(1) << np.uint64(code & 63)
    return masks
