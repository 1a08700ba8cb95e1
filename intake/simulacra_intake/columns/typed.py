"""Cleaning of a column by its Arrow type: text, booleans, moments, numbers."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.arrow_values import BEYOND, PER_SECOND, are_numbers, is_text, one_chunk
from simulacra_intake.columns.build import (
    CleanColumn,
    datetime_column,
    empty_column,
    integer_column,
    level_column,
    note_specials,
    numeric_column,
    unlearned,
)
from simulacra_intake.columns.distinct_values import split_words
from simulacra_intake.columns.parse.numerals import MAX_DECIMALS
from simulacra_intake.columns.recognize import WORDS, clean_dictionary, clean_words, recognize
from simulacra_intake.columns.recognizers.postcodes import POSTCODES, is_postcode_name
from simulacra_intake.columns.row_numbers import is_row_number
from simulacra_intake.columns.specials import codes_taken, take_codes
from simulacra_intake.columns.text_column import TextColumn, TextOrigin
from simulacra_schema.table import SpecialValue

MAX_YEAR = 9999


def typed_column(name: str, column: pa.ChunkedArray, origin: TextOrigin) -> CleanColumn:
    """Clean a column by its Arrow type; text by its words."""
    kind = column.type
    storage = str(kind)
    if pa.types.is_dictionary(kind) and not is_text(kind.value_type):
        column = column.cast(kind.value_type)
        kind = column.type
    if column.null_count == len(column):
        return empty_column(name, len(column), storage)
    if pa.types.is_dictionary(kind):
        return clean_dictionary(name, column)
    if is_text(kind):
        words = split_words(column, writes_na=origin.writes_na)
        return clean_words(TextColumn(name, words, storage, origin))
    values = one_chunk(column)
    if pa.types.is_boolean(kind):
        codes = np.where(
            values.is_null().to_numpy(zero_copy_only=False),
            -1,
            pc.fill_null(values, False).cast("int8"),
        )
        return level_column(name, "boolean", ["false", "true"], codes.astype(np.int32), storage)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return _moment(name, values, storage)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _number(name, values, storage, origin)
    return _integer(name, values, storage, origin)


def _moment(name: str, values: pa.Array, storage: str) -> CleanColumn:
    """Clean dates and timestamps; zoned ones hold UTC."""
    unit = (
        pa.timestamp("s")
        if pa.types.is_date32(values.type)
        else pa.timestamp(getattr(values.type, "unit", "ms"))
    )
    years = pc.year(values.cast(unit))
    in_calendar = pc.and_(pc.greater_equal(years, 1), pc.less_equal(years, MAX_YEAR))
    lost = pc.sum(pc.invert(in_calendar)).as_py() or 0
    values = pc.if_else(in_calendar, values, None)
    if values.null_count == len(values):
        return empty_column(name, len(values), storage)
    result = datetime_column(name, values.cast(pa.timestamp("us"), safe=False), storage)
    if lost:
        result.note(f"dates outside the years 1 to {MAX_YEAR} were set to missing", lost)
    return result


def _number(name: str, values: pa.Array, storage: str, origin: TextOrigin) -> CleanColumn:
    """Clean numbers; doubles that are all whole are integers, which pandas cannot store with gaps.

    Of a format that stores all numbers as doubles, whole ones are written as int64.
    """
    scale = values.type.scale if pa.types.is_decimal(values.type) else None
    numbers = values.cast(pa.float64())
    infinite = pc.sum(pc.greater_equal(pc.abs(numbers), BEYOND)).as_py() or 0
    numbers = pc.if_else(are_numbers(numbers), numbers, None)
    if numbers.null_count == len(numbers):
        return empty_column(name, len(numbers), storage)
    is_whole = pc.all(pc.equal(numbers, pc.round(numbers))).as_py()
    if is_whole and not infinite and _fits(numbers):
        whole = numbers.cast(pa.int64())
        if scale is None:
            return _integer(name, whole, "int64" if origin.doubles else storage, origin)
        if scale >= 0 and not origin.ordinary and is_row_number(name, whole):
            return unlearned(name, "identifier", whole, storage)
    taken, codes = take_codes(numbers)
    result = numeric_column(
        name, taken, storage, decimals=scale if scale and scale <= MAX_DECIMALS else None
    )
    if infinite:
        result.note(f"infinite numbers, and those beyond {BEYOND:g}, were set to missing", infinite)
    return _with_codes(result, codes, numbers)


def _fits(numbers: pa.Array) -> bool:
    limits = pc.min_max(numbers).as_py()
    return bool(max(-limits["min"], limits["max"]) < 2**53)


def _integer(name: str, values: pa.Array, storage: str, origin: TextOrigin) -> CleanColumn:
    """Clean integers, and times of day and durations as minutes or seconds."""
    if pa.types.is_time(values.type) or pa.types.is_duration(values.type):
        return _clock(name, values, storage)
    try:
        numbers = values.cast(pa.int64())
    except pa.ArrowInvalid:  # beyond int64: codes such as hashes, not quantities
        words = split_words(pa.chunked_array([values.cast(pa.string())]))
        return recognize(TextColumn(name, words, storage), WORDS)
    if not origin.ordinary and is_row_number(name, numbers):
        return unlearned(name, "identifier", numbers, storage)
    if is_postcode_name(name):
        words = split_words(pa.chunked_array([numbers.cast(pa.string())]))
        proposal = POSTCODES.propose(TextColumn(name, words, storage))
        if proposal is not None and proposal.column is not None:
            return proposal.column
    taken, codes = take_codes(numbers)
    return _with_codes(integer_column(name, taken, storage), codes, numbers)


def _clock(name: str, values: pa.Array, storage: str) -> CleanColumn:
    """Clean times of day and durations as those of a text are: in minutes if all are whole."""
    counts = values.cast(pa.int32()) if pa.types.is_time32(values.type) else values
    counts = counts.cast(pa.int64())
    for unit, seconds in (("min", 60), ("s", 1)):
        size = seconds * PER_SECOND[values.type.unit]
        whole = pc.divide(counts, size)
        if pc.all(pc.equal(pc.multiply(whole, size), counts)).as_py():
            result = integer_column(name, whole, storage)
            result.update(unit=unit)
            return result
    return integer_column(name, counts, storage)


def _with_codes(result: CleanColumn, codes: list[SpecialValue], numbers: pa.Array) -> CleanColumn:
    """Return the column with its codes; numbers: before they were taken out."""
    result.update(specials=codes)
    if codes and result.values is not None:
        result.codes = codes_taken(numbers, result.values)
    note_specials(result, codes)
    return result
