"""Given rows, read as the donors' table was.

The completed description of the donors' table is stated for the columns that both have, so that
"1" and 1, or `03/2024` and `2024-03`, meet. Nothing is decided by the look of the given rows: in 20
of them every level is rare and every column may be constant.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.arrow_values import is_text, level_values
from simulacra_intake.columns.build import CleanColumn
from simulacra_intake.description.cells import as_text
from simulacra_intake.description.complete import complete as complete_description
from simulacra_intake.description.layout import NOTHING_STATED
from simulacra_intake.description.statements import Problems, Statement, Statements, state
from simulacra_intake.errors import InputError, invalid_request
from simulacra_intake.raw_table import RawTable
from simulacra_intake.read_columns import read_columns
from simulacra_schema.completion import Unknown
from simulacra_schema.description import parse_description
from simulacra_schema.faults import FieldError, pointer
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.effects.words import listed
from simulacra_trainer.families.codec import CATEGORY_KINDS

Booleans = npt.NDArray[np.bool_]
SHOWN = 5
AT = "/given"
FORMS = {"format", "decimalChar", "groupChar", "bareNumber"}
"""Properties of cells that are text: numbers and dates of a typed file have none."""
ROLES_READ = ("text", "key", "subject", "foreign_key", "pii", "coordinate")
"""Roles that decide how cells are read; such columns keep them."""


@dataclass(frozen=True)
class GivenRows:
    """Given rows in the clean types of the donors' table.

    Attributes:
        table: the learned columns that both tables have; null for missing.
        codes: rows with a special code or word for no answer, bool [n], by column.
        unknown: cells with a level that the donors do not have, by column; they are missing.
        others: columns that only the given rows have and that a pair names, by the look of the
            rows; those that identify rows or hold free text are not among them.
        names: of all columns of the given rows.
    """

    table: pa.Table
    codes: Mapping[str, Booleans] = field(default_factory=dict)
    unknown: Mapping[str, int] = field(default_factory=dict)
    others: Mapping[str, pa.Array] = field(default_factory=dict)
    names: Sequence[str] = ()


def read_given(
    raw: pa.Table | RawTable,
    schema: TableSchema,
    unknown: Unknown = "refuse",
    beside: Collection[str] = (),
) -> GivenRows:
    """Return given rows as the donors' columns have them: levels, codes, units and decimals.

    Args:
        raw: the rows as they were read from the upload (READ_TABLE, or `open_described`).
        schema: of the model.
        unknown: what to do with levels that the model does not know.
        beside: columns of pairs, of which only the given rows may have some.

    Raises:
        InputError: no column in common, unknown levels to refuse, or cells that cannot be read;
            all of them at once, in `errors`, with pointers from /given on.
    """
    names = [c.name for c in schema.columns if c.learned and c.name in raw.column_names]
    if schema.subject() is not None:
        raise invalid([fault("The given rows belong to persons with several rows.")])
    if not names:
        raise invalid([fault("The given rows have no column in common with the model.")])
    common = _part(raw, names)
    typed = {one.name for one in common.schema if not is_text(_plain(one.type))}
    statements = _statements(schema, names, typed)
    read = read_columns(common, statements)
    faults = [
        fault(f"{names[int(one.pointer.split('/')[1])]}: {one.detail}")
        for one in statements.problems.found
    ]
    columns: dict[str, pa.Array] = {}
    codes: dict[str, Booleans] = {}
    strange: dict[str, int] = {}
    for column, found in zip(names, read, strict=True):
        known = schema.column(column)
        if found.codes is not None:
            codes[column] = found.codes.is_valid().to_numpy(zero_copy_only=False)
        for name, values, lost in _as_known(known, found, common.column(column)):
            columns[name] = values
            if lost:
                strange[column] = sum(lost.values())
                if unknown == "refuse":
                    faults.append(_unknown(column, lost))
    if faults:
        raise invalid(faults)
    others = {name for name in beside if schema.find(name) is None}
    return GivenRows(pa.table(columns), codes, strange, _others(raw, others), raw.column_names)


def _part(raw: pa.Table | RawTable, names: Collection[str]) -> pa.Table:
    place = {name: i for i, name in enumerate(raw.column_names)}
    fields = [raw.schema.field(place[name]) for name in names]
    return pa.Table.from_arrays(
        [raw.column(place[name]) for name in names],
        schema=pa.schema(fields, metadata=raw.schema.metadata),
    )


def _others(raw: pa.Table | RawTable, names: Collection[str]) -> dict[str, pa.Array]:
    """Return columns that the donors do not have, read by their own look."""
    present = [name for name in raw.column_names if name in names]
    if not present:
        return {}
    part = _part(raw, present)
    read = read_columns(part, state(NOTHING_STATED, present))
    of_type = pa.types
    kinds = (of_type.is_dictionary, of_type.is_integer, of_type.is_floating, of_type.is_timestamp)
    values = {one.schema.name: one.values for one in read if one.values is not None}
    return {
        name: of.combine_chunks() if isinstance(of, pa.ChunkedArray) else of
        for name, of in values.items()
        if any(is_kind(of.type) for is_kind in kinds)
    }


def fault(detail: str, *path: str | int) -> FieldError:
    """Return a fault of the given rows or of a field of the request."""
    return FieldError(pointer=AT + pointer(*path), detail=detail)


def invalid(faults: Sequence[FieldError]) -> InputError:
    """Return the error of a completion with all its faults; names are for the customer only."""
    count = len(faults)
    message = f"The completion is not possible for {count} reason{'s' * (count > 1)}."
    detail = f"{faults[0].pointer}: {faults[0].detail}"
    return invalid_request(message, detail, faults[0].pointer, faults)


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _statements(schema: TableSchema, names: list[str], typed: Collection[str]) -> Statements:
    """Return the donors' description of these columns, as if the user stated all of it.

    typed: columns of the given rows that are numbers or dates already.
    """
    none = state(NOTHING_STATED, names)
    part = schema.model_copy(update={"sets": [], "grids": [], "relations": [], "order": None})
    described = parse_description(complete_description(part, names, {}, NOTHING_STATED, none))
    stated: dict[str, Statement] = {}
    for one in described.fields:
        column = schema.find(one.name)
        kept = set(one.properties()) - {"title", "unit", "use", "publish", "replace", "pii"}
        if column is not None and column.kind in CATEGORY_KINDS:
            # Categories would refuse unknown levels in words of a description, and absent ones.
            kept -= {"categories", "categoriesOrdered", "kind"}
        own = one.keep(kept - FORMS if one.name in typed else kept)
        if own.extension.role not in ROLES_READ:  # an ordinary column, however it looks
            extension = own.extension.model_copy(update={"role": "none"})
            own = own.model_copy(update={"extension": extension})
        if column is not None and column.kind in CATEGORY_KINDS:
            own = own.model_copy(update={"type": "string"})
        stated[one.name] = Statement(own, (names.index(one.name),))
    return Statements(stated, None, Problems(NOTHING_STATED))


def _as_known(
    known: ColumnSchema, found: CleanColumn, raw: pa.ChunkedArray
) -> Iterator[tuple[str, pa.Array, dict[str, int]]]:
    """Yield the columns of the clean table that a column stands for, and its unknown levels."""
    rows = len(raw)
    if known.kind == "multi":
        arrays = dict(found.arrays())
        for part in known.parts():
            words = arrays.get(part.name, pa.nulls(rows, pa.string())).cast(pa.string())
            yield part.name, *_levels(part, words)
        return
    values = found.values
    if known.kind in CATEGORY_KINDS:
        has_words = values is not None and pa.types.is_dictionary(values.type)
        words = values.cast(pa.string()) if values is not None and has_words else _words(raw)
        yield known.name, *_levels(known, words)
        return
    kind = {"integer": pa.int64(), "datetime": pa.timestamp("us")}.get(known.kind, pa.float64())
    if values is None or pa.types.is_dictionary(values.type):
        values = _constant(found, raw, kind)
    if kind == pa.int64() and pa.types.is_floating(values.type):
        values = pc.round(values)
    yield known.name, values.cast(kind, safe=False), {}


def _constant(found: CleanColumn, raw: pa.ChunkedArray, kind: pa.DataType) -> pa.Array:
    """Return numbers or dates of a column that is not learned by itself, as one of a value."""
    text = (
        _words(raw)
        if found.schema.constant is None
        else pa.repeat(pa.scalar(found.schema.constant), len(raw))
    )
    out = []
    for word in text.to_pylist():
        try:
            out.append(pa.scalar(word).cast(kind).as_py())
        except pa.ArrowInvalid:
            out.append(None)
    return pa.array(out, kind)


def _words(raw: pa.ChunkedArray) -> pa.Array:
    """Return the cells as words, without spaces around them; empty ones are missing."""
    text = as_text(raw).cast(pa.string()).combine_chunks()
    text = pc.utf8_trim_whitespace(text)
    return pc.if_else(pc.equal(text, ""), None, text)


def _levels(known: ColumnSchema, words: pa.Array) -> tuple[pa.Array, dict[str, int]]:
    """Return words as the column's levels, and how often each unknown word stands.

    A word may be the level, its label or its code. A word that is none is the level of rare words,
    where the column has one.
    """
    place: dict[str, int] = {}
    levels = known.level_values()
    for what in ("value", "label", "code"):
        for i, level in enumerate(known.levels):
            if (word := getattr(level, what)) is not None:
                place.setdefault(word, i)
    rare = next((i for i, level in enumerate(known.levels) if level.pooled), None)
    encoded = words.dictionary_encode()
    own = encoded.dictionary.to_pylist()
    absent = {word for word in own if word not in place and rare is None}
    remap = np.array([*(place.get(w, -1 if rare is None else rare) for w in own), -1], np.int32)
    at = encoded.indices.fill_null(len(own)).to_numpy(zero_copy_only=False)
    codes = remap[at]
    counts = np.bincount(at, minlength=len(own) + 1)
    lost = {word: int(n) for word, n in zip(own, counts, strict=False) if word in absent}
    return level_values(codes, levels), lost


def _unknown(column: str, lost: Mapping[str, int]) -> FieldError:
    named = listed([f'"{word}"' for word in sorted(lost)], SHOWN)
    rows = sum(lost.values())
    return fault(
        f"{column} has {len(lost)} level{'s' * (len(lost) > 1)} that the model does not know"
        f" ({rows} row{'s' * (rows > 1)}): {named}. Map them to its levels, or take them"
        ' as missing with "unknown": "missing".'
    )
