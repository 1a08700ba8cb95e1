"""Field types of bodies: whole numbers in their bounds, column values, the status of a job."""

import sys
from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from simulacra_crds.kinds.base import MAX_RETENTION_SECONDS, MIN_RETENTION_SECONDS
from simulacra_schema.conditions import value_in
from simulacra_schema.questions.rows import MAX_PERSONS, MAX_ROWS
from simulacra_schema.table import ColumnSchema

MAX_LEVEL_LENGTH = 512


def _whole(value: Any) -> Any:
    """Accept 5.0 as 5, as JSON Schema does; leave text and booleans for pydantic to refuse."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _set_value(value: Any) -> int | float | str:
    """Accept a finite number or a level; one message, where a union of types gives three.

    JSON's true and false are the levels of a yes/no column.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        value.encode()  # a lone surrogate raises UnicodeEncodeError, a ValueError
        if len(value) > MAX_LEVEL_LENGTH:
            raise ValueError(f"A level has at most {MAX_LEVEL_LENGTH} characters.")
    elif not isinstance(value, int | float) or not is_finite(value):
        raise ValueError("Must be a finite number or a level.")
    return cast(int | float | str, value)


def is_finite(value: float) -> bool:
    """Return whether a number is neither NaN nor above the range of a double."""
    return abs(value) <= sys.float_info.max  # math.isfinite fails on huge integers


def spec_value(given: float | str, column: ColumnSchema | None) -> dict[str, Any]:
    """Return a value of a column as a spec has it: a number, or a level."""
    named = given if column is None else value_in(given, column)
    if column is not None and column.is_numeric and not isinstance(named, str):
        return {"number": named}
    return {"level": str(named)}


Status = Literal["queued", "running", "held", "ready", "partial", "failed"]
"""held: a table was read, and its description is to be confirmed before the fit."""
WaitingReason = Annotated[
    str | None,
    Field(description="Why nothing works on it, in words; null if something does, and at the end."),
]
_Whole = BeforeValidator(_whole)
RowCount = Annotated[int, Field(strict=True, ge=1, le=MAX_ROWS), _Whole]
PersonCount = Annotated[int, Field(strict=True, ge=1, le=MAX_PERSONS), _Whole]
FewRows = Annotated[int, Field(strict=True, ge=1, le=100), _Whole]
Retention = Annotated[
    int, Field(strict=True, ge=MIN_RETENTION_SECONDS, le=MAX_RETENTION_SECONDS), _Whole
]
FileSize = Annotated[int, Field(strict=True, ge=1, le=1 << 40), _Whole]
Seed = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1), _Whole]
Overlap = Annotated[int, Field(strict=True, ge=0, le=86_400), _Whole]
SetValue = Annotated[
    int | float | str,
    PlainValidator(_set_value),
    WithJsonSchema({"type": ["number", "string", "boolean"], "maxLength": MAX_LEVEL_LENGTH}),
]
