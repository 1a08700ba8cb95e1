"""Dates by language, times of day, durations, periods and postcodes: read and written again."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from simulacra_intake.columns.parse.periods import order_periods
from simulacra_intake.errors import InputError
from simulacra_intake.output.restore import restore
from simulacra_intake.raw_table import ORIGIN
from simulacra_schema.cell_text import csv_batch
from simulacra_schema.description import parse_description
from simulacra_trainer.cleaning.clean import CleanTable, clean_table
from simulacra_trainer.cleaning.described import clean_described

N = 60


def cleaned(cells: list[str], name: str = "c", **others: list[str]) -> CleanTable:
    columns = {name: cells, "o": ["p", "q"], "i": [str(i % 7) for i in range(N)], **others}
    table = pa.table({key: (values * N)[:N] for key, values in columns.items()})
    return clean_table(table.replace_schema_metadata({ORIGIN: b"csv"}))


def written(clean: CleanTable) -> list[str]:
    table = restore(clean.table, clean.schema, rng=np.random.default_rng(0))
    cells: list[str] = csv_batch(table.combine_chunks().to_batches()[0]).column(0).to_pylist()
    return cells


@pytest.mark.parametrize(
    ("cells", "first"),
    [
        (["8. September 2023", "15. November 2023", "1. März 2024"], "2023-09-08"),
        (["8 septembre 2023", "15 août 2023", "1 mars 2024"], "2023-09-08"),
        (["8 de septiembre de 2023", "15 de enero de 2024"], "2023-09-08"),
        (["8 września 2023", "15 lutego 2024"], "2023-09-08"),
        (["31.12.2023", "01.02.2024"], "2023-12-31"),
        (["12/31/2023 18:30:00", "02/01/2024 08:05:10"], "2023-12-31"),
        (["31-Dec-23", "1-Feb-24"], "2023-12-31"),
        (["Dec 31, 2023", "Feb 1, 2024"], "2023-12-31"),
        (["12/31/23", "2/1/24"], "2023-12-31"),
        (["31. 12. 2023", "1. 2. 2024"], "2023-12-31"),
        (["2023.12.31.", "2024.02.01."], "2023-12-31"),
        (["Sunday, 31 December 2023", "Thursday, 1 February 2024"], "2023-12-31"),
        (["So, 31.12.2023", "Do, 01.02.2024"], "2023-12-31"),
        (["2023/12/31 3:32:00 PM GMT+1", "2024/02/01 11:05:10 AM GMT+1"], "2023-12-31"),
        (["31.12.2023 18:30 Uhr", "01.02.2024 08:05 Uhr"], "2023-12-31"),
        (["2023-12-31 18:30", "2024-02-01 08:05"], "2023-12-31"),
        (["31/12/2023 às 18:30", "01/02/2024 às 08:05"], "2023-12-31"),
        (["31.12.2023, 18:30", "01.02.2024, 08:05"], "2023-12-31"),
        (["31/12-2023", "1/2-2024"], "2023-12-31"),
        (["2023. 12. 31. 18:30:00", "2024. 02. 01. 08:05:10"], "2023-12-31"),
        (["2023年12月31日", "2024年2月1日"], "2023-12-31"),
        (["31.12.2023 r.", "01.02.2024 r."], "2023-12-31"),
        ([f"202312{day}" for day in (31, *range(10, 20))], "2023-12-31"),
    ],
)
def test_dates_are_read_and_written_in_their_own_form(cells: list[str], first: str) -> None:
    clean = cleaned(cells)
    assert clean.schema.columns[0].kind == "datetime"
    assert str(clean.table["c"][0].as_py())[:10] == first
    assert written(clean)[: len(cells)] == cells


def test_open_dates_follow_the_other_dates_of_the_file() -> None:
    open_ = ["03/04/2024", "05/06/2024"]
    day_first = cleaned(open_, d=["31/01/2024", "03/02/2024"])
    assert day_first.table["c"][0].as_py().month == 4
    month_first = cleaned(open_, d=["01/31/2024", "02/03/2024"])
    assert month_first.table["c"][0].as_py().month == 3
    assert cleaned(open_).schema.columns[0].kind == "categorical"


MIXED = ["31.12.1964", "07.08.1966", "01.02.1960", "28/02/1959", "03/04/1955", "30/11/1961"]
MIXED += ["30/11/58", "29/11/57", "28/11/56", "15 March 1961", "5 May 1950", "16 June 1951"]
MIXED += ["1967-05-04", "1952-12-01", "1953-10-11"]


def test_one_column_may_have_dates_in_several_forms() -> None:
    clean = cleaned(MIXED)
    assert clean.schema.columns[0].kind == "datetime"
    days = [str(day)[:10] for day in clean.table.column(0).to_pylist()]
    assert [days[0], days[6], days[9], days[12]] == [
        "1964-12-31",
        "1958-11-30",
        "1961-03-15",
        "1967-05-04",
    ]
    assert days[4] == "1955-04-03"  # the day stands first, as 28/02/1959 shows
    assert cleaned(written(clean)).schema.columns[0].kind == "datetime"


def test_births_with_years_of_two_digits_lie_in_the_past() -> None:
    births = [f"{13 + i % 15}/{1 + i % 12:02d}/{(38 + i) % 100:02d}" for i in range(70)][:N]
    years = [day.year for day in cleaned(births, "Date of birth").table.column(0).to_pylist()]
    assert (min(years), max(years)) == (1938, 1997)
    assert written(cleaned(births, "Date of birth"))[0] == births[0]


def test_births_in_several_forms_lie_in_the_past_and_keep_their_years() -> None:
    whole = [f"{13 + i}.03.{1921 + 8 * i}" for i in range(11)]
    short = [f"{13 + i}/04/{year:02d}" for i, year in enumerate((36, 38, 4, 55, 99))]
    dates = cleaned([*whole, *short], "Date of birth").table.column(0).to_pylist()
    assert [day.year for day in dates[:16]] == [
        *range(1921, 2002, 8),
        *(1936, 1938, 2004, 1955, 1999),
    ]


@pytest.mark.parametrize(
    "cells",
    [
        ["31.12.1964", "28/02/1959", "n/a really", "see file", "unknown date", "ask her"],
        ["12/31/64", "11/30/65", "10/29/66", "31/12/1964", "30/11/1965", "29/10/1966"],
    ],
)
def test_words_among_dates_or_two_orders_of_day_and_month_are_no_dates(cells: list[str]) -> None:
    assert cleaned(cells).schema.columns[0].kind != "datetime"


@pytest.mark.parametrize(
    ("cells", "seconds", "storage"),
    [
        (["21:00", "08:07", "09:18"], 75_600, "time32[s]"),
        (["21:00 Uhr", "8:07 Uhr", "9:18 Uhr"], 75_600, "time32[s]"),
        (["08.15", "14.30", "23.59"], 29_700, "time32[s]"),
        (["08:15:30", "14:30:05", "23:59:59"], 29_730, "time32[s]"),
        (["9:05 PM", "12:30 AM", "12:01 PM"], 75_900, "time32[s]"),
        (["klo 9.30", "klo 14.05", "klo 23.15"], 34_200, "time32[s]"),
        (["14h30", "08h15", "23h59"], 52_200, "time32[s]"),
        (["0:22:00", "1:36:00", "2:05:00"], 1_320, "duration[s]"),
        (["26:30", "01:05", "112:00"], 95_400, "duration[s]"),
        (["1h 20m", "0h 5m", "12h 0m"], 4_800, "duration[s]"),
        (["1 sa 20 dk", "2 sa 5 dk", "3 sa 0 dk"], 4_800, "duration[s]"),
        (["1 Std. 20 Min.", "2 Std. 5 Min.", "3 Std. 0 Min."], 4_800, "duration[s]"),
    ],
)
def test_times_and_durations_are_numbers(cells: list[str], seconds: int, storage: str) -> None:
    clean = cleaned(cells)
    column = clean.schema.columns[0]
    assert (column.kind, column.storage) == ("integer", storage)
    factor = 60 if column.unit == "min" else 1
    assert clean.table["c"][0].as_py() * factor == seconds
    assert written(clean)[:3] == cells


@pytest.mark.parametrize("stored", ["csv", "text", "number"])
def test_numbers_of_minutes_come_back_as_they_were(stored: str) -> None:
    cells = [str(5 * (1 + i % 12)) + " min" * (stored != "number") for i in range(N)]
    typed = pa.array(cells) if stored != "number" else pa.array(list(map(int, cells)))
    table = pa.table({"way": typed, "o": [str(i % 7) for i in range(N)]})
    if stored == "csv":
        table = table.replace_schema_metadata({ORIGIN: b"csv"})
    unit = {"name": "way", "x-simulacra": {"unit": "min"}}
    description = parse_description({"fields": [unit], "x-simulacra": {"version": 1}})
    for clean in (clean_table(table), clean_described(table, description).clean):
        back = restore(clean.table, clean.schema, rng=np.random.default_rng(0))
        column = csv_batch(back.combine_chunks().to_batches()[0]).column(0)
        assert column.cast(pa.string()).to_pylist() == cells
    assert clean.schema.columns[0].unit == "min"


@pytest.mark.parametrize(("stated", "is_its_own"), [("min", True), ("h", False)])
def test_a_clock_has_its_own_unit(stated: str, is_its_own: bool) -> None:
    cells = [f"{7 + i % 3}:{i % 60:02d}" for i in range(N)]
    table = pa.table({"c": cells, "o": [str(i % 7) for i in range(N)]})
    fields = [{"name": "c", "x-simulacra": {"unit": stated}}]
    description = parse_description({"fields": fields, "x-simulacra": {"version": 1}})
    if not is_its_own:
        with pytest.raises(InputError) as caught:
            clean_described(table, description)
        assert [one.detail for one in caught.value.errors] == [
            "The cells are times and have no unit."
        ]
        return
    clean = clean_described(table, description).clean
    assert written(clean)[0] == cells[0]


def test_midnight_written_as_24_00_is_no_time_of_day() -> None:
    """No type of times holds it; as a length of time it is one day."""
    table = pa.table({"c": ["18:00", "24:00", "08:30"] * 20, "o": ["p", "q", "r"] * 20})
    stated = {"fields": [{"name": "c", "type": "time"}], "x-simulacra": {"version": 1}}
    with pytest.raises(InputError) as caught:
        clean_described(table, parse_description(stated))
    assert [one.detail for one in caught.value.errors] == [
        "More than 1 % of the cells are no times."
    ]


def test_a_name_makes_a_clock_a_duration() -> None:
    assert cleaned(["10:05", "00:45"], name="Dauer").schema.columns[0].storage == "duration[s]"


@pytest.mark.parametrize(
    "cells", [["14.30", "9.75", "10.05"], ["2:1", "3:0", "0:0"], ["24:61", "10:75"]]
)
def test_decimals_and_scores_are_no_times(cells: list[str]) -> None:
    assert not cleaned(cells).schema.columns[0].storage.startswith(("time", "duration"))


def test_decimals_that_are_all_clocks_are_times() -> None:
    clocks = [f"{6 + i % 17}.{i * 7 % 60:02d}" for i in range(N)]
    clean = cleaned(clocks)
    assert clean.schema.columns[0].storage == "time32[s]"
    assert written(clean) == clocks
    assert cleaned([*clocks[1:], "8.75"]).schema.columns[0].kind == "numeric"


def test_text_of_a_typed_file_keeps_its_type() -> None:
    cells = (["21:00 Uhr", "8:07 Uhr"] * N)[:N]
    clean = clean_table(pa.table({"c": cells, "o": ["p", "q"] * (N // 2)}))
    assert clean.schema.columns[0].kind == "integer"
    back = restore(clean.table, clean.schema, rng=np.random.default_rng(0))
    assert back["c"].to_pylist() == cells


@pytest.mark.parametrize(
    "periods",
    [
        ["12/2022", "01/2023", "02/2024"],
        ["Q4/2022", "Q1/2023", "Q3/2023"],
        ["2022-Q4", "2023-Q1", "2023-Q3"],
        ["4. čtvrtletí 2022", "1. čtvrtletí 2023", "3. čtvrtletí 2023"],
        ["4T2022", "1T2023", "3T2023"],
        ["2022-W52", "2023-W06", "2023-W07"],
        ["KW 52/2022", "KW 6/2023", "KW 7/2023"],
        ["2021/22", "2022/23", "2023/24"],
        ["FY2021", "FY2022", "FY2023"],
        ["Dezember 2022", "Januar 2023", "März 2024"],
        ["déc. 2022", "janv. 2023", "mars 2024"],
        ["Dec-22", "Jan-23", "Mar-24"],
        ["dez/22", "jan/23", "mar/24"],
        ["Welle 2", "Welle 9", "Welle 10"],
        ["202212", "202301", "202402"],
        ["11/25", "02/26", "12/26"],
        ["Frühjahr 2024", "Herbst 2024", "Frühjahr 2025"],
        ["été 2023", "hiver 2023", "printemps 2024"],
    ],
)
def test_periods_are_levels_in_the_order_of_time(periods: list[str]) -> None:
    clean = cleaned([periods[2], periods[0], periods[1]])
    column = clean.schema.columns[0]
    assert (column.kind, column.level_values()) == ("ordinal", periods)
    assert [*map(str, written(clean)[:3])] == [periods[2], periods[0], periods[1]]


@pytest.mark.parametrize(
    "levels",
    [
        ["03/26", "01/26", "02/26"],  # one year: as well days or shares
        ["05/12", "03/11", "04/12"],  # day and month
        ["03/26", "01/24", "02/24"],
        ["Spring 2024", "Sommer 2023", "Winter 2023"],
    ],
)
def test_what_may_be_something_else_is_no_period(levels: list[str]) -> None:
    assert order_periods(levels) is None


def test_month_numbers_are_periods_from_a_typed_file_too() -> None:
    months = pa.array(([202402, 202212, 202301] * N)[:N])
    clean = clean_table(pa.table({"c": months, "o": ["p", "q"] * (N // 2)}))
    assert clean.schema.columns[0].level_values() == ["202212", "202301", "202402"]
    assert restore(clean.table, clean.schema, rng=np.random.default_rng(0))["c"].type == pa.int64()


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("PLZ", ["02439", "04427", "03080"]),
        ("zip", ["36989", "48833", "84861"]),
        ("kod pocztowy", ["00-950", "31-042", "80-001"]),
        ("postcode", ["SW1A 1AA", "EC2R 8AH", "M1 1AE"]),
        ("region_part", ["02439", "14427", "93080"]),
        ("Eircode", ["D02 AF30", "T12 K7P3", "H91 E2K1"]),
    ],
)
def test_a_rare_postcode_is_learned_by_its_prefix(name: str, codes: list[str]) -> None:
    common, *rare = codes
    varied = [common] * 30
    varied += [f"{code[:-1]}{code[-1]}" for code in rare for _ in range(3)] + [common] * 24
    clean = cleaned(varied, name=name)
    column = clean.schema.columns[0]
    assert column.kind == "categorical"
    assert common in column.level_values()
    assert not set(rare) & set(column.level_values())
    shapes, drawn = (
        {"".join("9" if c.isdigit() else "A" if c.isalpha() else c for c in x) for x in of}
        for of in (codes, written(clean))
    )
    assert drawn <= shapes  # a form of three persons is not told
    assert len(drawn) > 1 or len(shapes) == 1


def test_drawn_postcodes_stay_in_their_region() -> None:
    codes = [f"02{i:03d}" for i in range(40)] + [f"97{i:03d}" for i in range(20)]
    clean = cleaned(codes, name="PLZ")
    assert clean.schema.columns[0].level_values() == ["02###", "97###"]
    cells = written(clean)
    assert [cell[:2] for cell in cells] == [code[:2] for code in codes]
    assert cells != codes


def test_codes_named_as_identifiers_are_no_postcodes() -> None:
    codes = [f"0{i:04d}" for i in range(N)]
    assert cleaned(codes, name="case_id").schema.columns[0].kind == "identifier"
