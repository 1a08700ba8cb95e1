"""Writer of SPSS system files (.sav) from Arrow batches, row by row, with labels and missing codes.

pyreadstat writes whole data frames and no multiple-response sets; this writes a stream.
"""

import math
import re
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from simulacra_schema.formats.file_labels import Code, Declared, declared_of, sets_of
from simulacra_schema.formats.sav_records import MAX_TEXT, MISSING, Variable, clipped, dictionary

MAX_NAME = 64
CASES_AT = 80
"""Where a file holds its number of rows."""
USUAL_TEXT = 64
"""Bytes of a text whose width is not declared."""
EPOCH_SECONDS = 12_219_379_200
"""From SPSS' first moment (1582-10-14) to 1970."""
_RESERVED = {"ALL", "AND", "BY", "EQ", "GE", "GT", "LE", "LT", "NE", "NOT", "OR", "TO", "WITH"}
_ODD = re.compile(r"[^\w.@#$]+")


class Sink(Protocol):
    """A file to write to."""

    def write(self, data: bytes, /) -> object:
        """Append bytes."""


class SavWriter:
    """Writes batches of one schema as an SPSS file.

    Numbers, booleans, dates, times and words with declared codes are numeric variables; other words
    and whole numbers with a declared width are texts of at most 255 bytes, and longer ones are cut.
    Multiple-response sets come from the schema's metadata.

    rows: of the whole file, -1 if not known yet. IBM's I/O module reads no file without it, so
    whoever can seek writes `case_count` at CASES_AT in the end.
    """

    def __init__(self, sink: Sink, schema: pa.Schema, rows: int = -1) -> None:
        self._sink = sink
        self._written = 0
        self._variables = variables_of(schema)
        form = "".join(f"{v.segments * 8}s" if v.width else "d" for v in self._variables)
        self._row = struct.Struct("<" + form)
        sink.write(dictionary(self._variables, sets_of(schema), datetime.now(UTC), rows))

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Append the rows of a batch."""
        columns = [
            list(_cells(column, variable))
            for column, variable in zip(batch.columns, self._variables, strict=True)
        ]
        self._written += batch.num_rows
        self._sink.write(b"".join(self._row.pack(*row) for row in zip(*columns, strict=True)))

    def write_table(self, table: pa.Table) -> None:
        """Append the rows of a table."""
        for batch in table.combine_chunks().to_batches():
            self.write_batch(batch)

    @property
    def case_count(self) -> bytes:
        """The number of rows so far, as the file holds it."""
        return struct.pack("<i", self._written)

    def close(self) -> None:
        """Do nothing: a file ends with its last row."""


def variables_of(schema: pa.Schema) -> list[Variable]:
    """Return the variable of each column, with names that SPSS accepts."""
    variables: list[Variable] = []
    longs: set[str] = set()
    shorts: set[str] = set()
    for field in schema:
        declared = declared_of(field)
        long = _free(_named(field.name, MAX_NAME), longs, MAX_NAME)
        plain = long if long.isascii() and len(long) <= 8 else f"V{len(variables) + 1}"
        short = _free(plain.upper(), shorts, 8)
        if long != field.name and not declared.label:
            declared = declared.model_copy(update={"label": field.name})
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        width = 0
        if (_is_text(kind) or declared.width is not None) and not _has_numbers(declared):
            width = min(max(declared.width or USUAL_TEXT, 1), MAX_TEXT)
        if pa.types.is_boolean(kind):
            labels: list[tuple[Code, str]] = [(0.0, "false"), (1.0, "true")]
            declared = declared.model_copy(update={"labels": declared.labels or labels})
        form = f"A{width}" if width else declared.format or _usual_format(kind)
        variables.append(Variable(field.name, long, short, width, form, declared))
    return variables


def _has_numbers(declared: Declared) -> bool:
    """Whether the words of a column stand for numbers."""
    return bool(declared.codes) and isinstance(declared.codes[0][1], float)


def _codes_of(declared: Declared) -> dict[str, Code]:
    """Return the code of each labeled word, also of those that mean "no value"."""
    return {word: code for code, word in declared.labels} | dict(declared.codes)


def _number(code: Code) -> float | None:
    """Return a code as a number; a word without a label is the text of its code."""
    try:
        return float(code)
    except ValueError:
        return None


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_null(kind)
    )


def _named(name: str, most: int) -> str:
    """Return a name of letters, digits and a few signs that begins with a letter."""
    plain = clipped(_ODD.sub("_", name), most - 4).decode().rstrip(".")
    if not plain or not plain[0].isalpha() or plain.upper() in _RESERVED:
        return f"v_{plain}"
    return name if plain == name else plain.strip("_") or plain


def _free(name: str, taken: set[str], most: int) -> str:
    """Return the name, numbered where another one differs from it in case only."""
    own, number = name, 2
    while own.upper() in taken:
        end = f"_{number}"
        own = clipped(name, most - len(end)).decode() + end
        number += 1
    taken.add(own.upper())
    return own


def _usual_format(kind: pa.DataType) -> str:
    if pa.types.is_date(kind):
        return "DATE11"
    if pa.types.is_timestamp(kind):
        return "DATETIME20"
    if pa.types.is_time(kind) or pa.types.is_duration(kind):
        return "TIME8"
    return "F8.2" if pa.types.is_floating(kind) or pa.types.is_decimal(kind) else "F8.0"


def _cells(column: pa.Array, variable: Variable) -> Iterator[bytes | float]:
    if variable.width:
        space, most = variable.segments * 8, variable.width
        codes = {word: str(code) for word, code in _codes_of(variable.declared).items()}
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        for word in column.cast(pa.string()).to_pylist():
            text = codes.get(word, word)
            yield clipped(text or "", most).ljust(space)
    else:
        for number in _numbers(column, variable.declared):
            yield MISSING if number is None or not math.isfinite(number) else number


def _numbers(column: pa.Array, declared: Declared) -> list[float | None]:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _numbers(column.cast(kind.value_type), declared)
    if _has_numbers(declared):
        codes = _codes_of(declared)
        words = column.to_pylist()
        return [None if word is None else _number(codes.get(word, word)) for word in words]
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        moments = column.cast(pa.timestamp("us", getattr(kind, "tz", None)), safe=False)
        numbers = pc.divide(moments.cast(pa.int64()).cast(pa.float64(), safe=False), 1e6)
        return list(pc.add(numbers, float(EPOCH_SECONDS)).to_pylist())
    if pa.types.is_time(kind):
        numbers = column.cast(pa.time64("us")).cast(pa.int64())
        return list(pc.divide(numbers.cast(pa.float64()), 1e6).to_pylist())
    if pa.types.is_duration(kind):
        numbers = column.cast(pa.duration("us"), safe=False).cast(pa.int64())
        return list(pc.divide(numbers.cast(pa.float64()), 1e6).to_pylist())
    return list(column.cast(pa.float64(), safe=False).to_pylist())
