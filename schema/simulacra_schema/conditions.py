"""Checks of a generation's conditions and interventions against the dataset's schema.

    {"categorical": {"segment": {"genz_switcher": 0.30}}, "numeric": {"price": {"max": 5.49}}}

A categorical entry states the shares of some levels; other levels keep their natural mix. For a
column of several answers it states the share of the rows that have each option. A numeric entry
states a closed range for every row. All entries hold together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from simulacra_schema.base import KubeModel
from simulacra_schema.did_you_mean import unknown_column, unknown_level
from simulacra_schema.questions.rows import ConditionSet, NumericRange
from simulacra_schema.table import ColumnSchema, TableSchema, part_name

_SEVERAL = 'The column holds several answers; name one option, such as "{}", with yes or no.'
_TWICE = "The option has a condition of its own; set one of the two."
_BOTH_CONDITIONS = "Set either a categorical or a numeric condition on this column, not both."
_SAME_LEVEL = "Two of the levels are the same number; give its share once."
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]*)?")
_NO_SUBJECT = (
    "No column says which person a row belongs to, so rows cannot be linked; give row_count."
)
_NO_TWINS = "Linked rows have no counterfactual pairs; leave out persons or counterfactual."
_VARIES = "The column varies within a person; with persons, name columns that are constant in each."
_BOTH = "Set either a condition or an intervention on this column, not both."


class FieldError(KubeModel):
    """One invalid field of a request: its RFC 6901 pointer, what is wrong and what to do."""

    pointer: str
    detail: str


def _is_multi(column: ColumnSchema | None) -> bool:
    return column is not None and column.kind == "multi"


def pointer(*parts: str | int) -> str:
    """Return the JSON pointer (RFC 6901) of a path."""
    return "".join("/" + str(p).replace("~", "~0").replace("/", "~1") for p in parts)


def check_conditions(conditions: ConditionSet, schema: TableSchema) -> list[FieldError]:
    """Check conditions against a schema; return one entry for each invalid field."""
    errors: list[FieldError] = []
    for name, shares in conditions.categorical.items():
        errors += _check_shares(name, shares, schema)
    for name, bounds in conditions.numeric.items():
        at = ("conditions", "numeric", name)
        if detail := _range_error(name, bounds, schema):
            errors.append(_error(detail, *at))
        if name in conditions.categorical:
            errors.append(_error(_BOTH_CONDITIONS, *at))
    for name, shares in conditions.categorical.items():
        named = {part_name(name, option) for option in shares} & set(conditions.categorical)
        if named and _is_multi(schema.find(name)):
            errors.append(_error(_TWICE, "conditions", "categorical", min(named)))
    return errors


def check_interventions(interventions: dict[str, Any], schema: TableSchema) -> list[FieldError]:
    """Check do() values: numbers for numeric columns, known levels for others."""
    errors: list[FieldError] = []
    computed = schema.following()
    for name, value in interventions.items():
        detail = _value_error(name, value, schema)
        if not detail and name in computed:
            of = ", ".join(f'"{operand}"' for operand in computed[name][:5])
            detail = f"The column is computed from others; set one of these: {of}."
        if detail:
            errors.append(_error(detail, "interventions", name))
    return errors


def check_request(
    conditions: ConditionSet,
    interventions: dict[str, Any],
    schema: TableSchema,
    *,
    counterfactual: bool,
    rows: int,
    persons: int | None = None,
) -> list[FieldError]:
    """Check a request for rows against a schema; return one entry for each invalid field.

    Only in a counterfactual may a column have a condition and an intervention: the condition
    selects the rows, the intervention makes their twins.
    """
    errors = check_conditions(conditions, schema) + check_interventions(interventions, schema)
    if persons is not None:
        errors += _check_persons(conditions, interventions, schema, counterfactual=counterfactual)
    if not counterfactual:
        both = [name for name in interventions if name in conditions.columns()]
        return errors + [_error(_BOTH, "interventions", name) for name in both]
    if not interventions:
        errors.append(_error("A counterfactual needs at least one intervention.", "counterfactual"))
    if rows % 2 and persons is None:
        detail = "Counterfactual rows come in pairs; give an even number."
        errors.append(_error(detail, "row_count"))
    return errors


def _check_persons(
    conditions: ConditionSet,
    interventions: dict[str, Any],
    schema: TableSchema,
    *,
    counterfactual: bool,
) -> list[FieldError]:
    """Check what linked rows need: a subject, and columns that are constant within persons."""
    if schema.subject() is None:
        return [_error(_NO_SUBJECT, "persons")]
    errors = [_error(_NO_TWINS, "counterfactual")] if counterfactual else []
    computed = schema.following()
    named = [("conditions", "categorical", name) for name in conditions.categorical]
    named += [("conditions", "numeric", name) for name in conditions.numeric]
    paths = [*named, *(("interventions", name) for name in interventions)]
    for path in paths:
        column = schema.find(path[-1])
        if column is not None and (not column.per_person or column.name in computed):
            errors.append(_error(_VARIES, *path))
    return errors


def level_of(value: Any) -> str:
    """Return the level of a JSON value, with true and false as JSON writes them."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def level_in(value: Any, levels: Sequence[str]) -> str | None:
    """Return the level that a JSON value names: the same word, or the only same number.

    Programs that read numbers with gaps as floats write 1.0 for the level "1".
    """
    if (word := level_of(value)) in levels:
        return word
    number = _number(word)
    same = [one for one in levels if _number(one) == number] if number is not None else []
    return same[0] if len(same) == 1 else None


def _number(word: str) -> float | None:
    return float(word) if _NUMBER.fullmatch(word) else None


def several_answers(column: ColumnSchema) -> str:
    """Return that a request must name one option of a multi column."""
    return _SEVERAL.format(column.parts()[0].name)


def _error(detail: str, *path: str) -> FieldError:
    return FieldError(pointer=pointer(*path), detail=detail)


def _column_error(name: str, schema: TableSchema) -> str:
    """Return why no range or intervention can name a column, empty if one can."""
    column = schema.find(name)
    if column is None:
        return unknown_column(name, schema.names())
    if column.kind == "multi":
        return several_answers(column)
    return "" if column.learned else f"The column is {column.kind} and not learned; name another."


def _value_error(name: str, value: Any, schema: TableSchema) -> str:
    """Return what is wrong with the value of an intervention, empty if it is valid."""
    column = schema.find(name)
    if column is None or not column.learned or column.kind == "multi":
        return _column_error(name, schema)
    if not column.is_numeric:
        levels = column.level_values()
        return unknown_level(level_of(value), levels) if level_in(value, levels) is None else ""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return "" if number else "The column is numeric; give a number."


def _check_shares(name: str, shares: dict[str, float], schema: TableSchema) -> list[FieldError]:
    at = ("conditions", "categorical", name)
    column = schema.find(name)
    if column is None or not column.learned:
        return [_error(_column_error(name, schema), *at)]
    levels = column.level_values()
    named = {level: level_in(level, levels) for level in shares}
    unknown = [level for level, found in named.items() if found is None]
    wrong = [_error(unknown_level(level, levels), *at, level) for level in unknown]
    if column.kind == "multi":  # each option is a condition of its own
        return wrong
    if not levels:
        detail = f"The column is {column.kind}; use conditions.numeric with min and max."
        return [_error(detail, *at)]
    errors = wrong
    if len(set(named.values()) - {None}) + len(unknown) < len(named):
        errors.append(_error(_SAME_LEVEL, *at))
    total = sum(shares.values())
    if total > 1 + 1e-9:
        errors.append(_error(f"The shares sum to {total:.4g}; the limit is 1.", *at))
    elif set(named.values()) >= set(levels) and not column.missing_share and total < 1 - 1e-6:
        detail = f"Every level is named, but the shares sum to {total:.4g}; make them sum to 1."
        errors.append(_error(detail, *at))
    return errors


def _range_error(name: str, bounds: NumericRange, schema: TableSchema) -> str:
    """Return what is wrong with a range, empty if it is valid."""
    column = schema.find(name)
    if column is None or not column.learned or column.kind == "multi":
        return _column_error(name, schema)
    if not column.is_numeric:
        return f"The column is {column.kind}; use conditions.categorical with shares."
    if bounds.min is None and bounds.max is None:
        return "Give min, max or both."
    low = -float("inf") if bounds.min is None else bounds.min
    high = float("inf") if bounds.max is None else bounds.max
    if low > high:
        return f"min {low:g} is above max {high:g}, so no row can meet the range; exchange them."
    if column.minimum is None or column.maximum is None:
        return "The column has no number; name another."
    if high < column.minimum or low > column.maximum:
        return f"The range is outside of the data ({column.minimum:g} to {column.maximum:g})."
    return ""
