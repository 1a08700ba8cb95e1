"""Gumbel-max noise that couples a category in two worlds, abducted from a drawn value."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
MAX_CELLS = 4_000_000
MIN_SHARE = 1e-3
"""What a value that its own world holds impossible is taken to have had there."""


def gumbel_twins(p: Floats, q: Floats, seen: Ints, rng: np.random.Generator) -> Ints:
    """Return what each row would have been, int64 [n], had its shares been q instead of p.

    The value is the largest of log-share plus Gumbel noise; the noise is drawn given that `seen`
    was the largest under p (top-down: Maddison, Tarlow & Minka, 2014). A value whose odds do not
    fall is kept: counterfactual stability (Oberst & Sontag, 2019).

    Args:
        p: shares in the world that was seen, float64 [n, values], rows sum to 1.
        q: shares in the other one.
        seen: values under p, int64 [n].
        rng: the noise.
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
    drawn = -np.logaddexp(
        -largest, -(np.where(possible, before, 0.0) + noise)
    )  # truncated at the largest
    noise = np.where(possible, drawn - before, noise)
    noise[at, seen] = largest[:, 0] - before[at, seen]
    found: Ints = np.argmax(after + noise, axis=1)
    return found
