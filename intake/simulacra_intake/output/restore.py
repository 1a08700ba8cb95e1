"""Generated rows restored to the columns, order and Arrow types of the upload."""

from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.arrow_values import PER_SECOND, highest_whole, is_text, parse_type
from simulacra_intake.columns.recognizers.postcodes import draw_codes
from simulacra_intake.output.cells import join_answers, with_special_codes
from simulacra_intake.output.invented import WHOLE, Inventor, RowSpan
from simulacra_intake.persons.coordinates import CELL_DEGREES
from simulacra_intake.persons.masks import count_out
from simulacra_intake.persons.public_levels import written
from simulacra_intake.persons.real_values import RealValues
from simulacra_schema.cell_text import with_form, write_cells
from simulacra_schema.formats.csv_dialect import with_dialect
from simulacra_schema.formats.file_labels import EXACT_DIGITS, Declared, with_sets
from simulacra_schema.table import ColumnSchema, TableSchema

SPREAD = 10
"""Possible fresh numbers for each row of the table."""
COORDINATE_DECIMALS = 5


def restore(
    table: pa.Table,
    schema: TableSchema,
    *,
    rng: np.random.Generator,
    span: RowSpan = WHOLE,
    real: RealValues | None = None,
    held: Collection[str] = (),
) -> pa.Table:
    """Return the table in the layout of the upload.

    span: which rows of a whole table these are; real: values of the upload that no invented value
    may equal; held: columns under a condition or do(), which joined answers keep as they are.

    Returns:
        n rows in the order and Arrow types of the upload, without its weights and clusters;
        constants filled in, identifiers and personal data invented, text and empty columns null.
    """
    rows = table.num_rows
    arrays, fields = [], []
    inventor = Inventor(schema, rows, span, rng, real)
    for number, column in enumerate(schema.columns):
        if column.is_of_design:  # generated rows weigh the same, each of a cluster of its own
            continue
        kind = parse_type(column.storage)
        if column.kind == "identifier" and pa.types.is_dictionary(kind):
            kind = pa.dictionary(pa.int32(), kind.value_type, kind.ordered)  # room for fresh ones
        if column.kind == "multi":
            array = join_answers(table, column, rng, held).cast(kind)
        elif column.learned:
            values = table.column(column.name).combine_chunks()
            if column.role == "coordinate":
                values = _within_cells(values, rng)
                column = column.model_copy(update={"decimals": COORDINATE_DECIMALS})
            if column.prefix is not None:
                values = draw_codes(values, rng)
            if column.published is not None:
                values = written(values, column, rng)
            if column.writes_codes and column.name not in held:
                values = with_special_codes(values, column, rng, _codes(table, column))
            array = _learned(values, column, kind)
        elif column.kind == "constant":
            array = _constant(column, kind, rows)
        elif column.kind == "identifier":
            array = _identifiers(column, kind, number, inventor)
        else:
            array = pa.nulls(rows, kind)
        arrays.append(array)
        field = with_form(pa.field(column.name, kind), None if is_text(kind) else column.form)
        width = inventor.width(column) if column.kind == "identifier" else 0
        fields.append(_described(field, column, width))
    layout = with_dialect(with_sets(pa.schema(fields), schema.sets), schema.dialect)
    return pa.Table.from_arrays(arrays, schema=layout)


def _codes(table: pa.Table, column: ColumnSchema) -> pa.Array | None:
    """Return the codes that were drawn for a column's gaps, None where they are not learned."""
    if column.code_column not in table.column_names:
        return None
    return table.column(column.code_column).combine_chunks()


def _described(field: pa.Field, column: ColumnSchema, least: int) -> pa.Field:
    """Return the field with the labels and codes of the upload, and the width of its texts.

    Long keys have a width as well: as floating-point numbers they would be rounded, at times to a
    real key.

    least: bytes that its texts or keys need.
    """
    declared = column.declared or Declared(label=column.label)
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    is_whole = pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0)
    if is_text(field.type) and not declared.codes:
        words = [*column.level_values(), *(column.published.words if column.published else ())]
        width = max((len(word.encode()) for word in words), default=max(least, 1))
        if column.kind == "multi":
            ends = len(column.separator or "") + 1
            width = sum(len(word.encode()) + ends for word in words)
        if column.personal_data is None:
            constant = len((column.constant or "").encode())
            width = max(width, constant, declared.width or 0)
            declared = declared.model_copy(update={"width": width})
    elif is_whole and column.masks and least > EXACT_DIGITS:
        declared = declared.model_copy(update={"width": least})
    return field if declared == Declared() else declared.on(field)


def _learned(values: pa.Array, column: ColumnSchema, kind: pa.DataType) -> pa.Array:
    if column.kind in _WRITERS:
        write = _WRITERS[column.kind]
        if pa.types.is_dictionary(kind):
            return write(values, column, kind.value_type).dictionary_encode().cast(kind)
        return write(values, column, kind)
    words = values.cast(pa.string())
    if pa.types.is_boolean(kind):
        return pc.equal(words, "true")
    return _from_words(words, column, kind)


def _from_integers(values: pa.Array, column: ColumnSchema, kind: pa.DataType) -> pa.Array:
    # A number with the unit "min" is as many minutes and no clock.
    if column.unit == "min" and column.is_clock:
        values = pc.multiply(values, 60)
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        if column.unit in ("min", "s"):
            values = pc.multiply(values, PER_SECOND[kind.unit])
        width = pa.int32() if pa.types.is_time32(kind) else pa.int64()
        return values.cast(width).view(kind)
    if is_text(kind) and column.form:
        return write_cells(values, column.form).cast(kind)
    if pa.types.is_integer(kind):
        low, high = _bounds(kind)
        return pc.max_element_wise(
            pc.min_element_wise(values, high, skip_nulls=False), low, skip_nulls=False
        ).cast(kind)
    return values.cast(kind)


def _bounds(kind: pa.DataType) -> tuple[int, int]:
    """Return the range of an integer type, as far as int64 reaches."""
    info = np.iinfo(kind.to_pandas_dtype())
    return int(info.min), min(int(info.max), np.iinfo(np.int64).max)


def _from_numbers(values: pa.Array, column: ColumnSchema, kind: pa.DataType) -> pa.Array:
    if column.decimals is not None:
        numbers = np.round(values.fill_null(0.0).to_numpy(zero_copy_only=False), column.decimals)
        values = pc.if_else(values.is_valid(), pa.array(numbers), None)
    if pa.types.is_decimal(kind):
        return pc.round(values, kind.scale).cast(kind, safe=False)
    if is_text(kind) and column.form:
        return write_cells(values, column.form).cast(kind)
    if is_text(kind) and column.text_format:
        decimals = int(column.text_format.strip(".f"))
        fixed = pc.round(values, decimals).cast(pa.decimal128(38, decimals), safe=False)
        return fixed.cast(pa.string()).cast(kind)
    return values.cast(kind, safe=not pa.types.is_integer(kind))


def _from_moments(values: pa.Array, column: ColumnSchema, kind: pa.DataType) -> pa.Array:
    if is_text(kind) and column.form:
        return write_cells(values, column.form).cast(kind)
    if is_text(kind):
        # Whole seconds, because strftime would write microseconds.
        text = pc.strftime(
            values.cast(pa.timestamp("s"), safe=False), column.text_format or "%Y-%m-%d %H:%M:%S"
        )
        return text.cast(kind)
    if pa.types.is_date(kind):
        return pc.floor_temporal(values, unit="day").cast(pa.date32()).cast(kind)
    if pa.types.is_timestamp(kind) and kind.tz:
        return values.cast(pa.timestamp("us", "UTC")).cast(kind, safe=False)
    return values.cast(kind, safe=False)


_WRITERS = {"integer": _from_integers, "numeric": _from_numbers, "datetime": _from_moments}
"""Of kinds whose clean values are no words."""


def _from_words(words: pa.Array, column: ColumnSchema, kind: pa.DataType) -> pa.Array:
    if not pa.types.is_dictionary(kind):
        return words.cast(kind)
    others = [one.value for one in column.specials]
    others += [] if column.published is None else column.published.words
    levels = pa.array([*column.level_values(), *others], kind.value_type)
    codes = pc.index_in(words.cast(kind.value_type), value_set=levels, skip_nulls=True).cast(
        kind.index_type
    )
    return pa.DictionaryArray.from_arrays(codes, levels, ordered=kind.ordered)


def _constant(column: ColumnSchema, kind: pa.DataType, rows: int) -> pa.Array:
    if column.constant is None:
        return pa.nulls(rows, kind)
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    one = pa.array([column.constant])
    if pa.types.is_time(value) or pa.types.is_duration(value):
        one = _from_integers(one.cast(pa.int64()), column, value)
    elif pa.types.is_date(value) or pa.types.is_timestamp(value):
        one = _from_moments(one.cast(pa.timestamp("us")), column, value)
    array = pa.repeat(one.cast(value)[0], rows)
    return array.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else array


def _identifiers(
    column: ColumnSchema, kind: pa.DataType, number: int, inventor: Inventor
) -> pa.Array:
    """Return numbers above the upload's, or invented words; missing as often as in the upload."""
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    rows, rng = inventor.rows, inventor.rng
    if column.maximum is not None:
        fresh = _fresh_numbers(column, value, number, inventor)
    elif is_text(value) or column.masks:
        words = inventor.words(column, number, highest_whole(value))
        fresh = pa.array(words, pa.string()).cast(value)
    else:  # numbers of persons, too few to have a form
        fresh = pa.nulls(rows, value)
    fresh = pc.if_else(pa.array(rng.random(rows) >= column.missing_share), fresh, None)
    return fresh.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else fresh


def _fresh_numbers(
    column: ColumnSchema, value: pa.DataType, number: int, inventor: Inventor
) -> pa.Array:
    """Return numbers above the upload's in a random order, each once in the whole table."""
    span, rows = inventor.span, inventor.rows
    first, high = int(column.maximum or 0) + 1, highest_whole(value) or 0
    room, step = SPREAD * max(span.total, span.first + rows, 1000), 1
    if pa.types.is_floating(value):  # above `high`, it holds multiples of powers of two
        room = min(room, high // 2)
        while first + room > high:
            first, step = -(-first // 2), 2 * step
    room = min(room, high - first + 1)
    # The identifiers of the upload use up a narrow type.
    if room < span.first + rows or (first + room) * step > _largest(value):
        return pa.nulls(rows, value)
    stride, start = count_out(room, np.random.default_rng([span.seed, number]))
    fresh = [(first + (stride * (span.first + i) + start) % room) * step for i in range(rows)]
    if pa.types.is_floating(value):
        return pa.array(np.array(fresh, np.float64)).cast(value)
    return pa.array(fresh, value)


def _largest(kind: pa.DataType) -> float:
    """Return the largest finite number of a type."""
    is_float = pa.types.is_floating(kind)
    return float(np.finfo(kind.to_pandas_dtype()).max) if is_float else np.inf


def _within_cells(values: pa.Array, rng: np.random.Generator) -> pa.Array:
    """Return coordinates anywhere in the cells whose centers are given."""
    centers = values.to_numpy(zero_copy_only=False)
    moved = centers + rng.uniform(-CELL_DEGREES / 2, CELL_DEGREES / 2, centers.size)
    return pa.array(moved, mask=np.isnan(moved))
