"""Bytes that are no table within the limits: each is refused with its own sentence, quickly and in
bounded memory.

The corpus is made here by code. Each case runs under the product's limits, except `SMALL_TEXT`.
"""

from __future__ import annotations

import gzip
import io
import random
import re
import resource
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import hostile_formats as formats
from parsed_here import parsed_here
from simulacra_crds.reasons import Reason
from simulacra_intake.errors import InputError
from simulacra_intake.limits import MAX_COLUMNS, MIB
from simulacra_intake.read import read_table

GOOD = b"a,b,c\n" + b"".join(b"%d,%d,word%d\n" % (i, i % 3, i % 5) for i in range(50))
SLOWEST_S = 60.0


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return out.getvalue()


def parquet(table: pa.Table, **options: object) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **options)
    return out.getvalue()


def dictionary_bomb() -> bytes:
    """A few kB that hold 60,000 times one cell of just under a MiB: 60 GB as plain text."""
    cell = pa.array(["0" * (MIB - 1)])
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 60_000, pa.int32()), cell)
    table = pa.table({"bomb": column, "n": pa.array(range(60_000))})
    return parquet(table, compression="zstd", store_schema=False, dictionary_pagesize_limit=1 << 30)


def nested() -> bytes:
    return parquet(pa.table({"plain": range(30), "secret_list": [[1, 2]] * 30}))


def wide_parquet() -> bytes:
    return parquet(pa.table({f"c{i}": [1] * 25 for i in range(MAX_COLUMNS + 1)}))


def named(names: list[str]) -> bytes:
    return (",".join(names) + "\n" + (",".join("1" for _ in names) + "\n") * 25).encode()


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "The file is empty"),
    "white space": (lambda: b" \n\n\r\n \t\n", "The file is empty"),
    "byte order mark only": (lambda: b"\xef\xbb\xbf", "The file is empty"),
    "header only": (lambda: b"a,b,c\n", "column names but no rows"),
    "few rows": (lambda: GOOD[:60], "at least 20 are needed"),
    "one column": (lambda: b"a\n" + b"1\n" * 30, "1 column; at least 2"),
    "prose": (lambda: b"It was a dark and stormy night.\n" * 50, "1 column; at least 2"),
    "html": (lambda: b"<!DOCTYPE html>\n<html><body>a,b</body></html>" * 20, "HTML or XML"),
    "json": (lambda: b'[{"a": 1, "b": 2}]' * 30, "is JSON"),
    "zip": (zipped, "ZIP archive that is no Excel workbook"),
    "stata": (lambda: b"<stata_dta><header><release>118</release>" + bytes(900), "a Stata file"),
    "sas": (lambda: bytes(12) + b"\xc2\xea\x81\x60" + bytes(900), "a SAS file"),
    "pdf": (lambda: b"%PDF-1.7\n" + GOOD, "PDF"),
    "old excel": (lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000), "old Excel workbook"),
    "binary": (lambda: random.Random(1).randbytes(50_000), "binary data"),
    "png": (lambda: b"\x89PNG\r\n\x1a\n" + random.Random(2).randbytes(9000), "binary data"),
    "zeros": (lambda: bytes(100_000), "NUL bytes"),
    "a NUL byte": (lambda: GOOD + b"1,2,wo\x00rd\n", "NUL bytes.*line 52"),
    "a NUL byte in Windows-1252": (
        lambda: GOOD + b"1,2,gr\xfcn\n\x001,2,x\n",
        "NUL bytes.*line 53",
    ),
    "long name": (lambda: named(["age", "x" * 257]), "256 characters.*column 2"),
    "line break in a name": (lambda: named(["age", '"s\nx"']), "line breaks.*column 2"),
    "values for names": (lambda: b"39,77516,13.5\n" * 40, "values, not column names"),
    "mixed encodings": (
        lambda: GOOD + "1,2,é\n".encode() + "1,2,é\n".encode("latin-1"),
        "Line 53.*UTF-8",
    ),
    "another script": (
        lambda: GOOD + "1,2,東京 大阪\n".encode("shift_jis") * 50,
        "not UTF-8, UTF-16 or a code page",
    ),
    "broken UTF-16": (
        lambda: GOOD.decode().encode("utf-16")[:-1],
        "not UTF-8, UTF-16 or a code page",
    ),
    "ragged: too few": (lambda: GOOD + b"1,2\n" + GOOD[6:], "Row 52 .* has 2 cells .* 3"),
    "ragged: too many": (lambda: GOOD + b"1,2,3,4\n", "Row 52 .* has 4 cells .* 3"),
    "ragged: a million cells": (lambda: GOOD + b"1," * 1_000_000 + b"1\n", "has 1000001 cells"),
    "unterminated quote": (lambda: GOOD + b'1,2,"word\n' + GOOD[6:], "never closed.*line 52"),
    "unterminated quote, large": (
        lambda: GOOD + b'1,2,"word\n' + b"1,2,3\n" * 4_000_000,
        "never closed",
    ),
    "unterminated quote in the header": (
        lambda: b'a,b,"c\n' + GOOD[6:],
        "never closed.*column names",
    ),
    "a million columns": (
        lambda: named([f"c{i}" for i in range(1_000_000)]),
        "2,000 columns at most",
    ),
    "a million unnamed columns": (lambda: b"," * 1_000_000 + b"\n", "2,000 columns at most"),
    "a long first line": (lambda: b"a" * 30_000_000, "too long to be column names"),
    "a long cell": (lambda: GOOD + b"1,2," + b"x" * (2 * MIB) + b"\n", "1 MiB at most.*'c'"),
    "a long row": (lambda: GOOD + b"1,2," + b"x" * (20 * MIB) + b"\n", "1 MiB at most.*'c'"),
    "quotation marks": (lambda: b'"' * 1_000_001, "column"),
    "gzip, cut": (lambda: gzip.compress(GOOD * 100)[:-30], "damaged, incomplete"),
    "gzip of binary": (lambda: gzip.compress(random.Random(3).randbytes(5000)), "binary data"),
    "gzip of gzip": (lambda: gzip.compress(gzip.compress(GOOD)), "binary data|not a table"),
    "gzip of Parquet": (
        lambda: gzip.compress(parquet(pa.table({"a": [1], "b": [2]}))),
        "compressed Parquet",
    ),
    "zstd, garbage": (lambda: b"\x28\xb5\x2f\xfd" + random.Random(4).randbytes(500), "damaged"),
    "xz": (lambda: b"\xfd7zXZ\x00" + bytes(50), "xz archive"),
    "Parquet, cut": (
        lambda: parquet(pa.table({"a": range(99), "b": range(99)}))[:-200],
        "does not end as Parquet",
    ),
    "Parquet, footer length lies": (
        lambda: parquet(pa.table({"a": range(99), "b": range(99)}))[:-8] + b"\xff\xff\xff\x7fPAR1",
        "footer is damaged or larger",
    ),
    "Parquet, magic only": (lambda: b"PAR1PAR1", "footer"),
    "Parquet, no rows": (
        lambda: parquet(pa.table({"a": pa.array([], "int8"), "b": pa.array([], "int8")})),
        "no rows",
    ),
    "Parquet, no columns": (lambda: parquet(pa.table({})), "0 column"),
    "Parquet, wide": (wide_parquet, "2,000 columns at most.*2,001"),
    "Parquet, lists": (nested, "lists, structures.*secret_list"),
    "Parquet, structs": (
        lambda: parquet(pa.table({"n": range(30), "s": [{"x": 1}] * 30})),
        "lists, structures",
    ),
    "Parquet, bytes": (
        lambda: parquet(pa.table({"n": range(30), "raw": [b"\xff\xfe"] * 30})),
        "not UTF-8.*'raw'",
    ),
    "Parquet, dictionary bomb": (dictionary_bomb, "more than 2 GiB of memory|more memory"),
}


REFUSED |= formats.REFUSED

SMALL_TEXT = {
    *("white space", "byte order mark only", "header only", "few rows", "one column", "prose"),
    *("html", "json", "stata", "sas", "pdf", "old excel", "binary", "png", "zeros", "a NUL byte"),
    *("a NUL byte in Windows-1252", "long name", "line break in a name", "values for names"),
    *("mixed encodings", "another script", "broken UTF-16", "ragged: too few"),
    *("ragged: too many", "unterminated quote", "unterminated quote in the header", "xz"),
}
"""Cases of some kB that no parser of a format reads: they differ only in the sentence."""


def _children_cpu() -> float:
    """CPU seconds of the parsers so far, which the load of the machine does not change."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_small_texts_are_cases() -> None:
    assert {*REFUSED} >= SMALL_TEXT


@pytest.mark.parametrize("case", REFUSED)
def test_each_hostile_file_gets_its_own_error_text(tmp_path: Path, case: str) -> None:
    make, sentence = REFUSED[case]
    path = tmp_path / "upload"
    path.write_bytes(make())
    before = _children_cpu()
    place = parsed_here() if case in SMALL_TEXT else nullcontext()
    with place, pytest.raises(InputError) as refusal:
        read_table(path)
    assert _children_cpu() - before < SLOWEST_S
    error = refusal.value
    assert error.reason in (Reason.UPLOAD_INVALID, Reason.TABLE_TOO_SMALL)
    assert re.search(sentence, error.detail), error.detail
    assert error.message in error.detail
    for secret in ("'age'", "secret_list", "'c'", "'raw'", "word2"):
        assert secret not in error.message, "the message must be safe to log"


@pytest.mark.slow
def test_a_compression_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    frame = pa.compress(b"a,b\n" * (32 * MIB), codec="zstd", asbytes=True)
    path.write_bytes(frame * 20)
    before = _children_cpu()
    with pytest.raises(InputError, match="unpacks to more than 2 GiB"):
        read_table(path)
    assert _children_cpu() - before < SLOWEST_S


@pytest.mark.slow
def test_damaged_parquet_never_crashes_the_reader(tmp_path: Path) -> None:
    good = parquet(
        pa.table({"a": range(500), "b": [f"level {i % 7}" for i in range(500)], "c": [0.5] * 500})
    )
    rng = random.Random(5)
    path = tmp_path / "upload"
    refused = 0
    for _ in range(15):
        damaged = bytearray(good)
        for _ in range(rng.randint(1, 8)):
            damaged[rng.randrange(4, len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            table = read_table(path)
        except InputError:
            refused += 1
        else:
            assert table.num_rows >= 20
    assert refused > 0
