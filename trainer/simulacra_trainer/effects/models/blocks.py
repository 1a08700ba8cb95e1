"""Numbers of real people in blocks of neighbors, and ends of ranges that are no single person's.

Two windows around numbers of an attacker's choice may differ by one person, and the difference of
their answers is then that person's. So rows are chosen by whole blocks.
"""

import numpy as np
import numpy.typing as npt

from simulacra_intake.rows_of_persons import MIN_PERSONS, Ints

Floats = npt.NDArray[np.float64]
BLOCK = 2 * MIN_PERSONS
"""Persons of a block, at least: what two answers differ by is a figure of that many."""


def in_blocks(values: Floats, persons: Ints | None = None) -> Floats:
    """Return each number as the mean of its block, float64 [n]; NaN stays.

    Rows with the same number are in one block, neighboring numbers too until it has BLOCK persons.
    """
    known = np.flatnonzero(~np.isnan(values))
    if not known.size:
        return values
    order = known[np.argsort(values[known], kind="stable")]
    x = values[order]
    who = np.arange(x.size) if persons is None else persons[order]
    starts = np.flatnonzero(np.append(True, np.diff(x) != 0))
    begins, inside = [0], set[int]()
    for first, last in zip(starts, np.append(starts[1:], x.size), strict=True):
        if len(inside) >= BLOCK:
            begins.append(int(first))
            inside.clear()
        inside.update(who[first:last].tolist())
    if len(inside) < BLOCK and len(begins) > 1:
        begins.pop()
    sizes = np.diff([*begins, x.size])
    mean = np.add.reduceat(x, begins) / sizes
    same = x[begins] == x[begins + sizes - 1]
    out = values.copy()
    out[order] = np.repeat(np.where(same, x[begins], mean), sizes)
    return out


def around(values: Floats, share: float, persons: Ints | None = None) -> float:
    """Return the mean number of MIN_PERSONS persons around this share of the values, 0..1.

    A whole number where all are whole.
    """
    order = np.argsort(values, kind="stable")
    x = values[order]
    who = np.arange(x.size) if persons is None else persons[order]
    middle = round(share * (x.size - 1))
    reach, least = MIN_PERSONS // 2, min(MIN_PERSONS, np.unique(who).size)
    while True:
        first = min(max(middle - reach, 0), max(x.size - 2 * reach - 1, 0))
        some = slice(first, first + 2 * reach + 1)
        if np.unique(who[some]).size >= least:
            break
        reach += 1
    found = float(x[some].mean()) if x[some][0] < x[some][-1] else float(x[first])
    return float(round(found)) if bool(np.all(x == np.round(x))) else found
