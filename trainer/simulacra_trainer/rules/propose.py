"""Rules that the upload suggests: bounds that no row crosses, and levels that no row has together.

Years of education and ages fill a plane except a triangle: education is never above age less five.
Of two whole numbers, a bound `first + plus <= second` is proposed where rows of independent columns
would often break it, no row does, and many lie just inside: a correlation alone has a thin edge.
The constant is the difference of five persons or more, or a multiple of five below it. Two levels
are proposed as forbidden where independent columns would have many rows with both.
"""

from collections.abc import Collection, Iterator
from itertools import combinations

import numpy as np
import pyarrow as pa

from simulacra_intake.arrow_values import as_coded, as_floats, codes_of
from simulacra_intake.rows_of_persons import MIN_PERSONS
from simulacra_schema.rules import Rule
from simulacra_schema.table import TableSchema
from simulacra_trainer.relations.bounds import EXPECTED_VIOLATIONS
from simulacra_trainer.relations.decided import KINDS
from simulacra_trainer.relations.numbers import Floats, spread_rows

MAX_COLUMNS = 60
MAX_PROPOSALS = 20
MAX_ROWS = 20_000
MAX_LEVELS = 30
MIN_VALUES = 8
"""Different values from which on a number is no scale of answers."""
COARSE = 5.0
EDGE = 0.1
"""Width of the edge, as a share of the spread of the difference."""
NEAR = 20
"""Rows that lie in the edge at least."""
STEEP = 0.3
"""Least share of the rows in the edge among those in two edges."""


def proposals_of(table: pa.Table, schema: TableSchema, persons: int) -> list[Rule]:
    """Return the rules that the upload suggests, bounds first; within a kind the surest first.

    What relations or rules bound already is not proposed.
    """
    known = _bounded(schema)
    computed = {relation.column for relation in schema.computed()}
    columns = [c for c in schema.learned() if c.kind == "integer" and c.name not in computed]
    names = [c.name for c in columns if c.role is None][:MAX_COLUMNS]
    rows = spread_rows(table.num_rows, MAX_ROWS)
    values = {name: as_floats(table.column(name)) for name in names}
    names = [name for name in names if np.unique(values[name][rows]).size >= MIN_VALUES]
    found: list[tuple[float, Rule]] = []
    for low in names:
        for high in names:
            if low == high or (low, high) in known:
                continue
            if (one := _bound(values[low], values[high], persons)) is not None:
                rule = Rule(compare=(low, "<=", high), plus=one[0] or None)
                found.append((one[1], rule))
    never = list(_never_together(table, schema, persons))
    ranked = [sorted(part, key=lambda one: -one[0]) for part in (found, never)]
    return [rule for part in ranked for _, rule in part][:MAX_PROPOSALS]


def _never_together(
    table: pa.Table, schema: TableSchema, persons: int
) -> Iterator[tuple[float, Rule]]:
    """Yield pairs of levels that no row has, and how many would by chance."""
    columns = [c for c in schema.learned() if c.kind in KINDS and 2 <= len(c.levels) <= MAX_LEVELS]
    tied = [{one.column, *one.of} for one in schema.relations]
    codes = {c.name: codes_of(table.column(c.name)) for c in columns[:MAX_COLUMNS]}
    words = {name: as_coded(table.column(name)).dictionary.to_pylist() for name in codes}
    for one, two in combinations(codes, 2):
        if any({one, two} <= names for names in tied):
            continue
        known = (codes[one] >= 0) & (codes[two] >= 0)
        shape = len(words[one]), len(words[two])
        cells = codes[one][known] * shape[1] + codes[two][known]
        counts = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)
        total = max(int(counts.sum()), 1)
        expected = counts.sum(axis=1)[:, None] * counts.sum(axis=0) / total**2 * persons
        for at in np.argwhere((counts == 0) & (expected >= EXPECTED_VIOLATIONS)):
            cell = {one: words[one][at[0]], two: words[two][at[1]]}
            yield float(expected[tuple(at)]), Rule.model_validate({"forbidden": cell})


def _bounded(schema: TableSchema) -> Collection[tuple[str, str]]:
    """Return the pairs of which a relation or rule bounds one by the other."""
    pairs = {(one.column, one.of[0]) for one in schema.relations if one.kind == "not_above"}
    for one in schema.rules:
        if one.rule.compare is not None:
            first, _, second = one.rule.compare
            pairs |= {(first, second), (second, first)}
    return pairs


def _bound(low: Floats, high: Floats, persons: int) -> tuple[float, float] | None:
    """Return the constant of a bound and how many rows would break it by chance; None without."""
    room = high - low
    known = room[~np.isnan(room)]
    if known.size < 2 * NEAR:
        return None
    plus = float(known.min())
    if (known == plus).sum() < MIN_PERSONS:
        plus = COARSE * np.floor(plus / COARSE)
        if (known < plus + COARSE).sum() < MIN_PERSONS:
            return None
    spread = np.quantile(known, 0.95) - plus
    width = max(1.0, EDGE * float(spread))
    near, next_to = ((known < plus + width * k).sum() for k in (1, 2))
    if near < NEAR or near < STEEP * next_to:
        return None
    both = ~np.isnan(room)
    ranked = np.sort(high[both])
    below = np.searchsorted(ranked, low[both] + plus, side="left") / ranked.size
    expected = float(below.mean()) * persons
    return (plus, expected) if expected >= EXPECTED_VIOLATIONS else None
