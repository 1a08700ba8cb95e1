"""Labels, missing codes and formats that a file declares for a column.

A reader stores them on the Arrow field, cleaning (`columns/labels.py`) applies them, and generated
tables carry them, so that an SPSS file is written with the dictionary of the upload.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

if TYPE_CHECKING:
    import pyarrow as pa

KEY = b"simulacra.declared"
"""Field metadata key: a `Declared` as JSON."""
SETS = b"simulacra.sets"
"""Schema metadata key: a list of `AnswerSet` as JSON."""
EXACT_DIGITS = 15
"""Digits of a whole number that a floating-point number always holds."""
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
        codes: code of each word that cleaning put in its place.
        measure: nominal, ordinal or scale (SPSS).
        format: how SPSS shows the values, such as F8.2.
        display_width: of the column in SPSS, in characters.
        alignment: left, right or center (SPSS).
        width: most bytes of a text, or of a whole number with more than EXACT_DIGITS, which is a
            text in formats of floating-point numbers.
    """

    model_config = ConfigDict(ser_json_inf_nan="constants")

    label: str | None = None
    labels: list[tuple[Code, str]] = []
    missing: list[tuple[Code, Code]] = []
    scaled: bool = False
    categorical: bool | None = None
    unnamed: bool = False
    codes: list[tuple[str, Code]] = []
    measure: str | None = None
    format: str | None = None
    display_width: int | None = None
    alignment: str | None = None
    width: int | None = None

    def on(self, field: pa.Field) -> pa.Field:
        """Return the field with this declaration beside its other metadata."""
        content = self.model_dump_json(exclude_defaults=True)
        return field.with_metadata({**(field.metadata or {}), KEY: content})


class AnswerSet(BaseModel):
    """Columns that together hold the answers to a question.

    Attributes:
        name: what their names have in common; of an SPSS file, the name of the set without "$".
        columns: in table order.
        kind: dichotomies (one column an option, chosen or not), categories (any chosen options
            side by side) or grid (one column an item, all with the same levels).
        counted: level of a chosen option, where all dichotomies have the same.
        label: description in the upload (SPSS).
    """

    name: str
    columns: list[str]
    kind: Literal["dichotomies", "categories", "grid"]
    counted: str | None = None
    label: str = ""


_SETS = TypeAdapter(list[AnswerSet])


def declared_of(field: pa.Field) -> Declared:
    """Return the declaration of a field; an empty one by default."""
    content = (field.metadata or {}).get(KEY)
    return Declared() if content is None else Declared.model_validate_json(content)


def with_sets(schema: pa.Schema, sets: list[AnswerSet]) -> pa.Schema:
    """Return the schema with multiple-response sets beside its other metadata."""
    if not sets:
        return schema
    return schema.with_metadata({**(schema.metadata or {}), SETS: _SETS.dump_json(sets)})


def sets_of(schema: pa.Schema) -> list[AnswerSet]:
    """Return the multiple-response sets of a table."""
    content = (schema.metadata or {}).get(SETS)
    return [] if content is None else _SETS.validate_json(content)
