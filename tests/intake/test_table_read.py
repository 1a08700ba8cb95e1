"""Uploads that are tables: every form that a CSV or Parquet file comes in."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulacra_intake.errors import InputError
from simulacra_intake.raw_table import DELIMITER, ORIGIN
from simulacra_intake.read import read_table

ROWS = [(str(i), "Zoë" if i % 2 else "Jörg", f"{i / 4:.2f}") for i in range(40)]
EXPECTED = {"id": [r[0] for r in ROWS], "who": [r[1] for r in ROWS], "x": [r[2] for r in ROWS]}


def as_csv(delimiter: str = ",", newline: str = "\n") -> str:
    return newline.join(delimiter.join(row) for row in [("id", "who", "x"), *ROWS]) + newline


def read_bytes(tmp_path: Path, data: bytes, file_format: str = "auto") -> pa.Table:
    path = tmp_path / "upload"
    path.write_bytes(data)
    return read_table(path, file_format)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1", "cp1252"]
)
def test_encodings_are_detected(tmp_path: Path, encoding: str) -> None:
    assert read_bytes(tmp_path, as_csv().encode(encoding)).to_pydict() == EXPECTED


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends_are_detected(
    tmp_path: Path, delimiter: str, newline: str
) -> None:
    table = read_bytes(tmp_path, as_csv(delimiter, newline).encode(), "csv")
    assert table.to_pydict() == EXPECTED
    assert table.schema.metadata[DELIMITER] == delimiter.encode()
    assert table.schema.metadata[ORIGIN] == b"csv"


def test_decimal_commas_are_not_taken_for_delimiters(tmp_path: Path) -> None:
    table = read_bytes(tmp_path, as_csv(";").replace(".", ",").encode())
    assert table.column_names == ["id", "who", "x"]
    assert table["x"][1].as_py() == "0,25"


@pytest.mark.parametrize(
    ("header", "row", "delimiter"),
    [
        ("price;income;score", "17,12;2440,61;5,03", ";"),
        ("price\tincome", "17,12\t2440,61", "\t"),
        ("id|at|x", "1|2024-01-01 10:00:00,5|1,5", "|"),
        ('"price, net";"income, gross"', "1.017,12;2440,61", ";"),
        ("id,choices", "1,red;green;blue", ","),
    ],
)
def test_the_header_decides_if_cells_hold_other_delimiters(
    tmp_path: Path, header: str, row: str, delimiter: str
) -> None:
    table = read_bytes(tmp_path, "\n".join([header, *[row] * 30]).encode())
    assert table.schema.metadata[DELIMITER] == delimiter.encode()
    assert [column[0].as_py() for column in table.columns] == row.split(delimiter)


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_a_compressed_csv_is_read(tmp_path: Path, codec: str) -> None:
    data = as_csv().encode()
    packed = (
        gzip.compress(data) if codec == "gzip" else pa.compress(data, codec="zstd", asbytes=True)
    )
    assert read_bytes(tmp_path, packed).to_pydict() == EXPECTED


def test_quoted_cells_keep_delimiters_line_breaks_and_marks(tmp_path: Path) -> None:
    cell = 'said "no, no;"\nand left'
    data = "a,b\n" + '1,"said ""no, no;""\nand left"\n' * 25
    assert read_bytes(tmp_path, data.encode())["b"].to_pylist() == [cell] * 25


def test_inch_marks_inside_a_cell_are_kept(tmp_path: Path) -> None:
    table = read_bytes(tmp_path, ("size,n\n" + '5" pipe,1\n' * 25).encode())
    assert table["size"][24].as_py() == '5" pipe'


def test_excels_separator_line_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    assert (
        read_bytes(tmp_path, ("sep=;\r\n" + as_csv(";", "\r\n")).encode()).to_pydict() == EXPECTED
    )
    assert read_bytes(tmp_path, ("\n\n" + as_csv() + "\n\n").encode()).to_pydict() == EXPECTED


def test_years_may_be_column_names(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, ("2019,2020\n" + "1,2\n" * 25).encode()).column_names == [
        "2019",
        "2020",
    ]


def test_parquet_keeps_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "i": pa.array(range(30), pa.int16()),
            "f": pa.array([0.5] * 29 + [None], pa.float32()),
            "t": pa.array(range(30), pa.timestamp("ms", tz="Europe/Berlin")),
            "d": pa.array(["a", "b", "c"] * 10).dictionary_encode(),
            "m": pa.array([Decimal(i) / 4 for i in range(30)], pa.decimal128(12, 2)),
            "b": pa.array([True, None, False] * 10),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=7)
    back = read_table(tmp_path / "t.parquet")
    assert back.schema.equals(table.schema)
    assert back.to_pydict() == table.to_pydict()


def test_parquet_text_stored_as_binary_is_text(tmp_path: Path) -> None:
    table = pa.table({"s": pa.array([b"x", b"\xc3\xa9"] * 15, pa.binary()), "n": range(30)})
    pq.write_table(table, tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet")["s"].to_pylist() == ["x", "é"] * 15


def test_the_declared_format_must_match_the_file(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": range(30), "b": range(30)}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match="declared format is CSV, but the file is Parquet"):
        read_table(tmp_path / "t.parquet", "csv")
    with pytest.raises(InputError, match="declared format is Parquet, but the file is CSV"):
        read_bytes(tmp_path, as_csv().encode(), "parquet")
