"""First and last lines of a CSV: delimiter, layout, and the lines below the table."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from simulacra_intake.errors import invalid_upload
from simulacra_intake.limits import MAX_COLUMNS
from simulacra_intake.readers.layout import (
    MOST_BELOW,
    SAMPLE_ROWS,
    Layout,
    below_notes,
    find_layout,
    is_below,
    usual_width,
)
from simulacra_intake.readers.names import check_column_count
from simulacra_intake.readers.sniff import delimiter_of
from simulacra_intake.readers.stated_layout import DETECT, StatedLayout, mismatch

HEAD_BYTES = 256 * 1024
TAIL_BYTES = 64 * 1024
LEAST_REPEATED = 3
"""Columns of a header that is known again among the rows; of two, a row may look like it."""


@dataclass(frozen=True)
class CsvHead:
    """What the first lines of a CSV tell.

    Attributes:
        delimiter: of the cells.
        layout: of the lines with names.
        lines: physical lines before the rows.
        is_joinable: whether a line of all names among the rows is no person's: the names are the
            first line, of LEAST_REPEATED columns, and a column never holds its own name in the
            first rows. Where each option's column holds the option's name, it may be a person's.
    """

    delimiter: str
    layout: Layout
    lines: int
    is_joinable: bool = False


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


def read_head(head: bytes, encoding: str, stated: StatedLayout = DETECT) -> CsvHead:
    """Return delimiter and layout by the first bytes of a file, or as the user states them.

    Raises:
        InputError: the first line is too long, or has too many cells.
    """
    sample = head.decode(encoding, errors="ignore").removeprefix("\ufeff")
    whole, newline, _ = sample.replace("\r\n", "\n").replace("\r", "\n").rpartition("\n")
    lines = whole if newline and len(head) == HEAD_BYTES else sample
    first, _, rest = lines.partition("\n")
    announced = first.strip().lower().startswith("sep=") and len(first.strip()) == 5
    delimiter = first.strip()[4] if announced else delimiter_of(lines)
    delimiter = stated.delimiter or delimiter
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
    layout = find_layout(rows) if stated.header_rows is None else _layout(rows, stated.header_rows)
    above = layout.header + layout.rows
    is_joinable = (layout.header, layout.rows) == (0, 1) and _has_no_names(layout.names, rows[1:])
    return CsvHead(delimiter, layout, ends[above - 1] + announced, is_joinable)


def _has_no_names(names: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Return whether a column of enough never holds its own name, but in lines of all names."""
    if len(names) < LEAST_REPEATED:
        return False
    cells = [[cell.strip() for cell in row] for row in rows]
    others = [row for row in cells if row != names and len(row) == len(names)]
    return any(all(row[at] != name for row in others) for at, name in enumerate(names))


def _layout(rows: list[list[str]], header_rows: Sequence[int]) -> Layout:
    """Return the layout with these rows as names and labels."""
    first, last = header_rows[0], header_rows[-1]
    if list(header_rows) != list(range(first, last + 1)) or last >= len(rows):
        detail = f"The header rows must follow each other, and the file begins with {len(rows)}."
        raise mismatch("/dialect/headerRows", detail)
    names = [cell.strip() for cell in rows[first - 1]]
    if len(names) < usual_width(rows[last:]):
        detail = f"Row {first} has {len(names)} names for {usual_width(rows[last:])} columns."
        raise mismatch("/dialect/headerRows", detail)
    below = [[*row, *[""] * len(names)][: len(names)] for row in rows[first:last]]
    labels = [
        next((line[i].strip() for line in below if line[i].strip()), "") for i in range(len(names))
    ]
    return Layout(first - 1, len(header_rows), names, labels)


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
