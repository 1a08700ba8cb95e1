"""Conditions that cannot hold together, found by linear programs over atoms.

An atom is a set of rows that are in the same cells. `refuse_contradictions` builds the atoms from
the schema, so what it refuses no table of this schema can meet. `conflict` is also asked about the
atoms of a pool, where the data have no rows that a request needs.
"""

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import scipy.sparse as sp

from simulacra_schema.conditions import ConditionSet
from simulacra_schema.faults import pointer
from simulacra_schema.quota_checks import CONFLICT, Cell, Values, cells_of
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.conditions.cells import FloatArray
from simulacra_trainer.conditions.support import InfeasibleError

MAX_ATOMS = 10_000
"""Atoms of a schema up to which contradictions are looked for."""
SLACK = 1e-7
SHOWN = 6


def refuse_contradictions(conditions: ConditionSet, schema: TableSchema) -> None:
    """Raise an InfeasibleError that names quotas which no table of the schema can meet together.

    conditions: checked and expanded. Above MAX_ATOMS atoms nothing is refused here.
    """
    named = {name for quota in conditions.quotas for name in quota.where}
    cells = [
        cell
        for cell in cells_of(conditions, schema)
        if cell.path[1] == "quotas" or cell.path[2] in named
    ]
    atoms = _atoms(cells, conditions, schema, sorted(named))
    if atoms is None:
        return
    inside = sp.csr_array(np.array(atoms, dtype=np.float64).T)
    low = np.array([cell.low for cell in cells])
    high = np.array([cell.high for cell in cells])
    if found := conflict(inside, low, high):
        of = [cells[at] for at in found]
        words = " and ".join(f"{one.words} ({_bounds(one)})" for one in of[:SHOWN])
        more = f" and {len(of) - SHOWN} more" if len(of) > SHOWN else ""
        first = next((one for one in of if one.path[1] == "quotas"), of[0])
        raise InfeasibleError(
            f"{len(of)} {CONFLICT}: no table can meet them together. Change one.",
            f"No table can meet {words}{more} together. Change one of them.",
            pointer(*first.path),
        )


def conflict(inside: sp.csr_array, low: FloatArray, high: FloatArray) -> list[int]:
    """Return conditions that cannot hold together, of which each is needed; none if all can.

    inside: 0/1 matrix [conditions, atoms]; low, high: least and largest share of each condition,
    float64 [conditions].
    """
    left = _needed(inside, low, high, np.arange(len(low)))
    for one in list(left):  # a deletion filter (Chinneck, 2008)
        rest = left[left != one]
        if rest.size and _needed(inside, low, high, rest).size:
            left = rest
    return [int(one) for one in left]


def _needed(
    inside: sp.csr_array, low: FloatArray, high: FloatArray, chosen: np.ndarray
) -> np.ndarray:
    """Return the conditions that a proof of the conflict names; none if they can all hold.

    The program minimizes the total distance from the bounds; the conditions with a price are an
    infeasible part.
    """
    from scipy.optimize import linprog  # takes a quarter second to import

    rows, atoms = inside[chosen], inside.shape[1]
    identity = sp.eye_array(len(chosen))
    found = linprog(
        np.concatenate([np.zeros(atoms), np.ones(len(chosen))]),
        A_ub=sp.vstack([sp.hstack([rows, -identity]), sp.hstack([-rows, -identity])]),
        b_ub=np.concatenate([high[chosen], -low[chosen]]),
        A_eq=sp.csr_array(np.append(np.ones(atoms), np.zeros(len(chosen)))[None, :]),
        b_eq=[1.0],
        bounds=(0, None),
        method="highs",
    )
    if found.x is None or found.fun <= SLACK:
        return np.empty(0, np.int64)
    prices = np.abs(found.ineqlin.marginals).reshape(2, -1).max(axis=0)
    return chosen[prices > SLACK]


def _atoms(
    cells: Sequence[Cell], conditions: ConditionSet, schema: TableSchema, names: Sequence[str]
) -> list[list[bool]] | None:
    """Return the combinations of cells that rows of the schema can be in; None if too many."""
    found = {(1 << len(cells)) - 1}
    for name in names:
        column = schema.column(name)
        asked = {at: cell.values[name] for at, cell in enumerate(cells) if name in cell.values}
        everywhere = conditions.numeric.get(name)
        ends = (-math.inf, math.inf) if everywhere is None else everywhere.ends()
        drops = set(_drops(column, asked, ends, is_held=everywhere is not None))
        found = {atom & ~drop for atom in found for drop in drops}
        if len(found) > MAX_ATOMS:
            return None
    return [[bool(atom >> at & 1) for at in range(len(cells))] for atom in found]


def _drops(
    column: ColumnSchema, asked: dict[int, Values], ends: tuple[float, float], *, is_held: bool
) -> Iterator[int]:
    """Yield, for each value that matters, the cells (bits) that a row with it is not in."""
    if column.missing_share > 0 and not is_held:
        yield sum(1 << at for at in asked)
    known = column.level_values()
    if known and all(isinstance(one, frozenset) for one in asked.values()):
        for level in known:
            yield sum(1 << at for at, one in asked.items() if level not in one)
        if column.kind == "integer":  # numbers of fewer than five persons are no levels
            yield sum(1 << at for at in asked)
        return
    for value in _numbers(column, asked, ends):
        yield sum(1 << at for at, one in asked.items() if not _holds(one, value))


def _numbers(
    column: ColumnSchema, asked: dict[int, Values], ends: tuple[float, float]
) -> Iterator[float]:
    """Yield one number of each interval between the ends of the ranges, and the ends."""
    scale = 1e6 if column.kind == "datetime" else 1.0  # the schema has seconds
    low = max(ends[0], -math.inf if column.minimum is None else column.minimum * scale)
    high = min(ends[1], math.inf if column.maximum is None else column.maximum * scale)
    cuts = {low, high}
    for one in asked.values():
        cuts |= set(one) if isinstance(one, tuple) else {float(word) for word in one}
    inside = sorted(cut for cut in cuts if low <= cut <= high)
    is_whole = column.kind == "integer"
    yield from (cut for cut in inside if not is_whole or cut == round(cut))
    for first, second in itertools.pairwise(inside):
        between = math.floor(first) + 1.0 if is_whole else (first + second) / 2
        if first < between < second:
            yield between


def _holds(asked: Values, value: float) -> bool:
    if isinstance(asked, frozenset):
        return any(float(word) == value for word in asked)
    return asked[0] <= value <= asked[1]


def _bounds(cell: Cell) -> str:
    low, high = (f"{100 * share:.4g} %" for share in (cell.low, cell.high))
    if cell.low == cell.high:
        return low
    if cell.high == 1:
        return f"at least {low}"
    return f"at most {high}" if cell.low == 0 else f"{low} to {high}"
