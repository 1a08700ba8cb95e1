"""Generated rows restored to the columns, order and Arrow types of the upload."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_crds.contract.schema import ColumnSchema, TableSchema

IDENTIFIER_RANGE = 1 << 40
"""Range above the upload's integer identifiers where fresh ones start at random."""
_DECIMAL = re.compile(r"^decimal(32|64|128|256)\((\d+), (-?\d+)\)$")
_ZONED = re.compile(r"^timestamp\[(s|ms|us|ns), tz=(.+)\]$")
_DICTIONARY = re.compile(r"^dictionary<values=(.+), indices=(\w+), ordered=([01])>$")
_DECIMALS = {"32": pa.decimal32, "64": pa.decimal64, "128": pa.decimal128, "256": pa.decimal256}


def restore(table: pa.Table, schema: TableSchema, *, rng: np.random.Generator) -> pa.Table:
    """Return the table in the layout of the upload.

    Args:
        table: all learned columns in clean types, n rows, any order.
        schema: of the upload.
        rng: for fresh identifiers.

    Returns:
        n rows with the columns of the upload except weights, in its order and Arrow types;
        constants filled in, identifiers fresh, free text and empty columns null.
    """
    rows = table.num_rows
    arrays, fields = [], []
    for column in schema.columns:
        if column.kind == "weight":  # all generated rows weigh the same
            continue
        kind = parse_type(column.storage)
        if column.learned:
            values = table.column(column.name).combine_chunks()
            array = _learned(values, column, kind)
        elif column.kind == "constant":
            array = _constant(column, kind, rows)
        elif column.kind == "identifier":
            array = _identifiers(column, kind, rows, rng)
        else:
            array = pa.nulls(rows, kind)
        arrays.append(array)
        fields.append(pa.field(column.name, kind))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def parse_type(storage: str) -> pa.DataType:
    """Return the Arrow type of a text that str() of a flat type gave, else raise ValueError."""
    if match := _DECIMAL.match(storage):
        return _DECIMALS[match[1]](int(match[2]), int(match[3]))
    if match := _ZONED.match(storage):
        return pa.timestamp(match[1], tz=match[2])
    if match := _DICTIONARY.match(storage):
        return pa.dictionary(parse_type(match[2]), parse_type(match[1]), ordered=match[3] == "1")
    return pa.type_for_alias(storage)


def _learned(values: pa.Array, column: ColumnSchema, kind: pa.DataType) -> pa.Array:
    if column.kind == "integer":
        return _from_integers(values, kind)
    if column.kind == "numeric":
        return _from_numbers(values, column, kind)
    if column.kind == "datetime":
        return _from_moments(values, column, kind)
    words = values.cast(pa.string())
    if pa.types.is_boolean(kind):
        return pc.equal(words, "true")
    return _from_words(words, column, kind)


def _from_integers(values: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        return _from_integers(values, kind.value_type).dictionary_encode().cast(kind)
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        width = pa.int32() if pa.types.is_time32(kind) else pa.int64()
        return values.cast(width).view(kind)
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
    if pa.types.is_dictionary(kind):
        return _from_numbers(values, column, kind.value_type).dictionary_encode().cast(kind)
    if column.decimals is not None:
        numbers = np.round(values.fill_null(0.0).to_numpy(zero_copy_only=False), column.decimals)
        values = pc.if_else(values.is_valid(), pa.array(numbers), None)
    if pa.types.is_decimal(kind):
        return pc.round(values, kind.scale).cast(kind, safe=False)
    if _is_text(kind) and column.text_format:
        decimals = int(column.text_format.strip(".f"))
        fixed = pc.round(values, decimals).cast(pa.decimal128(38, decimals), safe=False)
        return fixed.cast(pa.string()).cast(kind)
    return values.cast(kind, safe=not pa.types.is_integer(kind))


def _from_moments(values: pa.Array, column: ColumnSchema, kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        return _from_moments(values, column, kind.value_type).dictionary_encode().cast(kind)
    if _is_text(kind):
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


def _from_words(words: pa.Array, column: ColumnSchema, kind: pa.DataType) -> pa.Array:
    if not pa.types.is_dictionary(kind):
        return words.cast(kind)
    levels = pa.array(column.level_values(), kind.value_type)
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
        one = _from_integers(one.cast(pa.int64()), value)
    elif pa.types.is_date(value) or pa.types.is_timestamp(value):
        one = _from_moments(one.cast(pa.timestamp("us")), column, value)
    array = pa.repeat(one.cast(value)[0], rows)
    return array.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else array


def _identifiers(
    column: ColumnSchema, kind: pa.DataType, rows: int, rng: np.random.Generator
) -> pa.Array:
    """Return identifiers above the upload's, or random words; missing as often as in the upload."""
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    if column.maximum is not None:
        low = int(column.maximum) + 1
        high = _bounds(value)[1] if pa.types.is_integer(value) else np.iinfo(np.int64).max
        room = min(high - low - rows + 2, IDENTIFIER_RANGE)
        if room < 1:  # the identifiers of the upload use up a narrow type
            return pa.nulls(rows, kind)
        fresh = pa.array(low + int(rng.integers(room)) + np.arange(rows, dtype=np.int64))
    elif not _is_text(value):  # numbers beyond int64
        fresh = pa.array(rng.integers(1 << 62, size=rows))
    else:
        fresh = pa.array(
            [f"synthetic-{word.hex()}" for word in (rng.bytes(16) for _ in range(rows))],
            pa.string(),
        )
    fresh = pc.if_else(pa.array(rng.random(rows) >= column.missing_share), fresh.cast(value), None)
    return fresh.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else fresh


def _is_text(kind: pa.DataType) -> bool:
    return (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )
