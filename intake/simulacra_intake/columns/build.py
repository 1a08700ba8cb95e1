"""Cleaned columns: values in the clean type, schema entry, notes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.arrow_values import level_values
from simulacra_intake.columns.distinct_values import Words
from simulacra_intake.columns.parse.dates import seconds
from simulacra_intake.columns.parse.numerals import count_decimals
from simulacra_intake.columns.parse.periods import MAX_LEVELS as MAX_PERIODS
from simulacra_intake.columns.parse.periods import are_months
from simulacra_schema.table import (
    CleaningNote,
    ColumnKind,
    ColumnSchema,
    LevelSchema,
    SpecialValue,
)

MAX_INTEGER_LEVELS = 50
KEPT_APART = "answers that are no level were kept apart: "
NO_ANSWER = "codes and words for no answer were set to missing: "
UNLEARNED_NOTES = {
    "constant": "the column holds one value and is not learned; generated rows hold it too",
    "identifier": "the column identifies rows and is not learned; generated rows get fresh ones",
    "text": "the column holds free text and is not learned; it is empty in generated rows",
}


@dataclass
class CleanColumn:
    """One column after cleaning.

    values is None where the column is not learned, and a struct of yes/no columns where cells hold
    several answers; words are those of identifiers and free text; codes are the special codes and
    words of numbers, string [rows], null where there is none; drawn are the rows that have another
    word than their own, bool [rows].
    """

    schema: ColumnSchema
    values: pa.Array | None
    notes: list[CleaningNote] = field(default_factory=list)
    words: Words | None = None
    codes: pa.Array | None = None
    drawn: npt.NDArray[np.bool_] | None = None

    def update(self, **fields: object) -> None:
        """Set fields of the schema entry."""
        self.schema = self.schema.model_copy(update=fields)

    def arrays(self) -> list[tuple[str, pa.Array]]:
        """Return the columns of the clean table by name: none, one, or one for each option."""
        if self.values is None:
            return []
        if pa.types.is_struct(self.values.type):
            return list(zip(self.values.type.names, self.values.flatten(), strict=True))
        return [(self.schema.name, self.values)]

    @property
    def rows(self) -> int:
        """Rows of a learned column."""
        return 0 if self.values is None else len(self.values)

    def note(self, action: str, count: int = 0) -> None:
        """Add a note on a change and the number of rows that it affected, once."""
        entry = CleaningNote(column=self.schema.name, action=action, count=count)
        if entry not in self.notes:
            self.notes.append(entry)


def integer_column(
    name: str, values: pa.Array, storage: str, text_format: str | None = None
) -> CleanColumn:
    """Return a column of integers; up to MAX_INTEGER_LEVELS distinct values become levels."""
    distinct = pc.count_distinct(values).as_py()
    if distinct == 1 and not values.null_count:
        return unlearned(name, "constant", values, storage)
    levels: list[LevelSchema] = []
    if distinct <= MAX_PERIODS and not storage.startswith(("time", "duration")):
        present = pc.unique(values.drop_null()).to_numpy(zero_copy_only=False)
        if are_months(present):
            return _months(name, values, np.sort(present), storage)
    if distinct <= MAX_INTEGER_LEVELS:
        table = pc.value_counts(values.drop_null())
        pairs = sorted(
            zip(table.field("values").to_pylist(), table.field("counts").to_pylist(), strict=True)
        )
        levels = _levels([str(v) for v, _ in pairs], [c for _, c in pairs])
    limits = pc.min_max(values).as_py()
    schema = ColumnSchema(
        name=name,
        kind="integer",
        storage=storage,
        levels=levels,
        minimum=limits["min"],
        maximum=limits["max"],
        decimals=0,
        missing_share=_missing(values),
        text_format=text_format,
    )
    return CleanColumn(schema, values)


def _months(
    name: str, values: pa.Array, present: npt.NDArray[np.int64], storage: str
) -> CleanColumn:
    """Return whole numbers such as 202403 as periods in order."""
    codes = pc.index_in(values, value_set=pa.array(present, values.type)).fill_null(-1)
    result = level_column(
        name,
        "ordinal",
        [str(month) for month in present],
        codes.to_numpy(zero_copy_only=False),
        storage,
    )
    result.note("the levels were recognized as periods in order")
    return result


def numeric_column(
    name: str,
    values: pa.Array,
    storage: str,
    text_format: str | None = None,
    decimals: int | None = None,
) -> CleanColumn:
    """Return a column of finite numbers; decimals are declared or counted in the data."""
    present = values.drop_null().to_numpy(zero_copy_only=False)
    if decimals is None:
        decimals = count_decimals(present, single=storage in ("float", "halffloat"))
    if len(present) == len(values) and present.min() == present.max():
        return unlearned(name, "constant", values, storage)
    schema = ColumnSchema(
        name=name,
        kind="numeric",
        storage=storage,
        minimum=float(present.min()),
        maximum=float(present.max()),
        decimals=decimals,
        missing_share=_missing(values),
        text_format=text_format,
    )
    return CleanColumn(schema, values)


def datetime_column(
    name: str, values: pa.Array, storage: str, text_format: str | None = None
) -> CleanColumn:
    """Return a column of dates and times; UTC if the upload had zones."""
    if pc.count_distinct(values).as_py() == 1 and not values.null_count:
        return unlearned(name, "constant", values, storage)
    present = seconds(values)
    schema = ColumnSchema(
        name=name,
        kind="datetime",
        storage=storage,
        minimum=float(present.min()),
        maximum=float(present.max()),
        missing_share=_missing(values),
        text_format=text_format,
    )
    return CleanColumn(schema, values)


def level_column(
    name: str, kind: ColumnKind, levels: Sequence[str], codes: npt.NDArray[np.int32], storage: str
) -> CleanColumn:
    """Return a column of levels in the given order; codes [rows] index them, -1 is missing."""
    counts = np.bincount(codes[codes >= 0], minlength=len(levels))
    values = level_values(codes, levels)
    if len(levels) == 1 and not values.null_count:
        return unlearned(name, "constant", values.cast(pa.string()), storage)
    schema = ColumnSchema(
        name=name,
        kind=kind,
        storage=storage,
        levels=_levels(levels, counts.tolist()),
        ordered=kind == "ordinal",
        missing_share=_missing(values),
    )
    return CleanColumn(schema, values)


def unlearned(name: str, kind: ColumnKind, values: pa.Array, storage: str) -> CleanColumn:
    """Return a column that is not learned: constant, identifier or text."""
    number = pa.types.is_integer(values.type) and len(values) > values.null_count
    limits = pc.min_max(values).as_py() if number else {"min": None, "max": None}
    constant = (
        values[0].cast(pa.string()).as_py()
        if kind == "constant" and values.null_count < len(values)
        else None
    )
    schema = ColumnSchema(
        name=name,
        kind=kind,
        learned=False,
        storage=storage,
        minimum=limits["min"],
        maximum=limits["max"],
        constant=constant,
        missing_share=_missing(values),
    )
    column = CleanColumn(schema, None)
    column.note(UNLEARNED_NOTES[kind])
    return column


def empty_column(name: str, rows: int, storage: str) -> CleanColumn:
    """Return an empty column, which the schema keeps as a constant without a value."""
    schema = ColumnSchema(
        name=name, kind="constant", learned=False, storage=storage, missing_share=1.0
    )
    column = CleanColumn(schema, None)
    column.note("the column has no values and is not learned", rows)
    return column


def note_specials(result: CleanColumn, specials: Sequence[SpecialValue]) -> None:
    """Note special codes and words that were set to missing."""
    if specials:
        listed = ", ".join(special.value for special in specials)
        rows = round(sum(special.share for special in specials) * result.rows)
        result.note(f"{NO_ANSWER}{listed}", rows)


def note_lost(result: CleanColumn, words: Words, values: pa.Array, what: str) -> None:
    """Note cells that are no number, date or time, and no special answer."""
    special = sum(round(one.share * len(values)) for one in result.schema.specials)
    lost = words.present - (len(values) - values.null_count) - special
    if lost > 0:
        result.note(f"words that are not a {what} were set to missing", lost)


def _levels(values: Iterable[str], counts: Sequence[int]) -> list[LevelSchema]:
    total = max(sum(counts), 1)
    return [LevelSchema(value=v, share=c / total) for v, c in zip(values, counts, strict=True)]


def _missing(values: pa.Array) -> float:
    return values.null_count / max(len(values), 1)
