"""Compiled growth of trees for class and number targets.

Predictors are uint8 bin positions Z [features, rows]. A tree grows depth first on one permuted row
index, so a leaf is a segment of the index and its donors are contiguous. All kernels release the
GIL and use no randomness.

A large node is first searched on every k-th of its rows. If some feature gains clearly there, only
features within three standard deviations of the best are searched on all rows (twice a gain is
chi-square, whose variance is at most four times its mean). The result is nearly always the split of
the full search, at a fraction of its cost.
"""

import numba
import numpy as np
import numpy.typing as npt

U1 = npt.NDArray[np.uint8]
I2 = npt.NDArray[np.int16]
I4 = npt.NDArray[np.int32]
I8 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint64]
F8 = npt.NDArray[np.float64]
Gain = tuple[float, int]
"""Nats, and the largest bin position on the left (-1: no split)."""
Split = tuple[int, int]
"""A feature (-1: none gains the price), and the largest bin position on the left."""
Tree = tuple[I4, I2, I4, I4, I4]
"""Per node: feature, threshold, child, start, stop, as `grow_classes` returns them."""
Grown = tuple[I4, I2, I4, I4, I4, I4]

MIN_LEAF = 5
BINS = 256
VARIANCE_FLOOR = 1.0 / 12.0
"""Variance of a value that is uniform in one bin: the floor of a number target."""

SAMPLED_FROM = 8192
"""Nodes with at least this many rows are first searched on a sample."""
SAMPLE_ROWS = 4096
CLEAR_NATS = 10.0
"""How much more than the price a feature must gain in the sample to exclude others."""

compiled = numba.njit(nogil=True, cache=True, no_cfunc_wrapper=True)
"""Compiles a kernel that Python calls."""
helper = numba.njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""Compiles what only kernels call, without the wrappers, which take as long as a small function."""


@helper
def _xlogx(n: int) -> F8:
    table = np.zeros(n + 2)
    for i in range(2, n + 2):
        table[i] = i * np.log(i)
    return table


@helper
def _partition(index: I4, scratch: I4, start: int, stop: int, bins: U1, threshold: int) -> int:
    """Move rows with bin <= threshold to the front, stably; return where the right begins."""
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


@helper
def _count(z: U1, rows: I4, y: I4, classes: int, table: I4) -> None:
    """Count the rows by bin and class into the flat table [bins, classes]."""
    table[:] = 0
    for i in range(rows.shape[0]):
        table[z[rows[i]] * classes + y[i]] += 1


@helper
def _order(z: U1, rows: I4, y: I4, offsets: I8, ordered: I4) -> None:
    """Sort the rows' classes by bin into `ordered`; offsets then hold where each bin ends."""
    offsets[:] = 0
    for i in range(rows.shape[0]):
        offsets[z[rows[i]] + 1] += 1
    for b in range(offsets.shape[0] - 1):
        offsets[b + 1] += offsets[b]
    for i in range(rows.shape[0]):
        b = z[rows[i]]
        ordered[offsets[b]] = y[i]
        offsets[b] += 1


@helper
def _class_gain(
    z: U1,
    rows: I4,
    y: I4,
    counts: I8,
    logs: tuple[F8, F8],
    bins: int,
    work: tuple[I8, I4, I8, I8, I4],
) -> Gain:
    """Return the best split of a node on one feature z by multinomial log-likelihood.

    A small table of bins x classes is counted and scanned. Otherwise the rows are sorted by bin and
    each moves from right to left in O(1) with the table of x * log(x).

    rows: int32 [m], indices into z; y: int32 [m], classes; logs: x * log(x) and its steps.
    """
    xlogx, steps = logs
    offsets, ordered, left, right, table = work
    m, classes = rows.shape[0], counts.shape[0]
    whole = 0.0
    for k in range(classes):
        whole += xlogx[counts[k]]
        left[k] = 0
        right[k] = counts[k]
    base = whole - xlogx[m]
    tabled = bins * classes <= 2 * m
    if tabled:
        _count(z, rows, y, classes, table[: bins * classes])
    else:
        _order(z, rows, y, offsets[: bins + 1], ordered)
    best_gain, best_threshold = 0.0, -1
    sum_left, sum_right, begin = 0.0, whole, 0
    for b in range(bins):
        end = begin
        if tabled:
            for k in range(classes):
                moved = table[b * classes + k]
                if moved > 0:
                    sum_left += xlogx[left[k] + moved] - xlogx[left[k]]
                    sum_right += xlogx[right[k] - moved] - xlogx[right[k]]
                    left[k] += moved
                    right[k] -= moved
                    end += moved
        else:
            end = offsets[b]
            for i in range(begin, end):
                k = ordered[i]
                sum_left += steps[left[k]]
                left[k] += 1
                right[k] -= 1
                sum_right -= steps[right[k]]
        if end > begin and end >= MIN_LEAF and m - end >= MIN_LEAF:
            gain = sum_left - xlogx[end] + sum_right - xlogx[m - end] - base
            if gain > best_gain:
                best_gain, best_threshold = gain, b
        begin = end
        if m - end < MIN_LEAF:
            break
    return best_gain, best_threshold


@helper
def _number_gain(z: U1, rows: I4, y: F8, bins: int, work: tuple[I8, F8, F8]) -> Gain:
    """Return the best split of a node on one feature z by Gaussian log-likelihood.

    rows: int32 [m], indices into z; y: float64 [m], targets; work: histograms of count, sum and sum
    of squares.
    """
    counts, sums, squares = work
    m = rows.shape[0]
    counts[:bins] = 0
    sums[:bins] = 0.0
    squares[:bins] = 0.0
    total, total_square = 0.0, 0.0
    for i in range(m):
        b, v = z[rows[i]], y[i]
        counts[b] += 1
        sums[b] += v
        squares[b] += v * v
        total += v
        total_square += v * v
    whole = m * np.log(max(total_square / m - (total / m) ** 2, VARIANCE_FLOOR))
    best_gain, best_threshold = 0.0, -1
    n_left, left, left_square = 0, 0.0, 0.0
    for b in range(bins):
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
        v_right = max(
            (total_square - left_square) / n_right - (right / n_right) ** 2, VARIANCE_FLOOR
        )
        gain = 0.5 * (whole - n_left * np.log(v_left) - n_right * np.log(v_right))
        if gain > best_gain:
            best_gain, best_threshold = gain, b
    return best_gain, best_threshold


@helper
def _rivals(gains: F8, price: float) -> I8:
    """Return the features that may be best given their sampled gains; all if none is clear."""
    best = -np.inf
    for gain in gains:
        best = max(best, gain)
    least = best - 3.0 * np.sqrt(2.0 * best) if best >= price + CLEAR_NATS else -np.inf
    rivals, found = np.empty(gains.shape[0], np.int64), 0
    for f in range(gains.shape[0]):
        if gains[f] >= least:
            rivals[found] = f
            found += 1
    return rivals[:found]


@helper
def _sizes(Z: U1) -> I8:
    """Return the highest bin position of each feature plus one, int64 [features]."""
    sizes = np.empty(Z.shape[0], np.int64)
    for f in range(Z.shape[0]):
        highest = 0
        for code in Z[f]:
            highest = max(highest, code)
        sizes[f] = highest + 1
    return sizes


@helper
def _leaf(n: int) -> tuple[Tree, I4]:
    """Return a one-leaf tree of n rows with room to grow, and its row index."""
    capacity = 2 * (n // MIN_LEAF) + 3
    feature = np.full(capacity, -1, np.int32)
    threshold = np.zeros(capacity, np.int16)
    child = np.zeros(capacity, np.int32)
    start = np.zeros(capacity, np.int32)
    stop = np.zeros(capacity, np.int32)
    stop[0] = n
    return (feature, threshold, child, start, stop), np.arange(n).astype(np.int32)


@helper
def _divide(tree: Tree, node: int, nodes: int, split: Split, middle: int) -> None:
    """Store a node's split and append its two children at `nodes`."""
    feature, threshold, child, start, stop = tree
    feature[node], threshold[node], child[node] = split[0], split[1], nodes
    start[nodes], stop[nodes] = start[node], middle
    start[nodes + 1], stop[nodes + 1] = middle, stop[node]


@helper
def _class_split(
    Z: U1,
    rows: I4,
    y: I4,
    counts: I8,
    logs: tuple[F8, F8],
    sizes: I8,
    price: float,
    work: tuple[I8, I4, I8, I8, I4],
) -> Split:
    """Return the best split of a node; large nodes are searched on a sample first."""
    m, features = rows.shape[0], np.arange(Z.shape[0])
    if m >= SAMPLED_FROM and features.size:
        step = m // SAMPLE_ROWS
        some, few = rows[::step].copy(), y[::step].copy()
        counted, gains = np.zeros(counts.shape[0], np.int64), np.empty(features.size)
        for k in few:
            counted[k] += 1
        for f in features:
            gains[f] = _class_gain(Z[f], some, few, counted, logs, sizes[f], work)[0]
        features = _rivals(gains, price)
    gain, best, threshold = price, -1, -1
    for f in features:
        found, place = _class_gain(Z[f], rows, y, counts, logs, sizes[f], work)
        if found > gain:
            gain, best, threshold = found, int(f), place
    return best, threshold


@helper
def _number_split(
    Z: U1, rows: I4, y: F8, sizes: I8, price: float, work: tuple[I8, F8, F8]
) -> Split:
    """Return the best split of a node for a number target; see `_class_split`."""
    m, features = rows.shape[0], np.arange(Z.shape[0])
    if m >= SAMPLED_FROM and features.size:
        step = m // SAMPLE_ROWS
        some, few, gains = rows[::step].copy(), y[::step].copy(), np.empty(features.size)
        for f in features:
            gains[f] = _number_gain(Z[f], some, few, sizes[f], work)[0]
        features = _rivals(gains, price)
    gain, best, threshold = price, -1, -1
    for f in features:
        found, place = _number_gain(Z[f], rows, y, sizes[f], work)
        if found > gain:
            gain, best, threshold = found, int(f), place
    return best, threshold


@compiled
def grow_classes(Z: U1, y: I4, classes: int, prices: F8) -> Grown:
    """Grow a tree for a class target.

    Args:
        Z: uint8 [features, rows], bin positions.
        y: int32 [rows], classes 0..classes-1.
        classes: number of classes.
        prices: nats that a split must gain in a node with k + 1 classes, float64 [classes].

    Returns:
        feature int32 [nodes] (-1: leaf), threshold int16, child int32 (left; right is the next),
        start, stop int32 (segments of the index), index int32 [rows].
    """
    n = y.shape[0]
    tree, index = _leaf(n)
    feature, threshold, child, start, stop = tree
    scratch, nodes, stack = np.empty(n, np.int32), 1, [0]
    xlogx = _xlogx(n)
    steps = np.empty(n + 1)
    for i in range(n + 1):
        steps[i] = xlogx[i + 1] - xlogx[i]
    logs = (xlogx, steps)
    counts = np.zeros(classes, np.int64)
    work = (
        np.zeros(BINS + 1, np.int64),
        np.empty(n, np.int32),
        np.zeros(classes, np.int64),
        np.zeros(classes, np.int64),
        np.empty(min(2 * n, BINS * classes), np.int32),
    )
    sizes, target = _sizes(Z), np.empty(n, np.int32)
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
        rows, searched = index[a:b], target[: b - a]
        for i in range(b - a):
            searched[i] = y[rows[i]]
        split = _class_split(Z, rows, searched, counts, logs, sizes, price, work)
        if split[0] < 0:
            continue
        _divide(tree, node, nodes, split, _partition(index, scratch, a, b, Z[split[0]], split[1]))
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
    tree, index = _leaf(n)
    feature, threshold, child, start, stop = tree
    scratch, nodes, stack = np.empty(n, np.int32), 1, [0]
    work = (np.zeros(BINS, np.int64), np.zeros(BINS), np.zeros(BINS))
    sizes, target = _sizes(Z), np.empty(n)
    while len(stack) > 0:
        node = stack.pop()
        a, b = start[node], stop[node]
        if b - a < 2 * MIN_LEAF:
            continue
        rows, searched = index[a:b], target[: b - a]
        for i in range(b - a):
            searched[i] = y[rows[i]]
        split = _number_split(Z, rows, searched, sizes, price, work)
        if split[0] < 0:
            continue
        _divide(tree, node, nodes, split, _partition(index, scratch, a, b, Z[split[0]], split[1]))
        stack.append(nodes + 1)
        stack.append(nodes)
        nodes += 2
    return feature[:nodes], threshold[:nodes], child[:nodes], start[:nodes], stop[:nodes], index
