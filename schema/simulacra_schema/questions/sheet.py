"""The effects of many levers on one outcome."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Generic, TypeVar

from pydantic import Field

from simulacra_schema.base import (
    ColumnName,
    KubeModel,
    apart,
    no_default,
    optional,
    optional_list,
    ruled,
)
from simulacra_schema.conditions import value_in
from simulacra_schema.faults import Fault, Question, Wrong, no_column, several_answers
from simulacra_schema.questions.effect import (
    Outcome,
    Population,
    StatedColumns,
    check_outcome,
    check_values,
)
from simulacra_schema.questions.rows import (
    SAME_VALUES,
    InterventionValue,
    V,
    plain,
    wave_as_treatment,
)
from simulacra_schema.statements import (
    Blocks,
    check_blocks,
    check_places,
    check_statements,
    split_outcome,
)
from simulacra_schema.table import TableSchema

MAX_LEVERS = 24
"""Contrasts of one sheet."""
LISTS = ("before", "after", "dont_know")
_LEVER_STATED = Wrong(
    "a lever in a list",
    "The column is a lever. Remove it here, or from levers: say at the lever what comes first.",
)
_LEVER_TWICE = Wrong(
    "the same lever and values twice", "This lever with these values is there already."
)
_LEVER = Wrong(
    "a lever that is the outcome, or not a learned number or category",
    "A lever must be a learned number or category, other than the outcome.",
)
_ONE_VALUE = Wrong(
    "a value without a baseline, or the reverse", "Give both value and baseline, or neither."
)


class Lever(KubeModel, Generic[V]):
    """A column that could be changed, and two values to compare; without values, typical ones."""

    column: ColumnName = Field(description="The column of the lever.")
    value: V | None = optional("The value of the lever. Give baseline as well.")
    baseline: V | None = optional("The value to compare it with.")
    before: list[ColumnName] = optional_list(
        "Columns that were already so before this lever, beside those of the sheet.", max_length=100
    )
    after: list[ColumnName] = optional_list(
        "Columns that came after this lever, beside those of the sheet.", max_length=100
    )


class SheetLever(Lever[InterventionValue]):
    """A column that could be changed, and the two values to compare.

    Without values: yes against no, top against bottom third of an order, each frequent level
    against the most frequent one, or the 75th against the 25th percentile of a number.
    """

    model_config = ruled(
        ("has(self.value) == has(self.baseline)", "give both value and baseline, or neither"),
        (
            f"!has(self.value) || !has(self.baseline) || !({SAME_VALUES[0]})",
            SAME_VALUES[1],
        ),
        *apart("before", "after"),
    )


L = TypeVar("L", bound=Lever[Any])


class SheetQuestion(Question, Generic[L]):
    """The outcome, the levers, and what came before and after them."""

    outcome: Outcome
    levers: Annotated[list[L], Field(max_length=MAX_LEVERS)] = optional_list(
        "The levers; when empty, all learned columns that are neither background nor "
        "after the outcome."
    )
    before: StatedColumns = optional_list(
        "Columns that were already so before any lever; adjusted for, and no levers."
    )
    after: StatedColumns = optional_list(
        "Columns that came after every lever; never adjusted for. The outcome here "
        "states that the levers come first."
    )
    dont_know: StatedColumns = optional_list(
        "Columns that may be either: the intervals cover both."
    )
    blocks: Blocks = Field(default_factory=list)
    population: Population = Field(
        default="all",
        description="Whose average effect: all, those who have the value (treated), or those who "
        "could have had either value (overlap).",
    )

    def outcome_in(self, schema: TableSchema) -> tuple[str, str | None]:
        """Return column and level (None without one) of the outcome."""
        return split_outcome(self.outcome, schema)

    def faults(self, schema: TableSchema) -> list[Fault]:
        """Return what the schema says against the question: one entry for each invalid field."""
        outcome, level = self.outcome_in(schema)
        lists = {field: getattr(self, field) for field in LISTS}
        found = [
            *check_outcome(outcome, level, schema),
            *check_statements(lists, "", outcome, schema),
            *check_blocks(self.blocks, schema),
        ]
        named = {lever.column for lever in self.levers}
        for field in ("before", "after"):
            places = [at for at, column in enumerate(lists[field]) if column in named]
            found += [_LEVER_STATED.at(field, at) for at in places]
        asked: set[tuple[object, ...]] = set()
        for at, lever in enumerate(self.levers):
            found += _lever_faults(at, lever, outcome, schema)
            found += _contradictions(at, lever, self.levers)
            own = {"before": lever.before, "after": lever.after}
            found += check_places(self.blocks, own, lever.column, "levers", at)
            ends = [plain(lever.value), plain(lever.baseline)]
            if column := schema.find(lever.column):  # 16 and "16" are one number
                ends = [None if one is None else value_in(one, column) for one in ends]
            contrast = (lever.column, *ends)
            if contrast in asked:
                found.append(_LEVER_TWICE.at("levers", at))
            asked.add(contrast)
        return found


def _contradictions(at: int, lever: Lever[Any], levers: Sequence[Lever[Any]]) -> Iterator[Fault]:
    """Yield where two levers each state that the other one came first, or later."""
    for field in ("before", "after"):
        for place, name in enumerate(getattr(lever, field)):
            others = [one for one in levers[:at] if one.column == name]
            if any(lever.column in getattr(one, field) for one in others):
                detail = f"The lever of this column states the opposite in its own {field}."
                yield Wrong("two levers state the opposite", detail).at("levers", at, field, place)


def _lever_faults(at: int, lever: Lever[Any], outcome: str, schema: TableSchema) -> Iterator[Fault]:
    column, path = schema.find(lever.column), ("levers", at)
    if column is None:
        yield no_column(lever.column, schema).at(*path, "column")
        return
    if column.kind == "multi":
        yield several_answers(column).at(*path, "column")
        return
    if wrong := wave_as_treatment(lever.column, schema):
        yield wrong.at(*path, "column")
        return
    if not column.learned or column.kind == "datetime" or column.name == outcome:
        yield _LEVER.at(*path, "column")
        return
    value, baseline = plain(lever.value), plain(lever.baseline)
    if (value is None) != (baseline is None):
        yield _ONE_VALUE.at(*path, "value")
    elif value is not None:
        yield from check_values(lever.column, value, baseline, schema, *path)
    own = {"before": lever.before, "after": lever.after}
    yield from check_statements(own, lever.column, outcome, schema, *path)


class SheetSummary(KubeModel):
    """The sheet, without names. All its intervals hold together with 95 %."""

    levers: int = Field(ge=0, description="Number of contrasts.")
    ranked: int = Field(ge=0, description="Assumed effects whose interval excludes 0.")
    assumed: int = Field(ge=0, description="Effects that follow from what was stated.")
    suggested: int = Field(ge=0, description="Effects whose sign the data alone suggest.")
    usual_order: int = Field(
        default=0,
        ge=0,
        description="Effects that presume the usual order, which nobody has confirmed.",
        json_schema_extra=no_default,
    )
    open: int = Field(ge=0, description="Effects that depend on what comes first.")
    contradicted: int = Field(ge=0, description="Effects that must not be used.")
    unanswerable: int = Field(ge=0, description="Contrasts of too few people.")
