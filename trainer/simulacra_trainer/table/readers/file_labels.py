"""What a file declares of a column besides its values: labels, and codes that mean "no value".

A reader puts it on the Arrow field; cleaning (`labels.py`) acts on it.
"""

from __future__ import annotations

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

KEY = b"simulacra.declared"
"""Field metadata key: a `Declared` as JSON."""
Code = float | str


class Declared(BaseModel):
    """Of one column.

    Attributes:
        label: what the column is, in words.
        labels: code and word of each value that has one.
        missing: ranges of codes (first and last) that stand for "no value".
        scaled: the order of the codes means something.
        categorical: the values are categories whatever is labeled; None: not said.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")

    label: str | None = None
    labels: list[tuple[Code, str]] = []
    missing: list[tuple[Code, Code]] = []
    scaled: bool = False
    categorical: bool | None = None

    def on(self, field: pa.Field) -> pa.Field:
        """Return the field with this on it."""
        return field.with_metadata({KEY: self.model_dump_json()})


def declared_of(field: pa.Field) -> Declared:
    """Return what the field declares; nothing when nothing is said."""
    said = (field.metadata or {}).get(KEY)
    return Declared() if said is None else Declared.model_validate_json(said)
