"""Whether the rows of a repeating number are one person's, or those of a group such as a household.

Numbers of respondents that start again in each wave of a tracker repeat as those of a panel do. In
a panel a person's answers agree; under restarting numbers nothing does beyond chance.
"""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.arrow_values import as_floats
from simulacra_intake.personal_data import vocabulary
from simulacra_intake.persons.cells import Cells, Ints

CHANCE = 1e-6
"""Probability below which it is no chance that a column is constant in all groups."""
AGREEMENT = 0.1
"""Agreement that chance, quotas and places give. Under restarting numbers of the General Social
Survey .06 at most were measured; in seven panels and diaries .5 to 1 in the best column."""
NOISE = 2.0
"""Standard errors by which agreement must exceed it; one is about 1 / sqrt(pairs of rows)."""
MAX_WAVES = 60
MIN_ROWS = 30
"""Rows of an average wave."""
ONCE = 0.99
"""Share of the rows that no other row of the wave shares its number with."""
DENSE = 0.5
"""Share of the numbers from the lowest to the highest of a wave that occur in it."""
LARGE_GROUP = 8
"""Rows of an average group from which on it is no household, if sexes and ages differ in it."""
NAMED_GROUP = 5
"""Rows of an average group from which on a name such as "cluster" says that it is no household."""
LONGEST = 18
"""Digits of an int64."""
Floats = npt.NDArray[np.float64]


def restart(cells: Cells, codes: Mapping[str, Ints]) -> bool:
    """Return whether numbers start again in each wave: "1, 2, ..., 500, 1, 2, ...".

    A wave is a level of another column, or a run of rows in which the numbers ascend. A panel
    whose persons are numbered from 1 has the same form: see `rows_agree`.

    cells: without gaps; codes: of all columns of the table by name, int64 [rows] each.
    """
    numbers = _numbers(cells)
    if numbers is None or not numbers.size:
        return False
    runs = np.cumsum(np.append(0, np.diff(numbers) <= 0))
    others = (other for name, other in codes.items() if name != cells.name)
    return any(_are_numbered(numbers, waves) for waves in (runs, *others))


def rows_agree(
    cells: Cells, codes: Mapping[str, Ints], values: Mapping[str, pa.Array]
) -> bool | None:
    """Return whether the rows of a value agree as those of a person do; None if nothing tells.

    A person keeps the sex and about the age: where such columns are there, they decide; otherwise
    agreement in any column is enough.

    codes: of all columns of the table by name, int64 [rows] each, of which `cells` has the first;
    -1 is missing.
    """
    others = {n: c for n, c in codes.items() if n != cells.name and not _is_copy(cells, c)}
    answer = kept_attributes_agree(cells, others, values)
    return _any_agrees(cells, others, values) if answer is None else answer


def kept_attributes_agree(
    cells: Cells, codes: Mapping[str, Ints], values: Mapping[str, pa.Array]
) -> bool | None:
    """Return whether the sex, birth or age of the rows of a value agree; None without them."""
    known = vocabulary.KNOWN_TO_OTHERS
    words = known["sex"] | known["birth"] | known["age"]
    kept = {name: codes[name] for name in codes if vocabulary.name_contains(name, words)}
    return _any_agrees(cells, kept, values)


def _any_agrees(
    cells: Cells, codes: Mapping[str, Ints], values: Mapping[str, pa.Array]
) -> bool | None:
    found = [_agrees(cells, code, values.get(name)) for name, code in codes.items()]
    told = [one for one in found if one is not None]
    return any(told) if told else None


def _numbers(cells: Cells) -> Ints | None:
    """Return whole numbers, int64 [rows]; None of other words.

    Codes with letters are given out once for all waves more often than numbers.
    """
    if cells.present < len(cells.indices):
        return None
    used, at = np.unique(cells.codes, return_inverse=True)
    words = [cells.words[code] for code in used]
    if not all(word.isdecimal() and len(word) <= LONGEST for word in words):
        return None
    return np.array([int(word) for word in words])[at.reshape(-1)]


def _are_numbered(numbers: Ints, waves: Ints) -> bool:
    """Return whether each wave has each number once, and most numbers between its ends."""
    waves = np.unique(waves, return_inverse=True)[1].reshape(-1)
    count = int(waves.max()) + 1
    if not 2 <= count <= MAX_WAVES or numbers.size < MIN_ROWS * count:
        return False
    pairs = np.unique(np.stack([waves, numbers]), axis=1)
    if pairs.shape[1] < ONCE * numbers.size:
        return False
    first = np.flatnonzero(np.diff(pairs[0], prepend=-1))
    rows = np.diff(first, append=pairs.shape[1])
    span = pairs[1][first + rows - 1] - pairs[1][first] + 1
    return bool(np.median(rows / span) >= DENSE)


def _is_copy(cells: Cells, codes: Ints) -> bool:
    """Return whether a column numbers the rows in the same way, as a second id does."""
    own = cells.codes
    pairs = len(np.unique(np.stack([own, codes]), axis=1).T)
    return pairs == len(np.unique(own)) == len(np.unique(codes))


def _agrees(cells: Cells, codes: Ints, values: pa.Array | None) -> bool | None:
    """Return whether a column agrees beyond chance.

    None if no value has two rows in it, or if they differ more than by chance, as waves do.
    """
    known = (cells.codes >= 0) & (codes >= 0)
    groups = np.unique(cells.codes[known], return_inverse=True)[1].reshape(-1)
    rows = np.bincount(groups)
    pairs = int((rows - 1).sum())
    if not pairs or np.ptp(codes[known]) == 0:
        return None
    if values is not None and not (
        pa.types.is_nested(values.type) or pa.types.is_dictionary(values.type)
    ):
        numbers = as_floats(values.slice(0, codes.size))[known]
        agreement = _intraclass(_ranks(numbers), groups, rows)
    else:
        agreement = _kappa(codes[known], groups, rows)
    limit = AGREEMENT + NOISE / np.sqrt(pairs)
    return None if agreement < -limit else bool(agreement > limit)


def _kappa(codes: Ints, groups: Ints, rows: Ints) -> float:
    """Return the agreement of two rows of a group beyond chance (Fleiss, 1971)."""
    levels = np.unique(codes, return_inverse=True)[1].reshape(-1)
    size = int(levels.max()) + 1
    counts = np.unique(groups * size + levels, return_counts=True)[1].astype(np.float64)
    agreeing = np.sum(counts * (counts - 1)) / np.sum(rows * (rows - 1.0))
    chance = np.sum((np.bincount(levels) / levels.size) ** 2)
    return float((agreeing - chance) / (1.0 - chance))


def _intraclass(values: Floats, groups: Ints, rows: Ints) -> float:
    """Return the intraclass correlation by one-way analysis of variance (Fisher, 1925)."""
    count, size = values.size, rows.size
    means = np.bincount(groups, values) / rows
    between = np.sum(rows * (means - values.mean()) ** 2) / max(size - 1, 1)
    within = np.sum((values - means[groups]) ** 2) / (count - size)
    usual = (count - np.sum(rows.astype(np.float64) ** 2) / count) / max(size - 1, 1)
    return float((between - within) / max(between + (usual - 1.0) * within, 1e-300))


def _ranks(values: Floats) -> Floats:
    """Return ranks, so that extreme numbers count no more than others; equal ones share theirs."""
    place = np.unique(values, return_inverse=True)[1].reshape(-1)
    counts = np.bincount(place)
    return (np.cumsum(counts) - counts / 2.0)[place]


def numbers_groups(cells: Cells, codes: Mapping[str, Ints]) -> bool:
    """Return whether whole numbers such as 1, 1, 1, 2, 2, 3 tell groups of rows apart.

    They never fall from one row to the next, and the rows of a number have something in common,
    which no measurement that a file is sorted by gives them: another column is constant in each
    group and changes back and forth between them, or counts the rows of each group.

    codes: of all columns of the table by name, int64 [rows] each, of which `cells` has the first.
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
