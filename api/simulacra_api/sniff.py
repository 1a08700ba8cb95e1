"""What the first bytes of an upload already tell: refused here so that nothing is stored for it.

Only the obvious is decided; whether the bytes are a table is found by `prepare`, under its limits.
"""

from __future__ import annotations

from simulacra_api.problems import Problem

HEAD_BYTES = 4096
ACCEPTED_TYPES = frozenset(
    {
        "",
        "application/csv",
        "application/octet-stream",
        "application/parquet",
        "application/vnd.apache.parquet",
        "application/vnd.ms-excel",  # what Windows calls a CSV
        "application/x-parquet",
        "text/csv",
        "text/plain",
        "text/tab-separated-values",
    }
)
_PARQUET = b"PAR1"
_MAGIC = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"\x1f\x8b", "gzip-compressed"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed"),
    (b"ARROW1", "an Arrow file"),
    (b"%PDF", "a PDF document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3", "a database"),
    (b"$FL2", "an SPSS file"),
)
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BINARY = frozenset(range(32)) - frozenset(b"\t\n\v\f\r\x1a\x1b")


def check_head(head: bytes, declared_type: str) -> None:
    """Refuse what is obviously no CSV and no Parquet.

    Args:
        head: the first `HEAD_BYTES` bytes of the file, fewer if it is shorter.
        declared_type: content type of the form's part, lower case, without parameters; may be empty.

    Raises:
        Problem: 415 for a declared type that is not supported, 400 for content that cannot be a table.
    """
    if declared_type not in ACCEPTED_TYPES:
        raise Problem("simio_unsupported_content_type", "The part named file must be text/csv or application/parquet")
    if not head:
        raise _invalid("is empty")
    if head.startswith(_PARQUET):
        return
    for magic, name in _MAGIC:
        if head.startswith(magic):
            raise _invalid(f"is {name}")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:64].lower()
    if start.startswith((b"<!doctype html", b"<html", b"<?xml")):
        raise _invalid("is an HTML or XML document")
    if not head.startswith(_UTF16) and any(byte in _BINARY for byte in head):
        raise _invalid("is a binary file of an unknown kind")


def _invalid(what: str) -> Problem:
    return Problem("simio_upload_invalid", f"The file {what}: upload a CSV (UTF-8) or a Parquet file")
