"""The `conditions` and `interventions` of a generation, as the REST body and the custom resource carry them.

    {"categorical": {"segment": {"genz_switcher": 0.30}}, "numeric": {"price": {"min": 5.49, "max": 5.49}}}

A categorical entry asks for shares of named levels (the unnamed rest keeps its natural mix); a numeric entry
asks that every row lies in a closed range. All entries hold together.
"""

from __future__ import annotations

from typing import Any

from simulacra_crds.contract.schema import ColumnSchema, TableSchema
from simulacra_crds.kinds.base import KubeModel
from simulacra_crds.kinds.generation_job import ConditionSet, NumericRange

_NO_LEVEL = "no such level in the schema of this column; GET the dataset's schema for its levels"


class FieldError(KubeModel):
    """One thing that is wrong with a request: where (RFC 6901 pointer), what, and what to do."""

    pointer: str
    detail: str


def pointer(*parts: str | int) -> str:
    """Return the JSON pointer (RFC 6901) of a path."""
    return "".join("/" + str(p).replace("~", "~0").replace("/", "~1") for p in parts)


def check_conditions(conditions: ConditionSet, schema: TableSchema) -> list[FieldError]:
    """Hold conditions against a schema; return one entry a wrong field (empty when all is well)."""
    errors: list[FieldError] = []
    for name, shares in conditions.categorical.items():
        errors += _check_shares(name, shares, schema.find(name))
    for name, bounds in conditions.numeric.items():
        errors += _check_range(name, bounds, schema.find(name))
        if name in conditions.categorical:
            at = pointer("conditions", "numeric", name)
            errors.append(
                FieldError(
                    pointer=at, detail="this column has a categorical condition too: ask for one"
                )
            )
    return errors


def check_interventions(interventions: dict[str, Any], schema: TableSchema) -> list[FieldError]:
    """Hold do() values against a schema: numbers for numeric columns, known levels for the others."""
    errors: list[FieldError] = []
    for name, value in interventions.items():
        at = pointer("interventions", name)
        column = schema.find(name)
        if column is None or not column.learned:
            errors.append(FieldError(pointer=at, detail=_no_such(column)))
        elif column.is_numeric:
            if isinstance(value, bool) or not isinstance(value, int | float):
                errors.append(
                    FieldError(pointer=at, detail="this column is numeric: give a number")
                )
        elif level_of(value) not in column.level_values():
            errors.append(FieldError(pointer=at, detail=_NO_LEVEL))
    return errors


def check_request(
    conditions: ConditionSet,
    interventions: dict[str, Any],
    schema: TableSchema,
    *,
    counterfactual: bool,
    rows: int,
) -> list[FieldError]:
    """Hold a whole request for rows against a schema; return one entry a wrong field.

    A column may have a condition and an intervention only in a counterfactual: the condition selects the rows, the
    intervention makes their twins.
    """
    errors = check_conditions(conditions, schema) + check_interventions(interventions, schema)
    if not counterfactual:
        detail = "this column has a condition too: ask for one"
        both = [name for name in interventions if name in conditions.columns()]
        return errors + [
            FieldError(pointer=pointer("interventions", name), detail=detail) for name in both
        ]
    if not interventions:
        detail = "name in interventions what would have been otherwise"
        errors.append(FieldError(pointer="/counterfactual", detail=detail))
    if rows % 2:
        errors.append(
            FieldError(
                pointer="/row_count",
                detail="counterfactual rows come in pairs: give an even number",
            )
        )
    return errors


def level_of(value: Any) -> str:
    """Return the level that a JSON value names: true and false are written as JSON writes them."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _no_such(column: ColumnSchema | None) -> str:
    if column is None:
        return "no such column in the schema; GET the dataset's schema for the names"
    return f"this column is {column.kind} and is not learned, so it cannot be set"


def _check_shares(
    name: str, shares: dict[str, float], column: ColumnSchema | None
) -> list[FieldError]:
    at = pointer("conditions", "categorical", name)
    if column is None or not column.learned:
        return [FieldError(pointer=at, detail=_no_such(column))]
    levels = column.level_values()
    if not levels:
        return [
            FieldError(
                pointer=at,
                detail=f"this column is {column.kind}: use conditions.numeric with min and max",
            )
        ]
    errors = [
        FieldError(pointer=pointer("conditions", "categorical", name, level), detail=_NO_LEVEL)
        for level in shares
        if level not in levels
    ]
    total = sum(shares.values())
    if total > 1 + 1e-9:
        errors.append(
            FieldError(pointer=at, detail=f"the shares sum to {total:.4g}; the limit is 1")
        )
    elif set(shares) >= set(levels) and not column.missing_share and total < 1 - 1e-6:
        errors.append(
            FieldError(
                pointer=at, detail=f"every level is named and the shares sum to {total:.4g}, not 1"
            )
        )
    return errors


def _check_range(name: str, bounds: NumericRange, column: ColumnSchema | None) -> list[FieldError]:
    at = pointer("conditions", "numeric", name)
    if column is None or not column.learned:
        return [FieldError(pointer=at, detail=_no_such(column))]
    if not column.is_numeric:
        return [
            FieldError(
                pointer=at,
                detail=f"this column is {column.kind}: use conditions.categorical with shares",
            )
        ]
    if bounds.min is None and bounds.max is None:
        return [FieldError(pointer=at, detail="give min, max or both")]
    low = -float("inf") if bounds.min is None else bounds.min
    high = float("inf") if bounds.max is None else bounds.max
    if low > high:
        return [
            FieldError(
                pointer=at,
                detail=f"min {low:g} is above max {high:g}, so no row can meet it: exchange them",
            )
        ]
    if (
        column.minimum is None
        or column.maximum is None
        or high < column.minimum
        or low > column.maximum
    ):
        return [
            FieldError(
                pointer=at,
                detail=f"the range lies outside the data ({column.minimum:g} to {column.maximum:g})"
                if column.minimum is not None and column.maximum is not None
                else "this column holds no number",
            )
        ]
    return []
