"""Hostile Arrow, Excel and SPSS bytes, and what the rejection says."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pyarrow as pa

SAV = Path(__file__).resolve().parents[1] / "trainer" / "data" / "survey.sav"
ZSAV = SAV.with_suffix(".zsav")
SHEET = "xl/worksheets/sheet1.xml"
_NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def workbook(rows: int = 30) -> bytes:
    """Return a small valid workbook."""
    book = openpyxl.Workbook()
    for row in [["name", "n"], *([f"word {i % 5}", i % 7] for i in range(rows))]:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def with_member(member: str, content: bytes, base: bytes | None = None) -> bytes:
    """Return the workbook with a member added or replaced."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(base or workbook())) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in dict.fromkeys([*old.namelist(), member]):
            new.writestr(name, content if name == member else old.read(name))
    return out.getvalue()


def sheet(rows: str, head: str = "") -> bytes:
    """Return a workbook whose sheet is this XML."""
    xml = (
        f'<?xml version="1.0"?>{head}<worksheet'
        f" {_NAMESPACE}><sheetData>{rows}</sheetData></worksheet>"
    )
    return with_member(SHEET, xml.encode())


def bomb() -> bytes:
    """Return a workbook with an unused member that claims to unpack to 3 GiB."""
    size = 12_345_677
    return with_member("xl/media/a.bin", bytes(size)).replace(
        struct.pack("<I", size), struct.pack("<I", 3 << 30)
    )


def understated_sheet(size: int = 1000) -> bytes:
    """Return a workbook whose sheet is longer than the archive says."""
    data = bytearray(sheet("<row>" + '<c t="inlineStr"><is><t>x</t></is></c>' * 50_000 + "</row>"))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        real = struct.pack("<I", archive.getinfo(SHEET).file_size)
    return bytes(data).replace(real, struct.pack("<I", size))


def shared_string_bomb() -> bytes:
    """Return 300 strings of over 1 MiB, which unpack from a third of a megabyte."""
    strings = f"<sst {_NAMESPACE}>" + f"<si><t>{'0' * (1 + (1 << 20))}</t></si>" * 300 + "</sst>"
    cells = "".join(f'<row><c t="s"><v>{i}</v></c><c><v>1</v></c></row>' for i in range(300))
    types = (
        b'<Override PartName="/xl/sharedStrings.xml" ContentType="application/'
        b'vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/></Types>'
    )
    base = sheet(HEADER_ROW + cells)
    with zipfile.ZipFile(io.BytesIO(base)) as archive:
        manifest = archive.read("[Content_Types].xml")
    if b"sharedStrings" not in manifest:
        base = with_member("[Content_Types].xml", manifest.replace(b"</Types>", types), base)
    return with_member("xl/sharedStrings.xml", strings.encode(), base)


ENTITIES = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
EXTERNAL = '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
HEADER_ROW = (
    '<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c><c r="B1"'
    ' t="inlineStr"><is><t>b</t></is></c></row>'
)


def arrow(table: pa.Table, *, stream: bool = False, **options: object) -> bytes:
    """Return the table as Arrow IPC."""
    out = io.BytesIO()
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(out, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return out.getvalue()


def good_arrow() -> pa.Table:
    """Return a valid table."""
    return pa.table({"a": range(100), "b": [f"level {i % 4}" for i in range(100)]})


def broken_offsets() -> bytes:
    """Return a string column whose offsets point far outside of its data."""
    data = arrow(pa.table({"a": range(30), "words": ["abcde"] * 30}))
    return data.replace(struct.pack("<3i", 5, 10, 15), struct.pack("<3i", 5, 1 << 30, 15))


def arrow_bomb() -> bytes:
    """Return two columns of 3 GB of zeros in a compressed body."""
    data = bytearray(
        arrow(
            pa.table({"a": pa.array([0] * 200_000), "b": pa.array([0] * 200_000)}),
            compression="zstd",
        )
    )
    return bytes(data).replace(struct.pack("<q", 1_600_000), struct.pack("<q", 3 << 30))


def sav_header(variables: int, labels: bytes = b"") -> bytes:
    """Return a header that announces this number of variables."""
    head = (
        b"$FL2" + b"@(#) SPSS DATA FILE".ljust(60) + struct.pack("<iiiii", 2, variables, 1, 0, -1)
    )
    head = head.ljust(176, b" ")
    return (
        head
        + b"".join(
            struct.pack("<iiiiii", 2, 0, 0, 0, 0, 0) + b"V%-7d" % i for i in range(variables)
        )
        + labels
    )


def sav_with(position: int, value: bytes) -> bytes:
    """Return the small SPSS file with some bytes replaced."""
    data = bytearray(SAV.read_bytes())
    data[position : position + len(value)] = value
    return bytes(data)


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "xlsx, cut": (lambda: workbook()[:-200], "workbook is damaged"),
    "xlsx, bomb": (bomb, "unpacks to more than 2 GiB"),
    "xlsx, a member longer than it says": (understated_sheet, "workbook is damaged"),
    "xlsx, shared strings bomb": (shared_string_bomb, "1 MiB at most"),
    "xlsx, entities": (lambda: sheet("", ENTITIES), "declares XML entities"),
    "xlsx, external entity": (
        lambda: sheet(f"{HEADER_ROW}<row><c t='str'><v>&f;</v></c></row>", EXTERNAL),
        "entities",
    ),
    "xlsx, external entity after a long comment": (
        lambda: sheet("", f"<!--{'x' * 100_000}-->{EXTERNAL}"),
        "declares XML entities",
    ),
    "xlsx, entities in a part that is not called XML": (
        lambda: with_member("xl/worksheets/sheet2.dat", f"{ENTITIES}<worksheet/>".encode()),
        "declares XML entities",
    ),
    "xlsx, entity in UTF-16": (
        lambda: with_member(
            SHEET, f'<?xml version="1.0" encoding="UTF-16"?>{EXTERNAL}<worksheet/>'.encode("utf-16")
        ),
        "declares XML entities",
    ),
    "xlsx, no sheet": (lambda: with_member("xl/workbook.xml", b"<workbook/>"), "workbook"),
    "xlsx, broken XML": (
        lambda: with_member(SHEET, b"<worksheet><sheetData><row>"),
        "workbook is damaged",
    ),
    "xlsx, a cell in the last column": (
        lambda: sheet(f'{HEADER_ROW}<row r="2"><c r="XFD2"><v>1</v></c></row>'),
        "2,000 columns at most.*16,384",
    ),
    "xlsx, a cell in the far corner": (
        lambda: sheet(f'{HEADER_ROW}<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'),
        "2,000 columns at most.*16,384",
    ),
    "xlsx, a cell far away": (
        lambda: sheet(f'{HEADER_ROW}<row r="1048576"><c r="CV1048576"><v>1</v></c></row>'),
        "spans more than 30,000,000 cells.*row 1,048,576 and column 100",
    ),
    "xlsx, a cell in the far corner that hides its place": (
        lambda: sheet(f'{HEADER_ROW}<row r="1048576"><c r ="XFD1048576"><v>1</v></c></row>'),
        "more memory to read than the limit",
    ),
    "xlsx, a cell in the last row": (
        lambda: sheet(f'{HEADER_ROW}<row r="1048576"><c r="A1048576"><v>1</v></c></row>'),
        "has 1 rows",
    ),
    "xlsx, a row in the billions": (
        lambda: sheet(f'{HEADER_ROW}<row r="2000000000"><c><v>1</v></c></row>'),
        "1,048,576 rows",
    ),
    "xlsx, cells beyond the names": (
        lambda: sheet(
            HEADER_ROW
            + "".join(f'<row r="{i}"><c r="A{i}"><v>1</v></c></row>' for i in range(2, 400))
            + '<row r="400"><c r="C400"><v>1</v></c></row>'
        ),
        "Row 400",
    ),
    "xlsx, a shared string that is none": (
        lambda: sheet(f'{HEADER_ROW}<row r="2"><c r="A2" t="s"><v>99999</v></c></row>'),
        "workbook is damaged",
    ),
    "gzip of xlsx": (
        lambda: pa.compress(workbook(), codec="gzip", asbytes=True),
        "compressed an Excel workbook",
    ),
    "old Feather": (lambda: b"FEA1" + bytes(200), "version 1"),
    "Arrow, cut": (lambda: arrow(good_arrow())[:-40], "Arrow file is damaged"),
    "Arrow, magic only": (lambda: b"ARROW1\0\0", "Arrow file is damaged"),
    "Arrow, stream cut": (
        lambda: arrow(good_arrow(), stream=True)[:-500],
        "Arrow file is damaged|no rows",
    ),
    "Arrow, stream of nothing": (lambda: b"\xff\xff\xff\xff\0\0\0\0", "Arrow file is damaged"),
    "Arrow, message of 2 GiB": (
        lambda: b"\xff\xff\xff\xff\xff\xff\xff\x7f" + bytes(100),
        "damaged|memory",
    ),
    "Arrow, broken offsets": (broken_offsets, "one of its columns"),
    "Arrow, compression bomb": (arrow_bomb, "damaged|memory"),
    "Arrow, lists": (
        lambda: arrow(pa.table({"n": range(30), "secret_list": [[1]] * 30})),
        "lists, structures",
    ),
    "SPSS, header only": (lambda: b"$FL2@(#) SPSS DATA FILE" + bytes(500), "SPSS file is damaged"),
    "SPSS, 100,000 variables": (lambda: sav_header(100_000), "2,000 columns at most"),
    "SPSS, 2,001 variables": (lambda: sav_header(2_001), "2,000 columns at most"),
    "SPSS, a label of 2 GiB": (
        lambda: sav_with(176 + 8, struct.pack("<i", 1) + b"\0" * 20 + b"\xff\xff\xff\x7f"),
        "damaged",
    ),
    "SPSS, a billion rows": (
        lambda: sav_with(80, struct.pack("<i", 10**9)),
        "20,000,000 rows at most",
    ),
    "SPSS, cut": (lambda: SAV.read_bytes()[:-600], "damaged|rows"),
    "SPSS, zsav cut": (lambda: ZSAV.read_bytes()[:-100], "damaged"),
    "SPSS, cut in its dictionary": (lambda: SAV.read_bytes()[:500], "SPSS file is damaged"),
}
