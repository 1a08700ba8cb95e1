"""Cleaned schema of a dataset, against which a customer writes conditions.

It is customer data (names, levels, ranges): it is stored in the encrypted `schema` artifact, never
in a status or log.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import not_
from typing import Literal

from pydantic import Field

from simulacra_schema.base import KubeModel, optional, optional_list
from simulacra_schema.formats.file_labels import AnswerSet, Declared
from simulacra_schema.prices import PriceQuestion
from simulacra_schema.rules import StatedRule
from simulacra_schema.targets import Targets

ColumnKind = Literal[
    "categorical", "ordinal", "boolean", "integer", "numeric", "datetime", "multi",
    "constant", "identifier", "text", "weight",
]  # fmt: skip
ColumnRole = Literal[
    "key", "subject", "foreign_key", "personal_data", "coordinate", "wave", "cluster", "stratum",
    "replicate_weight",
]  # fmt: skip
PersonalData = Literal[
    "name", "first_name", "last_name", "email", "phone", "street", "url", "ip", "mac", "iban",
    "card", "national_id",
]  # fmt: skip
ReplicateMethod = Literal["brr", "jk1", "jk2", "bootstrap"]
"""Balanced repeated replication, a jackknife of groups, of pairs within strata, or a bootstrap."""
SCHEMA_VERSION = 1
NO, YES = "no", "yes"
"""Levels of the yes/no column of an option."""


class LevelSchema(KubeModel):
    """A level of a column and its share (0..1) of the rows that are not missing.

    Shares and counts of a schema have a noise of about one person (`docs/explanation/privacy.md`).
    """

    value: str
    share: float
    label: str | None = optional("The upload's label of a number (SPSS).")
    code: str | None = optional("The upload's code of this word (SPSS).")
    special: bool = Field(default=False, description="No answer: apart from the order.")
    exclusive: bool = Field(
        default=False, description="Option of several answers that is never given with another."
    )
    pooled: int | None = optional(
        "How many words of fewer than five persons this level stands for; they are "
        "learned as one and never come out."
    )


class CellForm(KubeModel):
    """How a CSV writes the cells of a column; generated CSV files have the same form."""

    text_format: str | None = optional("Dates and times of day (strftime), durations (h, m, s).")
    language: str | None = optional("Of the names of months.")
    decimal: Literal[".", ","] = "."
    group: str = Field(default="", description="Sign between thousands.")
    decimals: int | None = optional("Digits after the decimal sign.")
    before: str = Field(default="", description="Text before the digits, such as a currency.")
    after: str = Field(default="", description="Text after the digits, such as a unit.")
    factor: float = Field(default=1.0, description="Value of 1 as written: 1000 for 12k.")
    negative: Literal["sign", "inner", "brackets", "after"] = Field(
        default="sign",
        description="Minus sign before the cell or before its digits, brackets, minus behind.",
    )


class CsvDialect(KubeModel):
    """Delimiter and decimal sign of the upload, which generated CSV files have too."""

    delimiter: Literal[",", ";", "\t", "|"] = ","
    decimal: Literal[".", ","] = "."


class SpecialValue(KubeModel):
    """A code or word that is no value of the column, and its share (0..1) of all rows."""

    value: str
    share: float


class MaskSchema(KubeModel):
    """A form that invented codes have, and its share (0..1) of the codes in the upload.

    In `form`, # is a digit, A and a are letters, [xyz] is one of these characters, and a backslash
    stands before a character that is itself.
    """

    form: str
    share: float


class PublishedLevels(KubeModel):
    """Levels that the user states to be public, of which rows hold one instead of a rare one.

    They are drawn at random and belong to no other answer of a row.
    """

    words: list[str]
    listed: bool = Field(
        description="The user gave the list, so it does not tell which levels the table has."
    )
    single: int = Field(default=0, description="Without a list: how many of them one person has.")


class EarlierQuestion(KubeModel):
    """What a question was called in earlier waves, and its levels by their value now.

    question: empty of one of its own, where a summary may have another of this name.
    """

    question: str
    levels: dict[str, list[str]] = Field(default_factory=dict)
    stated: bool = Field(
        default=True, description="False where it is to confirm: nothing is compared before."
    )


class ColumnSchema(KubeModel):
    """One column after cleaning.

    kind decides the physical type in the cleaned Parquet: dictionary<int32, string> for
    categorical, ordinal and boolean; int64 for integer; float64 for numeric and weight;
    timestamp[us] for datetime; the original type for others. A weight column has the number of
    people that a row represents: the fit uses it, and generated tables do not have it.

    A multi column holds several answers in a cell. Its levels are the options, in the order in
    which cells list them, with the share of the answered rows that have each. The cleaned Parquet
    has a yes/no column for each option instead (`parts`), null where the cell is missing.
    """

    name: str
    kind: ColumnKind
    learned: bool = Field(
        default=True, description="False for constants, identifiers, free text and weights."
    )
    storage: str = Field(description="Arrow type in the upload, restored in generated tables.")
    levels: list[LevelSchema] = optional_list(
        "Categorical kinds: all levels; integers: those of five persons, if the column "
        "has at most 50 values."
    )
    ordered: bool = False
    minimum: float | None = optional(
        "Where drawn numbers begin, which is no person's; datetimes as seconds since 1970 UTC."
    )
    maximum: float | None = None
    decimals: int | None = optional("Digits after the decimal point.")
    missing_share: float = 0.0
    constant: str | None = None
    role: ColumnRole | None = optional(
        "What the column is for: key of the rows, subject (the person that several "
        "rows belong to), key of something else, personal data, coordinate of a person, wave, "
        "cluster (sampling point) or stratum of the rows."
    )
    per_person: bool | None = optional(
        "With a subject: whether the column is constant within a person; conditions "
        "and interventions of linked rows name such columns."
    )
    personal_data: PersonalData | None = optional(
        "Personal data: never learned; generated rows have invented ones."
    )
    evidence: list[str] = optional_list("Why the column has its role.")
    masks: list[MaskSchema] = optional_list("Forms of the codes, for invented ones.")
    locale: str | None = optional("Locale of invented names and streets.")
    label: str | None = None
    missing_codes: list[str] = optional_list(
        "Codes that the upload declares to be missing values (SPSS)."
    )
    text_format: str | None = optional(
        "Format of dates (strftime) or numbers (.2f) in a text column, used for "
        "generated values too."
    )
    form: CellForm | None = optional("Form of the cells of a CSV.")
    unit: str | None = optional("Unit of the numbers: EUR, %, kg, min.")
    specials: list[SpecialValue] = optional_list(
        "Codes and words among numbers that mean no answer; missing when learned."
    )
    code_column: str | None = optional(
        "Column of the cleaned Parquet that says which special code stands in a gap, "
        "where gaps are of several kinds."
    )
    codes_of: str | None = optional("Of such a column: the column whose gaps it describes.")
    to_confirm: str | None = optional("What the column may be beside what it was read as.")
    earlier: EarlierQuestion | None = optional("The question of earlier waves that this one is.")
    prefix: int | None = optional(
        "Postcodes: characters of a rare code that are learned; the rest is drawn."
    )
    published: PublishedLevels | None = optional("Public levels, where the user states them.")
    separator: str | None = optional("Text between the answers of a cell, with its spaces.")
    terminated: bool = Field(
        default=False, description="The separator also stands after the last answer of a cell."
    )
    declared: Declared | None = optional("What the upload declares (SPSS): codes, labels, formats.")

    @property
    def is_clock(self) -> bool:
        """Whether numbers are times of day or durations, which are written by their `unit`."""
        is_written = self.form is not None and self.form.text_format is not None
        # Of a dictionary the type stands inside.
        return is_written or any(word in self.storage for word in ("time32", "time64", "duration"))

    @property
    def is_numeric(self) -> bool:
        """Whether the column can have a range condition."""
        return self.kind in ("integer", "numeric")

    @property
    def writes_codes(self) -> bool:
        """Whether special codes stand in gaps of generated rows: numbers, labels of codes."""
        return self.is_numeric or (self.declared is not None and bool(self.declared.codes))

    @property
    def is_of_design(self) -> bool:
        """Whether it says how rows were drawn: weights and clusters, which are not generated."""
        return self.kind == "weight" or self.role in ("cluster", "replicate_weight")

    def level_values(self) -> list[str]:
        """Return the levels as conditions name them."""
        return [level.value for level in self.levels]

    def parts(self) -> list[ColumnSchema]:
        """Return the yes/no columns of a multi column's options; of others, the column itself."""
        if self.kind != "multi":
            return [self]
        return [
            ColumnSchema(
                name=part_name(self.name, option.value),
                kind="boolean",
                storage="string",
                levels=[
                    LevelSchema(value=NO, share=1 - option.share),
                    LevelSchema(value=YES, share=option.share),
                ],
                missing_share=self.missing_share,
                per_person=self.per_person,
            )
            for option in self.levels
        ]

    def codes(self) -> ColumnSchema | None:
        """Return the column of the special codes; it is missing where a number or nothing is."""
        if self.code_column is None:
            return None
        return ColumnSchema(
            name=self.code_column,
            kind="categorical",
            storage="string",
            levels=[LevelSchema(value=one.value, share=one.share) for one in self.specials],
            missing_share=max(1 - sum(one.share for one in self.specials), 0.0),
            codes_of=self.name,
        )


def part_name(column: str, option: str) -> str:
    """Return the name of an option's yes/no column."""
    return f"{column}: {option}"


class DecidedCase(KubeModel):
    """The value of a column for a level, or a pair of levels, that at least five persons have."""

    of: list[str] = Field(description="Level of each deciding column; of the first if picked.")
    value: str | None = optional("None where the column is missing.")


TRANSFORMED = ("logarithm", "square", "root")
"""Kinds of relations that give a number from one other."""
COMPUTED = ("linear", "product", "ratio", *TRANSFORMED, "picked")
"""Kinds of relations that give a column, which is then computed and not learned."""


class RelationSchema(KubeModel):
    """A relation that holds in every row of the upload, and so in generated ones.

    linear: column = constant + factor x sum of coefficient x number. product: column = factor x
    product of two numbers. ratio: column = factor x first / second. logarithm: column = logarithm
    of constant + number, natural, or decimal with factor 1 / ln 10. square, root: column = that of
    the number, which is never below 0. picked: the level of the first of the others says which of
    the rest the column is equal to. The column is computed, not learned; if it is `implied`, other
    relations give it or it is learned, and this one is checked.
    not_above: the column is never above the other column; both are learned, one of them by its
    difference where `by_difference` names it. decided: one column (a village by its hamlet), or two
    together, decide the column; all are learned. exactly_one, at_most_one: how many of these yes/no
    columns are yes. all_different: no two of these columns have one value; in each row `constant`
    of them have one, if it is not 0. years: the column is an age; the last birthday, by the birth
    in the first of the others, lies up to `slack` months before `constant` years after the second,
    the interview; without a second, `constant` is the time of the interviews.
    """

    kind: Literal[
        "linear", "product", "ratio", "logarithm", "square", "root", "picked", "not_above",
        "decided", "exactly_one", "at_most_one", "all_different", "years",
    ]  # fmt: skip
    column: str
    of: list[str] = Field(description="The other columns of the relation.")
    coefficients: list[float] = optional_list("linear: one a column.")
    constant: float = 0.0
    factor: float = 1.0
    single_precision: bool = Field(
        default=False,
        description="logarithm, square, root: rounded to single precision (IEEE 754).",
        exclude_if=not_,
    )
    missing_as_zero: bool = Field(
        default=False,
        description="linear: missing numbers count as 0, and the column is missing where all are; "
        "else it is missing where one is.",
    )
    cases: list[DecidedCase] = optional_list(
        "decided: what levels or pairs give; picked: the column that each level picks."
    )
    gaps: bool = Field(
        default=False,
        description="decided: the column is missing in some rows of its levels; all_different: in "
        "some rows all columns are.",
        exclude_if=not_,
    )
    slack: int = Field(
        default=0, description="years: months since the last birthday.", exclude_if=not_
    )
    implied: bool = Field(
        default=False, description="Nothing is computed by it; generated rows are checked for it."
    )
    by_difference: str | None = optional(
        "not_above: the column that is learned as its difference to the other one."
    )

    @property
    def is_nested(self) -> bool:
        """Whether one column alone decides the other, as a hamlet its village."""
        return self.kind == "decided" and len(self.of) == 1


class Replicates(KubeModel):
    """How the replicate weights of a survey were made.

    Attributes:
        fay: share of a weight that a left-out half keeps, of "brr" alone (Judkins, 1990).
    """

    method: ReplicateMethod
    fay: float = 0.0

    def scale(self, count: int) -> float:
        """Return the factor of the sum of squared differences (Wolter, 2007)."""
        if self.method == "jk1":
            return (count - 1) / count
        return 1.0 if self.method == "jk2" else 1.0 / (count * (1.0 - self.fay) ** 2)


class CleaningNote(KubeModel):
    """A change that cleaning made to a column, or to the table when column is None."""

    column: str | None = None
    action: str
    count: int = 0


class TableSchema(KubeModel):
    """The schema of a cleaned table."""

    # Left out where empty: fields that an earlier release does not know.
    version: int = SCHEMA_VERSION
    rows: int
    persons: int | None = optional("How many persons the rows belong to, where there is a subject.")
    order: str | None = optional(
        "Column that orders the rows of a person in linked rows, where one does."
    )
    replicates: Replicates | None = optional(
        "How the replicate weights were made, where there are some."
    )
    targets: Targets | None = optional(
        "Shares of the population that the weights are raked to.", exclude_if=not_
    )
    columns: list[ColumnSchema]
    relations: list[RelationSchema] = optional_list(
        "What holds in every row; each operand comes first."
    )
    rules: list[StatedRule] = optional_list(
        "What the description states to hold in every row.", exclude_if=not_
    )
    cleaning: list[CleaningNote] = Field(default_factory=list)
    dialect: CsvDialect | None = optional(
        "Of the CSV that was uploaded, or of a table with decimal commas."
    )
    description_sha256: str | None = optional(
        "Digest of the description as sent, under which it was read."
    )
    banner: list[str] = optional_list(
        "Columns by whose levels a wave summary tells the answers, where stated.", exclude_if=not_
    )
    prices: list[PriceQuestion] = optional_list(
        "Price questions that are stated, or else that names and labels tell.", exclude_if=not_
    )
    sets: list[AnswerSet] = optional_list("Columns of the options of one question.")
    grids: list[AnswerSet] = optional_list("Columns of the items of one question.")

    def find(self, name: str) -> ColumnSchema | None:
        """Return the column of a name, also the yes/no column of an option, or None."""
        named = next((c for c in self.columns if c.name == name), None)
        if named is not None:
            return named
        multi = (c for c in self.columns if c.kind == "multi" and name.startswith(c.name))
        return next((part for c in multi for part in c.parts() if part.name == name), None)

    def column(self, name: str) -> ColumnSchema:
        """Return the column of a name that the schema is known to have."""
        found = self.find(name)
        assert found is not None
        return found

    def names(self) -> list[str]:
        """Return the names that a request may use: of columns, and of options of several answers.

        Names of columns come first.
        """
        return [*dict.fromkeys(column.name for column in [*self.columns, *self.learned()])]

    def parts_of(self, name: str) -> list[str]:
        """Return the learned columns that a name stands for: none, itself, or each option's."""
        column = self.find(name)
        return [part.name for part in column.parts()] if column and column.learned else []

    def subject(self) -> ColumnSchema | None:
        """Return the column of the persons that several rows belong to, or None."""
        return next((c for c in self.columns if c.role == "subject"), None)

    def weight(self) -> ColumnSchema | None:
        """Return the column of survey weights, or None."""
        return next((c for c in self.columns if c.kind == "weight"), None)

    def cluster(self) -> ColumnSchema | None:
        """Return the column of the sampling points, or None."""
        return next((c for c in self.columns if c.role == "cluster"), None)

    def replicate_weights(self) -> list[ColumnSchema]:
        """Return the columns of the replicate weights, in order."""
        return [c for c in self.columns if c.role == "replicate_weight"]

    def wave(self) -> ColumnSchema | None:
        """Return the column of the waves of repeated cross-sections, or None.

        With a subject a wave orders the rows of a person instead.
        """
        waves = (c for c in self.columns if c.role == "wave" and c.learned)
        return None if self.subject() is not None else next(waves, None)

    def strata(self) -> list[ColumnSchema]:
        """Return the columns whose values together are the strata."""
        return [c for c in self.columns if c.role == "stratum"]

    def targeted(self) -> set[str]:
        """Return the columns whose shares the weights are raked to, an option as a column."""
        named = self.targets.columns() if self.targets else []
        return {part for name in named for part in self.parts_of(name) or [name]}

    def learned(self) -> list[ColumnSchema]:
        """Return the columns that the model learns or computes, an option as a column, in order."""
        return [part for c in self.columns if c.learned for part in c.parts()]

    def modeled(self) -> list[ColumnSchema]:
        """Return the columns of a model: the learned ones, numbers before their special codes."""
        both = ((column, column.codes()) for column in self.learned())
        return [one for pair in both for one in pair if one is not None]

    def with_codes(self, order: Sequence[str]) -> list[str]:
        """Return an order of the learned columns with each column's special codes behind it."""
        codes = {column.name: column.code_column for column in self.learned()}
        behind = set(codes.values())
        both = ((name, codes.get(name)) for name in order if name not in behind)
        return [one for pair in both for one in pair if one is not None]

    def without_codes(self) -> TableSchema:
        """Return the schema with special codes as plain gaps."""
        columns = [column.model_copy(update={"code_column": None}) for column in self.columns]
        return self.model_copy(update={"columns": columns})

    def computed(self) -> list[RelationSchema]:
        """Return the relations that give a column, in the order in which they can be computed."""
        return [one for one in self.relations if one.kind in COMPUTED and not one.implied]

    def nested(self) -> list[RelationSchema]:
        """Return the relations of names inside one another."""
        return [one for one in self.relations if one.is_nested]

    def differences(self) -> list[RelationSchema]:
        """Return the bounds of which one column is learned by its difference to the other."""
        return [one for one in self.relations if one.by_difference is not None]

    def following(self) -> dict[str, list[str]]:
        """Return the columns that follow from others and cannot be set, with these others.

        A column that is learned by its difference to another follows from this other.
        """
        found = {one.column: one.of for one in self.computed()}
        for bound in self.differences():
            others = {bound.column, *bound.of} - {bound.by_difference}
            found |= {str(bound.by_difference): sorted(others)}
        return found
