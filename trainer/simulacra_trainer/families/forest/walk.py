"""Compiled walk of rows through a tree to a leaf donor, and what prepares a tree for it."""

from __future__ import annotations

import numpy as np

from simulacra_trainer.families.forest.kernels import BINS, F8, I2, I4, U1, U8, compiled


@compiled
def walk(X: U1, rows: I4, feature: I4, masks: U8, child: I4) -> I4:
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
