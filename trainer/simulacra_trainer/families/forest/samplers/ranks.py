"""Compiled kernels that return the rank of a value among sorted donors."""

import numpy as np

from simulacra_trainer.families.codec import BELOW_ONE
from simulacra_trainer.families.forest.trees.kernels import F8, I4, compiled, helper


@helper
def _first_above(a: F8, begin: int, end: int, value: float, strict: bool) -> int:
    """Return the first index in [begin, end) with a > value, or a >= value if not strict."""
    while begin < end:
        middle = (begin + end) // 2
        if a[middle] > value or (not strict and a[middle] == value):
            end = middle
        else:
            begin = middle + 1
    return begin


@compiled
def interval_ranks(start: I4, stop: I4, low: F8, high: F8, values: F8, v: F8) -> F8:
    """Return the rank of each value in its segment's donor intervals, random within ties."""
    out = np.empty(values.shape[0])
    for i in range(values.shape[0]):
        a, b = start[i], stop[i]
        first = _first_above(high, a, b, values[i], False)
        last = _first_above(low, a, b, values[i], True)
        if last > first:
            scaled = v[i] * (last - first)
            k = min(first + int(scaled), last - 1)
            inside = scaled - int(scaled)
            if high[k] > low[k]:
                inside = (values[i] - low[k]) / (high[k] - low[k])
        else:  # between two donors, or beyond the last
            k, inside = min(first, b - 1), 0.5
        out[i] = min((k - a + inside) / (b - a), BELOW_ONE)
    return out


@compiled
def class_ranks(start: I4, stop: I4, donors: I4, classes: I4, v: F8) -> tuple[I4, F8]:
    """Return a donor of each row's class in its segment, drawn by v, and the remainder of v."""
    first, rest = np.empty(classes.shape[0], np.int32), np.empty(classes.shape[0])
    for i in range(classes.shape[0]):
        a, b = start[i], stop[i]
        begin = _first_above(donors, a, b, classes[i], False)
        end = _first_above(donors, a, b, classes[i], True)
        scaled = v[i] * max(end - begin, 1)
        first[i] = min(begin + int(scaled), b - 1)
        rest[i] = scaled - int(scaled)
    return first, rest
