"""The join of filled cells to given rows, files of both, and pooling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyreadstat
import pytest

from simulacra.completion import Completed, read_rows, shape_of, write_rows
from simulacra.pair_lines import pair_of, stated_pairs

REPORT = {
    "rows": 3,
    "gaps": 2,
    "filled": 2,
    "implicates": 2,
    "columns": [{"column": "a", "gaps": 1, "filled": 1, "worth": 12.4, "check": {"share": 0.83}}],
    "warnings": ["a: few."],
}
GIVEN = pa.table({"id": ["x", "y", "z"], "a": [1, None, 3]})
FILLED = pa.table(
    {
        "row": [1, 1, 2, 2],
        "implicate": pa.array([1, 2, 1, 2], pa.int32()),
        "a": [4.0, 5.5, None, None],
        "new": pa.array(["p", "q", "p", "p"]).dictionary_encode(),
    }
)


def done(given: Any = GIVEN, filled: Any = FILLED, **more: Any) -> Completed:
    return Completed(given, filled, REPORT, **more)


def test_only_gaps_get_a_filled_cell() -> None:
    first, second = done().tables
    assert first.to_pydict() == {"id": ["x", "y", "z"], "a": [1, 4, 3], "new": [None, "p", "p"]}
    assert second.to_pydict()["a"] == [1, 5.5, 3]
    assert second.to_pydict()["new"] == [None, "q", "p"]


def test_the_long_table_has_the_rows_as_given_first_and_one_type_a_column() -> None:
    long = done().long()
    assert long.column_names == ["implicate", "id", "a", "new"]
    assert long["implicate"].to_pylist() == [0] * 3 + [1] * 3 + [2] * 3
    assert long["a"].to_pylist() == [1, None, 3, 1, 4, 3, 1, 5.5, 3]
    assert long["a"].type == pa.float64(), "one implicate has decimals"


def test_whole_numbers_and_texts_keep_their_type() -> None:
    whole = FILLED.set_column(2, "a", pa.array([4.0, 5.0, None, None]))
    assert done(filled=whole).long()["a"].type == pa.int64()
    text = GIVEN.set_column(1, "a", pa.array(["1", None, "3"]))
    assert done(text, whole).tables[0]["a"].to_pylist()[0] == "1"
    nothing = GIVEN.set_column(1, "a", pa.nulls(3))
    assert done(nothing, whole).tables[0]["a"].to_pylist() == [None, 4, None]


def test_a_column_called_implicate_stays() -> None:
    given = GIVEN.rename_columns(["implicate", "a"])
    assert done(given).long().column_names[:2] == ["implicate_", "implicate"]


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_tables_are_of_the_type_of_the_given_rows(frame: type) -> None:
    made = done(shape=shape_of(frame({"a": [1]}))).tables
    assert all(isinstance(one, frame) for one in made)


def test_other_rows_than_the_service_read_are_not_joined() -> None:
    with pytest.raises(ValueError, match="read 3 rows, and 2 were read here"):
        done(GIVEN.slice(0, 2))


def test_pooling_widens_by_the_fillings() -> None:
    found = done().pool(lambda one: (np.mean(one["a"].to_pylist()), 0.1))
    means = np.array([8 / 3, 9.5 / 3])
    assert found.estimate == pytest.approx(means.mean())
    assert found.standard_error == pytest.approx(np.sqrt(0.1 + 1.5 * means.var(ddof=1)))


def test_sentences_say_worth_and_check() -> None:
    first, column, warning = done().sentences()
    assert first == "3 rows with 2 gaps: 2 filled, 2 times each."
    assert column.startswith("a: 1 of 1 gaps filled, worth 12 respondents; 80 % sets held 83%")
    assert warning == "a: few."


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".arrow"])
def test_a_file_that_was_written_is_read_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    write_rows(GIVEN, path)
    assert read_rows(path).to_pydict() == GIVEN.to_pydict()


def test_a_csv_of_a_german_spreadsheet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes("Größe;Ort\n1,5;Köln\n;Bonn\n".encode("cp1252"))
    assert read_rows(path).to_pydict() == {"Größe": [1.5, None], "Ort": ["Köln", "Bonn"]}


def test_a_workbook_and_an_spss_file_are_read_as_the_service_reads_them(tmp_path: Path) -> None:
    rows = pd.DataFrame({"id": ["x", "y", "z"], "a": [1.0, None, 3.0], "f": [0.5, 1.0, None]})
    rows.to_excel(tmp_path / "rows.xlsx", index=False)
    found = read_rows(tmp_path / "rows.xlsx")
    assert found.to_pydict() == {"id": ["x", "y", "z"], "a": [1, None, 3], "f": [0.5, 1.0, None]}
    assert found["a"].type == pa.int64()
    labels = {"a": {1.0: "yes", 3.0: "no"}, "f": {1.0: "all"}}
    pyreadstat.write_sav(rows, tmp_path / "rows.sav", variable_value_labels=labels)
    found = read_rows(tmp_path / "rows.sav")
    assert found["a"].to_pylist() == ["yes", None, "no"]
    assert found["f"].to_pylist() == [0.5, 1.0, None], "half of it has no label"


def test_numbers_among_texts_of_a_workbook_keep_all_digits(tmp_path: Path) -> None:
    rows = pd.DataFrame({"id": ["x", 1234567.0, 0.1234567, None], "a": [1.0, 2.0, 3.0, 4.0]})
    rows.to_excel(tmp_path / "rows.xlsx", index=False)
    assert read_rows(tmp_path / "rows.xlsx")["id"].to_pylist() == [
        "x", "1234567", "0.1234567", None,
    ]  # fmt: skip


def test_one_pair_needs_no_list_and_spaces_around_its_names_do_not_count() -> None:
    for given in ("x * y", {"first": "x", "second": "y"}, [' x*"y" ']):
        assert stated_pairs(given, None, None, None) == {"pairs": [{"first": "x", "second": "y"}]}
    sign = stated_pairs(None, None, "x = Yes * y = No: positive", None)["sign"]
    assert sign == [{"first": "x", "second": "y", "levels": ["Yes", "No"], "sign": "positive"}]
    with pytest.raises(ValueError, match=r"independent x\*y: write x\*y without levels"):
        stated_pairs(None, "x=1*y=2", None, None)
    with pytest.raises(ValueError, match=r"impossible x\*y: name the two answers"):
        stated_pairs(None, None, None, "x*y")


def test_pairs_are_written_as_lines_and_found_either_way_round() -> None:
    assert pair_of("x*y") == {"first": "x", "second": "y"}
    signed = {"first": "q", "second": "r", "levels": ["a b", "no"], "sign": "negative"}
    assert pair_of("q=a b*r=no:negative", signed=True) == signed
    assert pair_of({"first": "a*b", "second": "c"}) == {"first": "a*b", "second": "c"}
    assert pair_of('"a*""b"*c') == {"first": 'a*"b', "second": "c"}
    for line in ("x", "x*y*z", "x=1*y", "*y", " *y"):
        with pytest.raises(ValueError, match=r"write x\*y"):
            pair_of(line)
    with pytest.raises(ValueError, match=":positive or :negative"):
        pair_of("x*y", signed=True)
    asked = {"pairs": ["x*y"], "independent": None, "sign": [], "impossible": ["x=1*y=2"]}
    assert stated_pairs(**asked).keys() == {"pairs", "impossible"}
    pair = {
        "first": "a",
        "second": "new",
        "verdict": "open",
        "width": 0.1,
        "plain": 0.2,
        "text": "Open.",
    }
    one = Completed(GIVEN, FILLED, {**REPORT, "pairs": [pair]})
    assert one.pair("new", "a") == one.pairs[0] == pair
    assert "a * new: bounds 0.100 wide, 0.200 without common columns. Open." in one.sentences()
    assert not one.long().schema.metadata
    pair["verdict"] = "assumed"
    assert one.long().schema.metadata == {b"simulacra.assumed": b"a * new"}
    with pytest.raises(KeyError, match="no pair"):
        one.pair("a", "id")


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.ods"
    path.write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"give a \.csv, \.parquet, \.arrow, \.xlsx or \.sav file"):
        read_rows(path)
