"""Whether two numbers are compared by the rows that have exactly them, or by a curve of all rows.

Rows with exactly a number assume nothing of the effect's shape, but they are few where numbers are
many. So a curve compares them where it has something to be smooth over, and where nothing says that
a number stands for another kind of people:

- few distinct numbers (a scale, children) may have an effect of any shape, and each has its rows;
- an end of the numbers (none, the top code) has no neighbor on one side to be smooth with;
- a heap, which far more people have than its neighbors, is a habit, a norm or a contract.
"""

import numpy as np
import numpy.typing as npt

from simulacra_trainer.effects.models.features import Floats

Counts = npt.NDArray[np.int64]
MIN_EXACT = 50
EXACT_SHARE = 0.05
"""Minimum rows, and share of all rows, with exactly the number of an arm; else it has a window."""
SCALE_STEPS = 11
"""Distinct numbers up to which they may be a rating scale: the longest usual one is 0 to 10."""
COUNTED_SHARE = 0.005
"""Least share of the rows from which a number counts as one of them; a code of 99 does not."""
HEAP = 2.0
"""Rows of a heap over the mean of its neighbors. A count of mean 5 has 1.3 at its peak."""
NEIGHBORS = 2
"""Of a number, on each side."""
FEWEST = 4
"""Numbers from which an end can be told from the others: without it a curve is left."""


def are_enough(rows: npt.NDArray[np.bool_]) -> bool:
    """Return whether the rows with exactly a number suffice without a window."""
    return int(rows.sum()) >= max(MIN_EXACT, EXACT_SHARE * rows.size)


def are_exact(values: Floats, asked: tuple[float, float], groups: bool = False) -> bool:
    """Return whether the rows with exactly the two numbers are compared, not a curve of all rows.

    values: float64 [n] without missing ones; groups: whether the numbers name groups, between which
    nothing is smooth.
    """
    if not all(are_enough(values == number) for number in asked):
        return False
    if groups:
        return True
    numbers, rows = np.unique(values, return_counts=True)
    is_counted = rows >= COUNTED_SHARE * values.size
    numbers, rows = numbers[is_counted], rows[is_counted]
    return numbers.size <= SCALE_STEPS or any(_stands_out(at, numbers, rows) for at in asked)


def end_heaps(values: Floats) -> list[float]:
    """Return the lowest and the highest number where each is a heap that enough rows have."""
    numbers, rows = np.unique(values, return_counts=True)
    if numbers.size < FEWEST:
        return []
    least, few = max(MIN_EXACT, EXACT_SHARE * values.size), COUNTED_SHARE * values.size
    below = np.cumsum(rows) - rows
    # A few stray codes do not hide an end.
    is_end = np.minimum(below, values.size - below - rows) < few
    ends = np.flatnonzero(is_end & (rows >= least)).tolist()
    return [float(numbers[at]) for at in ends if _is_heap(at, rows)]


def _stands_out(number: float, numbers: Floats, rows: Counts) -> bool:
    """Return whether a number is an end of the numbers, ascending, or a heap among them."""
    at = int(np.searchsorted(numbers, number))
    return at in (0, numbers.size - 1) or _is_heap(at, rows)


def _is_heap(at: int, rows: Counts) -> bool:
    """Return whether more rows have the number at this place than its neighbors."""
    near = np.append(rows[max(at - NEIGHBORS, 0) : at], rows[at + 1 : at + 1 + NEIGHBORS])
    return float(rows[at]) > HEAP * float(near.mean())
