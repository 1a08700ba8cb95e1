"""Checks of what a causal question states about columns: before, after, don't know, controls.

A column is in one list at most, and the treatment in none. The outcome may be in after, which
states that the treatment comes first, or in don't know. The API answers with these entries at once,
and the pod checks them again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simulacra_schema.conditions import FieldError, pointer, several_answers
from simulacra_schema.did_you_mean import unknown_column
from simulacra_schema.table import TableSchema

LISTS = {
    "before": "before",
    "after": "after",
    "dont_know": "dontKnow",
    "negative_controls": "negativeControls",
}
"""The lists of a question, and their names in an EffectEstimate's spec."""
TWICE = "The column is in two lists, or twice in one. Name it once."
TREATMENT = "This is the treatment. Remove it: the lists are about the other columns."
OUTCOME = (
    "This is the outcome. Remove it, or put it in after, which states that the treatment comes"
    " before it."
)
NOT_LEARNED = "The column is not learned, so nothing can be adjusted for it. Remove it."
CONTROL = "A negative control must be a number or yes/no. Name another column."


def split_outcome(text: str, schema: TableSchema) -> tuple[str, str | None]:
    """Return column and level (None without one) of an outcome COL or COL=LEVEL.

    A column that has the whole text as its name comes first. The column may be unknown.
    """
    if schema.find(text) is None:
        cuts = [i for i, sign in enumerate(text) if sign == "=" and schema.find(text[:i])]
        if cuts:
            return text[: cuts[-1]], text[cuts[-1] + 1 :]
    return text, None


def check_statements(
    lists: Mapping[str, Sequence[str]], treatment: str, outcome: str, schema: TableSchema
) -> list[FieldError]:
    """Return one entry per wrong column, with a pointer to its place in its list.

    Args:
        lists: before, after, dont_know and negative_controls of the request.
        treatment: column of the treatment.
        outcome: column of the outcome, without a level.
        schema: of the dataset.
    """
    errors: list[FieldError] = []
    seen: set[str] = set()
    for field, columns in lists.items():
        for at, name in enumerate(columns):
            detail = _error_of(name, field, treatment, outcome, schema)
            if detail is None and name in seen:
                detail = TWICE
            if detail is not None:
                errors.append(FieldError(pointer=pointer(field, at), detail=detail))
            seen.add(name)
    return errors


def _error_of(
    name: str, field: str, treatment: str, outcome: str, schema: TableSchema
) -> str | None:
    column = schema.find(name)
    if column is None:
        return unknown_column(name, schema.names())
    if name == treatment:
        return TREATMENT
    if name == outcome and field not in ("after", "dont_know"):
        return OUTCOME
    if not column.learned:
        return NOT_LEARNED
    if column.kind == "multi":
        return several_answers(column)
    if field == "negative_controls" and not (column.is_numeric or column.kind == "boolean"):
        return CONTROL
    return None
