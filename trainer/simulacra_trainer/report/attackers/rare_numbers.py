"""Numbers of one to four persons among generated rows, beside those of people not in the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulacra_intake.rows_of_persons import MIN_PERSONS, Ints, persons_a_group
from simulacra_schema.table import ColumnSchema
from simulacra_trainer.report.attackers.membership import PersonRows, loose_numbers, unit_of
from simulacra_trainer.report.comparison.columns import numbers

CHANCE = 2.0
"""Standard errors that chance exceeds once in forty, on one side."""


@dataclass(frozen=True)
class NumbersBack:
    """How many numbers of one to four persons come back: of people in the table, and of others.

    Attributes:
        seen, unseen: numbers that only people of this side have.
        seen_back, unseen_back: those of them that generated rows have.
    """

    seen: int = 0
    unseen: int = 0
    seen_back: int = 0
    unseen_back: int = 0

    def __add__(self, other: NumbersBack) -> NumbersBack:
        """Return the sums."""
        return NumbersBack(
            self.seen + other.seen,
            self.unseen + other.unseen,
            self.seen_back + other.seen_back,
            self.unseen_back + other.unseen_back,
        )

    @property
    def share(self) -> float:
        """Share of the numbers of people in the table that come back."""
        return self.seen_back / max(self.seen, 1)

    @property
    def base(self) -> float:
        """The same share of other people."""
        return self.unseen_back / max(self.unseen, 1)

    @property
    def error(self) -> float:
        """Standard error of the difference of both; with one more number back (Laplace)."""
        rate = (self.seen_back + self.unseen_back + 1.0) / (self.seen + self.unseen + 2.0)
        sides = 1.0 / max(self.seen, 1) + 1.0 / max(self.unseen, 1)
        return float(np.sqrt(rate * (1.0 - rate) * sides))

    @property
    def passes(self) -> bool:
        """Whether numbers of the table come back no more often than chance explains."""
        return self.share - self.base <= CHANCE * self.error


def numbers_back(
    members: PersonRows, controls: PersonRows, drawn: pa.Table, columns: Sequence[ColumnSchema]
) -> NumbersBack:
    """Count numbers of one to four persons that come back, over all columns of many numbers."""
    total, tables = NumbersBack(), [members.rows, controls.rows]
    for column in columns:
        if column.name not in drawn.column_names or not loose_numbers(tables, column.name):
            continue
        parts = [numbers(table, column.name) for table in (*tables, drawn)]
        unit = unit_of(np.concatenate(parts[:2]))
        cells = [np.rint(part / unit) for part in parts]
        own = [
            _by_few(of, people) for of, people in zip(cells[:2], (members, controls), strict=True)
        ]
        alone = [few[~np.isin(few, of)] for few, of in zip(own, (cells[1], cells[0]), strict=True)]
        hits = [int(np.isin(few, cells[2]).sum()) for few in alone]
        total += NumbersBack(alone[0].size, alone[1].size, *hits)
    return total


def _by_few(cells: np.ndarray, people: PersonRows) -> np.ndarray:
    """Return the different numbers that fewer than five persons have."""
    known = ~np.isnan(cells)
    distinct, group = np.unique(cells[known], return_inverse=True)
    who: Ints | None = None if people.who is None else people.who[known]
    return distinct[persons_a_group(group.reshape(-1), who, distinct.size) < MIN_PERSONS]
