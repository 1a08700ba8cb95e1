"""Abduction: the uniform number from which a sampler draws a given value.

Counterfactuals need the noise behind an observed value (Pearl, Causality, 2009, ch. 7). A sampler
turns one uniform number into a value by rank, because leaf donors are sorted by value. So the noise
is the rank of the value among the donors of the row's leaf, drawn at random within ties.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from simulacra_trainer.families.codec import Floats
from simulacra_trainer.families.forest.kernels import F8, I4, compiled, helper
from simulacra_trainer.families.forest.samplers import (
    BELOW_ONE,
    Classes,
    Context,
    Ints,
    Latent,
    LogLinear,
    Lookup,
    Monotone,
    Numbers,
    Pool,
    Sampler,
    Switch,
    Tree,
    nearest,
)
from simulacra_trainer.families.forest.traversal import mass_below


def abduct(sampler: Sampler, context: Context, rows: Ints, values: Floats, v: Floats) -> Floats:
    """Return u in [0, 1), float64 [m], from which the sampler draws the values or its nearest.

    Args:
        sampler: the column's.
        context: all rows; only columns before this one are read.
        rows: indices into the context, int32 [m].
        values: observed values of these rows, float64 [m].
        v: uniform, float64 [m]; picks u where several would draw the value.
    """
    match sampler:
        case Numbers(tree, low, high):
            leaves = tree.leaves(context, rows)
            return _interval_ranks(tree.start[leaves], tree.stop[leaves], low, high, values, v)
        case Pool(low, high):
            ends = np.zeros(rows.size, np.int32), np.full(rows.size, low.size, np.int32)
            return _interval_ranks(*ends, low, high, values, v)
        case Classes():
            return _of_classes(sampler, context, rows, values, v)
        case Monotone():
            low, high = sampler.interval(context, rows)
            width = high - low
            inside = np.clip((values - low) / np.where(width > 0, width, 1.0), 0.0, BELOW_ONE)
            return np.where(width > 0, inside, v)
        case Lookup():
            return v
        case Latent():
            return _of_latent(sampler, context, rows, values, v)
        case LogLinear():
            return _of_regression(sampler, context, rows, values, v)
        case Switch():
            out = np.empty(rows.size)
            for inner, at in sampler.selected(context, rows):
                out[at] = abduct(inner, context, rows[at], values[at], v[at])
            return out


def level_shares(sampler: Sampler, context: Context, rows: Ints, size: int) -> Floats:
    """Return class probabilities, float64 [rows, size]: 0 is missing, k + 1 is level k."""
    match sampler:
        case Classes(tree, donors, values, samplers):
            means = np.zeros((values.size, size))
            leaves, regressions = tree.leaves(context, rows), []
            for klass, value in enumerate(values):
                inner = samplers.get(klass)
                if isinstance(inner, LogLinear):
                    regressions.append((klass, inner))
                else:
                    means[klass] = _one(value, size) if inner is None else _pool_shares(inner, size)
            out = _leaf_shares(tree, donors, means)[leaves]
            for klass, inner in regressions:
                one = np.eye(1, values.size, klass).T
                share = _leaf_shares(tree, donors, one)[leaves]
                out += share * level_shares(inner, context, rows, size)
            return out
        case LogLinear(values=values, samplers=pools):
            means = np.array(
                [
                    _pool_shares(pools[k], size) if k in pools else _one(value, size)
                    for k, value in enumerate(values)
                ]
            )
            return sampler.shares(context, rows) @ means
        case Switch():
            out = np.empty((rows.size, size))
            for inner, at in sampler.selected(context, rows):
                out[at] = level_shares(inner, context, rows[at], size)
            return out
        case Lookup():
            out = np.zeros((rows.size, size))
            drawn = sampler.draw(context, rows, np.zeros(rows.size))
            level = np.where(np.isnan(drawn), 0, drawn + 1).astype(np.int64)
            out[np.arange(rows.size), level] = 1.0
            return out
        case _:
            return np.tile(_pool_shares(sampler, size), (rows.size, 1))


def _one(value: float, size: int) -> Floats:
    return np.eye(1, size, 0 if np.isnan(value) else int(value) + 1)[0]


def _pool_shares(sampler: Sampler, size: int) -> Floats:
    if not isinstance(sampler, Pool):
        raise TypeError("a category is drawn by a pool, a class tree, a switch or a lookup")
    at = np.where(np.isnan(sampler.low), 0, sampler.low + 1).astype(np.int64)
    return np.bincount(at, minlength=size) / at.size


def _leaf_shares(tree: Tree, donors: npt.NDArray[np.integer], means: Floats) -> Floats:
    """Return the level shares of each leaf, float64 [nodes, size]; 0 in inner nodes."""
    out = np.zeros((tree.feature.size, means.shape[1]))
    for leaf in np.flatnonzero(tree.feature < 0):
        held = donors[tree.start[leaf] : tree.stop[leaf]]
        out[leaf] = np.bincount(held, minlength=len(means)) @ means / held.size
    return out


def _of_latent(sampler: Latent, context: Context, rows: Ints, values: Floats, v: Floats) -> Floats:
    """Return the rank of the residual; v picks one where several scores give the value."""
    margin, tree = sampler.margin, sampler.residual.tree
    whole = np.zeros(rows.size, np.int32), np.full(rows.size, margin.low.size, np.int32)
    leaves, expected = tree.leaves(context, rows), sampler.expected(context, rows)
    first, last = (
        mass_below(
            tree.start[leaves],
            tree.stop[leaves],
            sampler.residual.low,
            sampler.residual.high,
            ndtri(mass_below(*whole, margin.low, margin.high, end)) - expected,
        )
        for end in (values, np.nextafter(values, np.inf))
    )
    return np.minimum(first + v * (last - first), BELOW_ONE)


def _of_classes(
    sampler: Classes, context: Context, rows: Ints, values: Floats, v: Floats
) -> Floats:
    classes, leaves = _class_of(sampler, values), sampler.tree.leaves(context, rows)
    start, stop = sampler.tree.start[leaves], sampler.tree.stop[leaves]
    first, rest = _class_ranks(start, stop, sampler.donors.astype(np.int32), classes, v)
    for klass, inner in sampler.samplers.items():
        at = np.flatnonzero(classes == klass)
        if at.size:
            rest[at] = abduct(inner, context, rows[at], values[at], rest[at])
    out: Floats = np.minimum((first - start + rest) / (stop - start), BELOW_ONE)
    return out


def _of_regression(
    sampler: LogLinear, context: Context, rows: Ints, values: Floats, v: Floats
) -> Floats:
    classes, share, rest = _class_of(sampler, values), sampler.shares(context, rows), v.copy()
    for klass, pool in sampler.samplers.items():
        at = np.flatnonzero(classes == klass)
        if at.size:
            rest[at] = abduct(pool, context, rows[at], values[at], rest[at])
    own = share[np.arange(rows.size), classes]
    below = np.cumsum(share, axis=1)[np.arange(rows.size), classes] - own
    return np.clip(below + rest * own, 0.0, BELOW_ONE)


def _class_of(sampler: Classes | LogLinear, values: Floats) -> Ints:
    """Return the class of each value: the exact match, else the class with the nearest range."""
    plain = np.array([k for k in range(sampler.values.size) if k not in sampler.samplers], np.int64)
    out, missing = np.full(values.size, -1, np.int32), np.isnan(values)
    for klass in plain[np.isnan(sampler.values[plain])]:
        out[missing] = klass
    known = plain[~np.isnan(sampler.values[plain])]
    known = known[np.argsort(sampler.values[known], kind="stable")]
    if known.size:
        place = np.minimum(np.searchsorted(sampler.values[known], values), known.size - 1)
        exact = sampler.values[known][place] == values
        out[exact] = known[place][exact]
    left = np.flatnonzero(out < 0)
    if left.size and sampler.samplers:
        spans = np.array([_span(inner) for inner in sampler.samplers.values()])
        apart = np.maximum(spans[:, :1] - values[left], values[left] - spans[:, 1:])
        out[left] = np.array(list(sampler.samplers), np.int32)[
            np.argmin(np.maximum(apart, 0.0), axis=0)
        ]
    elif left.size:
        out[left] = known[nearest(sampler.values[known], values[left])] if known.size else 0
    return out


def _span(sampler: Sampler) -> tuple[float, float]:
    """Return the smallest and largest value that a class's sampler draws."""
    match sampler:
        case (
            Classes(values=values, samplers=samplers) | LogLinear(values=values, samplers=samplers)
        ):
            ends = [end for inner in samplers.values() for end in _span(inner)]
            known = np.append(np.delete(values, list(samplers)), ends)
            return float(np.nanmin(known)), float(np.nanmax(known))
        case Pool(low, high) | Numbers(_, low, high):
            return float(low.min()), float(high.max())
        case Latent(margin=margin):
            return _span(margin)
        case _:
            raise TypeError("a class is drawn by a pool, a score, a class tree or a number tree")


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
def _interval_ranks(start: I4, stop: I4, low: F8, high: F8, values: F8, v: F8) -> F8:
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
def _class_ranks(start: I4, stop: I4, donors: I4, classes: I4, v: F8) -> tuple[I4, F8]:
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
