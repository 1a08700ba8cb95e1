"""Shares of answers in segments."""

from collections.abc import Iterator, Sequence
from math import prod
from typing import Literal

from pydantic import Field

from simulacra_schema.base import ColumnName, KubeModel, Level, optional, optional_list
from simulacra_schema.faults import Fault, Question, Wrong, no_column, no_level, several_answers
from simulacra_schema.next_wave import MAX_CELLS, NEXT, few_waves, next_wave, target_faults
from simulacra_schema.price_columns import price_faults
from simulacra_schema.prices import PriceQuestion
from simulacra_schema.table import YES, ColumnSchema, TableSchema
from simulacra_schema.targets import TargetedShares

SegmentVerdict = Literal[
    "boosted", "slightly", "no better", "better than carrying the last wave forward"
]
MoveVerdict = Literal["moved", "probably moved", "no sign"]
MAX_SHARES = 500
_COLUMN_TWICE = Wrong(
    "a column named twice",
    "The column is named twice; each may be in the segment or the questions, once.",
)
_NO_WAVE = Wrong(
    "a third column that is no wave",
    "A segment has one or two columns, and may have the wave of a tracker beside them. Name two, or"
    " state the wave.",
)
_NEXT_ALONE = Wrong(
    "the next wave beside something else",
    "The next wave is estimated as a whole; name the wave column alone, with the level next.",
)
_NO_NEXT = Wrong(
    "the next level of a column that is no wave",
    "Only the wave of a tracker has a next one; name its column, or state the role wave.",
)
_NO_TARGETS = Wrong(
    "targets without the next wave",
    "Targets say who is asked in the next wave; ask for the wave next, or leave them out.",
)
_NO_SEGMENT = Wrong("no segment", "Name the columns of the segments, or ask a price question.")
_NO_QUESTIONS = Wrong("no questions", "Name the columns whose answers are estimated.")
_PRICES_ALONE = Wrong(
    "a price question beside something else",
    "A price question is of all respondents; leave segment, questions and targets out.",
)
_LEVEL_TWICE = Wrong("the same level twice", "A level is given twice; give each level once.")


class SegmentColumn(KubeModel):
    """A column that defines segments, and its levels; without levels, each level is a segment."""

    column: ColumnName = Field(description="A column with levels.")
    levels: list[Level] = optional_list("Levels to report; all when empty.", max_length=50)


class SegmentsQuestion(Question):
    """Shares of the answers to questions in segments of one or two columns, also of a wave.

    Or, alone, the answer to a price question.
    """

    segment: list[SegmentColumn] = optional_list(
        "One or two columns; with two, each pair of levels is a segment. Beside them"
        " the wave of a tracker: earlier waves help, and what moved is said.",
        max_length=3,
    )
    questions: list[ColumnName] = optional_list(
        "Columns with levels whose answers are estimated: the share of each level.", max_length=20
    )
    targets: TargetedShares | None = optional(
        "Of the wave next alone: who will be asked, as shares of one or two columns;"
        " like the newest wave when absent."
    )
    prices: PriceQuestion | None = optional(
        "A price question of van Westendorp, or of Gabor and Granger, to all"
        " respondents; {} for the one that the names of columns tell."
    )

    def faults(self, schema: TableSchema) -> list[Fault]:
        """Return what the schema says against the question: one entry for each invalid field."""
        if self.prices is not None:
            beside = self.segment or self.questions or self.targets
            alone = [_PRICES_ALONE.at("prices")] if beside else []
            return alone or [*price_faults(self.prices, schema, "prices")]
        if not (self.segment and self.questions):
            none = _NO_QUESTIONS.at("questions") if self.segment else _NO_SEGMENT.at("segment")
            return [none]
        names = [part.column for part in self.segment]
        wave = self.next_wave(schema)
        if wave is not None:
            is_alone = len(names) == len(self.segment[0].levels) == 1
            wrong = few_waves(wave) if is_alone else _NEXT_ALONE
            found = [] if wrong is None else [wrong.at("segment")]
            found += target_faults(
                self.targets or TargetedShares(), [*names, *self.questions], schema
            )
        else:
            found = check_segment(self.segment, schema)
            found += [] if self.targets is None else [_NO_TARGETS.at("targets")]
        for at, question in enumerate(self.questions):
            taken = [*names, *self.questions[:at]]
            if wrong := _wrong(question, schema, taken, is_question=True):
                found.append(wrong.at("questions", at))
        return found or _size_faults(self.segment, self.questions, schema)

    def next_wave(self, schema: TableSchema) -> ColumnSchema | None:
        """Return the wave column if a segment is of the wave after the newest one."""
        found = (next_wave(part.column, part.levels, schema) for part in self.segment)
        return next(filter(None, found), None)


def levels_of(part: SegmentColumn, schema: TableSchema) -> list[str]:
    """Return the levels of a column that are reported."""
    column = schema.find(part.column)
    return list(part.levels) or ([] if column is None else column.level_values())


def answers_of(question: str, schema: TableSchema) -> Iterator[tuple[str, str]]:
    """Yield the answers to a question: the column that has them and the level."""
    column = schema.find(question)
    if column is None:
        return
    for part in column.parts():
        levels = [YES] if column.kind == "multi" else part.level_values()
        for level in levels:
            yield part.name, level


def check_segment(segment: Sequence[SegmentColumn], schema: TableSchema) -> list[Fault]:
    """Return what the schema says against the columns of a segment."""
    found: list[Fault] = []
    names = [part.column for part in segment]
    for at, part in enumerate(segment):
        column = schema.find(part.column)
        unknown = [] if column is None else set(part.levels) - set(column.level_values())
        if wrong := _wrong(part.column, schema, names[:at]):
            found.append(wrong.at("segment", at, "column"))
        elif column is not None and unknown == {NEXT}:
            found.append(_NO_NEXT.at("segment", at, "levels"))
        elif column is not None and unknown:
            found.append(no_level(min(unknown), column.level_values()).at("segment", at, "levels"))
        elif len(set(part.levels)) < len(part.levels):
            found.append(_LEVEL_TWICE.at("segment", at, "levels"))
    if not found and len(segment) > 2 and wave_axis(names, schema) is None:
        found.append(_NO_WAVE.at("segment"))
    return found or _size_faults(segment, [], schema)


def wave_axis(columns: Sequence[str], schema: TableSchema) -> int | None:
    """Return which of the columns is the wave of a tracker; None if it is none, or alone."""
    wave = schema.wave()
    names = [column.name for name in columns if (column := schema.find(name)) is not None]
    return names.index(wave.name) if wave and wave.name in names and len(names) > 1 else None


def waves_asked(part: SegmentColumn, schema: TableSchema) -> range:
    """Return the positions of the waves from the first to the last that is reported."""
    column = schema.find(part.column)
    known = [] if column is None else column.level_values()
    at = [known.index(level) for level in levels_of(part, schema)]
    return range(min(at), max(at) + 1)


def _wrong(
    name: str, schema: TableSchema, taken: Sequence[str], *, is_question: bool = False
) -> Wrong | None:
    column = schema.find(name)
    if column is None:
        return no_column(name, schema)
    if column.name in taken:
        return _COLUMN_TWICE
    if column.kind == "multi" and not is_question:
        return several_answers(column)
    if not column.learned or not column.levels:
        detail = (
            f"The column is {column.kind} without levels; name a category, or bands of a number."
        )
        return Wrong("a column without levels", detail)
    return None


def _size_faults(
    segment: Sequence[SegmentColumn], questions: Sequence[str], schema: TableSchema
) -> list[Fault]:
    at = wave_axis([part.column for part in segment], schema)
    columns = [schema.find(part.column) for part in segment]
    sizes = [len(column.levels) for column in columns if column is not None]
    if at is not None:
        sizes[at] = len(waves_asked(segment[at], schema))
    cells = prod(sizes)
    if cells > MAX_CELLS:
        what = "pairs of levels" if at is None else "segments in these waves"
        detail = f"The columns have {cells} {what}; the limit is {MAX_CELLS}. Name others."
        return [Wrong(f"more than {MAX_CELLS} segments", detail).at("segment")]
    listed = prod(len(levels_of(part, schema)) for part in segment)
    shares = listed * sum(1 for name in questions for _ in answers_of(name, schema))
    if shares > MAX_SHARES:
        detail = f"These are {shares} shares; the limit is {MAX_SHARES}. Name fewer questions."
        return [Wrong(f"more than {MAX_SHARES} shares", detail).at("questions")]
    return []


class SegmentSummary(KubeModel):
    """The estimate, without names. All intervals hold together with 95 %."""

    intervals: int = Field(ge=0, description="Number of shares; 0 if they cannot be certified.")
    boosted: int = Field(ge=0, description="Shares worth at least 1.5 times their respondents.")
    slightly: int = Field(ge=0, description="Shares worth 1.1 to 1.5 times their respondents.")
    no_better: int = Field(ge=0, description="Shares for which the respondents are as good.")
    better: int | None = optional(
        "Of the next wave: shares that are better than carrying the last wave forward.", ge=0
    )
    worth: float | None = optional("Respondents that the least certain share is worth.", ge=0)
