"""Rows under conditions and interventions, or given rows to complete."""

from collections.abc import Iterator
from typing import Any, Generic, Literal, TypeVar

from pydantic import Field

from simulacra_schema.base import ColumnName, KubeModel, Level, no_default, optional, ruled
from simulacra_schema.completion import GivenOptions
from simulacra_schema.conditions import ConditionSet, Finite, check_conditions, wrong_value
from simulacra_schema.faults import UNLEARNED, Fault, Question, Wrong, no_column
from simulacra_schema.impossible import impossible
from simulacra_schema.next_wave import WITH_NEXT, of_known_waves
from simulacra_schema.quota_checks import check_quotas
from simulacra_schema.table import TableSchema

V = TypeVar("V")
"""Form of a value: {number, level} in a spec, a number or a level elsewhere."""
MAX_ROWS = 10_000_000
MAX_PERSONS = 1_000_000
_BOTH = Wrong(
    "a column with both a condition and an intervention",
    "Set either a condition or an intervention on this column, not both.",
)
_NO_INTERVENTION = Wrong(
    "a counterfactual without an intervention", "A counterfactual needs at least one intervention."
)
_ODD = Wrong(
    "an odd number of rows in pairs", "Counterfactual rows come in pairs; give an even number."
)
_OF_WAVE = Wrong("a treatment that is the wave", "A wave is no treatment; ask for a condition.")
_NO_SUBJECT = Wrong(
    "no column says which person a row belongs to",
    "No column says which person a row belongs to, so rows cannot be linked; give row_count.",
)
_NO_TWINS = Wrong(
    "pairs of linked rows",
    "Linked rows have no counterfactual pairs; leave out persons or counterfactual.",
)
_VARIES = Wrong(
    "a column that varies within a person",
    "The column varies within a person; with persons, name columns that are constant in each.",
)
_WITH_GIVEN = Wrong(
    "given rows with anything that selects or changes rows",
    "Given rows are completed as they are: give rows, or this, not both.",
)
_COMPUTED = Wrong(
    "a computed column",
    "The column follows from others, with which it is filled; name one of these.",
)
_UNLEARNED = Wrong(
    UNLEARNED,
    "The column is a key, personal data, free text, a weight or the same in all rows, and is not "
    "filled; name another.",
)
_TWICE = Wrong("a column that is named twice", "The column is named twice; name it once.")
_SAME = Wrong("a pair of one column", "The column stands twice in the pair; name another.")
_PERSONS = Wrong(
    "rows of persons with several rows",
    "The rows belong to persons with several rows each, which cannot be completed yet.",
)


def wave_as_treatment(name: str, schema: TableSchema) -> Wrong | None:
    """Return why a column cannot be set by do(): it is the wave of repeated cross-sections."""
    wave = schema.wave()
    return _OF_WAVE if wave is not None and wave.name == name else None


class InterventionValue(KubeModel):
    """A value for do(): a number for numeric columns, a level for others."""

    model_config = ruled(("has(self.number) != has(self.level)", "give either number or level"))

    number: Finite | None = optional("The value of a numeric column. Or level.")
    level: Level | None = optional("The level of another column. Or number.")

    @property
    def value(self) -> float | str:
        """The number or level that is set."""
        return self.number if self.number is not None else (self.level or "")


def plain(value: Any) -> Any:
    """Return a value in the form of REST: a number or a level."""
    return value.value if isinstance(value, InterventionValue) else value


class RowsQuestion(Question, Generic[V]):
    """The rows to generate, under conditions and interventions."""

    row_count: int | None = optional(
        "Number of rows, 1 to 10 million; the Tenant may allow fewer. With persons, "
        "the rows that are expected.",
        ge=1,
        le=MAX_ROWS,
    )
    persons: int | None = optional(
        "Number of synthetic persons, each with its rows, 1 to 1 million, instead of "
        "rowCount; the table needs a subject. Conditions and interventions name columns that are "
        "constant within persons.",
        ge=1,
        le=MAX_PERSONS,
    )
    conditions: ConditionSet = Field(
        default_factory=ConditionSet,
        description="Conditions on the rows: shares of levels, ranges, quotas of cells.",
    )
    interventions: dict[ColumnName, V] = Field(
        default_factory=dict,
        max_length=32,
        description="do(column = value) by column: fixes the column and recomputes the columns "
        "that it affects. At most 32.",
    )
    counterfactual: bool = Field(
        default=False,
        description="Generate pairs: each row and its twin under the interventions. Conditions "
        "select the rows before the interventions. false when absent.",
        json_schema_extra=no_default,
    )
    given: GivenOptions | None = optional(
        "Complete given rows instead of generating some: fill in their gaps. Not "
        "together with rowCount, persons, conditions or interventions."
    )
    evidence: bool = Field(
        default=True,
        description="Add the column evidence_weight, last: what each row is worth in respondents; "
        "true when absent.",
        json_schema_extra=no_default,
    )

    def faults(self, schema: TableSchema) -> list[Fault]:
        """Return what the schema says against the question: one entry for each invalid field.

        Only in a counterfactual may a column have a condition and an intervention: the condition
        selects the rows, the intervention makes their twins.
        """
        if self.given is not None:
            return [*self._with_given(), *given_faults(self.given, schema)]
        conditions, found = of_known_waves(self.conditions, schema)
        if conditions is not self.conditions:
            names = ("interventions", "counterfactual", "persons")
            found += [WITH_NEXT.at(name) for name in names if getattr(self, name)]
        found += check_conditions(conditions, schema)
        found += check_quotas(conditions, schema)
        for name, value in self.interventions.items():
            wrong = wave_as_treatment(name, schema) or wrong_value(name, plain(value), schema)
            if wrong is not None:
                found.append(wrong.at("interventions", name))
        if not found:  # twins break no condition: it selects the rows before do()
            do = {} if self.counterfactual else self.interventions
            values = {name: plain(value) for name, value in do.items()}
            found += impossible(conditions, values, schema, self.row_count or 1)
        if self.persons is not None:
            found += self._persons_faults(schema)
        if not self.counterfactual:
            both = [name for name in self.interventions if name in self.conditions.columns()]
            return found + [_BOTH.at("interventions", name) for name in both]
        if not self.interventions:
            found.append(_NO_INTERVENTION.at("counterfactual"))
        if (self.row_count or 0) % 2 and self.persons is None:
            found.append(_ODD.at("row_count"))
        return found

    def _with_given(self) -> Iterator[Fault]:
        """Yield what a completion cannot have beside the given rows."""
        beside = ("row_count", "persons", "conditions", "interventions", "counterfactual")
        for name in beside:
            value = getattr(self, name)
            if value if name != "conditions" else value.columns():
                yield _WITH_GIVEN.at(name)

    def _persons_faults(self, schema: TableSchema) -> Iterator[Fault]:
        """Yield what linked rows lack: a subject, columns that are constant within persons."""
        if schema.subject() is None:
            yield _NO_SUBJECT.at("persons")
            return
        if self.counterfactual:
            yield _NO_TWINS.at("counterfactual")
        computed = schema.following()
        named: list[tuple[str, ...]]
        named = [("conditions", "categorical", name) for name in self.conditions.categorical]
        named += [("conditions", "numeric", name) for name in self.conditions.numeric]
        for at, quota in enumerate(self.conditions.quotas):
            named += [("conditions", "quotas", str(at), "where", name) for name in quota.where]
        for path in [*named, *(("interventions", name) for name in self.interventions)]:
            column = schema.find(path[-1])
            if column is not None and (not column.per_person or column.name in computed):
                yield _VARIES.at(*path)


_NUMBERS = "self.value.number == self.baseline.number"
_LEVELS = "self.value.level == self.baseline.level"
SAME_VALUES = (
    "has(self.value.number) == has(self.baseline.number) && "
    f"(has(self.value.number) ? {_NUMBERS} : {_LEVELS})",
    "value and baseline are the same; compare two values",
)
"""CEL expression that value and baseline are equal, and the message of a rule against it."""


class Attainment(KubeModel):
    """How well the conditions were met, in figures without names."""

    status: Literal["exact", "partial"] = Field(
        description="exact: every share, range and quota is met to the row."
    )
    asked: int = Field(ge=0, description="Number of requested shares, ranges and quotas.")
    met: int = Field(ge=0, description="Number of shares, ranges and quotas met to the row.")
    max_abs_error: float = Field(default=0.0, ge=0, description="Largest error of a share, 0..1.")
    effective_sample_size: float | None = optional(
        "Estimate of the effective number of real rows (Kish) behind the conditions, "
        "from the learned distribution, to two digits.",
        ge=0,
    )
    kl_nats: float | None = optional(
        "KL divergence of the conditioned from the learned distribution, in nats.", ge=0
    )


def given_faults(given: GivenOptions, schema: TableSchema) -> Iterator[Fault]:
    """Yield what the schema says against the columns to fill and the pairs."""
    if schema.subject() is not None:
        yield _PERSONS.at("given")
        return
    computed = {one.column for one in schema.computed()}
    named = given.columns or []
    for at, name in enumerate(named):
        column = schema.find(name)
        wrong = None
        if column is None:
            wrong = no_column(name, schema)
        elif name in computed:
            wrong = _COMPUTED
        elif not column.learned or column.is_of_design:
            wrong = _UNLEARNED
        elif name in named[:at]:
            wrong = _TWICE
        if wrong is not None:
            yield wrong.at("given", "columns", at)
    for field, at, pair in given.all_pairs():
        for side, name in (("first", pair.first), ("second", pair.second)):
            column = schema.find(name)
            if column is not None and (not column.learned or column.is_of_design):
                yield _UNLEARNED.at("given", field, at, side)
        if pair.first == pair.second:
            yield _SAME.at("given", field, at, "second")
