"""Columns as the search for persons sees them: distinct words and their position in each row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.arrow_values import as_coded, is_text, one_chunk, parse_type
from simulacra_intake.columns.build import CleanColumn
from simulacra_intake.columns.distinct_values import split_words
from simulacra_intake.raw_table import RawTable

Ints = npt.NDArray[np.int64]
SMALLEST_NUMBER = 10_000_000
"""Whole numbers up to here are no phone, bank or national number."""
_CODE = re.compile(r"[A-Za-z0-9_\-:.@/+#]*\d[A-Za-z0-9_\-:.@/+#]*")
_PERIOD = re.compile(
    r"\d{1,4}[./-]\d{1,4}(?:[./-]\d{1,4})?|(?:19|20)\d{2}[./ -]?[QWKHM]\w{0,2}"
    r"|[QWKHM]\w{0,2}\d{1,2}[./ -]\d{2,4}|\d{1,2}:\d{2}.*|0*\d{1,6}",
    re.I,
)
"""Words that are dates, periods, times or short numbers, not codes of persons."""
_WHOLE = pa.decimal256(76, 0)
"""Whole numbers of all decimal types; other numbers cannot be cast to it."""


@dataclass(frozen=True)
class Cells:
    """One column of the upload.

    Attributes:
        column: as it was cleaned.
        words: distinct values as text, in any order.
        indices: position in words of each row, null where missing.
        is_text: whether the upload has text here, not numbers.
    """

    column: CleanColumn
    words: list[str]
    indices: pa.Array
    is_text: bool

    @property
    def name(self) -> str:
        """Name of the column."""
        return self.column.schema.name

    @cached_property
    def codes(self) -> Ints:
        """Position in words of each row, -1 where missing, int64 [rows]."""
        return positions(self.indices)

    @property
    def present(self) -> int:
        """Rows that are not missing."""
        return len(self.indices) - self.indices.null_count

    def head(self, rows: int) -> Cells:
        """Return the first rows."""
        return Cells(self.column, self.words, self.indices.slice(0, rows), self.is_text)

    @property
    def rows_a_value(self) -> float:
        """Rows of an average value."""
        return self.present / max(len(self.words), 1)

    @cached_property
    def is_coded(self) -> bool:
        """Return whether most words are codes: one word with a digit, no date or number."""
        some = self.words[:: max(len(self.words) // 1000, 1)]
        coded = sum(
            _CODE.fullmatch(word) is not None and _PERIOD.fullmatch(word) is None for word in some
        )
        return self.is_text and coded >= 0.9 * len(some)

    def decides(self, codes: Ints) -> bool:
        """Return whether equal values here always come with equal codes there, int64 [rows]."""
        known = self.codes >= 0
        first = np.full(len(self.words), -2)
        first[self.codes[known][::-1]] = codes[known][::-1]
        return bool((first[self.codes[known]] == codes[known]).all())


def cells_of(raw: pa.Table | RawTable, i: int, column: CleanColumn) -> Cells | None:
    """Return the cells of column i, None where it can hold neither persons nor their data.

    A cleaned column has its distinct values already, so that few columns are read again.
    """
    kind = raw.field(i).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    values = column.values
    has_words = is_text(kind) or pa.types.is_uint64(kind)  # a uint64 may exceed int64
    if column.schema.kind == "categorical" and has_words and values is not None:
        return Cells(column, values.dictionary.to_pylist(), values.indices, is_text(kind))
    if column.schema.kind in ("identifier", "text") and (column.words or is_text(kind)):
        words = column.words or split_words(raw.column(i))
        indices = pa.array(words.codes.astype(np.int32), mask=words.codes < 0)
        levels = words.levels
        if pa.types.is_integer(parse_type(column.schema.storage)):  # pandas writes gaps: 920.0
            levels = pc.replace_substring_regex(levels, r"\.0+$", "")
        return Cells(column, levels.to_pylist(), indices, is_text(kind))
    if column.schema.kind not in ("integer", "numeric", "identifier") or not _holds_numbers(kind):
        return None
    if pa.types.is_decimal(kind):  # cleaned ones are rounded to doubles
        try:
            numbers = one_chunk(raw.column(i).cast(kind)).cast(_WHOLE)
        except pa.ArrowInvalid:
            return None
    elif pa.types.is_integer(kind) or column.schema.decimals == 0 or values is None:
        numbers = one_chunk(raw.column(i).cast(kind)) if values is None else values
        numbers = numbers.cast(pa.int64(), safe=False)
    else:
        return None
    encoded = pc.dictionary_encode(numbers)
    return Cells(column, encoded.dictionary.cast(pa.string()).to_pylist(), encoded.indices, False)


def _holds_numbers(kind: pa.DataType) -> bool:
    """Return whether a type holds whole numbers or text, and not times or multiples of 100."""
    if pa.types.is_decimal(kind):
        return bool(kind.scale >= 0)
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or is_text(kind)


def positions(indices: pa.Array) -> Ints:
    """Return indices as int64 [rows], -1 for null."""
    found: Ints = indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    return found


def codes_of(values: pa.Array | None, cells: Cells | None, rows: int) -> Ints:
    """Return which of the first rows of a column are alike, int64 [rows]."""
    if cells is not None:
        return positions(cells.indices.slice(0, rows))
    if values is None or pa.types.is_struct(values.type):
        return np.zeros(rows, np.int64)
    return positions(as_coded(values.slice(0, rows)).indices)


def large_numbers(words: Sequence[str]) -> list[str]:
    """Return the words unless they are numbers too small to be those of persons."""
    some = words[:: max(len(words) // 100, 1)]
    large = sum(len(word) >= len(str(SMALLEST_NUMBER)) for word in some)
    return list(words) if large >= 0.9 * len(some) else []
