"""The effect of one column on another."""

from collections.abc import Iterator
from typing import Annotated, Any, Generic, Literal

from pydantic import Field

from simulacra_schema.base import (
    ColumnName,
    KubeModel,
    VerdictKind,
    no_default,
    optional,
    optional_list,
)
from simulacra_schema.conditions import level_in, same_value, wrong_column, wrong_value
from simulacra_schema.faults import Fault, Question, Wrong, no_column, no_level, several_answers
from simulacra_schema.questions.designs import design_faults
from simulacra_schema.questions.rows import V, plain, wave_as_treatment
from simulacra_schema.statements import (
    LISTS,
    TWICE,
    Blocks,
    check_blocks,
    check_places,
    check_statements,
    split_outcome,
)
from simulacra_schema.table import TableSchema

Precision = Literal["clear", "not significant", "thin support", "very thin"]
Population = Literal["all", "treated", "overlap"]
StatedColumns = Annotated[list[ColumnName], Field(max_length=300)]
NegativeControls = Annotated[list[ColumnName], Field(max_length=8)]
Outcome = Annotated[
    ColumnName,
    Field(description="The column whose mean changes: a number, a boolean, or column=level."),
]
MAX_OUTCOME = 256
"""Longest `outcome=level` of a spec, in characters."""
_SAME = Wrong(
    "value and baseline are the same", "The baseline must differ from the treatment value."
)
_NO_LEVEL_OF_NUMBER = Wrong(
    "a level of a number", "The outcome is a number; leave outcome_level out."
)
_LEVEL_NEEDED = Wrong(
    "a category without its level",
    "The outcome is a category; give the level whose share to compare.",
)
_TOO_LONG = Wrong(
    "outcome and level are too long",
    f"Outcome and level must have at most {MAX_OUTCOME - 1} characters together.",
)
_SEGMENT = Wrong(
    "a column of groups that is not learned, or is the treatment or the outcome",
    "Must be a learned column of the schema, not the treatment or the outcome.",
)
_BOTH = Wrong("by and segment", "Give by alone; segment is its earlier name.")


def check_values(
    column: str, value: Any, baseline: Any, schema: TableSchema, *path: str | int
) -> Iterator[Fault]:
    """Yield what is wrong with the two values of a treatment, whose fields are at this path."""
    for field, given in (("value", value), ("baseline", baseline)):
        if wrong := wrong_value(column, given, schema):
            yield wrong.at(*path, field)
    if same_value(value, baseline, schema.find(column)):
        yield _SAME.at(*path, "baseline")


def check_outcome(
    name: str, level: str | None, schema: TableSchema, treatment: str | None = None
) -> Iterator[Fault]:
    """Yield what is wrong with an outcome; it is not the treatment, if there is one."""
    column = schema.find(name)
    if column is None:
        yield no_column(name, schema).at("outcome")
    elif not column.learned or column.kind == "datetime" or name == treatment:
        detail = "Must be a learned number, boolean or category of the schema"
        detail += "." if treatment is None else ", not the treatment."
        brief = "an outcome that is the treatment, or not a learned number or category"
        yield Wrong(brief, detail).at("outcome")
    elif column.kind == "multi":
        yield several_answers(column).at("outcome")
    elif column.is_numeric and level is not None:
        yield _NO_LEVEL_OF_NUMBER.at("outcome_level")
    elif not column.is_numeric and level is None and column.kind != "boolean":
        yield _LEVEL_NEEDED.at("outcome_level")
    elif level is not None and level_in(level, column.level_values()) is None:
        yield no_level(level, column.level_values()).at("outcome_level")
    elif level is not None and len(f"{name}={level}") > MAX_OUTCOME:
        yield _TOO_LONG.at("outcome_level")


class EffectQuestion(Question, Generic[V]):
    """The effect: E[outcome | do(treatment=value)] - E[outcome | do(treatment=baseline)]."""

    treatment: ColumnName = Field(description="The column of the treatment, the cause.")
    value: V = Field(description="The value of the treatment.")
    baseline: V = Field(description="The value to compare it with.")
    outcome: Outcome
    segment: ColumnName | None = optional(
        "Deprecated: `by` with one column, whose numbers are cut at quartiles."
    )
    by: list[ColumnName] = optional_list(
        "One or two columns: also report the effect in each group that they make, by "
        "levels, numbers and dates cut at their quintiles.",
        max_length=2,
        json_schema_extra=no_default,
    )
    before: StatedColumns = optional_list(
        "Columns that were already so before the treatment was settled; adjusted for."
    )
    after: StatedColumns = optional_list(
        "Columns that came after the treatment; never adjusted for. The outcome here "
        "states that the treatment comes first."
    )
    dont_know: StatedColumns = optional_list(
        "Columns that may be either: the interval covers both."
    )
    blocks: Blocks = Field(default_factory=list)
    population: Population = Field(
        default="all",
        description="Whose average effect: all, those who have the value (treated), or those who "
        "could have had either value (overlap). all when absent.",
        json_schema_extra=no_default,
    )
    negative_controls: NegativeControls = optional_list(
        "Columns that the treatment cannot change but that share its unseen causes, "
        "such as the outcome asked earlier. They may be in before or after as well, and count as "
        "dontKnow if they are in no list."
    )
    instrument: ColumnName | None = optional(
        "States an instrument: a number, a boolean, or column=level, that is as good as"
        " random given the columns in before, and moves the outcome only through the treatment. The"
        " effect is that on those whose treatment it moves."
    )
    parallel_trends: dict[ColumnName, V] = Field(
        default_factory=dict,
        max_length=1,
        description="States parallel trends: the column of the waves, and the first wave in which"
        " those with the value of the treatment column, a group, had the treatment. Without it"
        " their outcome would have changed as that of those with the baseline, given the columns in"
        " before. The effect is that on this group since then.",
        json_schema_extra=no_default,
    )

    def groups(self) -> dict[str, tuple[str | int, ...]]:
        """Return the columns of the groups, with the path of each."""
        if self.segment is not None:
            return {self.segment: ("segment",)}
        return {name: ("by", at) for at, name in enumerate(self.by)}

    def outcome_in(self, schema: TableSchema) -> tuple[str, str | None]:
        """Return column and level (None without one) of the outcome."""
        return split_outcome(self.outcome, schema)

    def faults(self, schema: TableSchema) -> list[Fault]:
        """Return what the schema says against the question: one entry for each invalid field."""
        outcome, level = self.outcome_in(schema)
        lists = {name: getattr(self, name) for name in LISTS}
        return [
            *self._treatment_faults(schema),
            *check_outcome(outcome, level, schema, self.treatment),
            *self.group_faults(outcome, schema),
            *check_statements(lists, self.treatment, outcome, schema),
            *check_blocks(self.blocks, schema),
            *check_places(self.blocks, lists, self.treatment),
            *design_faults(self, outcome, schema),
        ]

    def _treatment_faults(self, schema: TableSchema) -> Iterator[Fault]:
        wrong = wrong_column(self.treatment, schema) or wave_as_treatment(self.treatment, schema)
        if wrong is not None:
            yield wrong.at("treatment")
        else:
            yield from check_values(self.treatment, plain(self.value), plain(self.baseline), schema)

    def group_faults(self, outcome: str, schema: TableSchema) -> Iterator[Fault]:
        """Yield what is wrong with the columns of the groups."""
        if self.segment is not None and self.by:
            yield _BOTH.at("by")
        if len({*self.by}) < len(self.by):
            yield TWICE.at("by", 1)
        for name, path in self.groups().items():
            column = schema.find(name)
            if column is None:
                yield no_column(name, schema).at(*path)
            elif not column.learned or name in (self.treatment, outcome):
                yield _SEGMENT.at(*path)
            elif column.kind == "multi":
                yield several_answers(column).at(*path)


class Estimate(KubeModel):
    """The effect, without names.

    Only what the verdict claims is there: effect if it is assumed, parallel trends, or instrument,
    unless that is weak; robustness if it is assumed; low and high if it is one of these, suggested,
    usual order or open.
    The verdict and precision are absent in estimates made before verdicts.
    """

    effect: float | None = optional(
        "The estimate, in the outcome's unit; absent unless the verdict is assumed, "
        "parallel trends, or an instrument that is not weak."
    )
    low: float | None = optional(
        "Lower end of the 95 % intervals of all adjustment sets left open; absent if "
        "the verdict is contradicted or unanswerable."
    )
    high: float | None = optional("Upper end of these intervals.")
    rows: int = Field(ge=0, description="Number of rows used.")
    support: float = Field(
        ge=0,
        le=1,
        description="Share of the people asked about who have counterparts with both values, 0..1."
        " Below 0.99 the effect is for these alone.",
    )
    everybody_low: float | None = optional(
        "Lower end of the interval for everybody, by an assumption on those without "
        "counterparts; absent if the effect is for everybody."
    )
    everybody_high: float | None = optional("Its upper end.")
    identified: bool = Field(description="Deprecated: whether the verdict is assumed.")
    verdict: VerdictKind | None = optional(
        "What may be claimed: assumed, instrument, parallel trends, suggested, usual "
        "order, open, contradicted or unanswerable."
    )
    precision: Precision | None = optional(
        "clear (the interval excludes 0), not significant, thin support or very thin."
    )
    effective_rows: float | None = optional(
        "Rows that the smaller arm's weights are worth (Kish).", ge=0
    )
    robustness: float | None = optional(
        "Share of what is left of treatment and outcome that an unseen cause must "
        "explain to bring the effect to 0; absent unless the verdict is assumed.",
        ge=0,
        le=1,
    )
