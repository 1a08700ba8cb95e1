"""Writer of Excel workbooks (.xlsx, ECMA-376) from Arrow batches, row by row: typed cells in the
sheet "Rows", and the sheet "Columns" with the labels of columns and codes. `write_sheets` writes
several small tables.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import IO, Any
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile

import pyarrow as pa

from simulacra_schema.formats.file_labels import EXACT_DIGITS, declared_of
from simulacra_schema.formats.sav_records import code_text

MAX_ROWS = 1_048_575
"""Rows of a sheet below its header."""
MAX_TEXT = 32_767
TOO_MANY = (
    f"An Excel sheet holds {MAX_ROWS:,} rows at most, and this table has more. Choose another "
    "format, or generate fewer rows."
)
_EPOCH_DAYS = 25_569
"""From Excel's day 0 (1899-12-30) to 1970."""
_DAY = 86_400_000_000
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_SHEETS = ("Rows", "Columns")
_DATE, _MOMENT, _TIME, _SPAN = 1, 2, 3, 4
"""Positions of the number formats in the styles."""


class XlsxWriter:
    """Writes batches of one schema as a workbook; the sink need not be seekable."""

    def __init__(self, sink: Any, schema: pa.Schema) -> None:
        self._schema = schema
        self._zip = ZipFile(sink, "w", ZIP_DEFLATED)
        self._sheet = self._open_sheet(1)
        self._rows = 0
        _write_rows(self._sheet, [[_text(name) for name in schema.names]])

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Append the rows of a batch. Raises ValueError beyond MAX_ROWS."""
        self._rows += batch.num_rows
        if self._rows > MAX_ROWS:
            raise ValueError(TOO_MANY)
        columns = [_cells(column) for column in batch.columns]
        _write_rows(self._sheet, zip(*columns, strict=True))

    def write_table(self, table: pa.Table) -> None:
        """Append the rows of a table. Raises ValueError beyond MAX_ROWS."""
        for batch in table.combine_chunks().to_batches():
            self.write_batch(batch)

    def close(self) -> None:
        """Write the sheet of columns and the parts that make it a workbook."""
        self._close_sheet()
        self._sheet = self._open_sheet(2)
        _write_rows(self._sheet, ([_text(cell) for cell in row] for row in _columns(self._schema)))
        self._close_sheet()
        for name, content in _parts(_SHEETS).items():
            self._zip.writestr(name, _XML + content)
        self._zip.close()

    def _open_sheet(self, number: int) -> IO[bytes]:
        sheet = self._zip.open(f"xl/worksheets/sheet{number}.xml", "w", force_zip64=True)
        sheet.write(f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
        return sheet

    def _close_sheet(self) -> None:
        self._sheet.write(b"</sheetData></worksheet>")
        self._sheet.close()


def write_sheets(sink: IO[bytes], tables: Mapping[str, pa.Table]) -> None:
    """Write a workbook with one sheet for each table, under its name.

    A column of nulls alone has empty cells.
    """
    with ZipFile(sink, "w", ZIP_DEFLATED) as book:
        for number, table in enumerate(tables.values(), 1):
            with book.open(f"xl/worksheets/sheet{number}.xml", "w") as sheet:
                sheet.write(f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
                _write_rows(sheet, [[_text(name) for name in table.column_names]])
                columns = [_cells(column) for column in table.combine_chunks().columns]
                _write_rows(sheet, zip(*columns, strict=True))
                sheet.write(b"</sheetData></worksheet>")
        for name, content in _parts(list(tables)).items():
            book.writestr(name, _XML + content)


def _write_rows(sheet: IO[bytes], rows: Iterable[Sequence[str]]) -> None:
    sheet.write("".join(f"<row>{''.join(row)}</row>" for row in rows).encode())


def _cells(column: pa.Array) -> list[str]:
    """Return the cells as XML; a missing value is an empty cell, which keeps the place."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _cells(column.cast(kind.value_type))
    if pa.types.is_boolean(kind):
        return _each(column, lambda flag: f'<c t="b"><v>{int(flag)}</v></c>')
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        style = _DATE if pa.types.is_date(kind) else _MOMENT
        moments = column.cast(pa.timestamp("us", getattr(kind, "tz", None)), safe=False)
        return _each(moments.cast(pa.int64()), lambda us: _styled(us / _DAY + _EPOCH_DAYS, style))
    if pa.types.is_time(kind):
        times = column.cast(pa.time64("us")).cast(pa.int64())
        return _each(times, lambda us: _styled(us / _DAY, _TIME))
    if pa.types.is_duration(kind):
        spans = column.cast(pa.duration("us"), safe=False).cast(pa.int64())
        return _each(spans, lambda us: _styled(us / _DAY, _SPAN))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _each(column, _number)
    return _each(column.cast(pa.string()), _text)


def _each(values: pa.Array, write: Callable[[Any], str]) -> list[str]:
    return ["<c/>" if value is None else write(value) for value in values.to_pylist()]


def _number(value: Any) -> str:
    if not isinstance(value, float) and abs(value) >= 10**EXACT_DIGITS:
        return _text(str(value))
    return f"<c><v>{value}</v></c>" if math.isfinite(value) else "<c/>"


def _styled(value: float, style: int) -> str:
    return f'<c s="{style}"><v>{value!r}</v></c>'


def _text(text: str) -> str:
    plain = escape(_ILLEGAL.sub("", text[:MAX_TEXT]))
    return f'<c t="inlineStr"><is><t xml:space="preserve">{plain}</t></is></c>'


def _columns(schema: pa.Schema) -> Iterable[list[str]]:
    """Return the rows of the sheet of columns: name, label, labels of codes, missing codes."""
    yield ["Column", "Label", "Values", "Missing codes"]
    for field in schema:
        declared = declared_of(field)
        values = [f"{code_text(code)} = {word}" for code, word in declared.labels]
        missing = [
            code_text(low) if low == high else f"{code_text(low)} to {code_text(high)}"
            for low, high in declared.missing
        ]
        yield [field.name, declared.label or "", "; ".join(values), "; ".join(missing)]


def _parts(names: Sequence[str]) -> dict[str, str]:
    """Return the parts of the package besides the sheets of these names."""
    numbers = range(1, len(names) + 1)
    sheets = [
        f'<sheet name="{escape(name)}" sheetId="{i}" r:id="rId{i}"/>'
        for i, name in zip(numbers, names, strict=True)
    ]
    links = [
        f'<Relationship Id="rId{i}" Type="{_LINKS}/worksheet" Target="worksheets/sheet{i}.xml"/>'
        for i in numbers
    ]
    links.append(f'<Relationship Id="rId99" Type="{_LINKS}/styles" Target="styles.xml"/>')
    kinds = [("workbook", "sheet.main"), ("styles", "styles")]
    kinds += [(f"worksheets/sheet{i}", "worksheet") for i in numbers]
    overrides = [
        f'<Override PartName="/xl/{name}.xml" ContentType="{_TYPES}.{kind}+xml"/>'
        for name, kind in kinds
    ]
    formats = ["General", "yyyy\\-mm\\-dd", "yyyy\\-mm\\-dd hh:mm:ss", "hh:mm:ss", "[h]:mm:ss"]
    return {
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_LINKS}">'
        f"<sheets>{''.join(sheets)}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f"{''.join(links)}</Relationships>",
        "xl/styles.xml": _styles(formats),
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1"'
        f' Type="{_LINKS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels"'
        f' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f"{''.join(overrides)}</Types>",
    }


def _styles(formats: Sequence[str]) -> str:
    """Return one cell style for each number format; the first is Excel's own."""
    own = [
        f'<numFmt numFmtId="{163 + i}" formatCode="{form}"/>' for i, form in enumerate(formats) if i
    ]
    cells = [
        f'<xf numFmtId="{163 + i if i else 0}" fontId="0" fillId="0" borderId="0" xfId="0"'
        f' applyNumberFormat="{int(i > 0)}"/>'
        for i in range(len(formats))
    ]
    return (
        f'<styleSheet xmlns="{_MAIN}"><numFmts count="{len(own)}">{"".join(own)}</numFmts>'
        '<fonts count="1"><font/></fonts>'
        '<fills count="2"><fill><patternFill patternType="none"/></fill>'
        '<fill><patternFill patternType="gray125"/></fill></fills>'
        '<borders count="1"><border/></borders>'
        '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/>'
        f'</cellStyleXfs><cellXfs count="{len(cells)}">{"".join(cells)}</cellXfs>'
        '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
        "</styleSheet>"
    )
