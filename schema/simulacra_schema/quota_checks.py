"""Checks of quotas against the schema of the data, and the contradictions that arithmetic shows.

A share of a level counts as a cell of this level. That all quotas can hold together is decided in
the pod, by a linear program (`simulacra_trainer.conditions.feasible`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from simulacra_schema.conditions import (
    ConditionSet,
    check_conditions,
    level_in,
    number_of,
    wrong_column,
    wrong_range,
)
from simulacra_schema.faults import Fault, Wrong, no_level, path_of
from simulacra_schema.quotas import CellPart, Quota
from simulacra_schema.ranges import NumericRange
from simulacra_schema.several_answers import expand_conditions
from simulacra_schema.table import TableSchema
from simulacra_schema.targets import TargetedShares

CLOSE = 1e-9
CONFLICT = "quotas that conflict"
_NO_LEVELS = Wrong("levels of a column without levels", "The column has no levels; give a range.")
_ONE_OPTION = Wrong(
    "several options of a column of several answers",
    "Name one option; rows that have one of several options are no cell.",
)
_NO_SHARE = Wrong("a quota without a share", "Give share, or min, max or both.")
_TWO_SHARES = Wrong("a quota with two shares", "Give either share, or min and max.")
_TWO_PARTS = Wrong(
    "a part of a cell with levels and a range", "Give either levels or a range of the column."
)
_MIN_ABOVE = Wrong("min above max", "min is above max; exchange them.")

Values = frozenset[str] | tuple[float, float]
"""Levels, or the ends of a range."""


@dataclass(frozen=True)
class Cell:
    """A quota or share as a set of rows: what it asks of each column, and its bounds.

    Attributes:
        path: where it is in the conditions.
        low, high: least and largest share of the rows, 0..1.
    """

    path: tuple[str | int, ...]
    words: str
    values: dict[str, Values]
    low: float
    high: float

    def is_in(self, other: Cell) -> bool:
        """Return whether all rows of the cell are rows of the other one."""
        return all(
            name in self.values and is_in(self.values[name], wanted)
            for name, wanted in other.values.items()
        )

    def is_apart(self, other: Cell) -> bool:
        """Return whether no row can be in both cells."""
        shared = self.values.keys() & other.values.keys()
        return any(is_apart(self.values[name], other.values[name]) for name in shared)


def check_quotas(conditions: ConditionSet, schema: TableSchema) -> Iterator[Fault]:
    """Yield what schema and arithmetic say against quotas: one entry for each invalid field."""
    found = [
        fault
        for at, quota in enumerate(conditions.quotas)
        for fault in _check_quota(quota, ("conditions", "quotas", at), schema)
    ]
    yield from found
    if not found and conditions.quotas:
        yield from _contradictions(conditions, schema)


def as_conditions(targets: TargetedShares) -> ConditionSet:
    """Return targets as the conditions whose words they have."""
    return ConditionSet(categorical=targets.categorical, quotas=targets.quotas)


def check_targets(
    targets: TargetedShares, schema: TableSchema
) -> Iterator[tuple[tuple[str | int, ...], Fault]]:
    """Yield what the schema says against targets as conditions, with the path in the targets."""
    asked = as_conditions(targets)
    for fault in (*check_conditions(asked, schema), *check_quotas(asked, schema)):
        yield path_of(fault.pointer)[1:], fault  # behind /conditions


def _check_quota(quota: Quota, at: tuple[str | int, ...], schema: TableSchema) -> Iterator[Fault]:
    for name, part in quota.where.items():
        yield from _check_part(name, part, (*at, "where", name), schema)
    given = (quota.min, quota.max) != (None, None)
    if quota.share is None and not given:
        yield _NO_SHARE.at(*at)
    elif quota.share is not None and given:
        yield _TWO_SHARES.at(*at)
    elif quota.bounds[0] > quota.bounds[1]:
        yield _MIN_ABOVE.at(*at)


def _check_part(
    name: str, part: CellPart, at: tuple[str | int, ...], schema: TableSchema
) -> Iterator[Fault]:
    if part.levels is None:
        if wrong := wrong_range(name, part, schema):
            yield wrong.at(*at)
        return
    if part.has_numbers or part.has_dates:
        yield _TWO_PARTS.at(*at)
        return
    column = schema.find(name)
    is_several = column is not None and column.kind == "multi" and column.learned
    if not is_several and (wrong := wrong_column(name, schema)):
        yield wrong.at(*at)
        return
    assert column is not None
    known = column.level_values()
    if not known:
        yield _NO_LEVELS.at(*at)
        return
    for place, level in enumerate(part.levels):
        if level_in(level, known) is None:
            yield no_level(level, known).at(*at, "levels", place)
    if column.kind == "multi" and len(part.levels) > 1:
        yield _ONE_OPTION.at(*at)


def _contradictions(conditions: ConditionSet, schema: TableSchema) -> Iterator[Fault]:
    """Yield the first contradiction of each quota that pairs and sums of cells show."""
    cells = cells_of(expand_conditions(conditions, schema), schema)
    everywhere = {
        name: values_of(bounds, name, schema) for name, bounds in conditions.numeric.items()
    }
    whole = Cell(("conditions", "quotas"), "all rows", {}, 1.0, 1.0)
    quotas = [cell for cell in cells if cell.path[1] == "quotas"]
    outside = Cell(("conditions", "numeric"), "the range of all rows", everywhere, 1.0, 1.0)
    for cell in quotas:
        if cell.low > 0 and cell.is_apart(outside):
            detail = f"No row of {cell.words} meets the range of all rows, but the quota asks for"
            yield Wrong(CONFLICT, f"{detail} {_percent(cell.low)}.").at(*cell.path)
            return
    for parent in [whole, *cells]:
        inside = [c for c in cells if c is not parent and c.low > 0 and c.is_in(parent)]
        apart: list[Cell] = []
        for cell in sorted(inside, key=lambda one: -one.low):
            if all(cell.is_apart(other) for other in apart):
                apart.append(cell)
        total = sum(cell.low for cell in apart)
        if total > parent.high + CLOSE and any(c in quotas for c in [parent, *apart]):
            yield _too_many(parent, apart, total, quotas)
            return


def _too_many(parent: Cell, apart: Sequence[Cell], total: float, quotas: Sequence[Cell]) -> Fault:
    """Return that cells apart from each other need more rows than the cell around them has."""
    named = [f"{cell.words} ({_percent(cell.low)})" for cell in apart[:5]]
    more = f" and {len(apart) - 5} more" if len(apart) > 5 else ""
    within = f"{parent.words}, which has {_percent(parent.high)} at most"
    detail = f"{' and '.join(named)}{more} lie within {within}"
    if len(apart) > 1:
        detail += f", have no row in common and need {_percent(total)}"
    at = next(cell for cell in [*apart, parent] if cell in quotas)
    return Wrong(CONFLICT, f"{detail}. Lower one of them.").at(*at.path)


def cells_of(conditions: ConditionSet, schema: TableSchema) -> list[Cell]:
    """Return the quotas of checked, expanded conditions as cells, then the shares of levels."""
    cells = []
    for at, quota in enumerate(conditions.quotas):
        values = {name: values_of(part, name, schema) for name, part in quota.where.items()}
        cells.append(Cell(("conditions", "quotas", at), quota.words(), values, *quota.bounds))
    for name, shares in conditions.categorical.items():
        for level, share in shares.items():
            of = {name: values_of(CellPart(levels=[level]), name, schema)}
            path = ("conditions", "categorical", name, level)
            cells.append(Cell(path, f'"{name}" "{level}"', of, share, share))
    return cells


def values_of(part: NumericRange, name: str, schema: TableSchema) -> Values:
    """Return the own levels of the column that a part names, or the ends of its range."""
    levels = part.levels if isinstance(part, CellPart) else None
    if levels is None:
        return part.ends()
    column = schema.find(name)
    known = [] if column is None else column.level_values()
    return frozenset(level_in(level, known) or level for level in levels)


def is_in(one: Values, other: Values) -> bool:
    """Return whether all of the one values are among the others."""
    if isinstance(one, frozenset):
        if isinstance(other, frozenset):
            return one <= other
        return all(other[0] <= number <= other[1] for number in _numbers(one))
    if isinstance(other, frozenset):
        return False
    return other[0] <= one[0] and one[1] <= other[1]


def is_apart(one: Values, other: Values) -> bool:
    """Return whether the two have no value in common."""
    if isinstance(one, frozenset):
        if isinstance(other, frozenset):
            return not one & other
        return not any(other[0] <= number <= other[1] for number in _numbers(one))
    if isinstance(other, frozenset):
        return not any(one[0] <= number <= one[1] for number in _numbers(other))
    return one[1] < other[0] or other[1] < one[0]


def _numbers(levels: frozenset[str]) -> list[float]:
    """Return the levels as numbers; one that is none lies in no range."""
    return [math.nan if (found := number_of(one)) is None else found for one in levels]


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"
