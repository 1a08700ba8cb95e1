"""Rows of cells that a pool has few of, so that a quota of a rare cell does not repeat a few rows.

A cell with a range (a price, a few days) gets rows of its own, drawn inside the range as a range of
all rows is. They replace the pool's rows in the cell and stand for as many: the pool still follows
the learned distribution, by its weights, which are equal within every combination of quotas.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from simulacra_intake.errors import InputError
from simulacra_schema.quotas import Quota
from simulacra_schema.ranges import NumericRange
from simulacra_trainer.conditions.quota_cells import rows_in
from simulacra_trainer.pipeline.conditioned_pool import ConditionedPool

RARE = 2_000
"""Rows in a cell below which it gets rows of its own."""
EXTRA_ROWS = 20_000
COUNTED = 100
"""Rows of the pool from which on their number says how large a cell is."""
Draw = Callable[[Mapping[str, NumericRange]], ConditionedPool]


def with_rare_cells(pool: ConditionedPool, quotas: Sequence[Quota], draw: Draw) -> ConditionedPool:
    """Return the pool with enough rows in the cells of quotas that have ranges.

    draw: draws EXTRA_ROWS rows inside further ranges.
    """
    ranged = [quota for quota in quotas if _ranges(quota) and quota.bounds[1] > 0]
    held = [(int(rows_in(quota, pool.table).sum()), quota) for quota in ranged]
    rare = sorted(((n, q) for n, q in held if n < RARE), key=lambda one: one[0])
    names = pool.table.column_names
    free = np.ones(pool.table.num_rows, np.bool_)
    parts: list[tuple[pa.Table, float]] = []
    done: list[Quota] = []
    for _, quota in rare:
        try:
            drawn = draw(_ranges(quota))
        except InputError:  # nobody: the outcome of the quota says so
            continue
        found = rows_in(quota, drawn.table)
        for other in done:
            found &= ~rows_in(other, drawn.table)
        of_pool = rows_in(quota, pool.table) & free
        if found.sum() <= of_pool.sum():
            continue
        size = float(of_pool.sum())
        if size < COUNTED:
            size = float(found.mean()) * drawn.share / pool.share * pool.table.num_rows
        parts.append((drawn.table.select(names).filter(pa.array(found)), size))
        free &= ~of_pool
        done.append(quota)
    if not parts:
        return pool
    kept = pool.table.filter(pa.array(free))
    weights = [np.ones(kept.num_rows)]
    weights += [np.full(part.num_rows, size / part.num_rows) for part, size in parts]
    table = pa.concat_tables([kept, *(part for part, _ in parts)])
    return replace(pool, table=table.unify_dictionaries(), weights=np.concatenate(weights))


def _ranges(quota: Quota) -> dict[str, NumericRange]:
    return {name: part for name, part in quota.where.items() if part.levels is None}
