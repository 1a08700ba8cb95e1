"""Screening of predictors in wide tables: the earlier columns with the most mutual information.

Trees over hundreds of candidate predictors are slow and, with few rows, find splits in noise.
"""

from collections.abc import Sequence

import numpy as np

from simulacra_trainer.families.codec import Codes
from simulacra_trainer.families.forest.trees.kernels import F8, U1, compiled

WIDE_COLUMNS = 40
"""Up to this many earlier columns, all are candidates."""
MAX_PREDICTORS = 30
MIN_NATS = 3.0
COARSE = 16
SAMPLED_ROWS = 10_000


class Screen:
    """Pairwise mutual information in nats beyond chance; not computed for narrow tables."""

    def __init__(self, codes: Codes) -> None:
        self._nats: F8 | None = None
        if len(codes) > WIDE_COLUMNS + 1:  # once, before threads grow columns
            step = max(codes.shape[1] // SAMPLED_ROWS, 1)
            self._nats = pairwise_nats(np.stack([_coarse(x[::step]) for x in codes]))

    def candidates(self, column: int, before: Sequence[int]) -> Sequence[int]:
        """Return the candidate predictors of a column among those before it."""
        if len(before) <= WIDE_COLUMNS or self._nats is None:
            return before
        nats = self._nats[column, list(before)]
        best = np.argsort(-nats, kind="stable")[:MAX_PREDICTORS]
        return [before[i] for i in best if nats[i] > MIN_NATS]


def _coarse(codes: U1) -> U1:
    """Merge neighboring codes into 16 groups of similar size; numbers keep their order."""
    counts = np.bincount(codes, minlength=256)
    if np.count_nonzero(counts) <= COARSE:
        lut = np.cumsum(counts > 0) - 1
    else:
        lut = np.minimum((np.cumsum(counts) - counts / 2) * COARSE / codes.size, COARSE - 1)
    return lut.astype(np.uint8)[codes]


@compiled
def pairwise_nats(codes: U1) -> F8:
    """Return n times the mutual information of each pair beyond chance, float64 [columns, columns].

    codes: uint8 [columns, n], below 16. Under independence twice the sum is chi-square, so its mean
    of half a nat per degree of freedom is subtracted.
    """
    columns, n = codes.shape
    out = np.zeros((columns, columns))
    for i in range(columns):
        for j in range(i):
            table = np.zeros((COARSE, COARSE))
            for r in range(n):
                table[codes[i, r], codes[j, r]] += 1.0
            a, b = table.sum(axis=1), table.sum(axis=0)
            nats = 0.0
            for k in range(COARSE):
                for m in range(COARSE):
                    if table[k, m] > 0:
                        nats += table[k, m] * np.log(table[k, m] * n / (a[k] * b[m]))
            freedom = (np.sum(a > 0) - 1) * (np.sum(b > 0) - 1)
            out[i, j] = out[j, i] = nats - 0.5 * freedom
    return out
