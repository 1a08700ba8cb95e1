"""Compiled walk of rows through a tree to a leaf donor, and what prepares a tree for it."""

from __future__ import annotations

import numpy as np

from simulacra_trainer.families.forest.kernels import BINS, F8, I2, I4, U1, U8, compiled

WALKED_ROWS = 256


@compiled
def walk(X: U1, rows: I4, feature: I4, masks: U8, child: I4) -> I4:
    """Return the leaf of each row: X uint8 [columns, n], rows int32 [m] into n; int32 [m].

    A block of rows goes down level by level: the steps of different rows do not wait for one another, and the block's
    part of a column stays in the cache (twice as fast as row by row).
    """
    leaves = np.zeros(rows.shape[0], np.int32)
    if feature[0] < 0:
        return leaves
    active = np.empty(WALKED_ROWS, np.int32)
    for begin in range(0, rows.shape[0], WALKED_ROWS):
        left = min(WALKED_ROWS, rows.shape[0] - begin)
        for i in range(left):
            active[i] = begin + i
        while left > 0:
            kept = 0
            for i in range(left):
                at = active[i]
                node = leaves[at]
                code = X[feature[node], rows[at]]
                goes_left = (masks[node, code >> 6] >> np.uint64(code & 63)) & np.uint64(1)
                node = child[node] + 1 - np.int32(goes_left)
                leaves[at] = node
                active[kept] = at
                kept += feature[node] >= 0
            left = kept
    return leaves


@compiled
def pick(leaves: I4, start: I4, stop: I4, u: F8) -> I4:
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


@compiled
def added(X: U1, rows: I4, columns: I4, tables: F8) -> F8:
    """Return the sum of each row's table entries, float64 [m]: X uint8 [columns, n], rows int32 [m] into n; columns
    int32 [k] into X, tables float64 [k, 256] by code.
    """
    out = np.zeros(rows.shape[0])
    for k in range(columns.shape[0]):
        for i in range(rows.shape[0]):
            out[i] += tables[k, X[columns[k], rows[i]]]
    return out


@compiled
def mass_below(start: I4, stop: I4, low: F8, high: F8, ends: F8) -> F8:
    """Return the share of each segment [start, stop) of intervals [low, high], ascending, that lies below its end.

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
    """Return uint64 [nodes, 4]: bit c is set where predictor code c goes left (its position is <= threshold)."""
    masks = np.zeros((feature.shape[0], 4), np.uint64)
    for node in range(feature.shape[0]):
        if feature[node] >= 0:
            for code in range(BINS):
                if luts[feature[node], code] <= threshold[node]:
                    masks[node, code >> 6] |= np.uint64(1) << np.uint64(code & 63)
    return masks
