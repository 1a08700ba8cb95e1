"""Base of all shapes on the wire, and the words and validation rules that they share."""

from datetime import datetime
from itertools import combinations
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
)
from pydantic.alias_generators import to_camel

VerdictKind = Literal[
    "assumed",
    "instrument",
    "parallel trends",
    "suggested",
    "usual order",
    "open",
    "contradicted",
    "unanswerable",
]
"""What may be claimed of a causal answer."""

VerdictLevel = Literal["good", "fair", "poor", "unknown"]
"""How good generated rows are in one respect; unknown if a figure that decides is missing."""
ColumnName = Annotated[str, Field(min_length=1, max_length=256)]
MAX_FIGURES = 128
"""Figures of a model. A fit has 21 at most today."""
Figures = Annotated[dict[str, float], Field(max_length=MAX_FIGURES)]


def level_of(value: Any) -> str:
    """Return the level of a JSON value: true and false as JSON writes them, and 1.0 as 1."""
    if isinstance(value, bool):
        return str(value).lower()
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value)


LevelName = Annotated[str, Field(max_length=512)]
"""A level as a key of an object, which JSON writes as text."""
Level = Annotated[
    LevelName,
    BeforeValidator(lambda value: level_of(value) if isinstance(value, int | float) else value),
    WithJsonSchema({"type": ["number", "string", "boolean"], "maxLength": 512}),
]
"""A level; JSON may have it as a number or a boolean, and in answers it is text."""


def is_none(value: object) -> bool:
    """Return whether a field is left out of a document (`exclude_if`)."""
    return value is None


def optional(description: str, **limits: Any) -> Any:
    """Return a field that may be absent (None), with its description and limits of pydantic."""
    return Field(default=None, description=description, **limits)


def optional_list(description: str, **limits: Any) -> Any:
    """Return a field whose list is empty when absent, with its description and limits."""
    return Field(default_factory=list, description=description, **limits)


def no_default(schema: dict[str, Any]) -> None:
    """Leave the default out of the CRD, for a field that an earlier release does not know.

    The API server adds defaults to stored objects. An operator of that release, which still runs
    while a chart is upgraded, refuses objects with fields that it does not know.
    """
    schema.pop("default", None)


Timestamp = Annotated[datetime, Field(json_schema_extra={"format": "date-time"})]


class KubeModel(BaseModel):
    """Base of all shapes on the wire: camelCase aliases, unknown fields rejected."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", use_enum_values=True
    )

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object for the API server: aliases, no nulls."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Sparse(KubeModel):
    """Base of shapes whose documents have only the fields that are given."""

    @model_serializer(mode="wrap")
    def _given(self, handler: SerializerFunctionWrapHandler):  # type: ignore[no-untyped-def]
        return {name: one for name, one in handler(self).items() if one is not None}


class AnswerPart(KubeModel):
    """Base of what is stored of an answer and shown over REST; a later release may add fields."""

    model_config = ConfigDict(extra="ignore")


def cel_rules(*rules: tuple[str, str]) -> dict[str, Any]:
    """Return the schema extension of validation rules, given as (CEL expression, message)."""
    return {"x-kubernetes-validations": [{"rule": r, "message": m} for r, m in rules]}


def ruled(*rules: tuple[str, str]) -> ConfigDict:
    """Return the configuration of a model with these validation rules."""
    return ConfigDict(json_schema_extra=cel_rules(*rules))


def apart(*fields: str) -> list[tuple[str, str]]:
    """Return the validation rules that no column is in two of these lists."""
    return [
        (
            f"!has(self.{one}) || !has(self.{other}) || !self.{one}.exists(c, c in self.{other})",
            f"a column is in {one} and in {other}; name it once",
        )
        for one, other in combinations(fields, 2)
    ]


class VerdictLevels(KubeModel):
    """The verdicts on generated rows in one word each, for kubectl."""

    likeness: VerdictLevel = Field(description="How hard rows are to tell from real ones.")
    privacy: VerdictLevel = Field(description="Whether rows of people in the table come back.")
    worth: VerdictLevel = Field(description="What the rows are worth for intervals.")
