"""Facts of a table and its fit for the head of a report: columns, persons, weights, guarantee."""

from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa

from simulacra_intake.rows_of_persons import MIN_PERSONS
from simulacra_intake.survey_weights import effective_rows, row_weights
from simulacra_schema.questions.fit import DifferentialPrivacy
from simulacra_schema.table import ColumnSchema, TableSchema


def columns_read(schema: TableSchema) -> list[dict[str, Any]]:
    """Return what each column was read as, and how generated rows have it."""
    computed = {relation.column for relation in schema.computed()}
    return [
        {
            "column": column.name,
            "label": column.label,
            "kind": column.kind,
            "role": column.role,
            "use": _use(column, computed),
        }
        for column in schema.columns
    ]


def _use(column: ColumnSchema, computed: Collection[str]) -> str:
    """Return in one word what becomes of a column."""
    if column.name in computed:
        return "computed"
    if column.learned:
        return "learned"
    if column.role in ("cluster", "replicate_weight"):
        return column.role
    if column.kind in ("constant", "weight"):
        return column.kind
    return "invented" if column.role is not None or column.kind == "identifier" else "left empty"


def guarantee_of(guarantee: DifferentialPrivacy | None) -> dict[str, Any] | None:
    """Return the differential privacy of a fit and what it covers; None without."""
    if guarantee is None:
        return None
    return {
        "epsilon": guarantee.epsilon,
        "delta": guarantee.delta,
        "neighbours": "tables of as many rows that differ in one row",
        "covers": "the model, and therefore generated rows, graph and effects",
        "not_covered": (
            "the schema (names, levels, ranges, decimals), the number of rows, and the figures of"
            " this report that compare with real rows"
        ),
    }


def persons_of(schema: TableSchema) -> dict[str, Any] | None:
    """Return the column of the persons, their number and their rows; None without a subject."""
    column = schema.subject()
    if column is None or not schema.persons:
        return None
    return {
        "column": column.name,
        "persons": schema.persons,
        "rows_a_person": schema.rows / schema.persons,
    }


def weights_of(train: pa.Table, schema: TableSchema) -> dict[str, Any] | None:
    """Return the effective number of rows and the mean of the largest weights over that of all.

    They are five, so that the figure is no one person's. And the columns to whose stated shares
    the weights are raked, with their largest multiple of the mean, where there are some.
    """
    weights = row_weights(train, schema)
    if weights is None:
        return None
    found = {
        "rows": float(weights.size),
        "effective_rows": effective_rows(weights),
        "largest": round(float(np.sort(weights)[-MIN_PERSONS:].mean()), 1),
    }
    if (targets := schema.targets) is None:
        return found
    return found | {"raked_to": targets.columns(), "trim": targets.trim}
