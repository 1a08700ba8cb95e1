"""Tables of counts of many pairs of coded columns, all pairs of one shape at once."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from simulacra_intake.survey_weights import Floats
from simulacra_trainer.report.comparison.columns import IntArray

Coded = tuple[list[IntArray], int]
"""Codes of a column in several tables, and their number."""


def of_one_shape(coded: Sequence[Coded], pairs: npt.NDArray[np.intp]) -> list[npt.NDArray[np.intp]]:
    """Return places of pairs whose tables have the same shape, one array a shape."""
    sizes = np.array([size for _, size in coded])
    shape = sizes[pairs[:, 0]] * (sizes.max(initial=0) + 1) + sizes[pairs[:, 1]]
    order = np.argsort(shape, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(shape[order])) + 1)
    return [part for part in parts if part.size]


def tables_of_pairs(coded: Sequence[Coded], pairs: npt.NDArray[np.intp], which: int) -> Floats:
    """Return the counts of pairs of codes in one of the tables, float64 [pairs, left, right]."""
    left, right = (coded[column][1] for column in pairs[0])
    scaled = {i: coded[i][0][which] * right for i in set(pairs[:, 0].tolist())}
    cells = [
        np.bincount(scaled[i] + coded[j][0][which], minlength=left * right)
        for i, j in pairs.tolist()
    ]
    return np.stack(cells).reshape(len(pairs), left, right).astype(np.float64)
