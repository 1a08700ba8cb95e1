"""Quotas as conditions on a pool: the class of each row, and the bounds of the cell's share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulacra_intake.arrow_values import as_floats
from simulacra_schema.faults import pointer
from simulacra_schema.quotas import CellPart, Quota
from simulacra_schema.ranges import NumericRange
from simulacra_schema.rules import RulePart
from simulacra_trainer.conditions.cells import BoolArray, FloatArray, IntArray, ShareCondition
from simulacra_trainer.conditions.support import HardCondition

INSIDE, OUTSIDE = 0, 1
"""Classes of a quota, in the order of its margins."""


@dataclass(frozen=True)
class QuotaCondition:
    """One quota: the share of its cell lies between low and high, which may be equal.

    Attributes:
        place: in the list of quotas.
    """

    place: int
    quota: Quota

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and largest share of the cell, 0..1."""
        return self.quota.bounds

    @property
    def is_exact(self) -> bool:
        """Whether the share is one number."""
        return self.bounds[0] == self.bounds[1]

    def classify(self, table: pa.Table) -> IntArray:
        """Return INSIDE or OUTSIDE of every row, int64 [rows]."""
        return np.where(rows_in(self.quota, table), INSIDE, OUTSIDE)

    def hard(self, classes: IntArray) -> HardCondition | None:
        """Return a quota of no rows or of all rows as a condition on rows; None for others."""
        low, high = self.bounds
        at = pointer("conditions", "quotas", self.place)
        if high == 0:
            return HardCondition(at, f"rows outside of {self.quota.words()}", classes == OUTSIDE)
        return HardCondition(at, self.quota.words(), classes == INSIDE) if low == 1 else None


def quota_conditions(quotas: Sequence[Quota]) -> list[QuotaCondition]:
    """Return the quotas of a request with their places."""
    return [QuotaCondition(place, quota) for place, quota in enumerate(quotas)]


def rows_in(quota: Quota, table: pa.Table) -> BoolArray:
    """Return which rows are in the cell of a quota, bool [rows]; a missing value is in no cell."""
    return in_cell(table, quota.where)


def in_cell(table: pa.Table, cell: Mapping[str, CellPart]) -> BoolArray:
    """Return which rows meet all parts of a cell, bool [rows]."""
    inside = np.ones(table.num_rows, np.bool_)
    for name, part in cell.items():
        inside &= meets_part(table, name, part)
    return inside


def meets_part(table: pa.Table, name: str, part: CellPart) -> BoolArray:
    """Return which rows have one of the levels, a value in the range, or a gap, bool [rows]."""
    if isinstance(part, RulePart) and part.missing is not None:
        gaps = np.asarray(table.column(name).is_null().to_numpy(), np.bool_)
        return gaps if part.missing else ~gaps
    if part.levels is None:
        return in_range(as_floats(table.column(name)), part)
    levels = ShareCondition(name, list(part.levels), np.zeros(len(part.levels)))
    return levels.classify(table) < len(part.levels)


def in_range(values: FloatArray, bounds: NumericRange) -> BoolArray:
    """Return which numbers lie in a closed range, bool [n]; missing ones do not."""
    low, high = bounds.ends()
    return (values >= low) & (values <= high)
