"""Columns that look like the design of a survey: proposed to the user, and ordinary until stated.

A name alone proposes nothing, because "cluster" is also a segment of customers: values must agree.
"""

import re
from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.columns.build import CleanColumn
from simulacra_intake.personal_data.vocabulary import (
    REPLICATE,
    SAMPLING_POINT,
    STRATUM,
    WEIGHT,
    name_contains,
)

LEAST_REPLICATES, LEAST_POINTS, ROWS_A_STRATUM = 10, 10, 10
NEAR, MOST = 0.15, 0.9
"""Relative distance of a replicate's mean to that of the weight, and the share within it."""
LIKE_REPLICATES = (
    "{count} columns look like replicate weights and are read as numbers: state them with their"
    " method, or leave them"
)
LIKE_POINTS = (
    "looks like sampling points and is read as an answer: state it as cluster, or leave it"
)
LIKE_STRATA = "looks like strata of the sample and is read as an answer: state it, or leave it"
_NUMBERED = re.compile(r"(.*?\D)0*[1-9]\d*")


def ask_about_design(
    columns: Sequence[CleanColumn], stated: Collection[str | None], weight: CleanColumn | None
) -> list[CleanColumn]:
    """Note which columns look like replicate weights, sampling points and strata.

    columns: those whose role is not stated; stated: roles of others, which are not asked about.

    Returns:
        The columns without replicate weights, which may still be weights.
    """
    found = [] if "replicate_weight" in stated else _replicates(columns, weight)
    if found:
        found[0].update(to_confirm="replicates")
        found[0].note(LIKE_REPLICATES.format(count=len(found)))
    asked = [("cluster", SAMPLING_POINT, LIKE_POINTS), ("stratum", STRATUM, LIKE_STRATA)]
    for role, words, note in asked:
        for column in columns if role not in stated else ():
            if name_contains(column.schema.name, words) and _has_groups(column, role):
                column.update(to_confirm=role)
                column.note(note)
                break
    names = {one.schema.name for one in found}
    return [one for one in columns if one.schema.name not in names]


def _replicates(columns: Sequence[CleanColumn], weight: CleanColumn | None) -> list[CleanColumn]:
    """Return ten or more numbered columns of one name, with the mean of the weight."""
    batteries: dict[str, list[CleanColumn]] = {}
    for column in columns:
        match = _NUMBERED.fullmatch(column.schema.name)
        if match and _is_weight_like(column):
            batteries.setdefault(match[1], []).append(column)
    for stem, battery in batteries.items():
        if len(battery) < LEAST_REPLICATES or not name_contains(stem, REPLICATE | WEIGHT):
            continue
        means = np.array([pc.mean(one.values).as_py() for one in battery])
        near = float(np.median(means))
        if weight is not None and weight.values is not None:
            near = pc.mean(weight.values).as_py()
        if np.mean(np.abs(means - near) <= NEAR * near) >= MOST:
            return battery
    return []


def _is_weight_like(column: CleanColumn) -> bool:
    """Return whether a column is numbers of 0 or more without gaps."""
    if column.schema.kind not in ("integer", "numeric") or column.values is None:
        return False
    if column.values.null_count or pa.types.is_dictionary(column.values.type):
        return False
    return bool(pc.min(column.values).as_py() >= 0)


def _has_groups(column: CleanColumn, role: str) -> bool:
    """Return whether a column has as many groups as sampling points or strata have."""
    values, schema = column.values, column.schema
    if schema.role is not None or schema.kind not in ("integer", "categorical", "ordinal"):
        return False
    if values is None or values.null_count:
        return False
    groups = len(values.unique())
    if role == "cluster":
        return bool(LEAST_POINTS <= groups <= column.rows / 2)
    return bool(2 <= groups <= column.rows / ROWS_A_STRATUM)
