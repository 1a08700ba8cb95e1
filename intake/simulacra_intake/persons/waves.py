"""The wave of a panel: which of the interviews of a person a row is."""

import re
from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa

from simulacra_intake.columns.build import CleanColumn
from simulacra_intake.rows_of_persons import Ints

_NAMED = re.compile(
    r"wave|well|round|vague|ola|onda|fala|golf|year|jahr|ann[eé]e|a[nñ]o|^[aå]r$|visit|besuch"
    r"|bezoek|besök|besøg|wizyt|návštěv|käynti|vizit|визит|επίσκεψη|방문|来院",
    re.I,
)
MAX_WAVES = 60
MAX_MEMBERS = 20
"""People of a household at most, whose running number stands in a column."""
FEWEST_WAVES = 2
"""Rows of an average person that show waves, if the name does not say so."""
MIN_UNIQUE = 0.99
"""Share of the rows that no other row of the person shares its wave with."""


def with_wave(
    columns: Sequence[CleanColumn], persons: Ints, ordinary: Collection[str] = ()
) -> list[CleanColumn]:
    """Give one column the role `wave`: of few levels in order, each once a person.

    persons: of each row, int64 [rows]; ordinary: columns that are none.
    """
    candidates = [column for column in columns if column.schema.name not in ordinary]
    waves = [column for column in candidates if _is_wave(column, persons)]
    if not waves:
        members = _numbers_of_members(columns)
        waves = [column for column in candidates if _is_wave_of_members(column, persons, members)]
    if waves:
        wave = min(waves, key=lambda column: len(column.schema.levels))
        wave.update(role="wave", evidence=["each person has each of its levels in one row"])
    return list(columns)


def _is_wave(column: CleanColumn, persons: Ints) -> bool:
    schema, numbers = column.schema, _numbers_in_order(column)
    if numbers is None:
        return False
    pairs = np.unique(np.stack([persons, numbers]), axis=1)
    unique = pairs.shape[1] >= MIN_UNIQUE * len(persons)
    if not unique or _NAMED.search(schema.name):
        return unique
    several = len(persons) >= FEWEST_WAVES * len(np.unique(persons))
    return several and not _runs_within(pairs)


def _numbers_of_members(columns: Sequence[CleanColumn]) -> list[Ints]:
    """Return the columns that may number the people of a household, each int64 [rows]."""
    found = (
        _numbers_in_order(column)
        for column in columns
        if column.schema.kind == "integer"
        and column.schema.minimum in (0, 1)
        and len(column.schema.levels) <= MAX_MEMBERS
    )
    return [numbers for numbers in found if numbers is not None]


def _is_wave_of_members(column: CleanColumn, households: Ints, members: Sequence[Ints]) -> bool:
    """Whether households have several people, and each of them a row in each wave.

    members: numbers of the people of a household, each int64 [rows]. Where they are the column
    itself, each person has one row.
    """
    if not _NAMED.search(column.schema.name):
        return False
    numbers = _numbers_in_order(column)
    if numbers is None:
        return False
    for within in members:
        people = np.stack([households, within])
        people_seen = np.unique(people, axis=1).shape[1]
        rows = np.unique(np.vstack([people, numbers]), axis=1).shape[1]
        if rows >= MIN_UNIQUE * len(numbers) and len(numbers) >= FEWEST_WAVES * people_seen:
            return True
    return False


def _numbers_in_order(column: CleanColumn) -> Ints | None:
    """Return the numbers or codes of a column of few levels in order, int64 [rows], else None."""
    schema, values = column.schema, column.values
    if values is None or schema.role is not None or schema.missing_share:
        return None
    if schema.kind not in ("integer", "ordinal") or not 2 <= len(schema.levels) <= MAX_WAVES:
        return None
    if schema.kind == "integer" and not _are_consecutive(schema.level_values()):
        return None
    codes = values.indices if pa.types.is_dictionary(values.type) else values
    numbers: Ints = codes.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return numbers


def _runs_within(pairs: Ints) -> bool:
    """Whether each person's numbers run from 1 on, and persons have more or fewer of them.

    That is a running number, such as that of a person in a household.
    """
    first = np.flatnonzero(np.diff(pairs[0], prepend=-1))
    counts = np.diff(first, append=pairs.shape[1])
    low, high = pairs[1][first], pairs[1][first + counts - 1]
    return bool((low <= 1).all() and (high - low + 1 == counts).all() and np.ptp(counts) > 0)


def _are_consecutive(levels: Sequence[str]) -> bool:
    """Whether whole numbers are evenly spaced, as years and numbered waves are."""
    steps = np.diff(sorted(int(level) for level in levels))
    return bool((steps == steps[0]).all())
