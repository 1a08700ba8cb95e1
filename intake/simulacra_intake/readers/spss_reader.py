"""Reader of SPSS system files (.sav, .zsav) with variable labels, value labels and missing codes.

ReadStat parses (through pyreadstat). This module checks the header first, because ReadStat does not
end on a header that declares 100,000 variables. Layout:
https://www.gnu.org/software/pspp/pspp-dev/html_node/System-File-Format.html
"""

import io
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyreadstat

from simulacra_intake.errors import invalid_upload
from simulacra_intake.limits import MAX_COLUMNS, MAX_ROWS, MIB
from simulacra_intake.readers.batches import Batches
from simulacra_intake.readers.names import check_column_count, check_names, check_row_count
from simulacra_schema.formats.file_labels import AnswerSet, Code, Declared, with_sets

BATCH_CELLS = 4_000_000
MAX_SEGMENTS = 16 * MAX_COLUMNS
"""Variable records of the header: text takes one for each 8 bytes of its width."""
MAX_LABELS = 200_000
_HEADER, _VARIABLE = 176, 32
_DAMAGED = "The SPSS file is damaged or incomplete: its {} cannot be read."
_EPOCH_SECONDS = 12_219_379_200
"""From SPSS' first moment (1582-10-14) to 1970."""
_DATES = ("DATE", "ADATE", "EDATE", "JDATE", "SDATE", "QYR", "MOYR", "WKYR")
_MOMENTS = ("DATETIME", "YMDHMS")


def open_batches(source: io.RawIOBase) -> Batches:
    """Open a system file after its header was checked.

    Raises:
        InputError: here for the header, later from the batches.
    """
    _check_header(source)
    meta = _read(source, metadataonly=True)[1]
    check_names(meta.column_names)
    if meta.number_rows is not None:
        check_row_count(meta.number_rows)
    if sum(len(labels) for labels in meta.variable_value_labels.values()) > MAX_LABELS:
        raise invalid_upload(
            f"An SPSS file may have {MAX_LABELS:,} value labels at most.", "Remove some."
        )
    schema = pa.schema([_field(name, meta) for name in meta.column_names])
    return Batches(with_sets(schema, _sets(meta)), _batches(source, schema))


def _check_header(source: io.RawIOBase) -> None:
    """Walk the variable records and refuse too many of them."""
    source.seek(0)
    head = source.read(_HEADER) or b""
    order = "<" if head[64:68] in (b"\x02\0\0\0", b"\x03\0\0\0") else ">"
    if len(head) < _HEADER or struct.unpack(order + "i", head[64:68])[0] not in (2, 3):
        raise invalid_upload(_DAMAGED.format("header"))
    rows = struct.unpack(order + "i", head[80:84])[0]
    if rows > MAX_ROWS:
        check_row_count(rows)
    reader = io.BufferedReader(source, MIB)
    reader.seek(_HEADER)
    columns = segments = 0
    while len(record := reader.read(_VARIABLE)) == _VARIABLE:
        kind, width, labeled, missing = struct.unpack(order + "iiii", record[:16])
        if kind != 2:
            break
        segments += 1
        columns += width >= 0
        if segments > MAX_SEGMENTS:
            check_column_count(max(columns, MAX_COLUMNS + 1))
        label = struct.unpack(order + "i", reader.read(4).ljust(4, b"\0"))[0] if labeled == 1 else 0
        if not 0 <= label <= MIB or not -3 <= missing <= 3:
            raise invalid_upload(_DAMAGED.format("dictionary"))
        reader.seek(-(-label // 4) * 4 + 8 * abs(missing), io.SEEK_CUR)
    reader.detach()
    check_column_count(columns)


def _read(source: io.RawIOBase, **options: Any) -> tuple[dict[str, npt.NDArray[Any]], Any]:
    source.seek(0)
    buffered = io.BufferedReader(source, MIB)
    try:
        return pyreadstat.read_sav(
            buffered,
            user_missing=True,
            disable_datetime_conversion=True,
            output_format="dict",
            **options,
        )
    except MemoryError:
        raise
    except Exception:  # errors of ReadStat, or of pyreadstat on damaged metadata
        what = "dictionary" if options.get("metadataonly") else "data"
        raise invalid_upload(_DAMAGED.format(what)) from None
    finally:
        buffered.detach()


def _field(name: str, meta: Any) -> pa.Field:
    numeric = meta.readstat_variable_types[name] != "string"
    form = str(meta.original_variable_types.get(name, "")).rstrip("0123456789.")
    measure = meta.variable_measure.get(name, "unknown")
    kind = pa.float64() if numeric else pa.string()
    if numeric and form in _DATES:
        kind = pa.date32()
    elif numeric and form in _MOMENTS:
        kind = pa.timestamp("us")
    declared = Declared(
        label=meta.column_names_to_labels.get(name) or None,
        labels=_labels(meta.variable_value_labels.get(name, {}), numeric),
        missing=[(one["lo"], one["hi"]) for one in meta.missing_ranges.get(name, [])],
        scaled=measure in ("ordinal", "scale"),
        categorical=None if measure == "unknown" else measure != "scale",
        measure=None if measure == "unknown" else measure,
        format=meta.original_variable_types.get(name),
        display_width=meta.variable_display_width.get(name),
        alignment=meta.variable_alignment.get(name),
        width=None if numeric else meta.variable_storage_width.get(name),
    )
    return declared.on(pa.field(name, kind))


def _sets(meta: Any) -> list[AnswerSet]:
    """Return the multiple-response sets of known variables."""
    known = set(meta.column_names)
    return [
        AnswerSet(
            name=name,
            label=each["label"] or "",
            columns=each["variable_list"],
            kind="dichotomies" if each["is_dichotomy"] else "categories",
            counted=None if each["counted_value"] is None else str(each["counted_value"]),
        )
        for name, each in (meta.mr_sets or {}).items()
        if known.issuperset(each["variable_list"])
    ]


def _labels(words: Mapping[Any, str], numeric: bool) -> list[tuple[Code, str]]:
    pairs = [
        (float(code) if numeric else str(code), str(word).strip()) for code, word in words.items()
    ]
    return sorted((pair for pair in pairs if pair[1]), key=lambda pair: pair[0])


def _batches(source: io.RawIOBase, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    rows = max(BATCH_CELLS // len(schema), 1)
    offset = 0
    while True:
        values, _ = _read(source, row_limit=rows, row_offset=offset)
        count = len(values[schema.names[0]])
        if count:
            yield pa.RecordBatch.from_arrays(
                [_column(values[field.name], field) for field in schema], schema=schema
            )
        if count < rows:
            return
        offset += count
        if offset > MAX_ROWS:
            check_row_count(offset)


def _column(values: npt.NDArray[Any], field: pa.Field) -> pa.Array:
    if pa.types.is_string(field.type):
        return pa.array([None if value == "" else value for value in values], pa.string())
    numbers = np.asarray(values, dtype=np.float64)
    if pa.types.is_floating(field.type):
        return pa.array(numbers, from_pandas=True)
    finite = np.isfinite(numbers) & (np.abs(numbers) < 1e12)  # years up to 33,000
    seconds = np.where(finite, numbers, _EPOCH_SECONDS) - _EPOCH_SECONDS
    if pa.types.is_date(field.type):
        return pa.array((seconds // 86_400).astype(np.int32), mask=~finite).view(pa.date32())
    return pa.array(np.round(seconds * 1e6).astype(np.int64), mask=~finite).view(field.type)
