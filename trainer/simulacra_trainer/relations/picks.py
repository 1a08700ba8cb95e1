"""Columns that are equal to one of several others, which the level of a column names.

The price paid is that of the chosen mode of travel. Each level must have at least five rows and
three values, all of them those of one column; a column that is equal to the picked one in all rows
is no choice.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.arrow_values import codes_of, places_of, words_of
from simulacra_intake.rows_of_persons import MIN_PERSONS
from simulacra_schema.table import DecidedCase, RelationSchema, TableSchema
from simulacra_trainer.relations.decided import has_levels
from simulacra_trainer.relations.numbers import Floats, Numbers

MAX_LEVELS = 30
FIRST_ROWS = 4
MIN_VALUES = 3
Ints = npt.NDArray[np.int64]


def picked_relations(
    table: pa.Table, schema: TableSchema, numbers: Numbers
) -> Iterator[RelationSchema]:
    """Yield at most one relation for each number of many values."""
    found: set[int] = set()
    for column in schema.learned():
        if not has_levels(column) or len(column.levels) > MAX_LEVELS:
            continue
        codes = codes_of(table.column(column.name))
        rows = {int(code): np.flatnonzero(codes == code) for code in np.unique(codes) if code >= 0}
        if len(rows) < 2 or min(of.size for of in rows.values()) < MIN_PERSONS:
            continue
        words = words_of(table.column(column.name))
        levels = {code: str(words[int(of[0])]) for code, of in rows.items()}
        for at, near in _candidates(numbers, rows):
            if at in found or numbers.names[at] == column.name:
                continue
            picks = _picks(numbers, at, rows, near, levels)
            is_missing = np.isnan(numbers.values[at, codes < 0])
            if picks is not None and is_missing.all():
                found.add(at)
                yield RelationSchema(
                    kind="picked",
                    column=numbers.names[at],
                    of=[column.name, *dict.fromkeys(numbers.names[k] for k in picks.values())],
                    cases=[
                        DecidedCase(of=[levels[code]], value=numbers.names[k])
                        for code, k in picks.items()
                    ],
                )


def picked_values(
    table: pa.Table, relation: RelationSchema, columns: Mapping[str, Floats]
) -> Floats:
    """Return what the relation gives, float64 [n]; missing where no level picks a column."""
    words = words_of(table.column(relation.of[0]))
    place = {case.of[0]: i for i, case in enumerate(relation.cases)}
    picked = places_of(words, place, unknown=-1, missing=-1)
    out = np.full(picked.size, np.nan)
    for i, case in enumerate(relation.cases):
        out[picked == i] = columns[str(case.value)][picked == i]
    return out


def _candidates(
    numbers: Numbers, rows: Mapping[int, Ints]
) -> Iterator[tuple[int, dict[int, Ints]]]:
    """Yield columns with, for each level, the columns that agree in its first rows."""
    varied = np.flatnonzero(numbers.varied)
    is_open = np.ones(varied.size, np.bool_)
    same: dict[int, npt.NDArray[np.bool_]] = {}
    own = varied[:, None] == np.arange(len(numbers.names))
    for code, of in rows.items():
        near = ~own
        for row in of[np.linspace(0, of.size - 1, FIRST_ROWS).astype(np.int64)]:
            values = numbers.values[:, row]
            near &= numbers.alike(
                values[None, :], values[varied][:, None], numbers.steps[varied][:, None]
            )
        same[code] = near
        is_open &= near.any(axis=1)
        if not is_open.any():
            return
    for at in np.flatnonzero(is_open):
        yield int(varied[at]), {code: np.flatnonzero(near[at]) for code, near in same.items()}


def _picks(
    numbers: Numbers,
    at: int,
    rows: Mapping[int, Ints],
    near: Mapping[int, Ints],
    levels: Mapping[int, str],
) -> dict[int, int] | None:
    """Return the column of each level, columns that no other level has first; None without."""
    values, step = numbers.values[at], numbers.steps[at]
    picks: dict[int, int] = {}
    for code, of in rows.items():
        known = values[of][~np.isnan(values[of])]
        if np.unique(known).size < MIN_VALUES:
            return None
        fit = [
            k for k in near[code] if numbers.alike(numbers.values[k, of], values[of], step).all()
        ]
        fit = [k for k in fit if not numbers.alike(numbers.values[k], values, step).all()]
        if not fit:
            return None
        # Of equal columns, the one that is named like the level.
        fit.sort(key=lambda k: levels[code].lower() not in numbers.names[k].lower())
        picks[code] = int(next((k for k in fit if k not in picks.values()), fit[0]))
    return picks if len(set(picks.values())) > 1 else None
