"""The cleaned form of one column: values in the clean type, schema entry, notes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_crds.contract.schema import CleaningNote, ColumnKind, ColumnSchema, LevelSchema
from simulacra_trainer.table.columns.dates import seconds
from simulacra_trainer.table.columns.numerals import count_decimals

MAX_INTEGER_LEVELS = 50
UNLEARNED_NOTES = {
    "constant": "the column holds one value: generated rows hold it too",
    "identifier": "the column identifies rows: generated rows get fresh identifiers",
    "text": "the column holds free text or nearly unique words: generated rows leave it empty",
}


@dataclass
class CleanColumn:
    """One column after cleaning; values is None where the column is not learned."""

    schema: ColumnSchema
    values: pa.Array | None
    notes: list[CleaningNote] = field(default_factory=list)

    def note(self, action: str, count: int = 0) -> None:
        """Remember what was done, and to how many rows."""
        self.notes.append(CleaningNote(column=self.schema.name, action=action, count=count))


def integer_column(
    name: str, values: pa.Array, storage: str, text_format: str | None = None
) -> CleanColumn:
    """Integers (int64 with nulls); up to MAX_INTEGER_LEVELS distinct values are listed."""
    if pc.count_distinct(values).as_py() == 1 and not values.null_count:
        return unlearned(name, "constant", values, storage)
    levels: list[LevelSchema] = []
    if pc.count_distinct(values).as_py() <= MAX_INTEGER_LEVELS:
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


def numeric_column(
    name: str,
    values: pa.Array,
    storage: str,
    text_format: str | None = None,
    decimals: int | None = None,
) -> CleanColumn:
    """Numbers (finite float64 with nulls); decimals are declared or counted in the data."""
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
    """Dates and times (timestamp[us] with nulls; UTC where the upload had zones)."""
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
    """Levels in the given order; codes index them, -1 where missing, shape [rows]."""
    counts = np.bincount(codes[codes >= 0], minlength=len(levels))
    indices = pa.array(codes.astype(np.int32, copy=False), mask=codes < 0)
    values = pa.DictionaryArray.from_arrays(indices, pa.array(levels, pa.string()))
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
    """A column that is not learned: constant, identifier or text."""
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
    column.note(f"{UNLEARNED_NOTES[kind]} (not learned)")
    return column


def empty_column(name: str, rows: int, storage: str) -> CleanColumn:
    """An empty column: kept in the schema as constant "missing", to keep its place."""
    schema = ColumnSchema(
        name=name, kind="constant", learned=False, storage=storage, missing_share=1.0
    )
    column = CleanColumn(schema, None)
    column.note("the column has no value in any row: it is not learned", rows)
    return column


def _levels(values: Iterable[str], counts: Sequence[int]) -> list[LevelSchema]:
    total = max(sum(counts), 1)
    return [LevelSchema(value=v, share=c / total) for v, c in zip(values, counts, strict=True)]


def _missing(values: pa.Array) -> float:
    return values.null_count / max(len(values), 1)
