"""First and last lines of a CSV: delimiter, layout, and the lines below the table."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

from simulacra_trainer.table.errors import invalid_upload
from simulacra_trainer.table.limits import MAX_COLUMNS
from simulacra_trainer.table.readers.layout import (
    MOST_BELOW,
    SAMPLE_ROWS,
    Layout,
    below_notes,
    find_layout,
    is_below,
)
from simulacra_trainer.table.readers.names import check_column_count
from simulacra_trainer.table.readers.sniff import delimiter_of

HEAD_BYTES = 256 * 1024
TAIL_BYTES = 64 * 1024


@dataclass(frozen=True)
class CsvHead:
    """Delimiter, layout, and the number of physical lines before the rows."""

    delimiter: str
    layout: Layout
    lines: int


@dataclass(frozen=True)
class Below:
    """Lines below the table.

    Attributes:
        rows: lines with as many cells as the table has columns.
        ragged: text of the lines with another number of cells.
    """

    rows: int = 0
    ragged: tuple[str, ...] = ()

    def notes(self) -> list[str]:
        """Return what was left out below the rows."""
        return below_notes(self.rows + len(self.ragged))


def read_head(head: bytes, encoding: str) -> CsvHead:
    """Return delimiter and layout by the first bytes of a file.

    Raises:
        InputError: the first line is too long, or has too many cells.
    """
    sample = head.decode(encoding, errors="ignore").removeprefix("\ufeff")
    whole, newline, _ = sample.replace("\r\n", "\n").replace("\r", "\n").rpartition("\n")
    lines = whole if newline and len(head) == HEAD_BYTES else sample
    first, _, rest = lines.partition("\n")
    announced = first.strip().lower().startswith("sep=") and len(first.strip()) == 5
    delimiter = first.strip()[4] if announced else delimiter_of(lines)
    if first.count(delimiter) > 4 * MAX_COLUMNS and not newline:
        check_column_count(first.count(delimiter) + 1)
    reader = csv.reader(io.StringIO(rest if announced else lines, newline=""), delimiter=delimiter)
    rows: list[list[str]] = []
    ends: list[int] = []
    try:
        for row in reader:
            if row:
                rows.append(row)
                ends.append(reader.line_num)
            if len(rows) == SAMPLE_ROWS:
                break
    except csv.Error:
        if not rows:
            raise _long_names() from None
    if not rows or (len(rows[0]) == 1 and len(head) == HEAD_BYTES and not newline):
        if rows:
            raise _long_names()
        return CsvHead(delimiter, Layout(0, 1, [], []), 0)
    layout = find_layout(rows)
    return CsvHead(delimiter, layout, ends[layout.header + layout.rows - 1] + announced)


def read_below(tail: bytes, encoding: str, delimiter: str, width: int) -> Below:
    """Return the lines below the table by the last bytes of a file, which start in a line."""
    text = tail.decode(encoding.replace("-sig", ""), errors="ignore").replace("\r\n", "\n")
    lines = text.replace("\r", "\n").partition("\n")[2]
    if lines.count('"') % 2:  # starts in a cell with line breaks
        return Below()
    try:
        rows = [row for row in csv.reader(io.StringIO(lines), delimiter=delimiter) if row]
    except csv.Error:
        return Below()
    below: list[list[str]] = []
    while rows and len(below) < MOST_BELOW and is_below(rows[-1], width):
        below.append(rows.pop())
    if not any(cell.strip() for row in below for cell in row):  # blank rows alone are rows
        return Below()
    ragged = tuple(delimiter.join(row) for row in below if len(row) != width)
    return Below(len(below) - len(ragged), ragged)


def _long_names() -> Exception:
    return invalid_upload("The first line of the file is too long to be column names.")
