"""Columns that are never above another: start before end, a part within the whole."""

from collections.abc import Collection, Iterator

import numpy as np
import pyarrow as pa

from simulacra_intake.arrow_values import as_floats
from simulacra_schema.table import RelationSchema, TableSchema
from simulacra_trainer.relations.numbers import GLANCE_ROWS, Floats, spread_rows

EXPECTED_VIOLATIONS = 20.0
"""That chance would bring into a table in which a relation holds; of fewer it may be chance."""
MAX_COLUMNS = 300
MAX_ROWS = 5_000
"""A sample of this size tells how often independent columns would violate a bound."""
KINDS = (("integer", "numeric"), ("datetime",))


def bounds_of(
    table: pa.Table, schema: TableSchema, computed: Collection[str], persons: int
) -> Iterator[RelationSchema]:
    """Yield the pairs of learned columns of which one is never above the other.

    computed: columns that other relations give; they are left out. The rows of one person count
    once.
    """
    for kinds in KINDS:
        names = [c.name for c in schema.learned() if c.kind in kinds and c.name not in computed]
        names = names[:MAX_COLUMNS]
        if len(names) > 1:
            values = np.stack([as_floats(table.column(name)) for name in names])
            yield from _pairs(names, values, persons)


def _pairs(names: list[str], values: Floats, persons: int) -> Iterator[RelationSchema]:
    glance = values[:, spread_rows(values.shape[1], 4 * GLANCE_ROWS)]
    with np.errstate(invalid="ignore"):
        above = (glance[:, None, :] > glance[None, :, :]).any(axis=2)
    never = np.zeros_like(above)
    for low, high in np.argwhere(~above):
        if low != high and _never_above(values[low], values[high], persons):
            never[low, high] = True
    never &= ~never.T
    direct = never & ~((never.astype(int) @ never.astype(int)) > 0)
    for low, high in np.argwhere(direct):
        yield RelationSchema(kind="not_above", column=names[low], of=[names[high]])


def _never_above(low: Floats, high: Floats, persons: int) -> bool:
    """Return whether low <= high in every row, and independence would often violate it."""
    rows = spread_rows(low.size, MAX_ROWS)
    both = ~(np.isnan(low[rows]) | np.isnan(high[rows]))
    if not both.any():
        return False
    ranked = np.sort(high[rows][both])
    below = np.searchsorted(ranked, low[rows][both], side="left") / ranked.size
    if float(below.mean() * both.mean()) * persons < EXPECTED_VIOLATIONS:
        return False
    with np.errstate(invalid="ignore"):
        return not (low > high).any()
