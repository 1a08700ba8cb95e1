"""Running numbers of groups of rows, such as households, whatever their column is called."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from simulacra_intake.personal_data import vocabulary
from simulacra_intake.persons.cells import Cells, Ints

CHANCE = 1e-6
"""Probability below which it is no chance that a column is constant in all groups."""


def numbers_groups(cells: Cells, codes: Mapping[str, Ints]) -> bool:
    """Return whether whole numbers such as 1, 1, 1, 2, 2, 3 tell groups of rows apart.

    They never fall from one row to the next, and the rows of a number have something in common,
    which no measurement that a file is sorted by gives them: another column is constant in each
    group and changes back and forth between them, or counts the rows of each group.

    Args:
        cells: the column, its first rows.
        codes: of all columns of the table by name, int64 [rows] each.
    """
    if cells.is_text or cells.present < len(cells.indices):
        return False
    used, at = np.unique(cells.codes, return_inverse=True)
    words = [cells.words[code] for code in used]
    whole = all(word.lstrip("-").isdecimal() for word in words)
    if not whole or vocabulary.says_measurement(cells.name):
        return False
    numbers = np.array([int(word) for word in words])[at]
    if (numbers[1:] < numbers[:-1]).any():
        return False
    inside = numbers[1:] == numbers[:-1]
    others = (other for name, other in codes.items() if name != cells.name)
    return any(_is_common(other, inside) or _counts(other, inside) for other in others)


def _is_common(codes: Ints, inside: npt.NDArray[np.bool_]) -> bool:
    """Return whether a column is constant in each group, changes back and forth, and not by chance.

    inside: whether a row is in the group of the row before, bool [rows - 1].
    """
    same = codes[1:] == codes[:-1]
    if not same[inside].all() or np.sum(~same) < 2 * len(np.unique(codes)):
        return False
    alike = max(float(same[~inside].mean()), float(np.sum(_shares(codes) ** 2)))
    return alike == 0 or inside.sum() * math.log(alike) < math.log(CHANCE)


def _counts(codes: Ints, inside: npt.NDArray[np.bool_]) -> bool:
    """Return whether a column is 1, 2, 3 in the rows of each group; codes are by appearance."""
    starts = np.append(True, ~inside)
    return bool((codes[starts] == 0).all() and (np.diff(codes)[inside] == 1).all())


def _shares(codes: Ints) -> npt.NDArray[np.float64]:
    counts = np.unique(codes, return_counts=True)[1]
    return counts / len(codes)
