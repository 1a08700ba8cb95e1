"""Values that bodies hold: numbers and levels as JSON writes them."""

from __future__ import annotations

import sys
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from simulacra_crds.kinds.base import MAX_RETENTION_SECONDS, MIN_RETENTION_SECONDS
from simulacra_crds.kinds.generation_job import MAX_ROWS


def _whole(value: Any) -> Any:
    """Take 5.0 for 5, as JSON Schema does; text and booleans stay what they are and are refused."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _set_value(value: Any) -> int | float | str:
    """Accept a finite number or a level, with one message where a union of types would give three."""
    is_number = (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) <= sys.float_info.max
    )
    if not is_number and not isinstance(value, str):
        raise ValueError("give a finite number or a level")
    if isinstance(value, str):
        value.encode()  # a lone surrogate is no Unicode: UnicodeEncodeError is a ValueError
    return cast(int | float | str, value)


_Whole = BeforeValidator(_whole)
RowCount = Annotated[int, Field(strict=True, ge=1, le=MAX_ROWS), _Whole]
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
    WithJsonSchema({"type": ["number", "string"], "maxLength": 512}),
]
