"""Intervals that residuals are drawn from: around each donor's, up to its neighbors in the leaf."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulacra_trainer.families.codec import Floats

WINDOW_SHARE = 0.005
"""How far interpolation reaches on either side, as a share of all ranks."""


def donor_intervals(values: Floats, leaf: npt.NDArray[np.int32]) -> tuple[Floats, Floats]:
    """Return the interval [low, high] that each donor draws from, float64 [donors] each.

    It reaches halfway to the neighbors in the leaf, and at most `WINDOW_SHARE` of all ranks.

    Args:
        values: of the donors, sorted by leaf, then value.
        leaf: rank of each donor's leaf, int32 [donors].
    """
    same = leaf[1:] == leaf[:-1]
    half = np.diff(values) / 2.0
    down = np.append(np.nan, np.where(same, half, np.nan))
    up = np.append(np.where(same, half, np.nan), np.nan)
    down, up = np.where(np.isnan(down), up, down), np.where(np.isnan(up), down, up)
    everywhere = np.sort(values)
    reach = max(int(np.ceil(WINDOW_SHARE * values.size)), 1)
    rank = np.searchsorted(everywhere, values)
    floor = everywhere[np.maximum(rank - reach, 0)]
    ceiling = everywhere[np.minimum(rank + reach, values.size - 1)]
    low = np.minimum(np.fmax(values - down, floor), values)
    return low, np.maximum(np.fmin(values + up, ceiling), values)
