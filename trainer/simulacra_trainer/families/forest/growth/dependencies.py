"""Exact dependencies between columns: they are detected, and generated rows keep them.

Y depends on X if equal values of X always come with equal values of Y. To rule out chance, X must
repeat (on average 5 persons per value), and if Y were independent of X, 20 violations or more would
have been expected. The rows of one person count once: what a person's own rows have in common is no
rule, and a rule about one person would give that person away.

Numbers that hardly repeat may still be the same quantity twice: a logarithm, a square, a rounded
conversion. Two numeric columns with at least 10 distinct values each count as such if they rank all
rows alike or exactly in reverse.
"""

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from simulacra_intake.rows_of_persons import Ints, persons_a_group
from simulacra_trainer.families.codec import Floats
from simulacra_trainer.families.forest.trees.kernels import F8, I4, compiled

PERSONS_PER_VALUE = 5
EXPECTED_VIOLATIONS = 20.0
MAX_SWITCH_KEYS = 250
MIN_RANKS = 10
GLANCE_ROWS = 100
"""A sample of this size is enough to reject nearly all pairs that do not rank alike."""


@dataclass(frozen=True)
class Dependency:
    """How a column depends on the earlier column `on`.

    kind: decided: `on` determines it. deciding: it determines `on`. monotone: both rank the rows
    alike.
    """

    on: int
    kind: Literal["decided", "deciding", "monotone"]


@compiled
def _holds(x: I4, y: I4, first: I4) -> bool:
    """Return whether equal x always come with equal y; first is scratch, int32 [distinct x]."""
    first[:] = -1
    for i in range(x.shape[0]):
        if first[x[i]] < 0:
            first[x[i]] = y[i]
        elif first[x[i]] != y[i]:
            return False
    return True


@compiled
def _is_monotone(y: F8) -> bool:
    """Return whether y never falls or never rises."""
    rises, falls = False, False
    for i in range(1, y.shape[0]):
        rises |= y[i] > y[i - 1]
        falls |= y[i] < y[i - 1]
        if rises and falls:
            return False
    return True


def _ranked_alike(numbers: Mapping[int, Floats]) -> set[tuple[int, int]]:
    """Return pairs of columns that rank rows alike or in reverse and are missing together."""
    missing = {j: np.isnan(values) for j, values in numbers.items()}
    alike: set[tuple[int, int]] = set()
    for x, y in itertools.combinations(numbers, 2):
        if np.array_equal(missing[x], missing[y]):
            a, b = numbers[x][~missing[x]], numbers[y][~missing[y]]
            step = max(a.size // GLANCE_ROWS, 1)
            if _rank_alike(a[::step], b[::step]) and _rank_alike(a, b):
                alike |= {(x, y), (y, x)}
    return alike


def _rank_alike(a: Floats, b: Floats) -> bool:
    return any(_is_monotone(b[np.lexsort((sign * b, a))]) for sign in (1, -1))


class Dependencies:
    """Functional and monotone dependencies between columns (schema order).

    nested: columns that determine another one except for gaps and rare levels, and this other.
    """

    def __init__(
        self,
        values: Sequence[Floats],
        is_number: Sequence[bool],
        persons: Ints | None = None,
        nested: Collection[tuple[int, int]] = (),
    ) -> None:
        n = values[0].size if values else 0
        coded, self._distinct, unlike = [], [], []
        for column in values:
            _, inverse, counts = np.unique(column, return_inverse=True, return_counts=True)
            coded.append(inverse.reshape(-1).astype(np.int32))
            self._distinct.append(counts.size)
            unlike.append(1.0 - float(np.sum((counts / max(n, 1)) ** 2)))
        self._decides: set[tuple[int, int]] = set()
        self._nested = set(nested)
        for i, x in enumerate(coded):
            once = int(persons_a_group(x, persons, self._distinct[i]).sum())
            checks = once - self._distinct[i]
            if self._distinct[i] * PERSONS_PER_VALUE > once or self._distinct[i] < 2:
                continue
            first = np.empty(self._distinct[i], np.int32)
            for j, y in enumerate(coded):
                if i != j and checks * unlike[j] >= EXPECTED_VIOLATIONS and _holds(x, y, first):
                    self._decides.add((i, j))
        self._alike = _ranked_alike(
            {j: v for j, v in enumerate(values) if is_number[j] and self._distinct[j] >= MIN_RANKS}
        )

    def of(self, column: int, before: Sequence[int]) -> Dependency | None:
        """Return the dependency of a column on those before it, None where there is none."""
        deciders = [i for i in before if (i, column) in self._decides]
        if deciders:
            return Dependency(min(deciders, key=lambda i: (self._distinct[i], i)), kind="decided")
        alike = [i for i in before if (i, column) in self._alike]
        if alike:
            return Dependency(max(alike, key=lambda i: (self._distinct[i], -i)), kind="monotone")
        decided = [
            i
            for i in before
            if (column, i) in self._decides | self._nested and self._distinct[i] <= MAX_SWITCH_KEYS
        ]
        if decided:
            return Dependency(max(decided, key=lambda i: (self._distinct[i], -i)), kind="deciding")
        return None
