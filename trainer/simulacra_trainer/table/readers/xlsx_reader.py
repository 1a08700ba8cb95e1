"""An Excel workbook (.xlsx, .xlsm) as one batch: its first visible worksheet, first filled row the
column names.

openpyxl reads, row by row, and never macros, links or formulas (the value that was last computed
counts). Before it starts, the archive is held against the limits: a megabyte of it can unpack to
gigabytes, a cell in the last corner of a sheet can stand for seventeen billion, and an entity of
its XML for as much.
"""

from __future__ import annotations

import contextlib
import io
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from typing import IO, Any
from xml.parsers import expat

import openpyxl
import pyarrow as pa
from openpyxl.cell.cell import ERROR_CODES

from simulacra_trainer.table.errors import InputError, invalid_upload, too_small
from simulacra_trainer.table.limits import (
    GIB,
    MAX_CELL_BYTES,
    MAX_COLUMNS,
    MAX_DECODED_BYTES,
    MAX_ROWS,
)
from simulacra_trainer.table.readers.arrow_columns import long_cells
from simulacra_trainer.table.readers.batches import Batches
from simulacra_trainer.table.readers.names import check_column_count, check_names, check_row_count
from simulacra_trainer.table.readers.sheet_columns import SheetColumn

MAX_MEMBERS = 10_000
SHEET_ROWS = 1_048_576
CHUNK_ROWS = 10_000
_BLOCK_BYTES = 64 * 1024
_ERRORS = frozenset(ERROR_CODES)


def open_batches(source: io.FileIO) -> Batches:
    """Read the workbook's first visible worksheet; types are told from the cells.

    Raises:
        InputError: it is no workbook within the limits.
    """
    warnings.simplefilter("ignore")  # openpyxl's quote cells
    try:
        with zipfile.ZipFile(source) as archive:
            _check_archive(archive)
        book = openpyxl.load_workbook(source, read_only=True, data_only=True, keep_links=False)
        sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        if not sheets:
            raise too_small("The Excel workbook has no visible worksheet.")
        sheets[0].reset_dimensions()  # what the file says of its extent is not to be relied on
        names, columns = _read(sheets[0].iter_rows(values_only=True))
    except (InputError, MemoryError):
        raise
    except Exception:  # whatever openpyxl and expat meet in a damaged workbook
        raise invalid_upload(
            "The Excel workbook is damaged or incomplete: it cannot be read."
        ) from None
    batch = pa.RecordBatch.from_arrays([column.values() for column in columns], names=names)
    more = f"only the first of {len(sheets)} worksheets was read" if len(sheets) > 1 else ""
    return Batches(batch.schema, iter([batch]), notes=[more] if more else [])


def _check_archive(archive: zipfile.ZipFile) -> None:
    """Refuse what is no workbook, unpacks beyond the limit (zipfile holds members to their size), or has entities."""
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
    for (
        member
    ) in members:  # whatever their names: a workbook says itself which of them is a worksheet
        if not member.is_dir():
            with archive.open(member) as file:
                _check_prologue(file)


def _check_prologue(file: IO[bytes]) -> None:
    """Refuse a part that declares a document type, where entities come from; it stands before the
    first element.

    By expat, which reads the parts later, so no encoding hides anything from this that it would
    show to that.
    """
    parser, started = expat.ParserCreate(), False

    def refuse(*_: object) -> None:
        raise invalid_upload("The Excel workbook declares XML entities, which no workbook needs.")

    def start(*_: object) -> None:
        nonlocal started
        started = True

    parser.StartDoctypeDeclHandler, parser.StartElementHandler = refuse, start
    with contextlib.suppress(expat.ExpatError):  # an image, or damaged: openpyxl's to judge
        while not started and (block := file.read(_BLOCK_BYTES)):
            parser.Parse(block)


def _read(rows: Iterator[Sequence[Any]]) -> tuple[list[str], list[SheetColumn]]:
    names: list[str] = []
    columns: list[SheetColumn] = []
    chunk: list[Sequence[Any]] = []
    count = 0
    for number, row in enumerate(rows, start=1):
        if number > SHEET_ROWS:  # the gap before a cell far below is walked row by row
            raise invalid_upload(
                f"The Excel workbook is damaged: a worksheet has {SHEET_ROWS:,} rows at most."
            )
        width = len(row)
        while width and (row[width - 1] is None or row[width - 1] == ""):
            width -= 1
        if width > MAX_COLUMNS:
            check_column_count(width)
        if not width:
            continue
        if not names:
            names = ["" if value is None else str(value).strip() for value in row[:width]]
            check_names(names)
            columns = [SheetColumn() for _ in names]
            continue
        if width > len(names):
            raise invalid_upload(
                "A row of the worksheet has cells beyond the columns that are named.",
                f"Row {number} has {width} cells where the names are {len(names)}: "
                "the first filled row must hold all column names.",
            )
        chunk.append(row[:width])
        count += 1
        if count > MAX_ROWS:
            check_row_count(count)
        if len(chunk) == CHUNK_ROWS:
            _take(chunk, names, columns)
            chunk = []
    if not names:
        raise too_small("The first worksheet is empty.")
    _take(chunk, names, columns)
    return names, columns


def _take(chunk: list[Sequence[Any]], names: list[str], columns: list[SheetColumn]) -> None:
    for place, (name, column) in enumerate(zip(names, columns, strict=True)):
        cells = [row[place] if place < len(row) else None for row in chunk]
        cells = [None if isinstance(cell, str) and cell in _ERRORS else cell for cell in cells]
        if any(isinstance(cell, str) and len(cell) > MAX_CELL_BYTES for cell in cells):
            raise long_cells(name)
        column.add(cells)
