"""Numbers as files write them: decimal signs by vote, units, special answers, restored cells."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulacra_intake.columns.distinct_values import split_words
from simulacra_intake.columns.parse.numerals import parse_numbers
from simulacra_intake.columns.specials import special_codes, take_codes
from simulacra_intake.output.files import write_tables
from simulacra_intake.output.restore import restore
from simulacra_intake.raw_table import DELIMITER, ORIGIN
from simulacra_schema.cell_text import csv_batch, write_cells
from simulacra_schema.table import CellForm, TableSchema
from simulacra_trainer.cleaning.clean import CleanTable, clean_table

pytestmark = pytest.mark.usefixtures("exact_counts")

N = 60


def csv_table(delimiter: bytes = b",", **columns: list[str]) -> CleanTable:
    table = pa.table({name: (cells * N)[:N] for name, cells in columns.items()})
    return clean_table(table.replace_schema_metadata({ORIGIN: b"csv", DELIMITER: delimiter}))


def actions(schema: TableSchema, column: str) -> list[str]:
    return [note.action for note in schema.cleaning if note.column == column]


OPEN = ["20.394", "943", "1.015"]


def test_an_open_column_follows_the_columns_that_prove_a_sign() -> None:
    commas = csv_table(km=OPEN, price=["17,12", "3,5", "8,25"])
    assert commas.table["km"][:3].to_pylist() == [20394, 943, 1015]
    points = csv_table(b";", km=OPEN, price=["17.12", "3.5", "8.25"])
    assert points.table["km"][:3].to_pylist() == [20.394, 943.0, 1.015]


def test_an_open_column_alone_follows_the_delimiter_or_asks() -> None:
    assert csv_table(b";", km=OPEN, g=["a", "b"]).table["km"][0].as_py() == 20394
    asked = csv_table(b",", km=OPEN, g=["a", "b"])
    assert asked.table["km"][0].as_py() == 20.394
    assert any("unclear" in action for action in actions(asked.schema, "km"))


def test_a_word_among_numbers_that_all_have_a_unit_is_no_number() -> None:
    cells = [f"{i} 0{i % 90 + 10} €" for i in range(10, 60)]
    column = csv_table(c=[*cells, *["k.A."] * 10], o=["p", "q"]).schema.columns[0]
    assert (column.kind, column.unit) == ("integer", "€")
    assert [special.value for special in column.specials] == ["k.A."]


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("Telefon", [f"{500 + i} {100 + i} {900 - i}" for i in range(N)]),
        ("c", [f"+48 {500 + i} {100 + i} {900 - i}" for i in range(N)]),
        ("ssn", [f"123 456 {100 + i}" for i in range(N)]),
    ],
)
def test_numbers_of_persons_keep_their_spaces(name: str, cells: list[str]) -> None:
    clean = csv_table(**{name: cells}, o=["p", "q"], n=[str(i % 7) for i in range(N)])
    column = clean.schema.columns[0]
    assert (column.kind, column.storage) == ("identifier", "string")
    assert all(mask.form.count(" ") == cells[0].count(" ") for mask in column.masks)


def test_indian_groups_are_read() -> None:
    cells = csv_table(n=["12,34,567", "1,00,000", "99,000"], g=["a", "b"])
    assert cells.table["n"][:3].to_pylist() == [1234567, 100000, 99000]


def test_a_leading_zero_proves_its_own_sign() -> None:
    weights = csv_table(b",", w=["0,662", "1,046", "2,030"], g=["a", "b"])
    assert weights.table["w"][:3].to_pylist() == [0.662, 1.046, 2.03]


@pytest.mark.parametrize(
    ("cells", "values", "unit"),
    [
        (["12,5 km", "7,0 km", "8,1 km"], [12.5, 7.0, 8.1], "km"),
        (["2406,77 zł", "15,00 zł", "8,10 zł"], [2406.77, 15.0, 8.1], "zł"),
        (["R$ 1.200,50", "R$ 7,00", "R$ 1.008,10"], [1200.5, 7.0, 1008.1], "R$"),
        (["CHF 1'200.50", "CHF 7.00", "CHF 8.10"], [1200.5, 7.0, 8.1], "CHF"),
        (["133k", "7k", "80k"], [133_000, 7_000, 80_000], "k"),
        (["2 Tsd.", "7 Tsd.", "80 Tsd."], [2_000, 7_000, 80_000], "Tsd."),
        (["1,5 Mio. €", "2,0 Mio. €", "9,5 Mio. €"], [1_500_000, 2_000_000, 9_500_000], "Mio. €"),
        (["(2,901)", "4,126", "7,479"], [-2901, 4126, 7479], None),
        (["1.234-", "412", "7.479"], [-1234, 412, 7479], None),
        (["-$1,234", "$412", "$7,479"], [-1234, 412, 7479], "$"),
        (["$-1,234", "$412", "$7,479"], [-1234, 412, 7479], "$"),
        (["€ -3,21", "€ 15,00", "€ 8,10"], [-3.21, 15.0, 8.1], "€"),
        (["kr -1 200,50", "kr 7,00", "kr -8,10"], [-1200.5, 7.0, -8.1], "kr"),
        (["R$ -1.200,50", "R$ 7,00", "R$ 8,10"], [-1200.5, 7.0, 8.1], "R$"),
        (["86%", "7%", "12%"], [86, 7, 12], "%"),
        (["1'500.–", "70.–", "80.–"], [1500, 70, 80], ".–"),
        (["500,-", "70,-", "80,-"], [500, 70, 80], ",-"),
        (["3 Sterne", "4 Sterne", "5 Sterne"], [3, 4, 5], "Sterne"),
        (["26.00", "3.00", "7.00"], [26, 3, 7], None),
    ],
)
def test_dressed_numbers_are_read_and_written_again(
    cells: list[str], values: list[float], unit: str | None
) -> None:
    # The third column proves a decimal comma for the case that leaves it open.
    proof = ["1,5", "2,25"] if "1.234-" in cells else ["1", "2", "3"]
    clean = csv_table(n=cells, g=["a", "b"], p=proof)
    column = clean.schema.columns[0]
    assert clean.table["n"][:3].to_pylist() == values
    assert column.unit == unit
    table = restore(clean.table, clean.schema, rng=np.random.default_rng(0))
    assert not pa.types.is_string(table.schema.field("n").type)
    batch = csv_batch(table.combine_chunks().to_batches()[0])
    assert batch.column(0).to_pylist()[:3] == cells


ROUGH = "numbers with a word or sign of approximation were read as if exact"


@pytest.mark.parametrize(
    ("cells", "values", "unit"),
    [
        (["ca. 120 EUR", "95 EUR", "approx. 80 EUR", "7,50 EUR"], [120, 95, 80, 7.5], "EUR"),
        (["about 30", "25", "~45", "40"], [30, 25, 45, 40], None),
        (["circa 3 h", "2 h", "7 h or so", "4 h"], [3, 2, 7, 4], "h"),
        (["env. 12 €", "10 €", "environ 14,50 €", "9 €"], [12, 10, 14.5, 9], "€"),
        (["rund 50", "45", "fast 80", "60"], [50, 45, 80, 60], None),
        (["yaklaşık 45", "30", "50 civarında", "60"], [45, 30, 50, 60], None),
        (["約50", "45", "50左右", "60"], [50, 45, 50, 60], None),
        (["> 100", "20", "<5", *map(str, range(21, 33))], [100, 20, 5, 21], None),
    ],
)
def test_approximate_numbers_are_read_and_counted(
    cells: list[str], values: list[float], unit: str | None
) -> None:
    clean = csv_table(n=cells, g=["a", "b"])
    column = clean.schema.columns[0]
    assert clean.table["n"][:4].to_pylist() == values
    assert column.unit == unit
    (count,) = (note.count for note in clean.schema.cleaning if note.action == ROUGH)
    assert count == N // len(cells) * 2


@pytest.mark.parametrize(
    ("cells", "values", "unit"),
    [
        (["１８", "２５", "７０"], [18, 25, 70], None),
        (["１，２００円", "７００円", "８５０円"], [1200, 700, 850], "円"),
        (["١٢٫٥", "٧٫٢٥", "٨٫١"], [12.5, 7.25, 8.1], None),
        (["१२", "७", "८०"], [12, 7, 80], None),
        (
            ["２０２４/０３/０１", "２０２４/０３/２８"],
            [dt.datetime(2024, 3, 1), dt.datetime(2024, 3, 28)],
            None,
        ),
    ],
)
def test_digits_of_another_script_are_read(
    cells: list[str], values: list[object], unit: str | None
) -> None:
    clean = csv_table(n=cells, g=["a", "b"])
    assert clean.table["n"][: len(values)].to_pylist() == values
    assert clean.schema.columns[0].unit == unit
    assert "digits of another script were read as 0 to 9" in actions(clean.schema, "n")


def test_postcodes_in_digits_of_another_script_are_no_quantities() -> None:
    cells = [
        f"{20000 + 31 * i}".translate(str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")) for i in range(N)
    ]
    column = csv_table(postcode=cells, g=["a", "b"]).schema.columns[0]
    assert (column.kind, column.level_values()) == ("categorical", ["20###", "21###"])


def test_thousands_of_another_script_are_no_decimals_where_others_have_commas() -> None:
    clean = csv_table(n=["۱٬۲۰۰", "۳٬۴۰۰"], price=["1,5", "2,75"])
    assert clean.table["n"][:2].to_pylist() == [1200, 3400]


def test_words_with_digits_of_another_script_keep_them() -> None:
    clean = csv_table(n=["３年生", "２年生", "１年生"], g=["a", "b"])
    assert set(clean.schema.columns[0].level_values()) == {"１年生", "２年生", "３年生"}


@pytest.mark.parametrize("error", ["#¡DIV/0!", "#WERT!", "#N/D", "#NV", "#ИМЯ?", "Err:502"])
def test_errors_of_spreadsheets_in_any_language_are_missing(error: str) -> None:
    clean = csv_table(n=["12,5", "7,25", error, "8,1"], g=["a", "b"])
    assert clean.table["n"][:4].to_pylist() == [12.5, 7.25, None, 8.1]


def test_a_hashtag_in_capitals_is_no_error_of_a_spreadsheet() -> None:
    column = csv_table(n=["#METOO!", "#climate", "none"], g=["a", "b"]).schema.columns[0]
    assert set(column.level_values()) == {"#METOO!", "#climate", "none"}


@pytest.mark.parametrize("word", ["n/a (not asked)", "refused (don't know)", "k.A. (verweigert)"])
def test_an_answer_apart_with_its_reason_is_special(word: str) -> None:
    column = csv_table(n=[*map(str, range(8)), word], g=["a", "b"]).schema.columns[0]
    assert (column.kind, [one.value for one in column.specials]) == ("integer", [word])


@pytest.mark.parametrize(
    "cells",
    [
        ["101A", "102A", "103A"],
        ["CA 12", "CA 13", "CA 30"],
        ["CA 12", "CA 13", "30", "31"],
        ["1", "2", "3", "4", "> 4"],
        ["<10", "10-19", "20-29", "> 30"],
        ["about right", "1", "2", "3"],
        ["1. Klasse", "2. Klasse", "3. Klasse"],
        ["(1)", "(2)", "(3)"],
        ["1 Kind", "2 Kinder", "3 Kinder"],
        ["A-100", "A-107", "A-114"],
        ["1.10.2", "1.9.14", "2.0.1"],
        ["1.0", "1.9", "1.10"],
        ["12 km", "7 mi", "8 km"],
        ["€ 12", "$ 7", "€ 8"],
        ["02439", "04427", "03080"],
    ],
)
def test_codes_and_mixed_units_are_no_numbers(cells: list[str]) -> None:
    assert csv_table(n=cells, g=["a", "b"]).schema.columns[0].kind in ("categorical", "ordinal")


def test_numbers_that_somebody_typed_in_two_forms_are_no_versions() -> None:
    assert csv_table(n=["7.5", "8.0", "7.30"], g=["a", "b"]).schema.columns[0].kind == "numeric"


def test_a_generated_number_has_as_many_digits_as_the_upload() -> None:
    column = csv_table(n=["133k", "7k", "80k"], g=["a", "b"]).schema.columns[0]
    assert column.form is not None
    assert write_cells(pa.array([271_451, 900]), column.form).to_pylist() == ["271k", "1k"]


def test_a_csv_file_has_the_cells_of_the_upload(tmp_path: Path) -> None:
    cells = ["1.234,50 €", "3,25 €", "70,00 €"]
    clean = csv_table(b";", n=cells, g=["a", "b"])
    table = restore(clean.table, clean.schema, rng=np.random.default_rng(0))
    write_tables([table, table], tmp_path / "t.csv")
    read = pa.csv.read_csv(
        tmp_path / "t.csv",
        parse_options=pa.csv.ParseOptions(delimiter=";"),
        convert_options=pa.csv.ConvertOptions(column_types={"n": pa.string()}),
    )
    assert read["n"][:3].to_pylist() == cells
    assert read.num_rows == 2 * N


numbers = st.decimals(min_value=-(10**9), max_value=10**9, places=2)
forms = st.builds(
    CellForm,
    decimal=st.just(","),
    group=st.sampled_from(["", ".", " ", "\u00a0", "'"]),
    decimals=st.just(2),
    before=st.sampled_from(["", "€ ", "EUR "]),
    after=st.just(""),
    negative=st.sampled_from(["sign", "inner", "brackets", "after"]),
) | st.builds(
    CellForm,
    decimal=st.just("."),
    group=st.sampled_from(["", ",", "\u202f"]),
    decimals=st.just(2),
    after=st.sampled_from(["", " kg", "%", " zł"]),
    negative=st.sampled_from(["sign", "brackets", "after"]),
)


@given(st.lists(numbers, min_size=3, max_size=30), forms)
def test_any_form_of_money_is_read_as_it_was_written(values: list[Decimal], form: CellForm) -> None:
    values = [*values, Decimal("5.25")]  # one that is not negative
    cells = write_cells(pa.array([float(v) for v in values]), form)
    parsed = parse_numbers(split_words(pa.chunked_array([cells])))
    assert parsed is not None
    distinct = list(dict.fromkeys(cells.to_pylist()))
    found = dict(zip(distinct, parsed.values.to_pylist(), strict=True))
    assert [found[cell] for cell in cells.to_pylist()] == [float(v) + 0.0 for v in values]
    if parsed.form is not None:
        again = write_cells(parsed.values, parsed.form).to_pylist()
        groups = sum(abs(v) >= 1000 for v in values)
        if groups and any(v < 0 for v in values):
            assert again == distinct


@given(st.lists(st.integers(0, 40), min_size=30, max_size=200), st.sampled_from([97, 99, 998]))
def test_codes_far_above_a_scale_are_special_and_values_are_not(
    values: list[int], code: int
) -> None:
    low = [value % 8 for value in values]
    if len(set(low)) < 3:
        return
    numbers, found = take_codes(pa.array([*low, code, code]))
    assert [special.value for special in found] == [str(code)]
    assert numbers.null_count == 2
    assert take_codes(pa.array(low))[1] == []


@pytest.mark.parametrize(
    ("counts", "codes"),
    [
        ({1: 9, 2: 9, 3: 9, 98: 2, 99: 2}, [98, 99]),
        ({1: 9, 2: 9, 3: 9, 99: 1}, []),
        ({18: 9, 40: 9, 80: 9, 99: 2}, []),
        ({18: 9, 40: 9, 77: 9, 84: 9, 88: 2, 999: 3}, [999]),
        ({0: 9, 1: 9, 2: 9, 5: 3, -1: 2, -2: 2}, [-2, -1]),
        ({-2: 9, -1: 9, 0: 9, 1: 9, 2: 9}, []),
        ({**dict.fromkeys(range(30), 5), -1: 5, -2: 5, -3: 5}, []),
        ({582: 9, 700.5: 9, 3381: 9, -9: 5}, [-9]),
        ({1: 9, 2: 9, 3: 9, 4: 9, 5: 9, 6: 9, 7: 9, 8: 9, 9: 9}, []),
        ({1: 9, 2: 9, 3: 9, 99: 90}, []),
        ({1: 9, 2: 9, 3: 9, -1: 90}, [-1]),
        ({1: 9, 2: 9, 3: 9, -1: 90, 99: 5}, [-1, 99]),
        ({1: 9, 2: 9, 3: 9, -1: 90, 99: 30}, []),
        ({0: 9, 1: 9, 2: 9, -1: 90}, []),
        ({3000: 9, 20000: 9, 44500: 9, 999997: 3}, [999997]),
        ({18: 9, 40: 9, 89: 9, -99: 2}, [-99]),
        ({18: 9, 40: 9, 89: 9, -999: 2, -888: 2}, [-999, -888]),
        ({1: 9, 2: 9, 3: 9, 4: 9, 5: 9, -9: 3, -8: 3}, [-9, -8]),
        ({**dict.fromkeys(range(13), 5), **dict.fromkeys(range(-6, 0), 2)}, []),
        ({-3: 5, -2: 5, -1: 5, 1: 5, 2: 5, 3: 5}, []),
        ({**dict.fromkeys(range(7), 9), **dict.fromkeys((-7, -5, -4, -3, -2, -1), 3)}, []),
        ({**dict.fromkeys(range(6), 9), **dict.fromkeys((-9, -8, -2, -1), 2)}, [-9, -8, -2, -1]),
    ],
)
def test_special_codes(counts: dict[float, int], codes: list[float]) -> None:
    assert special_codes(counts, sum(counts.values())) == codes


def test_special_codes_come_back_as_often_and_only_in_gaps() -> None:
    values = [[1, 2, 3, 4, 5, 5, 98, 99, 99, None][i % 10] for i in range(1000)]
    clean = clean_table(pa.table({"c": values, "o": ["p", "q"] * 500}))
    back = restore(clean.table, clean.schema, rng=np.random.default_rng(0))["c"].to_pylist()
    counts = Counter(back)
    assert counts[98] == pytest.approx(100, abs=35)
    assert counts[99] == pytest.approx(200, abs=45)
    assert 0 < counts[None] < 160
    assert [b for b, v in zip(back, values, strict=True) if v in range(6)] == [
        v for v in values if v in range(6)
    ]
    held = restore(clean.table, clean.schema, rng=np.random.default_rng(0), held={"c"})
    assert set(held["c"].to_pylist()) == {1, 2, 3, 4, 5, None}


def test_special_words_among_numbers_are_missing_and_named() -> None:
    ages = [str(18 + i) for i in range(40)]
    clean = csv_table(age=[*ages, *["Refused"] * 6, *["weiß nicht"] * 5], g=["a", "b"])
    column = clean.schema.columns[0]
    assert column.kind == "integer"
    assert (column.minimum or 0, column.maximum) == pytest.approx((18, 57), abs=8)
    assert {special.value for special in column.specials} == {"Refused", "weiß nicht"}
    assert any("Refused" in action for action in actions(clean.schema, "age"))


def test_a_frequent_word_that_no_list_has_is_named_to_be_checked() -> None:
    ages = [str(18 + i) for i in range(40)]
    clean = csv_table(age=[*ages, *["geheim"] * 5], g=["a", "b"])
    assert clean.schema.columns[0].kind == "integer"
    assert any("check them: 'geheim'" in action for action in actions(clean.schema, "age"))
    few = csv_table(age=[*ages, *["geheim"] * 4], g=["a", "b"])  # of four persons: not named
    assert few.schema.columns[0].kind == "integer"
    assert "words among numbers were set to missing" in actions(few.schema, "age")
