"""Labels and missing codes that a file declares for a column.

A reader stores them on the Arrow field; cleaning (`columns/labels.py`) applies them.
"""

from __future__ import annotations

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

KEY = b"simulacra.declared"
"""Field metadata key: a `Declared` as JSON."""
Code = float | str


class Declared(BaseModel):
    """The declaration of one column.

    Attributes:
        label: description of the column.
        labels: code and word of each value that has one.
        missing: ranges of codes (first and last) that mean "no value".
        scaled: the codes are ordered.
        categorical: the values are categories; None if the file does not say.
        unnamed: the file has no name for the column.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")

    label: str | None = None
    labels: list[tuple[Code, str]] = []
    missing: list[tuple[Code, Code]] = []
    scaled: bool = False
    categorical: bool | None = None
    unnamed: bool = False

    def on(self, field: pa.Field) -> pa.Field:
        """Return the field with this declaration."""
        return field.with_metadata({KEY: self.model_dump_json()})


def declared_of(field: pa.Field) -> Declared:
    """Return the declaration of a field; an empty one by default."""
    content = (field.metadata or {}).get(KEY)
    return Declared() if content is None else Declared.model_validate_json(content)
