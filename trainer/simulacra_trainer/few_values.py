"""Numbers of few values: shelf prices, discounts, years. They are levels more than measurements."""

import numpy as np
import numpy.typing as npt

MAX_FEW = 20
"""As many values are few in every table."""
SHARED_BY, SHARED = 10, 0.8
"""So are more if this share of the rows has its value in common with this many rows."""


def few_values(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
    """Return the values of a column of few, ascending float64 [k]; None if it has many.

    Missing values do not count.
    """
    known = values[~np.isnan(values)]
    if np.unique(known[:2_000]).size > max(MAX_FEW, known.size / SHARED_BY):
        return None
    distinct, counts = np.unique(known, return_counts=True)
    if not are_levels(counts) or distinct.size > max(MAX_FEW, known.size / SHARED_BY):
        return None
    return distinct if distinct.size else None


def are_levels(counts: npt.NDArray[np.int64]) -> bool:
    """Return whether values are few, or most rows share theirs; counts: of each value."""
    return bool(
        counts.size <= MAX_FEW or counts[counts >= SHARED_BY].sum() >= SHARED * counts.sum()
    )
