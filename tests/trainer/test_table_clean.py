"""Cleaning: the kind of each column, and values that must not change."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from simulacra_crds.reasons import Reason
from simulacra_intake.errors import InputError
from simulacra_intake.raw_table import DELIMITER, ORIGIN
from simulacra_schema.table import ColumnSchema
from simulacra_trainer.cleaning.clean import CleanTable, clean_table

pytestmark = pytest.mark.usefixtures("exact_counts")

N = 60
OTHER = pa.array(["p", "q", "r"] * (N // 3))


def clean_one(
    values: object, *, csv: bool = False, delimiter: bytes = b",", name: str = "c"
) -> CleanTable:
    """Clean a table of this column and two harmless ones."""
    column = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    table = pa.table({name: column, "other": OTHER, "third": pa.array([1.5, 2.25] * (N // 2))})
    if csv:
        table = table.set_column(2, "third", table["third"].cast(pa.string()))
        table = table.replace_schema_metadata({ORIGIN: b"csv", DELIMITER: delimiter})
    return clean_table(table)


def column(values: object, **options: object) -> ColumnSchema:
    return clean_one(values, **options).schema.columns[0]  # type: ignore[arg-type]


def notes(table: CleanTable, name: str = "c") -> dict[str, int]:
    return {note.action: note.count for note in table.schema.cleaning if note.column == name}


# Kinds


def test_words_become_levels_by_share_and_unknown_is_a_level() -> None:
    cleaned = clean_one(["Unknown"] * 10 + ["Private"] * 40 + ["None"] * 10)
    found = cleaned.schema.columns[0]
    assert (found.kind, found.storage, found.missing_share) == ("categorical", "string", 0.0)
    assert [(level.value, round(level.share, 3)) for level in found.levels] == [
        ("Private", 0.667),
        ("Unknown", 0.167),
        ("None", 0.167),
    ]
    assert cleaned.table["c"].type == pa.dictionary(pa.int32(), pa.string())
    assert cleaned.table["c"].combine_chunks().dictionary.to_pylist() == found.level_values()


def test_missing_tokens_blanks_and_white_space_are_cleaned() -> None:
    raw = [" yes", "no ", "NA", "n/a", "", "?", "NULL", None, "no", "yes"] * 6
    cleaned = clean_one(raw)
    found = cleaned.schema.columns[0]
    assert found.kind == "boolean"
    assert found.level_values() == ["no", "yes"]
    assert found.missing_share == pytest.approx(0.6)
    counts = notes(cleaned)
    assert counts["empty cells and words such as N/A were set to missing"] == 30
    assert counts["white space around values was removed"] == 12


def test_case_is_kept_and_spellings_of_yes_are_merged() -> None:
    found = column(["Yes"] * 20 + ["yes"] * 5 + ["No"] * 20 + ["N"] * 15)
    assert (found.kind, found.level_values()) == ("boolean", ["No", "Yes"])
    assert column(["red", "Red", "RED"] * 20).level_values() == ["red", "Red", "RED"]


def test_booleans_are_found_by_type_and_in_a_csv() -> None:
    assert column([True, False, None] * 20).level_values() == ["false", "true"]
    found = column(["TRUE", "FALSE"] * 30, csv=True)
    assert (found.kind, found.storage, found.level_values()) == (
        "boolean",
        "bool",
        ["false", "true"],
    )


def test_zeros_and_ones_stay_integers_with_levels() -> None:
    found = column([0, 1, 1] * 20)
    assert (found.kind, found.level_values(), found.minimum, found.maximum) == (
        "integer",
        ["0", "1"],
        0,
        1,
    )


def test_integers_with_many_values_have_limits_instead_of_levels() -> None:
    found = column([0, *range(0, 170, 3), 1000, 2000])
    assert (found.kind, found.levels, found.minimum, found.decimals) == ("integer", [], 0, 0)
    assert 170 < (found.maximum or 0) < 1000  # one person is no bound
    assert column([*range(50), *range(10)]).levels == []  # all of one or two persons
    assert len(column([*range(12)] * 5).levels) == 12


@pytest.mark.parametrize(
    ("values", "decimals"),
    [
        ([0.5, 1.25, 3.0] * 20, 2),
        ([0.009459459, 0.2, 180.6666667] * 20, 9),
        (list(np.random.default_rng(0).normal(size=N)), None),
    ],
)
def test_decimals_are_counted(values: list[float], decimals: int | None) -> None:
    found = column(values)
    assert (found.kind, found.storage, found.decimals) == ("numeric", "double", decimals)


def test_doubles_that_are_all_whole_are_integers_in_their_storage() -> None:
    found = column([1.0, 2.0, None] * 20)
    assert (found.kind, found.storage, found.level_values()) == ("integer", "double", ["1", "2"])
    assert column([1.0, 2.0, float("inf")] * 20).kind == "numeric"


def test_single_precision_counts_its_own_digits() -> None:
    assert column(pa.array([0.1, 0.25, 7.3] * 20, pa.float32())).decimals == 2


@pytest.mark.parametrize("none", [float("inf"), 8.98846567431158e307, -1.7976931348623157e308])
def test_what_is_no_number_becomes_missing(none: float) -> None:
    """NaN, infinity, and the missing values that Stata and SPSS store."""
    cleaned = clean_one([1.5, float("nan"), none, 2.5] * 15)
    assert cleaned.schema.columns[0].missing_share == pytest.approx(0.5)
    assert cleaned.schema.columns[0].maximum == 2.5
    assert notes(cleaned)["infinite numbers, and those beyond 1e+100, were set to missing"] == 15


def test_constants_are_not_learned_unless_some_rows_are_missing() -> None:
    assert column(["only"] * N).kind == "constant"
    assert column(["only"] * N).constant == "only"
    assert column([7] * N).constant == "7"
    found = column(["only", None] * (N // 2))
    assert (found.kind, found.learned, found.missing_share) == ("categorical", True, 0.5)


def test_empty_columns_are_noted_and_not_learned() -> None:
    cleaned = clean_one(pa.nulls(N, pa.string()))
    found = cleaned.schema.columns[0]
    assert (found.kind, found.learned, found.constant, found.missing_share) == (
        "constant",
        False,
        None,
        1.0,
    )
    assert "c" not in cleaned.table.column_names
    assert notes(cleaned) == {"the column has no values and is not learned": N}
    assert column([""] * 30 + ["NA"] * 30, csv=True).missing_share == 1.0


def test_na_is_a_code_of_two_letters_where_blank_cells_are_missing() -> None:
    codes = ["MI", "RM", "TO", "NA"] * 12
    assert {one.value for one in column([*codes, *[""] * 12], csv=True).levels} == set(codes)
    assert column([*codes, *["MI"] * 12], csv=True).missing_share == 0.2
    assert column([*codes, *["other", ""] * 6], csv=True).missing_share == 0.3


@pytest.mark.parametrize(
    "words",
    [
        ["DE", "NA", "FR", "ZA", "US"],
        ["BW", "NA", "ZM", "ZA", "AO"],
        ["EMEA", "NA", "APAC", "LATAM", "EMEA"],
        ["EU", "NA", "AS", "SA", "AF"],
        ["Europe", "NA", "Asia", "Europe", "Asia"],
    ],
)
def test_na_among_countries_or_parts_of_the_world_is_a_code(words: list[str]) -> None:
    found = column(words * 12, csv=True)
    assert set(found.level_values()) == set(words)
    assert found.missing_share == 0


@pytest.mark.parametrize(
    "words",
    [
        ["TX", "NA", "CA", "NY", "WA"],
        ["m", "NA", "f", "f", "m"],
        ["CDU", "NA", "SPD", "FDP", "CSU"],
        ["yes", "NA", "no", "no", "no"],
        ["north", "NA", "south", "south", "east"],
    ],
)
def test_na_among_other_words_is_a_missing_value(words: list[str]) -> None:
    assert column(words * 12, csv=True).missing_share == 0.2


def test_na_is_a_country_in_a_file_of_r_only_beside_its_neighbors() -> None:
    def levels(words: list[str]) -> set[str]:
        score = ["1", "NA", "3", "4", "7"] * 12
        columns = {"c": words * 12, "score": score, "other": OTHER}
        raw = pa.table(columns).replace_schema_metadata({ORIGIN: b"csv"})
        return set(clean_table(raw).schema.columns[0].level_values())

    assert "NA" not in levels(["DE", "NA", "FR", "GB", "US"])
    assert "NA" in levels(["BW", "NA", "ZM", "ZA", "US"])


def test_a_column_of_na_alone_says_that_a_file_leaves_values_out_so() -> None:
    columns = {"c": ["DE", "NA", "FR", "GB", "US"] * 12, "q7_other": ["NA"] * 60, "x": OTHER}
    raw = pa.table(columns).replace_schema_metadata({ORIGIN: b"csv"})
    assert clean_table(raw).schema.columns[0].missing_share == 0.2


@pytest.mark.parametrize(
    "words",
    [
        ["agree", "strongly agree", "disagree", "strongly disagree", "99"],
        ["zufrieden", "sehr zufrieden", "unzufrieden", "sehr unzufrieden", "9"],
        ["souvent", "toujours", "parfois", "jamais", "-99"],
    ],
)
def test_a_code_that_has_no_label_stands_apart_from_a_scale(words: list[str]) -> None:
    found = column(words * 12, csv=True)
    assert found.kind == "ordinal"
    assert [level.value for level in found.levels if level.special] == words[-1:]


def test_identifiers_are_not_learned() -> None:
    rng = np.random.default_rng(1)
    scattered = rng.permutation(10**6)[:N]
    assert column([f"CUST-{i:06d}" for i in scattered]).kind == "identifier"
    assert column([f"{i}@example.org" for i in scattered]).kind == "identifier"
    assert column(range(1000, 1000 + N)).kind == "identifier"
    assert column(scattered, name="customer_id").kind == "identifier"
    assert column(scattered, name="CustomerID").kind == "identifier"
    assert column([f"{i:08d}" for i in scattered], csv=True).kind == "identifier"
    assert column([str(i) for i in range(N)], csv=True).kind == "identifier"


def test_unique_numbers_that_are_not_identifiers_are_learned() -> None:
    scattered = np.random.default_rng(1).permutation(10**6)[:N]
    assert column(scattered, name="weight").kind == "integer"
    assert column(scattered / 7.0, name="customer_id").kind == "numeric"
    assert column(range(1950, 1950 + N), name="year").kind == "integer"


def test_names_and_free_text_are_not_learned() -> None:
    people = [f"{'ABCDEFGHIJ'[i % 10]}nna {'KLMNOP'[i // 10]}lsen" for i in range(N)]
    assert column(people).kind == "text"
    long = [
        f"I called {i % 45} times and nobody could tell me where my parcel was" for i in range(N)
    ]
    assert column(long).kind == "text"
    half_single = ["common"] * 25 + [f"rare town {chr(97 + i)}" for i in range(35) for _ in [0]]
    assert column(half_single[:N]).kind == "text", (
        "values that one row each has are about one person each"
    )


def test_levels_with_spaces_are_levels() -> None:
    assert column(["No internet service", "Fiber optic", "DSL"] * 20).kind == "categorical"


def test_zip_codes_and_long_digits_stay_words() -> None:
    assert column(["01234", "90210", "10115"] * 20, csv=True).kind == "categorical"
    assert column(["12345678901234567", "22345678901234567"] * 30, csv=True).kind == "categorical"


# Numbers in text


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1,234", "22", "1,000,000"], [1234, 22, 1000000]),
        (["$1,234.50", "$3.25", "-$7.00"], [1234.5, 3.25, -7.0]),
        (["1.234,5", "7,25", "12"], [1234.5, 7.25, 12.0]),
        (["1 234,5", "7,25", "12"], [1234.5, 7.25, 12.0]),
        (["12 €", "7 €", "8 €"], [12, 7, 8]),
        (["EUR 12.5", "EUR 7", "EUR 8"], [12.5, 7.0, 8.0]),
        (["12.5%", "7%", "100 %"], [12.5, 7.0, 100.0]),
        (["(1,200)", "300", "+5"], [-1200, 300, 5]),
        (["1e3", "2.5E-1", ".5"], [1000.0, 0.25, 0.5]),
        (["1.234", "5.678", "9.012"], [1.234, 5.678, 9.012]),
    ],
)
def test_numbers_in_text_are_read(cells: list[str], expected: list[float]) -> None:
    cleaned = clean_one(cells * 20, csv=True)
    assert cleaned.table["c"].to_pylist() == expected * 20
    assert cleaned.schema.columns[0].storage == (
        "int64" if all(isinstance(e, int) for e in expected) else "double"
    )


def test_the_delimiter_decides_an_ambiguous_comma() -> None:
    cells = {"c": ["1,234", "5,678", "9,012"] * 20, "o": ["1", "2", "3"] * 20}
    table = pa.table(cells).replace_schema_metadata({ORIGIN: b"csv", DELIMITER: b","})
    assert clean_table(table).table["c"][0].as_py() == 1234
    table = table.replace_schema_metadata({ORIGIN: b"csv", DELIMITER: b";"})
    assert clean_table(table).table["c"][0].as_py() == 1.234


def test_few_words_among_numbers_become_missing_and_many_keep_text() -> None:
    cells = [str(i % 37) for i in range(999)] + ["twelve"]
    raw = pa.table({"c": cells, "o": ["p", "q"] * 500}).replace_schema_metadata({ORIGIN: b"csv"})
    cleaned = clean_table(raw)
    assert cleaned.schema.columns[0].kind == "integer"
    assert "words that are not a number were set to missing" in notes(cleaned)
    assert column(["1", "2", "twelve"] * 20).kind == "categorical"
    soft = column(["1", "2", "unknown"] * 20, csv=True)
    assert (soft.kind, soft.missing_share) == ("integer", pytest.approx(1 / 3))


def test_the_note_says_how_numbers_were_written() -> None:
    cleaned = clean_one(["$1,234.50", "$3.25", "$7.00"] * 20, csv=True)
    assert notes(cleaned) == {
        "numbers written with a currency sign and grouped thousands were read as numbers": N
    }
    assert notes(clean_one(["5 %", "6 %", "7 %", "9 %"] * 15, csv=True)) == {
        "numbers written with percent signs were read as numbers": N
    }


def test_mixed_currencies_stay_words() -> None:
    assert column(["$5", "€7", "$6"] * 20).kind == "categorical"


def test_declared_string_columns_keep_their_storage() -> None:
    found = column(["1.50", "2.25", "3.00"] * 20)
    assert (found.kind, found.storage, found.text_format) == ("numeric", "string", ".2f")


# Dates


@pytest.mark.parametrize(
    ("cells", "first", "storage"),
    [
        (["2024-01-31", "2023-12-01", "2024-02-29"], "2024-01-31 00:00:00", "date32[day]"),
        (
            ["2024-01-31T10:30:00", "2023-12-01T00:00:01", "2024-02-29T23:59:59"],
            "2024-01-31 10:30:00",
            "timestamp[us]",
        ),
        (
            ["2024-01-31 10:30:00+02:00", "2023-12-01 00:00:01Z"],
            "2024-01-31 08:30:00",
            "timestamp[us, tz=UTC]",
        ),
        (["31/01/2024", "01/12/2023", "5/2/2024"], "2024-01-31 00:00:00", "date32[day]"),
        (["01/31/2024", "12/01/2023", "2/5/2024"], "2024-01-31 00:00:00", "date32[day]"),
        (["31.01.2024", "01.12.2023", "05.02.2024"], "2024-01-31 00:00:00", "date32[day]"),
        (["01/31/24 10:30 PM", "12/01/23 1:05 AM"], "2024-01-31 22:30:00", "timestamp[us]"),
        (["31 Jan 2024", "1 Dec 2023"], "2024-01-31 00:00:00", "date32[day]"),
        (["Jan 31, 2024", "Dec 1, 2023"], "2024-01-31 00:00:00", "date32[day]"),
    ],
)
def test_dates_in_text_are_read(cells: list[str], first: str, storage: str) -> None:
    cleaned = clean_one((cells * N)[:N], csv=True)
    found = cleaned.schema.columns[0]
    assert (found.kind, found.storage) == ("datetime", storage)
    assert cleaned.table["c"].type == pa.timestamp("us")
    assert str(cleaned.table["c"][0].as_py()) == first
    assert found.missing_share == 0


def test_ambiguous_days_and_months_stay_text_with_a_note() -> None:
    cleaned = clean_one(["01/02/2024", "03/04/2024", "05/06/2023"] * 20, csv=True)
    assert cleaned.schema.columns[0].kind == "categorical"
    assert (
        "the order of day and month in these dates is unclear, so the column stays text"
        in notes(cleaned)
    )


def test_impossible_days_do_not_make_a_date() -> None:
    assert column(["31/02/2024", "30/02/2024", "31/04/2024"] * 20, csv=True).kind == "categorical"
    assert column(["2024-02-31", "2024-13-01"] * 30, csv=True).kind == "categorical"


def test_date_limits_are_seconds() -> None:
    found = column(pa.array([0, 86_400] * 30, pa.timestamp("s", tz="UTC")))
    assert (found.minimum, found.maximum, found.storage) == (0.0, 86_400.0, "timestamp[s, tz=UTC]")


# The table as a whole


def test_declared_categories_stay_levels_and_keep_their_order() -> None:
    codes = pa.DictionaryArray.from_arrays(
        pa.array([2, 0, 1] * 20, pa.int8()), ["lo", "mid", "hi"], ordered=True
    )
    found = column(codes)
    assert (found.kind, found.ordered, found.level_values()) == (
        "ordinal",
        True,
        ["lo", "mid", "hi"],
    )
    assert column(pa.array(["1", "2"] * 30).dictionary_encode()).kind == "categorical"


def test_chunks_with_different_dictionaries_are_unified() -> None:
    chunks = [
        pa.array(["a", "b"] * 15).dictionary_encode(),
        pa.array(["c", "a"] * 15).dictionary_encode(),
    ]
    cleaned = clean_one(pa.chunked_array(chunks))
    assert cleaned.table["c"].to_pylist() == ["a", "b"] * 15 + ["c", "a"] * 15


@pytest.mark.parametrize("rows", [0, 1, 19])
def test_too_few_rows_are_refused(rows: int) -> None:
    with pytest.raises(InputError, match="rows") as refusal:
        clean_table(pa.table({"a": [1] * rows, "b": [2] * rows}))
    assert refusal.value.reason == Reason.TABLE_TOO_SMALL


def test_fewer_than_two_usable_columns_are_refused() -> None:
    table = pa.table(
        {"id": range(30), "empty": pa.nulls(30), "same": ["x"] * 30, "good": ["a", "b", "c"] * 10}
    )
    with pytest.raises(InputError, match="1 usable columns; at least 2") as refusal:
        clean_table(table)
    assert refusal.value.reason == Reason.TABLE_TOO_SMALL
    assert "same" not in refusal.value.message


def test_rows_and_names_are_kept_in_order() -> None:
    cleaned = clean_one(["x", "y", "z"] * 20)
    assert cleaned.schema.rows == N
    assert [c.name for c in cleaned.schema.columns] == ["c", "other", "third"]
    assert cleaned.table.column_names == ["c", "other", "third"]
    assert all(cleaned.table[name].num_chunks == 1 for name in cleaned.table.column_names)


# Values at the edges of their types


def test_dates_outside_the_calendar_become_missing() -> None:
    days = pa.array([2**31 - 1, 5, 6] * 20, pa.int32()).cast(pa.date32())
    cleaned = clean_one(days)
    assert cleaned.schema.columns[0].missing_share == pytest.approx(1 / 3)
    assert notes(cleaned)["dates outside the years 1 to 9999 were set to missing"] == 20
    assert column(pa.array([2**62, 5, 6] * 20, pa.timestamp("s"))).maximum == 6.0


def test_numbers_too_large_for_a_double_become_missing() -> None:
    raw = ["1e999"] + [str(i % 7) for i in range(199)]
    table = pa.table({"c": raw, "o": ["p", "q"] * 100}).replace_schema_metadata({ORIGIN: b"csv"})
    found = clean_table(table).schema.columns[0]
    assert (found.kind, found.maximum, found.missing_share) == ("numeric", 6.0, 0.005)


def test_unsigned_numbers_above_int64_become_levels() -> None:
    assert column(pa.array([2**63 + 1, 5, 6] * 20, pa.uint64())).kind == "categorical"
    assert column(pa.array([2**63 + i for i in range(N)], pa.uint64())).kind == "identifier"


def test_identifiers_with_gaps_are_found_among_doubles() -> None:
    scattered = [float(i) for i in np.random.default_rng(2).permutation(10**6)[: N - 1]]
    assert column([None, *scattered], name="user_id").kind == "identifier"
    assert column([None, *scattered], name="salary").kind == "integer"


def test_long_levels_do_not_slow_the_search_for_scales() -> None:
    long = "1" * 500_000 + "-" + "2" * 400_000
    assert column([long, "18-24", "25-34"] * 20).kind == "categorical"
