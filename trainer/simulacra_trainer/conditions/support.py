"""Hard conditions, which every generated row must meet, and the error when no row can.

Hard are numeric ranges, shares of zero ("none of these") and shares that sum to one ("only these").
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulacra_crds.reasons import Reason
from simulacra_intake.arrow_values import as_floats
from simulacra_intake.errors import InputError
from simulacra_schema.conditions import NumericRange
from simulacra_schema.faults import pointer
from simulacra_trainer.conditions.cells import BoolArray, FloatArray, IntArray, ShareCondition


class InfeasibleError(InputError):
    """No row of the learned distribution meets the hard conditions."""

    def __init__(self, message: str, detail: str, at: str | None) -> None:
        super().__init__(Reason.CONDITIONS_INFEASIBLE, message, detail, at)


@dataclass(frozen=True)
class HardCondition:
    """A condition on single rows.

    Attributes:
        pointer: JSON pointer of the condition in the request.
        allowed: whether each pool row meets it, bool[rows].
        is_drawn: the pool was drawn inside it, so all its rows meet it.
    """

    pointer: str
    words: str
    allowed: BoolArray
    is_drawn: bool = False


def hard_range(
    column: str, bounds: NumericRange, table: pa.Table, *, is_drawn: bool = False
) -> HardCondition:
    """Return a closed range on a numeric column as a hard condition; missing values lie outside."""
    values = as_floats(table.column(column))
    low, high = bounds.ends()
    allowed: BoolArray = (values >= low) & (values <= high)
    words = f'"{column}" {bounds.words()}'
    if not allowed.any() and not bounds.has_dates:
        words += _nearest(values, low, high)
    return HardCondition(pointer("conditions", "numeric", column), words, allowed, is_drawn)


def hard_shares(condition: ShareCondition, classes: IntArray) -> HardCondition | None:
    """Return shares as a hard condition; None if they exclude no class of the column."""
    possible = condition.targets > 0
    if possible.all():
        return None
    only = [
        level for level, share in zip(condition.levels, condition.shares, strict=True) if share > 0
    ]
    if possible[-1]:
        excluded = [level for level in condition.levels if level not in set(only)]
        words = f'"{condition.column}" without {_listed(excluded)}'
    else:
        words = f'"{condition.column}" only {_listed(only)}'
    return HardCondition(
        pointer("conditions", "categorical", condition.column), words, possible[classes]
    )


def rows_that_meet(hard: list[HardCondition], rows: int) -> IntArray:
    """Return the rows (int64) that meet all hard conditions. InfeasibleError names a conflict."""
    allowed = np.ones(rows, dtype=np.bool_)
    for condition in hard:
        allowed &= condition.allowed
    found = np.flatnonzero(allowed)
    if len(found) == 0:
        raise _refusal(hard, rows)
    return found


def _refusal(hard: list[HardCondition], rows: int) -> InfeasibleError:
    conflict = list(hard)
    for condition in hard:  # drop conditions that the conflict does not need
        others = [c for c in conflict if c is not condition]
        if others and not np.logical_and.reduce([c.allowed for c in others]).any():
            conflict = others
    message = f"No row meets {len(conflict)} of the {len(hard)} conditions. Widen or drop one."
    drawn = [c.words for c in hard if c.is_drawn and all(c is not one for one in conflict)]
    of = f"None of {rows} rows of the learned distribution" + (
        f" with {' and '.join(drawn)}" if drawn else ""
    )
    if len(conflict) + len(drawn) == 1:
        detail = f"{of} has {conflict[0].words}. Widen or drop it."
    else:
        at_once = " at once" if len(conflict) > 1 else ""
        words = " and ".join(condition.words for condition in conflict)
        detail = f"{of} has {words}{at_once}. Widen or drop one of them."
    return InfeasibleError(message, detail, conflict[0].pointer if conflict else None)


def _nearest(values: FloatArray, low: float, high: float) -> str:
    below, above = values[values < low], values[values > high]
    near = [
        f"{v:.12g}"
        for v in ([below.max()] if len(below) else []) + ([above.min()] if len(above) else [])
    ]
    return f" (nearest: {' and '.join(near)})" if near else ""


def _listed(levels: list[str]) -> str:
    shown = ", ".join(f'"{level}"' for level in levels[:5])
    return shown + (f" and {len(levels) - 5} more" if len(levels) > 5 else "")
