"""Arrow columns and rows as several parts of the engine need them."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""Counts of Arrow's units of time in a second."""
_DECIMAL = re.compile(r"^decimal(32|64|128|256)\((\d+), (-?\d+)\)$")
_ZONED = re.compile(r"^timestamp\[(s|ms|us|ns), tz=(.+)\]$")
_DICTIONARY = re.compile(r"^dictionary<values=(.+), indices=(\w+), ordered=([01])>$")
_DECIMALS = {"32": pa.decimal32, "64": pa.decimal64, "128": pa.decimal128, "256": pa.decimal256}
NUMBERS = {"integer": pa.int64(), "numeric": pa.float64(), "datetime": pa.timestamp("us")}
"""Types of numbers and moments in a clean table, by the kind of the column."""
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""The step of SplitMix64."""
BEYOND = 1e100
"""Numbers of this size and more are none: missing values of Stata (8.988e307) and SPSS, overflow.

Their squares and sums are infinite, so nothing could be learned from their column.
"""


def are_numbers(values: pa.Array) -> pa.Array:
    """Return which floating-point values are numbers to learn from, bool [n]; null stays null."""
    return pc.less(pc.abs(values), BEYOND)  # NaN is less than nothing


def is_text(kind: pa.DataType) -> bool:
    """Return whether a type is one of Arrow's string types."""
    return (
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def highest_whole(kind: pa.DataType) -> int | None:
    """Return the number up to which a type holds each whole number, None for no type of numbers.

    Above it, floating-point numbers (IEEE 754) skip some and round to others.
    """
    if pa.types.is_dictionary(kind):
        return highest_whole(kind.value_type)
    if pa.types.is_integer(kind):
        return int(np.iinfo(kind.to_pandas_dtype()).max)
    if pa.types.is_floating(kind):
        return 1 << (np.finfo(kind.to_pandas_dtype()).nmant + 1)
    if pa.types.is_decimal(kind):
        return int(10 ** (kind.precision - kind.scale)) - 1
    return None


def one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array."""
    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined


def as_floats(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.float64]:
    """Return numbers, or moments in their own unit since 1970, as float64 [n]; missing is NaN."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    numbers = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    copy: npt.NDArray[np.float64] = numbers.astype(np.float64)  # Arrow's own memory is read-only
    return copy


def from_floats(values: npt.NDArray[np.float64], kind: pa.DataType) -> pa.Array:
    """Return float64 [n] as numbers or moments of a type, whole ones rounded; NaN is missing."""
    missing = np.isnan(values)
    known = np.where(missing, 0.0, values)
    if not pa.types.is_floating(kind):
        known = np.round(known).astype(np.int64)
    return pa.array(known, mask=missing).cast(kind)


def level_values(codes: npt.NDArray[np.integer], levels: Sequence[str]) -> pa.DictionaryArray:
    """Return levels by code [n], in which -1 is missing."""
    indices = pa.array(codes.astype(np.int32, copy=False), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(levels, pa.string()))


def as_coded(column: pa.ChunkedArray | pa.Array) -> pa.DictionaryArray:
    """Return a column in one chunk, with a dictionary of its values."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()


def codes_of(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.int64]:
    """Return the place of each value in the dictionary of `as_coded`, int64 [n]; -1 is missing."""
    codes = as_coded(column).indices.cast(pa.int64()).fill_null(-1)
    copy: npt.NDArray[np.int64] = codes.to_numpy(zero_copy_only=False).astype(np.int64)
    return copy


def places_of(
    column: pa.ChunkedArray | pa.Array, place: Mapping[str, int], unknown: int, missing: int
) -> npt.NDArray[np.int64]:
    """Return the place of each level, int64 [n]."""
    coded = as_coded(column)
    of = [place.get(level, unknown) for level in coded.dictionary.to_pylist()]
    return np.array([*of, missing], np.int64)[codes_of(coded)]


def words_of(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return the values as text."""
    plain = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return plain.cast(pa.string())


def with_values(table: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Return the table with other values in a column."""
    return table.set_column(table.column_names.index(name), name, values)


def with_words(table: pa.Table, name: str, at: npt.NDArray[np.bool_], words: pa.Array) -> pa.Table:
    """Return the table with words [n] in the rows `at`, bool [n], in the type of the column."""
    column = table.column(name).combine_chunks()
    mixed = pc.if_else(pa.array(at), words, words_of(column))
    if not pa.types.is_dictionary(column.type):
        return with_values(table, name, mixed.cast(column.type))
    codes = pc.index_in(mixed, value_set=column.dictionary).cast(column.type.index_type)
    return with_values(table, name, pa.DictionaryArray.from_arrays(codes, column.dictionary))


def mixed_bits(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return the SplitMix64 finalizer of x (Steele, Lea & Flood, 2014); overflow is intended."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def sample_rows(table: pa.Table, most: int, rng: np.random.Generator) -> pa.Table:
    """Return all rows, or `most` of them drawn without replacement."""
    if table.num_rows <= most:
        return table
    return table.take(pa.array(np.sort(rng.choice(table.num_rows, most, replace=False))))


def parse_type(storage: str) -> pa.DataType:
    """Return the Arrow type of a text that str() of a flat type gave, else raise ValueError."""
    if match := _DECIMAL.match(storage):
        return _DECIMALS[match[1]](int(match[2]), int(match[3]))
    if match := _ZONED.match(storage):
        return pa.timestamp(match[1], tz=match[2])
    if match := _DICTIONARY.match(storage):
        return pa.dictionary(parse_type(match[2]), parse_type(match[1]), ordered=match[3] == "1")
    return pa.type_for_alias(storage)
