"""What two columns allow each other to be, respondent by respondent, given the common columns.

With p and q the probabilities of the answers of x and y of one respondent, a cell holds at least
max(0, p + q - 1) and at most min(p, q) (Fréchet, 1951). Means of these over respondents bound the
cell's share for any common columns; statements narrow them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Cell = tuple[int, int]
UNLIMITED = 2.0
"""More than a probability, so that it limits none."""


@dataclass(frozen=True)
class Stated:
    """Cells of x by y of which something is stated.

    Attributes:
        above: cells that hold at least what independence given the common columns gives.
        below: cells that hold this at most.
        never: cells that are impossible.
    """

    above: Sequence[Cell] = ()
    below: Sequence[Cell] = ()
    never: Sequence[Cell] = ()


def bounds(px: Floats, py: Floats, stated: Stated) -> tuple[Floats, Floats]:
    """Return the least and largest probability of each cell, float64 [n, x, y] each.

    px, py: of the answers of x and of y, float64 [n, x] and [n, y], rows of sum 1; stated: what
    narrows them.
    """
    if not (stated.above or stated.below or stated.never):
        p, q = px[:, :, None], py[:, None, :]
        return np.maximum(p + q - 1.0, 0.0), np.minimum(p, q)
    return _narrowed(px, py, stated)


def _narrowed(px: Floats, py: Floats, stated: Stated) -> tuple[Floats, Floats]:
    """Return sharp bounds where cells have least and largest values.

    What a cell holds at least is taken off the margins first. The rest is a flow from answers of x
    to answers of y, which exists if no set R of answers of x has more than its cells can take
    (Gale, 1957): p(R) <= sum over y of min(q, room(R, y)). A cell's share is as free as these
    inequalities leave it.
    """
    independent = px[:, :, None] * py[:, None, :]
    floor, cap = np.zeros_like(independent), np.full_like(independent, UNLIMITED)
    for x, y in stated.above:
        floor[:, x, y] = independent[:, x, y]
    for x, y in stated.below:
        cap[:, x, y] = independent[:, x, y]
    for x, y in stated.never:
        cap[:, x, y] = 0.0
    p, q, room = px - floor.sum(axis=2), py - floor.sum(axis=1), np.maximum(cap - floor, 0)
    least = np.zeros_like(room)
    most = np.minimum(np.minimum(p[:, :, None], q[:, None, :]), room)
    for chosen in product([False, True], repeat=px.shape[1]):
        inside = np.array(chosen)
        of_set = p[:, inside].sum(axis=1)[:, None]
        space = room[:, inside].sum(axis=1)
        taken = np.minimum(q, space)
        elsewhere = taken.sum(axis=1, keepdims=True) - taken
        for x in range(px.shape[1]):
            if inside[x]:
                found = of_set - elsewhere - (space - room[:, x])
                least[:, x] = np.maximum(least[:, x], found)
            else:
                most[:, x] = np.minimum(most[:, x], q - of_set + elsewhere)
    most = np.maximum(most, 0.0)
    return np.minimum(least, most) + floor, most + floor
