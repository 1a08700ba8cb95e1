"""Compiled find_leaves of rows through a tree to a leaf donor, and what prepares a tree for it."""

from __future__ import annotations

import numpy as np

from simulacra_trainer.families.forest.kernels import BINS, F8, I2, I4, U1, U8, compiled

FEW_ROWS = 16
"""So many rows go down one by one: sorting them would cost more than it saves."""
MAX_WAITING = 512
"""Where so many right sides wait, which takes a tree that deep, rows go down one by one as well."""

BLOCK_ROWS = 2048
"""Rows whose sums stay in the first cache while columns are added to them."""


@compiled
def _descend(
    X: U1, sums: U1, row: int, place: int, node: int, feature: I4, masks: U8, child: I4
) -> int:
    """Return the leaf that a row reaches from a node; place is where it stands among the rows."""
    columns = X.shape[0]
    while feature[node] >= 0:
        column = feature[node]
        code = X[column, row] if column < columns else sums[column - columns, place]
        goes_left = (masks[node, code >> 6] >> np.uint64(code & 63)) & np.uint64(1)
        node = int(child[node] + 1 - np.int32(goes_left))
    return node


@compiled
def find_leaves(X: U1, sums: U1, rows: I4, feature: I4, masks: U8, child: I4) -> I4:
    """Return the leaf of each row: X uint8 [columns, n], rows int32 [m] into n; int32 [m]. Features
    from the number of columns on are rows of sums, uint8 [variates, m].

    All rows go down together, sorted at each node into those that go left and those that go right.
    So a node is read once and what its rows need lies together: 1.4 times as fast as blocks of 256
    rows level by level in a tree of a hundred nodes, twice in one of 150,000, which are more than
    the caches hold.
    """
    leaves = np.zeros(rows.shape[0], np.int32)
    at, right = np.arange(rows.shape[0]).astype(np.int32), np.empty(rows.shape[0], np.int32)
    waiting = np.empty((MAX_WAITING, 3), np.int64)  # node, begin and end of what went right
    waiting[0] = 0, 0, rows.shape[0]
    count = 1
    while count > 0:
        count -= 1
        node, begin, end = waiting[count]
        while feature[node] >= 0 and end - begin > FEW_ROWS and count < MAX_WAITING:
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
                    waiting[count] = left + 1, split, end
                    count += 1
                node, end = left, split
        for i in range(begin, end):
            leaves[at[i]] = _descend(X, sums, rows[at[i]], at[i], node, feature, masks, child)
    return leaves


@compiled
def pick_donors(leaves: I4, start: I4, stop: I4, u: F8) -> I4:
    """Pick a donor of each row's leaf by u [m], in place; u keeps the uniform remainder."""
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
    """Return the sum of each row's table entries, float64 [m]: X uint8 [columns, n], rows int32 [m]
    into n; columns int32 [k] into X, tables float64 [k, 256] by code.
    """
    out = np.zeros(rows.shape[0])
    for k in range(columns.shape[0]):
        codes, table = X[columns[k]], tables[k]
        for i in range(rows.shape[0]):
            out[i] += table[codes[rows[i]]]
    return out


@compiled
def table_sum_codes(X: U1, rows: I4, columns: I4, tables: F8) -> U1:
    """Return the whole part, 0 to 255, of what `added` returns, uint8 [m]."""
    out = np.empty(rows.shape[0], np.uint8)
    for begin in range(0, rows.shape[0], BLOCK_ROWS):
        some = rows[begin : begin + BLOCK_ROWS]
        sums = table_sums(X, some, columns, tables)
        for i in range(some.shape[0]):
            out[begin + i] = np.uint8(min(max(sums[i], 0.0), 255.0))
    return out


@compiled
def mass_below(start: I4, stop: I4, low: F8, high: F8, ends: F8) -> F8:
    """Return the share of each segment [start, stop) of intervals [low, high], ascending, that lies
    below its end.

    A value that is no interval lies below ends that are greater.
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
    """Return uint64 [nodes, 4]: bit c is set where code c goes left."""
    masks = np.zeros((feature.shape[0], 4), np.uint64)
    for node in range(feature.shape[0]):
        if feature[node] >= 0:
            for code in range(BINS):
                if luts[feature[node], code] <= threshold[node]:
                    masks[node, code >> 6] |= np.uint64(1) << np.uint64(code & 63)
    return masks
