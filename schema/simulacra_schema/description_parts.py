"""Parts of a description: fields, categories, missing values, sets, and what they may say.

The standard's properties are those of Data Package v2 (Table Schema, Table Dialect); what it lacks
is in objects `x-simulacra`. Unknown keys are errors there and ignored elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)
from pydantic.alias_generators import to_camel

from simulacra_schema.base import ColumnName, Level, LevelName
from simulacra_schema.prices import MOST_PRICES, PriceQuestion
from simulacra_schema.quotas import MAX_COLUMNS, CellPart, short_part
from simulacra_schema.rules import MAX_RULES, Rule
from simulacra_schema.table import PersonalData, ReplicateMethod
from simulacra_schema.targets import Targets
from simulacra_schema.wave_summary import MOST_BANNERS

EXTENSION = "x-simulacra"
MAX_FIELDS = 2_000
MAX_CATEGORIES = 2_000
MAX_MISSING_VALUES = 200
MAX_GROUPS = 500

Source = Literal["user", "file", "detected"]
FieldType = Literal[
    "string", "number", "integer", "boolean", "date", "datetime", "time", "year", "yearmonth",
    "duration", "list", "any",
]  # fmt: skip
FieldRole = Literal[
    "key", "subject", "foreign_key", "pii", "weight", "wave", "coordinate", "text", "none",
    "cluster", "stratum", "replicate_weight",
]  # fmt: skip
FieldKind = Literal["boolean", "period", "duration", "postcode", "coordinate"]
Replacement = Literal["fake", "mask", "empty", "drop"]
RelationKind = Literal[
    "linear", "product", "ratio", "logarithm", "square", "root", "picked", "not_above",
    "decided", "exactly_one", "at_most_one", "all_different", "years",
]  # fmt: skip


def _role(value: object) -> object:
    return value.replace("-", "_") if isinstance(value, str) else value


def _personal_data(value: object) -> object:
    return "street" if value == "address" else value


def _cell_parts(value: object) -> object:
    return {k: short_part(v) for k, v in value.items()} if isinstance(value, dict) else value


def _labeled(value: object) -> object:
    return value if isinstance(value, dict) else {"value": value}


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _as_cells(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _alike(values: list[Any]) -> list[Any]:
    """Refuse lists of strings and objects together, and values that are given twice."""
    if len({"label" in one.model_fields_set for one in values}) > 1:
        raise ValueError("write all values as strings, or all as objects with value and label")
    if len({one.value for one in values}) < len(values):
        raise ValueError("a value is in the list twice; name it once")
    return values


def mark(value: object) -> str:
    """Return a short digest of a property, as it was parsed."""
    plain = value
    if isinstance(value, list):
        plain = [one.model_dump() if isinstance(one, BaseModel) else one for one in value]
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()[:8]


def is_users(name: str, value: object, source: Mapping[str, str], found: Mapping[str, str]) -> bool:
    """Return whether a property is the user's: not marked, or changed since it was marked."""
    return source.get(name, "user") == "user" or found.get(name) != mark(value)


class _Part(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True
    )


class _Extension(_Part):
    model_config = ConfigDict(extra="forbid")


CellTexts = Annotated[list[Level], Field(min_length=1, max_length=MAX_CATEGORIES)]


class LabeledValue(_Part):
    """A category or missing value: the text of its cells, and what it means."""

    value: Level
    label: Annotated[str, Field(max_length=512)] | None = None


Labeled = Annotated[LabeledValue, BeforeValidator(_labeled)]
MissingValues = Annotated[
    list[Labeled], Field(max_length=MAX_MISSING_VALUES), AfterValidator(_alike)
]
Categories = Annotated[
    list[Labeled], Field(min_length=1, max_length=MAX_CATEGORIES), AfterValidator(_alike)
]
Names = Annotated[
    list[ColumnName], Field(min_length=1, max_length=MAX_FIELDS), BeforeValidator(_as_list)
]
MissingCells = Annotated[list[Level], Field(min_length=1, max_length=MAX_MISSING_VALUES)]
Published = Literal[True] | CellTexts
EarlierLevels = Annotated[
    dict[LevelName, Annotated[CellTexts, BeforeValidator(_as_cells)]],
    Field(min_length=1, max_length=MAX_CATEGORIES),
]
AskedIf = Annotated[
    dict[ColumnName, CellPart],
    Field(min_length=1, max_length=MAX_COLUMNS),
    BeforeValidator(_cell_parts),
]
Sources = Annotated[dict[str, Source], Field(max_length=64)]
Marks = Annotated[dict[str, Annotated[str, Field(max_length=64)]], Field(max_length=64)]
Evidence = Annotated[dict[str, str], Field(max_length=64)]


class FieldExtension(_Extension):
    """`x-simulacra` of a field.

    Attributes:
        role: what the column is for; "none" for an ordinary column that was taken for more.
        pii: kind of the personal data.
        replace: what generated rows have instead of personal data.
        use: "drop" leaves the column out of everything.
        unit: of the numbers.
        options: of a list, in the order of the questionnaire.
        kind: a meaning that the standard's types lack.
        missing: cells without a value, beside those that are detected; missingValues replaces
            what is detected.
        publish: the levels are public, as countries and brands are: true, or all that there are.
        earlier: what the question was called in an earlier wave; false where it is a question of
            its own, whatever it looks like.
        levels: what levels were called in that wave, by their value now: one text, or several
            that became one.
        asked_if: earlier answers after which the question is asked, as the cell of a quota. Drafts
            skip it by them; in an upload the data show the skips.
        source: of each property: who said it. Properties that are not named are the user's.
        found: `mark` of each property that the product found. One that was changed since, so that
            its mark differs, is the user's.
        evidence: of each property that was detected. Ignored when it is sent.
    """

    role: Annotated[FieldRole, BeforeValidator(_role)] | None = None
    pii: Annotated[PersonalData, BeforeValidator(_personal_data)] | None = None
    replace: Replacement | None = None
    use: Literal["learn", "drop"] | None = None
    unit: Annotated[str, StringConstraints(min_length=1, max_length=32)] | None = None
    options: Annotated[list[Level], Field(min_length=1, max_length=200)] | None = None
    kind: FieldKind | None = None
    missing: MissingCells | None = None
    publish: Published | None = None
    earlier: Literal[False] | ColumnName | None = None
    levels: EarlierLevels | None = None
    asked_if: AskedIf | None = None
    source: Sources = Field(default_factory=dict)
    found: Marks = Field(default_factory=dict)
    evidence: Evidence = Field(default_factory=dict)


class FieldDescription(_Part):
    """One field: a column by its name, and what is said about it."""

    name: ColumnName
    type: FieldType | None = None
    format: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    title: Annotated[str, Field(max_length=1024)] | None = None
    decimal_char: Literal[".", ","] | None = None
    group_char: Literal["", ".", ",", " ", "'", "’", "\u00a0", "\u202f", "\u2009"] | None = None
    bare_number: bool | None = None
    categories: Categories | None = None
    categories_ordered: bool | None = None
    missing_values: MissingValues | None = None
    delimiter: Literal[";", "┋", "|", ",", "/", " "] | None = None
    extension: FieldExtension = Field(default_factory=FieldExtension, alias=EXTENSION)

    def value(self, name: str) -> Any:
        """Return a property by its name in the document; None if it is not there."""
        part = self.extension if name in EXTENSION_PROPERTIES else self
        return getattr(part, PROPERTIES[name])

    def properties(self) -> list[str]:
        """Return the names of the properties that are there, in a constant order."""
        return [name for name in PROPERTIES if self.value(name) is not None]

    def stated(self) -> list[str]:
        """Return the properties that the user states, or changed after the product found them."""
        source, found = self.extension.source, self.extension.found
        return [n for n in self.properties() if is_users(n, self.value(n), source, found)]

    def keep(self, names: set[str]) -> FieldDescription:
        """Return the field with these properties only, all of them the user's."""
        own = {PROPERTIES[n]: None for n in PROPERTIES if n not in names}
        extra = {k: v for k, v in own.items() if k in FieldExtension.model_fields}
        none: dict[str, object] = {"source": {}, "found": {}, "evidence": {}}
        extension = self.extension.model_copy(update=extra | none)
        plain = {k: v for k, v in own.items() if k in FieldDescription.model_fields}
        return self.model_copy(update={**plain, "extension": extension})


EXTENSION_PROPERTIES = (
    "role", "pii", "replace", "use", "unit", "options", "kind", "missing", "publish", "earlier",
    "levels",
)  # fmt: skip
PROPERTIES: dict[str, str] = {
    **{
        to_camel(name): name
        for name in FieldDescription.model_fields
        if name not in ("name", "extension")
    },
    **{name: name for name in EXTENSION_PROPERTIES},
}
"""Properties of a field on which precedence decides one by one: name and attribute."""


class ColumnGroup(_Extension):
    """Columns of one question: a set (several answers) or a grid (one scale, several items)."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    fields: Annotated[list[ColumnName], Field(min_length=2, max_length=MAX_FIELDS)]


class ColumnSet(ColumnGroup):
    """A set of columns; counted: the level that means "chosen"."""

    type: Literal["dichotomy", "category"] | None = None
    counted: Level | None = None


class ColumnRelation(_Extension):
    """A relation that holds in every row: what gives a column, or bounds it."""

    kind: RelationKind
    column: ColumnName
    of: Annotated[list[ColumnName], Field(min_length=1, max_length=MAX_FIELDS)]


class SurveyDesign(_Extension):
    """How rows were drawn, beside the roles cluster, stratum, weight and replicate_weight.

    Attributes:
        nest: clusters are numbered within strata, so the same number in two strata is two clusters.
        replicates: how the replicate weights were made.
        replicate_weights: a pattern of their names, such as "repwt*", instead of their roles.
        fay: Fay's coefficient, of "brr" alone.
    """

    nest: bool = False
    replicates: ReplicateMethod | None = None
    replicate_weights: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    fay: Annotated[float, Field(ge=0.0, lt=1.0)] | None = None


class TableExtension(_Extension):
    """`x-simulacra` of the table.

    Attributes:
        subject, weights, order: names of columns; order is that of the rows of a person.
        targets: shares of the population that the rows are weighted to.
        missing: cells without a value in any column, beside those that are detected.
        banner: columns by whose levels a wave summary tells the answers.
        prices: price questions, instead of those that names and labels tell.
        rules: what holds in every generated row, beside the found relations.
        proposals: rules that could be stated. Ignored when they are sent.
    """

    version: Literal[1] = 1
    subject: ColumnName | None = None
    weights: ColumnName | None = None
    order: ColumnName | None = None
    design: SurveyDesign | None = None
    targets: Targets | None = None
    missing: MissingCells | None = None
    banner: Annotated[list[ColumnName], Field(min_length=1, max_length=MOST_BANNERS)] | None = None
    sets: Annotated[list[ColumnSet], Field(max_length=MAX_GROUPS)] | None = None
    grids: Annotated[list[ColumnGroup], Field(max_length=MAX_GROUPS)] | None = None
    relations: Annotated[list[ColumnRelation], Field(max_length=MAX_GROUPS)] | None = None
    prices: Annotated[list[PriceQuestion], Field(max_length=MOST_PRICES)] | None = None
    rules: Annotated[list[Rule], Field(max_length=MAX_RULES)] | None = None
    proposals: list[Any] | None = None
    source: Sources = Field(default_factory=dict)
    found: Marks = Field(default_factory=dict)
    evidence: Evidence = Field(default_factory=dict)

    def is_stated(self, name: str, value: object) -> bool:
        """Return whether the user states a property of the table, or changed what was found."""
        return value is not None and is_users(name, value, self.source, self.found)


class Dialect(_Part):
    """How the lines of a CSV are written; header_rows counts from 1, without blank lines."""

    delimiter: Literal[",", ";", "\t", "|"] | None = None
    header_rows: (
        Annotated[list[Annotated[int, Field(ge=1, le=100)]], Field(min_length=1, max_length=4)]
        | None
    ) = None


class TableSchemaPart(_Part):
    """A Table Schema: fields, keys, and what holds for all fields."""

    fields: Annotated[list[FieldDescription], Field(max_length=MAX_FIELDS)] = Field(
        default_factory=list
    )
    primary_key: Names | None = None
    missing_values: MissingValues | None = None
    extension: TableExtension = Field(default_factory=TableExtension, alias=EXTENSION)
