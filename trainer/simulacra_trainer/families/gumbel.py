"""Gumbel-max noise, which couples the value of a category with its value in another world."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
MAX_CELLS = 4_000_000
MIN_SHARE = 1e-3
"""Least share of an observed value, which its model may consider impossible."""


def gumbel_twins(p: Floats, q: Floats, seen: Ints, rng: np.random.Generator) -> Ints:
    """Return each row's value, int64 [n], if its shares had been q instead of p.

    A value is the argmax of log-share plus Gumbel noise. The noise is drawn given that `seen` was
    the argmax under p (top-down sampling; Maddison, Tarlow & Minka, 2014). A value whose odds do
    not fall is kept, which is called counterfactual stability (Oberst & Sontag, 2019).

    p, q: shares in the observed and in the counterfactual world, float64 [n, values], rows sum to
    1; seen: observed values, int64 [n].
    """
    out = seen.copy()
    differ = np.flatnonzero((p != q).any(axis=1))
    step = max(MAX_CELLS // p.shape[1], 1)
    for begin in range(0, differ.size, step):
        rows = differ[begin : begin + step]
        out[rows] = _twins(p[rows], q[rows], seen[rows], rng)
    return out


def _twins(p: Floats, q: Floats, seen: Ints, rng: np.random.Generator) -> Ints:
    at = np.arange(seen.size)
    p = p.copy()
    p[at, seen] = np.maximum(p[at, seen], MIN_SHARE)
    with np.errstate(divide="ignore"):
        before, after = np.log(p / p.sum(axis=1, keepdims=True)), np.log(q)
    largest = rng.gumbel(size=(seen.size, 1))
    noise = rng.gumbel(size=p.shape)
    possible = np.isfinite(before)
    # Gumbel noise truncated at the largest.
    drawn = -np.logaddexp(-largest, -(np.where(possible, before, 0.0) + noise))
    noise = np.where(possible, drawn - before, noise)
    noise[at, seen] = largest[:, 0] - before[at, seen]
    return np.argmax(after + noise, axis=1)
