"""Real rows reweighted to the conditions of a generation, so that like is compared with like.

Without this, a table in which half are very happy would be compared with people of whom a third
are. Groups of rows that lie mostly outside the requested ranges are left out; the other rows are
raked (Deming and Stephan, 1940) to the shares that the generated rows have.

A quota whose ends take one person in and out would give this person's answers any weight in the
report. Real rows are in a quota where most of their group of five persons or more is; the groups do
not depend on the ends.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from simulacra_intake.arrow_values import as_floats
from simulacra_intake.rows_of_persons import Ints
from simulacra_intake.survey_weights import Floats, effective_rows
from simulacra_schema.conditions import ConditionSet
from simulacra_trainer.cell_keys import Keys, RowNoise
from simulacra_trainer.conditions import support
from simulacra_trainer.conditions.cells import BoolArray, ShareCondition, find_cells
from simulacra_trainer.conditions.margins import rake
from simulacra_trainer.conditions.quota_cells import rows_in
from simulacra_trainer.report.person_groups import find_groups, mostly

SWEEPS = 500
CLOSE = 0.005
"""Largest error of a share, 0..1, up to which rows count as reweighted."""
LEAST = 30
"""Effective real rows below which a comparison would show chance alone."""
IN, OUT = "in", "out"


def reweighted(
    real: pa.Table,
    generated: pa.Table,
    conditions: ConditionSet,
    weights: Floats | None,
    persons: Ints | None = None,
    keys: Keys | None = None,
) -> tuple[pa.Table, Floats] | None:
    """Return the real rows about inside the ranges, and their weights, float64 [rows] of mean 1.

    None where the conditions leave fewer than `LEAST` effective rows, counted with the noise of
    their persons, or no real rows have the shares together.

    generated: their shares are the targets; conditions: an option of several answers is a column of
    its own; weights, persons, keys: of the real rows, [n]; None if all weigh the same, each is its
    own person, without noise.
    """
    shares = [
        ShareCondition(name, list(levels), np.array(list(levels.values()), np.float64))
        for name, levels in conditions.categorical.items()
    ]
    inside = _mostly_inside(real, conditions, shares, persons)
    kept = real.filter(pa.array(inside))
    counts = np.ones(real.num_rows) if weights is None else weights
    counts = counts[inside]
    if not kept.num_rows or counts.sum() <= 0:
        return None
    if shares:
        classes = [one.classify(kept) for one in shares]
        sizes = [len(one.levels) + 1 for one in shares]
        cells = find_cells(classes, sizes, kept.num_rows)
        drawn = [
            np.bincount(one.classify(generated), minlength=size) / generated.num_rows
            for one, size in zip(shares, sizes, strict=True)
        ]
        start = np.bincount(cells.of_row, counts, len(cells.weight)).astype(np.float64)
        raked, error = rake(cells, start, np.concatenate(drawn), SWEEPS)
        if error > CLOSE:
            return None
        factor = np.divide(raked, start, out=np.zeros_like(raked), where=start > 0)
        counts = counts * factor[cells.of_row]
    used = counts > 0
    if not used.any():
        return None
    chosen = np.flatnonzero(inside)[used]
    who = None if persons is None else persons[chosen]
    noise = 0.0 if keys is None else RowNoise.of(keys[chosen], who).in_count()
    if effective_rows(counts[used]) + noise < LEAST:
        return None
    found = counts[used]
    return kept.filter(pa.array(used)), found * (found.size / found.sum())


def _mostly_inside(
    real: pa.Table, conditions: ConditionSet, shares: Sequence[ShareCondition], persons: Ints | None
) -> BoolArray:
    """Return whether most rows of each row's group meet the ranges, bool [n]; all without ranges.

    Of classes of fewer than five persons, no row does.
    """
    inside = np.ones(real.num_rows, np.bool_)
    if not conditions.numeric:
        return inside
    for name, bounds in conditions.numeric.items():
        inside &= support.hard_range(name, bounds, real).allowed
    values = [as_floats(real.column(name)) for name in sorted(conditions.numeric)]
    classes = np.zeros(real.num_rows, np.int64)
    for share in shares:
        classes = classes * (len(share.levels) + 1) + share.classify(real)
        classes = np.unique(classes, return_inverse=True)[1].reshape(-1)
    groups = find_groups(np.column_stack(values), classes, persons)
    return mostly(inside, groups)


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
