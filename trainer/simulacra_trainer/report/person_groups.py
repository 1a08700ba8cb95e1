"""Fixed groups of five persons or more, of which the report compares all rows or none.

Two reports under ranges that differ by one answer would otherwise tell, by their difference, all
other answers of whoever gave it. Which rows share a group does not depend on the ends of a range,
so the rows of two reports differ by whole groups (microaggregation; Domingo-Ferrer and
Mateo-Sanz, 2002).
"""

from dataclasses import dataclass

import numpy as np

from simulacra_intake.rows_of_persons import MIN_PERSONS, Ints
from simulacra_trainer.conditions.cells import BoolArray
from simulacra_trainer.report.comparison.columns import FloatArray

MAX_GROUPS = 4_096
"""Groups of a table, which limits the time to seconds; more would not move an end visibly."""


def find_groups(values: FloatArray, classes: Ints, persons: Ints | None) -> Ints:
    """Return the group of each row from 0 on, int64 [n]; -1 in classes of fewer than five persons.

    Rows of a class are halved between two values of one column after the other (a k-d tree;
    Bentley, 1975) while both halves have enough persons.

    Args:
        values: float64 [n, columns]; NaN is missing and comes before all numbers.
        classes: rows of different classes share no group, int64 [n].
        persons: of each row, int64 [n]; None if each is its own person.
    """
    ranks = np.where(np.isnan(values), -np.inf, values)
    who = np.arange(classes.size) if persons is None else persons
    rows_a_person = np.unique(who, return_counts=True)[1]
    least = max(MIN_PERSONS, -(-rows_a_person.size // MAX_GROUPS))
    tree = _Tree(ranks, who, int(rows_a_person.max(initial=1)), least)
    groups = np.full(classes.size, -1, np.int64)
    order = np.argsort(classes, kind="stable")
    cuts = np.flatnonzero(np.diff(classes[order])) + 1
    left = [(rows, 0) for rows in np.split(order, cuts) if tree.have(rows, MIN_PERSONS)]
    found = 0
    while left:
        rows, depth = left.pop()
        if halves := tree.halves(rows, depth):
            left += [(half, depth + 1) for half in halves]
        else:
            groups[rows] = found
            found += 1
    return groups


def mostly(inside: BoolArray, groups: Ints) -> BoolArray:
    """Return whether most rows of each row's group are inside, bool [n]; -1: of no group."""
    known = groups >= 0
    rows = np.bincount(groups[known])
    met = np.bincount(groups[known], inside[known], minlength=rows.size)
    found = np.zeros(inside.size, np.bool_)
    found[known] = (2 * met > rows)[groups[known]]
    return found


@dataclass(frozen=True)
class _Tree:
    """Values [n, columns] and person [n] of each row, and the persons that a half must have."""

    ranks: FloatArray
    who: Ints
    most_rows: int
    least: int

    def have(self, rows: Ints, persons: int) -> bool:
        """Return whether the rows are of at least this number of persons."""
        if rows.size >= persons * self.most_rows:  # saves a sort
            return True
        return bool(rows.size >= persons and np.unique(self.who[rows]).size >= persons)

    def halves(self, rows: Ints, depth: int) -> list[Ints]:
        """Return the rows in two parts, split at the next column that can; empty if none can."""
        columns = self.ranks.shape[1]
        for after in range(columns if rows.size >= 2 * self.least else 0):
            of = self.ranks[rows, (depth + after) % columns]
            order = np.argsort(of, kind="stable")
            cuts = np.flatnonzero(of[order][1:] > of[order][:-1]) + 1
            if not cuts.size:
                continue
            at = int(cuts[np.argmin(np.abs(cuts - rows.size / 2))])
            halves = [rows[order[:at]], rows[order[at:]]]
            if all(self.have(half, self.least) for half in halves):
                return halves
        return []
