"""Quotas in terms of groups of real people, so that a report does not tell of one of them.

A quota whose ends take one person in and out would give this person's answers any weight in the
report. Real rows are in a quota where most of their group of five persons or more is, as with
ranges of all rows; the groups do not depend on the ends.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from simulacra_intake.arrow_values import as_floats
from simulacra_intake.rows_of_persons import Ints
from simulacra_schema.conditions import ConditionSet
from simulacra_trainer.conditions.cells import BoolArray
from simulacra_trainer.conditions.quota_cells import rows_in
from simulacra_trainer.report.person_groups import find_groups, mostly

IN, OUT = "in", "out"


def quotas_as_columns(
    real: pa.Table, drawn: pa.Table, conditions: ConditionSet, persons: Ints | None
) -> tuple[pa.Table, pa.Table, ConditionSet]:
    """Return both tables with a column for each quota, and shares of it instead of the quotas."""
    if not conditions.quotas:
        return real, drawn, conditions
    groups = _groups(real, conditions, persons)
    shares = dict(conditions.categorical)
    for place, quota in enumerate(conditions.quotas):
        name = f"quota {place}"
        while name in real.column_names:
            name += "_"
        inside = mostly(rows_in(quota, real), groups)
        real = real.append_column(name, _words(inside))
        drawn = drawn.append_column(name, _words(rows_in(quota, drawn)))
        shares[name] = {IN: 0.5}  # which levels there are; rows are raked to the drawn shares
    return real, drawn, conditions.model_copy(update={"categorical": shares, "quotas": []})


def _groups(real: pa.Table, conditions: ConditionSet, persons: Ints | None) -> Ints:
    """Return the group of each real row by the columns of all quotas, int64 [n]; -1: of none."""
    ranges: dict[str, None] = {}
    classes = np.zeros(real.num_rows, np.int64)
    for quota in conditions.quotas:
        for name, part in quota.where.items():
            if part.levels is None:
                ranges[name] = None
                continue
            one = quota.model_copy(update={"where": {name: part}})
            classes = 2 * classes + rows_in(one, real)
            classes = np.unique(classes, return_inverse=True)[1].reshape(-1)
    values = [as_floats(real.column(name)) for name in sorted(ranges)]
    table = np.column_stack(values) if values else np.zeros((real.num_rows, 1))
    return find_groups(table, classes, persons)


def _words(inside: BoolArray) -> pa.Array:
    return pa.DictionaryArray.from_arrays((~inside).astype(np.int32), [IN, OUT])
