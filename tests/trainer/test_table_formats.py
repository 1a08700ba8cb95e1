"""Arrow, Excel and SPSS uploads that are tables."""

from __future__ import annotations

import datetime as dt
import gzip
import random
import zipfile
from contextlib import suppress
from pathlib import Path

import openpyxl
import pyarrow as pa
import pytest

import hostile_formats as formats
from simulacra_intake.errors import InputError
from simulacra_intake.raw_table import NOTES, ORIGIN
from simulacra_intake.read import read_table
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.cleaning.clean import clean_table

pytestmark = pytest.mark.usefixtures("exact_counts")

DATA = Path(__file__).parent / "data"
"""SPSS files as ReadStat writes them, in its two compressions."""


def cleaned(path: Path) -> TableSchema:
    return clean_table(read_table(path)).schema


def column(path: Path, name: str) -> ColumnSchema:
    found = cleaned(path).find(name)
    assert found is not None
    return found


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
def test_arrow_keeps_types(tmp_path: Path, stream: bool, compression: str | None) -> None:
    table = formats.good_arrow().append_column("c", pa.array(["x", "y"] * 50).dictionary_encode())
    path = tmp_path / "t.arrow"
    path.write_bytes(formats.arrow(table, stream=stream, compression=compression))
    back = read_table(path, "arrow")
    assert back.to_pydict() == table.to_pydict()
    assert back.schema.metadata[ORIGIN] == b"arrow"


def write_sheet(path: Path, rows: list[list[object]], more: int = 0) -> None:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for i in range(more):
        book.create_sheet(f"more {i}").append(["elsewhere"])
    book.save(path)


def test_a_workbooks_cells_become_typed_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    day = dt.datetime(2024, 3, 1)
    rows = [
        [
            i,
            i / 4,
            ["no", "yes"][i % 2],
            day + dt.timedelta(i),
            day + dt.timedelta(hours=i),
            i % 3 == 0,
            [i, "n/a"][i % 2],
        ]
        for i in range(40)
    ]
    write_sheet(
        path,
        [[], ["count", "share", "answer", "day", "at", "flag", "mixed"], *rows, [None] * 7],
        more=1,
    )
    schema = cleaned(path)
    kinds = {c.name: (c.kind, c.storage) for c in schema.columns}
    assert kinds == {
        "count": ("identifier", "int64"),
        "share": ("numeric", "double"),
        "answer": ("boolean", "string"),
        "day": ("datetime", "date32[day]"),
        "at": ("datetime", "timestamp[us]"),
        "flag": ("boolean", "bool"),
        "mixed": ("integer", "int64"),
    }
    assert schema.rows == 40
    assert schema.cleaning[0].action == "the largest worksheet 'Sheet' was read; left out: 'more 0'"
    mixed = schema.find("mixed")
    assert mixed is not None
    assert mixed.missing_share == 0.5


def test_formulas_give_their_last_value_and_macros_are_ignored(
    tmp_path: Path,
) -> None:
    path = tmp_path / "t.xlsm"
    cells = "".join(
        f'<row><c><f>A{i}*2</f><v>{i}</v></c><c t="e"><v>#N/A</v></c><c><v>{i % 4}</v></c></row>'
        for i in range(30)
    )
    names = "".join(
        f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in ("sum", "error", "n")
    )
    path.write_bytes(formats.sheet(f"<row>{names}</row>{cells}"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/vbaProject.bin", random.Random(1).randbytes(5000))
        archive.writestr("xl/externalLinks/externalLink1.xml", "<externalLink/>")
        archive.writestr("xl/externalLinks/_rels/externalLink1.xml.rels", "<Relationships/>")
    table = read_table(path)
    assert table["sum"].to_pylist() == [float(i) for i in range(30)]
    assert table["error"].null_count == 30


def test_distant_cells_with_only_a_format_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    cells = "".join(f'<row r="{i}"><c r="A{i}"><v>{i}</v></c></row>' for i in range(2, 32))
    far = '<row r="1048575"><c r="XFD1048575" s="0"/></row>'
    far += '<row r="1048576"><c r="XFD1048576" s="0"></c></row>'
    path.write_bytes(formats.sheet(formats.HEADER_ROW + cells + far))
    assert (read_table(path).num_rows, read_table(path).column_names) == (30, ["a", "b"])


def test_numbers_and_dates_can_be_column_names(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    heads = [2020, 0.5, dt.datetime(2024, 3, 1), True, " text "]
    write_sheet(path, [heads, *([i, None, i % 2, "", f"w{i % 3}"] for i in range(30))])
    table = read_table(path)
    assert table.column_names == ["2020", "0.5", "2024-03-01 00:00:00", "True", "text"]
    assert [table[name].null_count for name in table.column_names] == [0, 30, 0, 30, 0]


def test_the_first_visible_worksheet_is_read_after_a_chart_sheet(
    tmp_path: Path,
) -> None:
    path, book = tmp_path / "t.xlsx", openpyxl.Workbook()
    book.active.append(["hidden"])
    book.active.sheet_state = "hidden"
    book.create_chartsheet("chart", 0)
    shown = book.create_sheet("A & B <ü>")
    for i in range(30):
        shown.append(["x", "y"] if i == 0 else [i, i % 3])
    book.create_sheet("later").append(["elsewhere"])
    book.save(path)
    table = read_table(path)
    assert (table.column_names, table.num_rows) == (["x", "y"], 29)
    notes = table.schema.metadata[NOTES].decode()
    assert notes == "the largest worksheet 'A & B <ü>' was read; left out: 'later'"


@pytest.mark.parametrize("name", ["survey.sav", "survey.zsav"])
def test_spss_labels_are_levels_and_missing_codes_are_missing(name: str) -> None:
    sex = column(DATA / name, "sex")
    assert (sex.kind, sex.label, sex.missing_share) == ("categorical", "Sex of respondent", 0.25)
    assert {(level.value, level.code) for level in sex.levels} == {("male", "1"), ("female", "2")}
    assert sex.missing_codes == ["9 (refused)"]
    happy = column(DATA / name, "happy")
    assert (happy.kind, happy.level_values()) == ("ordinal", ["low", "middling", "high"])
    hours = column(DATA / name, "hours")
    assert (hours.kind, hours.maximum, hours.missing_codes) == ("numeric", 1.5, ["97 to 99"])
    teens = column(DATA / name, "teens")
    assert (teens.kind, [level.label for level in teens.levels]) == (
        "integer",
        ["none", None, None, None],
    )
    assert column(DATA / name, "city").level_values() == ["Rom", "Zürich", "Łódź"]
    assert (column(DATA / name, "day").storage, column(DATA / name, "at").storage) == (
        "date32[day]",
        "timestamp[us]",
    )


def test_cleaning_of_an_spss_file_is_noted() -> None:
    said = {
        (note.column, note.action): note.count for note in cleaned(DATA / "survey.sav").cleaning
    }
    assert said["sex", "codes that the file declares as missing were set to missing"] == 10
    assert said["sex", "codes were replaced by their labels"] == 30


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["arrow", "xlsx", "sav", "zsav"])
def test_damaged_files_never_crash_the_reader(tmp_path: Path, kind: str) -> None:
    good = {
        "arrow": formats.arrow(formats.good_arrow(), compression="lz4"),
        "xlsx": formats.workbook(),
        "sav": formats.SAV.read_bytes(),
        "zsav": formats.ZSAV.read_bytes(),
    }[kind]
    rng, path = random.Random(7), tmp_path / "upload"
    for _ in range(8):
        damaged = bytearray(good)
        for _ in range(rng.randint(1, 8)):
            damaged[rng.randrange(8, len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        with suppress(InputError):
            assert read_table(path).num_rows >= 20


def test_only_a_csv_may_be_compressed(tmp_path: Path) -> None:
    path = tmp_path / "t.sav.gz"
    path.write_bytes(gzip.compress(formats.SAV.read_bytes()))
    with pytest.raises(InputError, match=r"Only a CSV may be compressed|compressed an SPSS file"):
        read_table(path)
