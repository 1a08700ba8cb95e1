"""Detection of file formats, compression, encoding and delimiter from bytes."""

import codecs
import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from typing import AnyStr

from simulacra_crds.kinds.dataset import FileFormat
from simulacra_intake.errors import invalid_upload
from simulacra_intake.readers.code_pages import code_page
from simulacra_intake.readers.east_asian import EastAsian
from simulacra_intake.readers.layout import SAMPLE_ROWS, titles_above, usual_width

ARROW_FILE = b"ARROW1"
NAMES: dict[FileFormat, str] = {
    "csv": "CSV",
    "parquet": "Parquet",
    "arrow": "Arrow",
    "xlsx": "an Excel workbook",
    "spss": "an SPSS file",
}
DELIMITERS = ",;\t|"

_FORMATS: dict[bytes, FileFormat] = {
    b"PAR1": "parquet",
    b"PARE": "parquet",  # with an encrypted footer
    ARROW_FILE: "arrow",
    b"\xff\xff\xff\xff": "arrow",  # a stream: the mark that goes before each message
    b"PK\x03\x04": "xlsx",
    b"$FL2": "spss",
    b"$FL3": "spss",
}
_COMPRESSIONS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_EXPORT = "Export it as CSV or Parquet and upload that."
_NOT_TABLES: dict[bytes, tuple[str, str]] = {
    b"\xd0\xcf\x11\xe0": (
        "an old Excel workbook, or one with a password",
        "Save it as .xlsx without a password.",
    ),
    b"FEA1": ("a Feather file of version 1", "Write it as Feather 2 (Arrow), Parquet or CSV."),
    b"Obj\x01": ("an Avro file", _EXPORT),
    b"SQLite format 3": ("a database", _EXPORT),
    b"<stata_dta>": ("a Stata file", _EXPORT),
    b"HEADER RECORD*******LIB": ("a SAS transport file", _EXPORT),
    bytes(12) + b"\xc2\xea\x81\x60": ("a SAS file", _EXPORT),
    b"RDX3\n": ("a file of R", _EXPORT),
    b"%PDF": ("a PDF document", _EXPORT),
    b"BZh": ("a bzip2 archive", "Compress it with gzip or zstd, or not at all."),
    b"\xfd7zXZ": ("an xz archive", "Compress it with gzip or zstd, or not at all."),
    b"7z\xbc\xaf": ("a 7z archive", "Compress it with gzip or zstd, or not at all."),
}
_BOMS = {
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it starts with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_JSON = re.compile(rb"\{\s*[\"}]|\[\s*[\[{\"\d\]-]")
_NO_TEXT = frozenset(("Cc", "Cn", "Co", "Cs"))
"""Unicode's categories of controls, unassigned, private and surrogate characters."""
_CONTROLS = bytes(c for c in range(32) if c not in (9, 10, 12, 13)) + b"\x7f"


def format_of(head: bytes) -> FileFormat | None:
    """Return the format of a file by its first 8 bytes; None for a CSV or an unknown format."""
    return next((name for magic, name in _FORMATS.items() if head.startswith(magic)), None)


def compression_of(head: bytes) -> str | None:
    """Return "gzip" or "zstd" if head starts such a stream, else None."""
    return next((name for magic, name in _COMPRESSIONS.items() if head.startswith(magic)), None)


def refuse_other_formats(head: bytes) -> None:
    """Refuse content that is not CSV: archives, workbooks, HTML, JSON, binary data.

    head: the first bytes of the (decompressed) file.

    Raises:
        InputError: the file is not a CSV; the message says what it is and what to do.
    """
    for magic, (what, remedy) in _NOT_TABLES.items():
        if head.startswith(magic):
            raise invalid_upload(f"The file is not a table but {what}.", remedy)
    if packed := format_of(head):
        raise invalid_upload(
            f"The file is compressed {NAMES[packed]}.", "Only a CSV may be compressed: unpack it."
        )
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if not text.strip(b"\x00"):
        raise invalid_upload(
            "The file is empty." if not text else "The file holds nothing but NUL bytes."
        )
    if _JSON.match(text):
        raise invalid_upload("The file is JSON, not a table.", _EXPORT)
    if text[:1] == b"<" and (
        b"</" in text or b"/>" in text or text[:5].lower() in (b"<html", b"<!doc", b"<?xml")
    ):
        raise invalid_upload("The file is HTML or XML, not a table.", _EXPORT)
    plain = encoding_by_nuls(head) is None and not any(head.startswith(bom) for bom in _BOMS)
    if (
        plain
        and len(head.translate(None, _CONTROLS)) < 0.98 * len(head)
        and head.count(0) < len(head)
    ):
        raise invalid_upload("The file is binary data, not a table.", _EXPORT)


def encoding_by_nuls(head: bytes) -> str | None:
    """Return utf-16-le or -be of text without a byte order mark; None of other bytes.

    Every other byte of Latin, Greek or Cyrillic text is mostly one of two, NUL among them. Other
    scripts show in lines that end where characters do, and characters that are all assigned.
    """
    even, odd = head[0:4096:2], head[1:4096:2]
    if len(odd) < 8:
        return None
    if _upper_bytes(odd) and even.count(0) < 0.1 * len(even):
        return "utf-16-le"
    if _upper_bytes(even) and odd.count(0) < 0.1 * len(odd):
        return "utf-16-be"
    if b"\n\x00" in head or b"\x00\n" in head:
        return next((one for one in ("utf-16-le", "utf-16-be") if _is_text_in(head, one)), None)
    return None


def _is_text_in(head: bytes, encoding: str) -> bool:
    """Return whether the first bytes are several lines of assigned characters in UTF-16."""
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head[:4096])
    kinds = (unicodedata.category(letter) for letter in text if letter not in "\t\r\n")
    return text.count("\n") > 1 and "\ufffd" not in text and not _NO_TEXT.intersection(kinds)


def _upper_bytes(half: bytes) -> bool:
    common = Counter(half).most_common(2)
    return any(byte == 0 for byte, _ in common) and sum(n for _, n in common) > 0.6 * len(half)


def encoding_of(head: bytes, blocks: Iterator[bytes]) -> str:
    """Return the encoding of a whole file: utf-8(-sig), utf-16(-le, -be), utf-32 or a code page.

    Raises:
        InputError: NUL bytes, or bytes that fit no supported encoding, with the line.
    """
    marked = next(
        (name for bom, name in _BOMS.items() if head.startswith(bom)), None
    ) or encoding_by_nuls(head)
    encoding = marked or "utf-8"
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    plain = True
    for block in chain(blocks, [b""]):
        if marked is None and block and block.isascii() and not decoder.getstate()[0]:
            _refuse_nul(block, b"\x00", line)
            line += block.count(b"\n")
            continue
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            broken_at = line + block.count(b"\n", 0, error.start)
            plain = plain and block[: error.start].isascii()
            page = None
            if not marked and plain:
                east_asian = EastAsian()
                rest = _without_nul(chain([block], blocks), line)
                page = code_page(east_asian.through(rest)) or east_asian.best()
            if page is None:
                raise invalid_upload(
                    "The encoding of the file is not UTF-8, UTF-16 or a code page throughout.",
                    f"Line {broken_at} does not decode as {encoding}. Save the file as UTF-8.",
                ) from None
            return page
        _refuse_nul(text, "\x00", line)
        plain = plain and text.isascii()
        line += text.count("\n")
    return encoding


def _without_nul(blocks: Iterator[bytes], line: int) -> Iterator[bytes]:
    for block in blocks:
        _refuse_nul(block, b"\x00", line)
        line += block.count(b"\n")
        yield block


def _refuse_nul(text: AnyStr, nul: AnyStr, line: int) -> None:
    before, found, _ = text.partition(nul)
    if found:
        at = line + len((before + nul).splitlines()) - 1
        raise invalid_upload(
            "The file holds NUL bytes, which no text has.", f"The first is in line {at}."
        )


def delimiter_of(sample: str) -> str:
    """Return the delimiter under which the first rows agree best in their number of fields.

    Agreement with the header counts first: decimal commas in every column give more fields than
    semicolons, but not in the names. Title lines above the header do not count.

    sample: whole lines from the beginning of the file.
    """
    best = ","
    best_score = (False, 0.0, 0)
    for delimiter in DELIMITERS:
        try:
            rows = sample_rows(sample, delimiter)
        except csv.Error:  # a field beyond the csv module's own limit
            continue
        widths = [len(row) for row in rows]
        width = usual_width(rows)
        if width < 2:
            continue
        agreement = round(widths.count(width) / len(widths), 1)
        score = (widths[titles_above(rows)] == width, agreement, width)
        if score > best_score:
            best = delimiter
            best_score = score
    return best


def sample_rows(sample: str, delimiter: str) -> list[list[str]]:
    """Return the first rows that are not empty."""
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    return list(islice(filter(None, reader), SAMPLE_ROWS))
