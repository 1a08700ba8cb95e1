"""Functional dependencies between columns: found exactly, kept exactly.

Y depends on X where equal values of X always come with equal values of Y. A chance finding is kept out by asking that
X repeats (on average 5 rows a value) and that 20 violations were to be expected had Y been independent of X.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt

from simulacra_trainer.families.forest.codec import Floats

ROWS_PER_VALUE = 5
EXPECTED_VIOLATIONS = 20.0
MAX_SWITCH_KEYS = 250


@dataclass(frozen=True)
class Dependency:
    """How a column depends on column `on` before it: decided by it, or (not decided) itself deciding it."""

    on: int
    decided: bool


@numba.njit(nogil=True, cache=True)
def _holds(x: npt.NDArray[np.int32], y: npt.NDArray[np.int32], first: npt.NDArray[np.int32]) -> bool:
    """Whether equal x always come with equal y; first is scratch, int32 [distinct x]."""
    first[:] = -1
    for i in range(x.shape[0]):
        if first[x[i]] < 0:
            first[x[i]] = y[i]
        elif first[x[i]] != y[i]:
            return False
    return True


class Dependencies:
    """Which columns (schema order) decide which."""

    def __init__(self, values: Sequence[Floats]) -> None:
        n = values[0].size if values else 0
        coded, self._distinct, unlike = [], [], []
        for column in values:
            _, inverse, counts = np.unique(column, return_inverse=True, return_counts=True)
            coded.append(inverse.reshape(-1).astype(np.int32))
            self._distinct.append(counts.size)
            unlike.append(1.0 - float(np.sum((counts / max(n, 1)) ** 2)))
        self._decides: set[tuple[int, int]] = set()
        for i, x in enumerate(coded):
            checks = n - self._distinct[i]
            if self._distinct[i] * ROWS_PER_VALUE > n or self._distinct[i] < 2:
                continue
            first = np.empty(self._distinct[i], np.int32)
            for j, y in enumerate(coded):
                if i != j and checks * unlike[j] >= EXPECTED_VIOLATIONS and _holds(x, y, first):
                    self._decides.add((i, j))

    def of(self, column: int, before: Sequence[int]) -> Dependency | None:
        """Return how the column is to be drawn given those before it, None where nothing is decided."""
        deciders = [i for i in before if (i, column) in self._decides]
        if deciders:
            return Dependency(min(deciders, key=lambda i: (self._distinct[i], i)), decided=True)
        decided = [i for i in before if (column, i) in self._decides and self._distinct[i] <= MAX_SWITCH_KEYS]
        if decided:
            return Dependency(max(decided, key=lambda i: (self._distinct[i], -i)), decided=False)
        return None
