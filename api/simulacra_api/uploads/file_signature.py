"""File signatures: refuse an upload whose first bytes cannot be a table, before it is stored.

Only the obvious is decided here; `prepare` decides, under limits, whether the bytes are a table.
"""

from simulacra_api.http.problems import Problem

HEAD_BYTES = 4096
FORMATS = "CSV (also gzip or zstd), Parquet, Arrow, an Excel workbook (.xlsx) or SPSS (.sav, .zsav)"
# fmt: off
ACCEPTED_TYPES = frozenset({
    "",
    "application/csv", "text/csv", "text/plain", "text/tab-separated-values",
    "application/gzip", "application/x-gzip", "application/zstd",
    "application/octet-stream",
    "application/parquet", "application/x-parquet", "application/vnd.apache.parquet",
    "application/vnd.apache.arrow.file", "application/vnd.apache.arrow.stream",
    "application/vnd.ms-excel",  # what Windows calls a CSV
    "application/vnd.ms-excel.sheet.macroenabled.12",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/x-spss-sav",
})
# fmt: on
_TABLES = (
    b"PAR1",  # Parquet
    b"ARROW1",
    b"\xff\xff\xff\xff",  # Arrow stream
    b"$FL2",  # SPSS
    b"$FL3",
    b"\x1f\x8b",  # gzip
    b"\x28\xb5\x2f\xfd",  # zstd
)
_ZIP = b"PK\x03\x04"
_ZIP_NAME = 30
"""Offset of the first member's name in a zip archive."""
_WORKBOOK = (b"[Content_Types].xml", b"_rels/", b"docProps/", b"xl/")
"""Names of the first member of a workbook's archive."""
_MAGIC = (
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook or one with a password"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3", "a database"),
)
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BINARY = frozenset(range(32)) - frozenset(b"\t\n\v\f\r\x1a\x1b")


def check_head(head: bytes, declared_type: str) -> None:
    """Refuse a file that is obviously not a table.

    Args:
        head: the first `HEAD_BYTES` bytes of the file, fewer if it is shorter.
        declared_type: content type of the form's part, lower case, without parameters; may be
            empty.

    Raises:
        Problem: 415 for a declared type that is not supported, 400 for content that cannot be a
            table.
    """
    if declared_type not in ACCEPTED_TYPES:
        raise Problem("simio_unsupported_content_type", f"The part `file` must be {FORMATS}.")
    if not head:
        raise _invalid("is empty")
    if head.startswith(_TABLES):
        return
    if head.startswith(_ZIP):
        if head[_ZIP_NAME:].startswith(_WORKBOOK):
            return
        raise _invalid("is a zip archive but not an Excel workbook")
    for magic, name in _MAGIC:
        if head.startswith(magic):
            raise _invalid(f"is {name}")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:64].lower()
    if start.startswith((b"<!doctype html", b"<html", b"<?xml")):
        raise _invalid("is an HTML or XML document")
    if not head.startswith(_UTF16) and any(byte in _BINARY for byte in head):
        raise _invalid("is a binary file of an unknown kind")


def _invalid(finding: str) -> Problem:
    return Problem("simio_upload_invalid", f"The file {finding}. Upload {FORMATS}.")
