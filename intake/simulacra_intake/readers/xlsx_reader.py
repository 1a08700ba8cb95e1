"""Reader of Excel workbooks (.xlsx, .xlsm): the largest visible worksheet as one batch.

The first row of names is the header (`layout`). calamine reads values, never macros, links or
formulas (the last computed value counts). The archive is checked first: a megabyte can unpack to
gigabytes, an XML entity can expand to as much, and calamine keeps every cell between the first and
the last filled one, so two cells in opposite corners of a sheet cost seventeen billion.
"""

import contextlib
import datetime as dt
import io
import posixpath
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import IO, Any
from xml.parsers import expat

import pyarrow as pa
from python_calamine import CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from simulacra_intake.errors import InputError, invalid_upload, too_small
from simulacra_intake.limits import (
    GIB,
    MAX_CELL_BYTES,
    MAX_COLUMNS,
    MAX_DECODED_BYTES,
    MAX_ROWS,
    MIN_COLUMNS,
    MIN_ROWS,
)
from simulacra_intake.readers.batches import Batches, long_cells
from simulacra_intake.readers.layout import (
    MOST_BELOW,
    SAMPLE_ROWS,
    below_notes,
    find_layout,
    is_below,
)
from simulacra_intake.readers.names import check_column_count, check_row_count, settle_names
from simulacra_intake.readers.sheet_columns import SheetColumn
from simulacra_schema.formats.file_labels import Declared

MAX_MEMBERS = 10_000
MOST_SHEETS = 50
"""Worksheets among which the largest is chosen."""
MAX_SPAN = 30_000_000
"""Cells between the first and the last filled one; calamine needs 32 bytes for an empty one."""
SHEET_ROWS = 1_048_576
CHUNK_ROWS = 10_000
_BLOCK_BYTES = 64 * 1024
_PLACE = re.compile(rb"""\br=["']([A-Z]*)([0-9]+)["'][^/>]*>(?!</)""")
"""Column and row of a cell, or number of a row; not of empty elements such as format-only cells."""
_LONGEST_PLACE = 100
_EMPTY = frozenset(("", "#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A"))
"""Values of calamine for empty cells, and error codes of Excel as text."""


def open_batches(source: io.RawIOBase) -> Batches:
    """Read the largest visible worksheet of a workbook; the cells decide the types.

    Raises:
        InputError: the file is not a workbook within the limits.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            _check_archive(archive)
            source.seek(0)
            book = CalamineWorkbook.from_filelike(source)
            sheets = [
                sheet.name
                for sheet in book.sheets_metadata
                if sheet.typ == SheetTypeEnum.WorkSheet
                and sheet.visible == SheetVisibleEnum.Visible
            ]
            if not sheets:
                raise too_small("The Excel workbook has no visible worksheet.")
            spans = {name: _span(archive, name) for name in sheets[:MOST_SHEETS]}
            chosen = max(spans, key=lambda name: _table_size(*spans[name]))
            _check_span(*spans[chosen])
        content = _read(_rows(book.get_sheet_by_name(chosen)))
    except (InputError, MemoryError):
        raise
    except Exception:  # whatever zipfile, expat and calamine meet in a damaged workbook
        raise invalid_upload(
            "The Excel workbook is damaged or incomplete: it cannot be read."
        ) from None
    arrays = [column.values() for column in content.columns]
    fields = [
        pa.field(name, array.type) if declared is None else declared.on(pa.field(name, array.type))
        for name, array, declared in zip(content.names, arrays, content.declared, strict=True)
    ]
    batch = pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))
    others = [repr(name) for name in sheets if name != chosen]
    if others:
        content.notes.insert(
            0, f"the largest worksheet {chosen!r} was read; left out: {', '.join(others[:20])}"
        )
    return Batches(batch.schema, iter([batch]), notes=content.notes)


def _table_size(height: int, width: int) -> int:
    """Return the cells of a worksheet, 0 if it is too small for a table."""
    return height * width if height > MIN_ROWS and width >= MIN_COLUMNS else 0


def _check_archive(archive: zipfile.ZipFile) -> None:
    """Refuse archives that are not workbooks, unpack beyond the limit, or hold XML entities."""
    members = archive.infolist()
    names = {member.filename for member in members}
    if "[Content_Types].xml" not in names or "xl/workbook.xml" not in names:
        what = (
            "an OpenDocument file"
            if "mimetype" in names
            else "a ZIP archive that is no Excel workbook"
        )
        raise invalid_upload(f"The file is {what}.", "Save it as .xlsx, or export it as CSV.")
    if len(members) > MAX_MEMBERS or len(names) < len(members):
        raise invalid_upload(
            "The Excel workbook is damaged: its archive has too many or repeated members."
        )
    if sum(member.file_size for member in members) > MAX_DECODED_BYTES:
        raise invalid_upload(
            f"The Excel workbook unpacks to more than {MAX_DECODED_BYTES // GIB} GiB."
        )
    # Whatever their names: a workbook says itself which of them is a worksheet.
    for member in members:
        if member.is_dir():
            continue
        with archive.open(member) as file:
            # A document type, where entities come from, stands before the first element.
            with contextlib.suppress(expat.ExpatError):  # an image, or damaged: calamine's to judge
                next(_elements(file), None)
            # To the end: calamine does not hold a member to its size.
            while file.read(_BLOCK_BYTES):
                pass


def _elements(file: IO[bytes]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield name (without prefix) and attributes of each element; refuse a document type."""
    parser = expat.ParserCreate()
    found: list[tuple[str, dict[str, str]]] = []

    def refuse(*_: object) -> None:
        raise invalid_upload("The Excel workbook declares XML entities, which no workbook needs.")

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = lambda name, attributes: found.append(
        (name.rpartition(":")[2], attributes)
    )
    while block := file.read(_BLOCK_BYTES):
        parser.Parse(block)
        yield from found
        found.clear()


def _member(archive: zipfile.ZipFile, sheet: str) -> str:
    """Return the name of the archive's member that holds a worksheet."""
    with archive.open("xl/workbook.xml") as file:
        found = next(
            one for name, one in _elements(file) if name == "sheet" and one["name"] == sheet
        )
    relation = next(value for key, value in found.items() if key.endswith(":id"))
    with archive.open("xl/_rels/workbook.xml.rels") as file:
        target = next(
            one["Target"]
            for name, one in _elements(file)
            if name == "Relationship" and one["Id"] == relation
        )
    return posixpath.normpath(posixpath.join("xl", target)).lstrip("/")


def _span(archive: zipfile.ZipFile, sheet: str) -> tuple[int, int]:
    """Return the last filled row and column of a worksheet.

    A cell whose place is written in another way than every program does is not seen here; if it is
    far away, the memory limit of the process stops calamine.
    """
    rows, columns, end = {b"0"}, {b""}, b""
    with archive.open(_member(archive, sheet)) as file:
        while block := file.read(_BLOCK_BYTES):
            for letters, digits in _PLACE.findall(end + block):
                if letters or len(digits) > len(str(SHEET_ROWS)):
                    rows.add(digits)
                    columns.add(letters)
            end = block[-_LONGEST_PLACE:]
    return max(map(int, rows)), max(map(_column_number, columns))


def _check_span(height: int, width: int) -> None:
    """Refuse a worksheet whose filled cells span too many rows and columns."""
    if height > SHEET_ROWS:
        raise invalid_upload(
            f"The Excel workbook is damaged: a worksheet has {SHEET_ROWS:,} rows at most."
        )
    if height * width > MAX_SPAN:
        if width > MAX_COLUMNS:
            check_column_count(width)
        raise invalid_upload(
            f"The worksheet spans more than {MAX_SPAN:,} cells.",
            f"Cells reach row {height:,} and column {width:,}. Delete those outside the table.",
        )


def _column_number(letters: bytes) -> int:
    """Return 1 for A, 27 for AA."""
    number = 0
    for letter in letters:
        number = 26 * number + letter - ord("A") + 1
    return number


def _rows(sheet: CalamineSheet) -> Iterable[list[Any]]:
    """Return all rows, from the sheet's first row and column on; empty cells are ""."""
    if sheet.start is None:
        return []
    before = [""] * sheet.start[1]
    return (before + row for row in sheet.iter_rows()) if before else sheet.iter_rows()


@dataclass
class _Content:
    """Names, columns, declarations and notes of a worksheet."""

    names: list[str]
    columns: list[SheetColumn]
    declared: list[Declared | None]
    notes: list[str]


def _read(rows: Iterable[list[Any]]) -> _Content:
    numbered = _filled_rows(rows)
    head = list(islice(numbered, SAMPLE_ROWS))
    if not head:
        raise too_small("The worksheet is empty.")
    # Every row has the width of the widest one, as in a CSV that Excel exports.
    widest = max(len(row) for _, row in head)
    texts = [[*map(_name, row), *[""] * (widest - len(row))] for _, row in head]
    layout = find_layout(texts)
    width = max(i + 1 for i, name in enumerate(layout.names) if name) if any(layout.names) else 0
    if all(len(row) <= width for _, row in head[layout.header + layout.rows :]):
        layout = replace(layout, names=layout.names[:width], labels=layout.labels[:width])
    names, renamed = settle_names(layout.names)
    columns = [SheetColumn() for _ in names]
    chunk: list[Sequence[Any]] = []
    rest = chain(head[layout.header + layout.rows :], numbered)
    for count, (number, row) in enumerate(rest, start=1):
        if len(row) > len(names):
            raise invalid_upload(
                "A row of the worksheet has cells beyond the columns that are named.",
                f"Row {number} has {len(row)} cells where the names are {len(names)}: "
                "the first filled row must hold all column names.",
            )
        chunk.append([*row, *[""] * (len(names) - len(row))])
        if count > MAX_ROWS:
            check_row_count(count)
        if len(chunk) == CHUNK_ROWS + MOST_BELOW:
            _take(chunk[:CHUNK_ROWS], names, columns)
            chunk = chunk[CHUNK_ROWS:]
    below = 0
    width = len(names)
    while chunk and below < MOST_BELOW and is_below([*map(_name, chunk[-1])], width):
        chunk.pop()
        below += 1
    if chunk:
        _take(chunk, names, columns)
    declared = [
        Declared(label=label or None, unnamed=not name) if label or not name else None
        for name, label in zip(layout.names, layout.labels, strict=True)
    ]
    return _Content(names, columns, declared, [*layout.notes(), *renamed, *below_notes(below)])


def _filled_rows(rows: Iterable[list[Any]]) -> Iterator[tuple[int, list[Any]]]:
    """Yield number and cells of each row that is not empty, without the empty cells at its end."""
    for number, row in enumerate(rows, start=1):
        width = len(row)
        while width and row[width - 1] == "":
            width -= 1
        if width > MAX_COLUMNS:
            check_column_count(width)
        if width:
            yield number, row[:width]


def _name(cell: Any) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if type(cell) is dt.date:
        return str(dt.datetime.combine(cell, dt.time()))
    return str(cell).strip()


def _take(chunk: list[Sequence[Any]], names: list[str], columns: list[SheetColumn]) -> None:
    for name, column, cells in zip(names, columns, zip(*chunk, strict=True), strict=True):
        values = [None if isinstance(cell, str) and cell in _EMPTY else cell for cell in cells]
        if any(isinstance(cell, str) and len(cell) > MAX_CELL_BYTES for cell in values):
            raise long_cells(name)
        column.add(values)
