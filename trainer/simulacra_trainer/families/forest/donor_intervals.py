"""Intervals that donors draw from: around each donor's value, up to its neighbors in the leaf."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulacra_trainer.families.codec import Floats

WINDOW_SHARE = 0.005
"""How far interpolation reaches on either side, as a share of all ranks."""


def donor_intervals(
    values: Floats,
    is_atom: npt.NDArray[np.bool_],
    leaf: npt.NDArray[np.int32],
    everywhere: Floats,
    *,
    join_ties: bool = False,
) -> tuple[Floats, Floats]:
    """Return the interval [low, high] that each donor draws from, float64 [donors] each.

    It reaches halfway to the neighbors in the leaf, and at most `WINDOW_SHARE` of the ranks in
    `everywhere`. Atoms stay exact.

    Args:
        values: of the donors, sorted by leaf, then value.
        is_atom: bool [donors].
        leaf: rank of each donor's leaf, int32 [donors].
        everywhere: all values of the column that are not atoms, ascending.
        join_ties: give equal donors of a leaf one interval, up to the neighbors of all of them. The
            rows of one person often share a value, which must not become an exact one.
    """
    if join_ties and values.size:
        is_new = np.append(True, (np.diff(values) != 0) | (np.diff(leaf) != 0))
        group = np.cumsum(is_new) - 1
        ends = donor_intervals(values[is_new], is_atom[is_new], leaf[is_new], everywhere)
        return ends[0][group], ends[1][group]
    low, high = values.copy(), values.copy()
    loose = np.flatnonzero(~is_atom)
    if not loose.size:
        return low, high
    v, of = values[loose], leaf[loose]
    same = of[1:] == of[:-1]
    half = np.diff(v) / 2.0
    down = np.append(np.nan, np.where(same, half, np.nan))
    up = np.append(np.where(same, half, np.nan), np.nan)
    down, up = np.where(np.isnan(down), up, down), np.where(np.isnan(up), down, up)
    reach = max(int(np.ceil(WINDOW_SHARE * everywhere.size)), 1)
    rank = np.searchsorted(everywhere, v)
    floor = everywhere[np.maximum(rank - reach, 0)]
    ceiling = everywhere[np.minimum(rank + reach, everywhere.size - 1)]
    low[loose] = np.minimum(np.fmax(v - down, floor), v)
    high[loose] = np.maximum(np.fmin(v + up, ceiling), v)
    return low, high


def cut_at_neighbors(values: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Return the intervals of values, ascending, that end at their neighbors; ties are exact."""
    low, high = low.copy(), high.copy()
    low[1:], high[:-1] = np.maximum(low[1:], values[:-1]), np.minimum(high[:-1], values[1:])
    return low, high


def share_ties(values: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Return the intervals of equal values, ascending, cut into one part for each of them."""
    first = np.flatnonzero(np.append(True, np.diff(values) != 0))
    low, high = cut_at_neighbors(values[first], low[first], high[first])
    sizes = np.diff(np.append(first, values.size))
    step = np.repeat((high - low) / sizes, sizes)
    place = np.arange(values.size) - np.repeat(first, sizes)
    start = np.repeat(low, sizes)
    return start + place * step, start + (place + 1) * step
