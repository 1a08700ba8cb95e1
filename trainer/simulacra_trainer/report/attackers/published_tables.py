"""Membership that a survey's published tables reveal: the yardstick of the strong attacker.

Nearly every study prints each question as a whole and by a few names (banner tables), with exact
counts. Whoever knows a second survey of the same population can tell from the ratio of the cells
who took part (Homer et al., 2008).
"""

import numpy as np
import pyarrow as pa

from simulacra_trainer.report.attackers.attacks import Gain, auc
from simulacra_trainer.report.comparison.columns import (
    BINS,
    FloatArray,
    IntArray,
    bin_codes,
    is_category,
)

BANNERS = 4
"""Names that tables are broken down by: the first of the table with few levels."""
BANNER_LEVELS = 12
PRIOR_COUNT = 0.5
CAP = 0.67
"""AUC that a strong attacker may have. Banner tables of 500 people give up to 0.66."""


def membership_by_tables(one: pa.Table, other: pa.Table, names: list[str]) -> Gain:
    """Return the AUC above 1/2 by which the tables of `one` tell its rows from the other's.

    The attacker has the tables of both.
    """
    coded = [_codes(one, other, name) for name in names]
    small = [
        j
        for j, (name, (_, size)) in enumerate(zip(names, coded, strict=True))
        if is_category(one, name) and size <= BANNER_LEVELS + 1
    ][:BANNERS]
    score = [np.zeros(one.num_rows), np.zeros(other.num_rows)]
    for j, (codes, size) in enumerate(coded):
        _add(score, codes, size)
        for k in small:
            if k == j:
                continue
            by, groups = coded[k]
            cells = [a * groups + b for a, b in zip(codes, by, strict=True)]
            _add(score, cells, size * groups)
    return auc(score[0], score[1])


def _codes(one: pa.Table, other: pa.Table, name: str) -> tuple[list[IntArray], int]:
    """Return cells of a question: levels, or fifths of a number."""
    codes, size = bin_codes([one, other], name)
    if is_category(one, name) or size <= BINS:
        return codes, size
    return [(of + 1) // 2 for of in codes], size // 2 + 1


def _add(score: list[FloatArray], cells: list[IntArray], size: int) -> None:
    counts = [np.bincount(of, minlength=size) + PRIOR_COUNT for of in cells]
    ratio = np.log(counts[0] / counts[1])
    for into, of in zip(score, cells, strict=True):
        into += ratio[of]
