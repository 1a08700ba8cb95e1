"""Compiled kernels that send rows down a tree to a leaf and pick a donor there."""

import numpy as np

from simulacra_trainer.families.forest.trees.kernels import (
    BINS,
    F8,
    I2,
    I4,
    U1,
    U8,
    compiled,
    helper,
)

SINGLY_BELOW = 16
"""At most this many rows go down one by one, because sorting them would cost more than it saves."""
MAX_STACK = 512
"""Size of the stack of right children; in deeper trees rows go down one by one once it is full."""

BLOCK_ROWS = 2048
"""Rows per block, so that their sums stay in the first-level cache while columns are added."""


@helper
def _descend(
    X: U1, sums: U1, row: int, place: int, node: int, feature: I4, masks: U8, child: I4
) -> int:
    """Return the leaf that a row reaches from a node; place is its index in the sums."""
    columns = X.shape[0]
    while feature[node] >= 0:
        column = feature[node]
        code = X[column, row] if column < columns else sums[column - columns, place]
        goes_left = (masks[node, code >> 6] >> np.uint64(code & 63)) & np.uint64(1)
        node = int(child[node] + 1 - np.int32(goes_left))
    return node


@compiled
def find_leaves(X: U1, sums: U1, rows: I4, feature: I4, masks: U8, child: I4) -> I4:
    """Return the leaf of each row, int32 [m].

    All rows go down together; each node partitions its rows into left and right. So a node is read
    once and its rows' codes lie together. Against blocks of 256 rows level by level this is 1.4
    times as fast in a tree of 100 nodes, and twice in one of 150,000, which exceeds the caches.

    X: predictor codes, uint8 [columns, n]; sums: codes of the variates, uint8 [variates, m];
    features from `columns` upward read these. rows: indices into n, int32 [m]. The rest as in
    `trees.tree.Tree`.
    """
    leaves = np.zeros(rows.shape[0], np.int32)
    at, right = np.arange(rows.shape[0]).astype(np.int32), np.empty(rows.shape[0], np.int32)
    stack = np.empty((MAX_STACK, 3), np.int64)  # node, begin and end of its rows
    stack[0, 0], stack[0, 1], stack[0, 2] = 0, 0, rows.shape[0]  # compiles 3 s faster than a slice
    count = 1
    while count > 0:
        count -= 1
        node, begin, end = stack[count]
        while feature[node] >= 0 and end - begin > SINGLY_BELOW and count < MAX_STACK:
            column, mask = feature[node], masks[node]
            split, moved, is_sum = begin, 0, column >= X.shape[0]
            codes = sums[column - X.shape[0]] if is_sum else X[column]
            for i in range(begin, end):
                row = at[i]
                code = codes[row if is_sum else rows[row]]
                goes_left = (mask[code >> 6] >> np.uint64(code & 63)) & np.uint64(1) != 0
                at[split], right[moved] = row, row
                split += goes_left
                moved += not goes_left
            for i in range(moved):
                at[split + i] = right[i]
            left = child[node]
            if split == begin:
                node = left + 1
            else:
                if split < end:
                    stack[count, 0], stack[count, 1], stack[count, 2] = left + 1, split, end
                    count += 1
                node, end = left, split
        for i in range(begin, end):
            leaves[at[i]] = _descend(X, sums, rows[at[i]], at[i], node, feature, masks, child)
    return leaves


@compiled
def pick_donors(leaves: I4, start: I4, stop: I4, u: F8) -> I4:
    """Return a donor of each row's leaf, int32 [m], drawn by u [m]; u keeps the remainder."""
    donors = np.empty(leaves.shape[0], np.int32)
    for i in range(leaves.shape[0]):
        a = start[leaves[i]]
        size = stop[leaves[i]] - a
        scaled = u[i] * size
        k = min(int(scaled), size - 1)
        u[i] = scaled - k
        donors[i] = a + k
    return donors


@compiled
def table_sums(X: U1, rows: I4, columns: I4, tables: F8) -> F8:
    """Return the sum over k columns of the table entry of each row's code, float64 [m].

    X: uint8 [columns, n]; rows: int32 [m]; columns: int32 [k]; tables: float64 [k, 256].
    """
    out = np.zeros(rows.shape[0])
    for k in range(columns.shape[0]):
        codes, table = X[columns[k]], tables[k]
        for i in range(rows.shape[0]):
            out[i] += table[codes[rows[i]]]
    return out


@compiled
def table_sum_codes(X: U1, rows: I4, columns: I4, tables: F8) -> U1:
    """Return `table_sums` clipped to 0..255 and cut to whole numbers, uint8 [m]."""
    out = np.empty(rows.shape[0], np.uint8)
    for begin in range(0, rows.shape[0], BLOCK_ROWS):
        some = rows[begin : begin + BLOCK_ROWS]
        sums = table_sums(X, some, columns, tables)
        for i in range(some.shape[0]):
            out[begin + i] = np.uint8(min(max(sums[i], 0.0), 255.0))
    return out


@compiled
def mass_below(start: I4, stop: I4, low: F8, high: F8, ends: F8) -> F8:
    """Return the share of each segment's mass that lies below its end, float64 [m].

    A segment [start, stop) holds intervals [low, high], ascending, of equal mass. An interval of
    width 0 is below an end that is greater.
    """
    out = np.empty(ends.shape[0])
    for i in range(ends.shape[0]):
        begin, end = start[i], stop[i]
        while begin < end:
            middle = (begin + end) // 2
            if high[middle] < ends[i]:
                begin = middle + 1
            else:
                end = middle
        whole = float(begin - start[i])
        while begin < stop[i] and low[begin] < ends[i]:
            whole += (ends[i] - low[begin]) / (high[begin] - low[begin])
            begin += 1
        out[i] = whole / (stop[i] - start[i])
    return out


@compiled
def relabel(x: U1, lut: U1) -> U1:
    """Return lut[x]: x uint8 [n], lut uint8 [256]."""
    out = np.empty(x.shape[0], np.uint8)
    for i in range(x.shape[0]):
        out[i] = lut[x[i]]
    return out


@compiled
def split_masks(feature: I4, threshold: I2, luts: U1) -> U8:
    """Return the codes that go left as bits, uint64 [nodes, 4], from thresholds on luts[code]."""
    masks = np.zeros((feature.shape[0], 4), np.uint64)
    for node in range(feature.shape[0]):
        if feature[node] >= 0:
            for code in range(BINS):
                if luts[feature[node], code] <= threshold[node]:
                    masks[node, code >> 6] |= np.uint64(1) << np.uint64(code & 63)
    return masks
