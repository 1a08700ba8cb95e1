"""Whole numbers that identify rows or groups of rows under names that say nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from simulacra_intake.output.invented import RowSpan
from simulacra_intake.output.restore import restore
from simulacra_intake.persons.real_values import METADATA, RealValues
from simulacra_intake.raw_table import ORIGIN
from simulacra_schema.description import parse_description
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.cleaning.clean import CleanTable, clean_table
from simulacra_trainer.cleaning.described import clean_described

Ints = npt.NDArray[np.int64]
ROWS = 300
RNG = np.random.default_rng(11)


def table(csv: bool = False, **columns: Sequence[object] | npt.NDArray[np.generic]) -> pa.Table:
    """Return a table of these columns, an answer and an amount; of text as in a CSV."""
    rng = np.random.default_rng(5)
    rows = len(next(iter(columns.values())))
    plain = {
        "answer": rng.choice(["yes", "no", "maybe"], rows),
        "amount": np.round(rng.lognormal(3, 1, rows), 2),
    }
    built = pa.table({**columns, **plain})
    if not csv:
        return built
    text = pa.table({name: built[name].cast(pa.string()) for name in built.column_names})
    return text.replace_schema_metadata({ORIGIN: b"csv"})


def column(name: str, numbers: Ints, csv: bool = False) -> ColumnSchema:
    found = clean_table(table(csv, **{name: numbers})).schema.find(name)
    assert found is not None
    return found


def drawn(low: int, high: int, rows: int = ROWS, seed: int = 1) -> Ints:
    """Return distinct whole numbers in any order; fewer rows are the first of more."""
    rng = np.random.default_rng(seed)
    if high - low < 1_000_000:
        return rng.permutation(np.arange(low, high))[:rows]
    numbers = rng.integers(low, high, 2 * ROWS)  # few are equal, and a permutation takes a second
    return numbers[np.sort(np.unique(numbers, return_index=True)[1])][:rows]


IDENTIFYING: dict[str, tuple[str, Ints]] = {
    "counter without the rows that were dropped": ("kid", np.sort(drawn(1, 420))),
    "the same in any order": ("mom", drawn(1, 420)),
    "codes of blocks, sorted": ("barn", np.sort(drawn(20_000, 29_000))),
    "codes drawn at random": ("x1", drawn(100_000, 1_000_000)),
    "codes of six digits and more": ("seed", drawn(0, 400) * 5_000_011 + 110_881_392),
    "numbers of staff": ("Matr.", drawn(1_000, 9_999)),
    "respondents of whom some answered twice": (
        "Respondent ID",
        np.append(drawn(1_000, 9_999, 270), drawn(1_000, 9_999, 30)),
    ),
    "codes of a window in any order": ("ломка", drawn(7_300_000, 7_900_000)),
    "many codes of any length": ("v1", drawn(1, 400_000, 4_000)),
    "counter of few rows": ("lapsi", np.arange(1, 41)),
    "counter of villages": ("village", np.arange(1, 41)),
    "counter of candidates": ("candidate", np.arange(1, 41)),
    "persons who answered twice": ("enfant", np.append(np.sort(drawn(1, 400, 299)), 7)),
}


@pytest.mark.parametrize("csv", [False, True], ids=["typed", "csv"])
@pytest.mark.parametrize("case", IDENTIFYING)
def test_numbers_given_to_rows_are_keys_under_any_name(case: str, csv: bool) -> None:
    found = column(*IDENTIFYING[case], csv)
    assert (found.role, found.learned) == ("key", False)


def lognormal(rows: int, center: float, seed: int = 2) -> Ints:
    """Return distinct amounts in any order."""
    rng = np.random.default_rng(seed)
    return rng.permutation(np.unique(rng.lognormal(center, 0.6, 2 * rows).astype(np.int64)))[:rows]


NORMAL = np.unique(np.random.default_rng(4).normal(600_000, 60_000, 2_000).astype(np.int64))
MEASURED: dict[str, tuple[str, Ints]] = {
    "income in cents": ("x7", lognormal(ROWS, 15)),
    "income in cents, file sorted by it": ("v3", np.sort(lognormal(ROWS, 15))),
    "inhabitants of towns": ("Einwohner", lognormal(200, 9.5)),
    "prices of six digits": ("hinta", np.random.default_rng(3).permutation(NORMAL)[:ROWS]),
    "counts under a name": ("impressions", lognormal(240, 11)),
    "Unix time of interviews": ("q0", np.sort(drawn(1_700_000_000, 1_709_000_000, seed=6))),
    "Unix time every hour": ("q1", 1_700_000_000 + 3_600 * np.arange(ROWS)),
    "Unix time in milliseconds": ("q2", 1_700_000_000_000 + 61_003 * np.arange(ROWS)),
    "dates in digits": ("dzień", 20_240_101 + np.arange(28)),
    "years of a series": ("année", np.arange(1_950, 2_020)),
    "years in a compound": ("Erhebungsjahr2", np.arange(1_950, 2_020)),
    "years in the plural": ("Jahre", np.arange(0, 70)),
    "years of birth": ("Jahrgang", np.arange(1_930, 2_000)),
    "days of a diary": ("daynr", np.arange(1, 60)),
    "hours in the plural": ("Hours", np.arange(0, 70)),
    "ages of a life table": ("age", np.arange(18, 90)),
    "minutes since the start": ("Minuten", np.arange(0, 1_500, 5)),
    "days of diaries, by a name with id": ("id_date", 20_240_101 + np.arange(28)),
    "Unix time, a few of it twice": (
        "ID time",
        np.append(
            drawn(1_700_000_000, 1_709_000_000, 270), drawn(1_700_000_000, 1_709_000_000, 30)
        ),
    ),
    "counts under a number of things": (
        "Nr. of inhabitants",
        np.append(lognormal(270, 9.5), lognormal(270, 9.5)[:30]),
    ),
    "few scores without ties": ("Punkte", np.sort(drawn(40, 180, 30, seed=8))),
}


@pytest.mark.parametrize("csv", [False, True], ids=["typed", "csv"])
@pytest.mark.parametrize("case", MEASURED)
def test_measurements_that_happen_to_differ_are_learned(case: str, csv: bool) -> None:
    assert column(*MEASURED[case], csv).learned


@pytest.mark.parametrize("csv", [False, True], ids=["typed", "csv"])
def test_fresh_numbers_are_as_long_as_those_of_the_upload(csv: bool) -> None:
    for low, high in ((2_000, 9_999), (100_000, 999_999), (7_300_000, 7_309_000)):
        numbers = drawn(low, high)
        words = generated(clean_table(table(csv, kid_id=numbers)), "kid_id", 400)
        assert {len(str(word)) for word in words} == {len(str(low))}
        assert set(words).isdisjoint(numbers.tolist())
        assert len(set(words)) == 400


def generated(clean: CleanTable, name: str, rows: int) -> list[object]:
    rng = np.random.default_rng(1)
    drawn_rows = clean.table.take(pa.array(rng.integers(clean.table.num_rows, size=rows)))
    real = RealValues.from_bytes(clean.table.schema.metadata[METADATA])
    span = RowSpan(0, rows, 3)
    back = restore(drawn_rows, clean.schema, rng=rng, span=span, real=real)
    words: list[object] = back.column(name).to_pylist()
    return words


def test_keys_of_doubles_with_gaps_are_fresh_and_as_often_missing() -> None:
    numbers: list[float | None] = [float(number) for number in drawn(100_000, 1_000_000)]
    numbers[::10] = [None] * 30
    clean = clean_table(table(x1=numbers))
    assert clean.schema.columns[0].role == "key"
    words = [word for word in generated(clean, "x1", 400) if word is not None]
    assert 340 < len(words) < 380
    assert all(isinstance(word, float) and 99_999 < word < 1_000_000 for word in words)
    assert set(words).isdisjoint(numbers)


SIXTY_FOUR_BITS = np.random.default_rng(9).integers(2**64 - 1, size=ROWS, dtype=np.uint64)
WIDE: dict[str, pa.Array] = {
    "float32 that skips whole numbers": pa.array(
        (20_000_000 + 2 * np.arange(ROWS)).astype(np.float32)
    ),
    "doubles that skip whole numbers": pa.array(1e17 + 16 * np.arange(ROWS)),
    "snowflakes": pa.array(drawn(0, ROWS) * 4_194_304_001 + 1_700_000_000_000_000_000),
    "hashes below 2^64": pa.array(SIXTY_FOUR_BITS),
    "hashes with a sign": pa.array(SIXTY_FOUR_BITS.view(np.int64)),
    "ten digits of int32": pa.array(drawn(2_100_000_000, 2_100_009_000).astype(np.int32)),
    "long decimals": pa.array([10**17 + i for i in range(ROWS)], pa.decimal128(20, 0)),
    "whole decimals with a scale": pa.array(np.arange(7_001, 7_301)).cast(pa.decimal128(21, 2)),
}


@pytest.mark.parametrize("case", WIDE)
def test_fresh_keys_are_no_real_ones_as_the_type_holds_them(case: str) -> None:
    numbers = WIDE[case]
    words = generated(clean_table(table(kid_id=numbers)), "kid_id", 2_000)
    assert len(set(words)) == 2_000
    assert None not in words
    assert set(words).isdisjoint(numbers.to_pylist())


@pytest.mark.parametrize("name", ["kid_id", "x1"])
def test_dictionaries_of_whole_numbers_are_keys(name: str) -> None:
    numbers = pa.array(drawn(100_000, 1_000_000)).dictionary_encode()
    clean = clean_table(table(**{name: numbers.cast(pa.dictionary(pa.int16(), pa.int64()))}))
    assert clean.schema.columns[0].role == "key"
    words = generated(clean, name, 40_000)
    assert len(set(words)) == 40_000
    assert set(words).isdisjoint(numbers.to_pylist())


NO_KEYS: dict[str, pa.Array] = {
    "durations": pa.array(drawn(1_000, 80_000), pa.duration("s")),
    "times of day": pa.array(drawn(1_000, 80_000).astype(np.int32), pa.time32("s")),
    "hundreds": pa.array(100 * drawn(1_000, 80_000))
    .cast(pa.decimal128(21, 0))
    .cast(pa.decimal128(21, -2)),
}


@pytest.mark.parametrize("case", NO_KEYS)
def test_types_without_whole_numbers_are_learned_under_the_name_of_a_key(case: str) -> None:
    clean = clean_table(table(kid_id=NO_KEYS[case], id=drawn(1, 400)))
    assert clean.schema.columns[0].learned
    assert len(generated(clean, "kid_id", 50)) == 50


def test_hashes_are_keys_under_any_name() -> None:
    assert column("x1", SIXTY_FOUR_BITS.view(np.int64)).role == "key"


def test_moments_in_nanoseconds_are_no_keys() -> None:
    assert column("q3", 10**9 * drawn(1_700_000_000, 1_709_000_000)).learned


def test_hashes_of_persons_that_repeat_are_the_subject() -> None:
    assert subject(user_id=np.repeat(SIXTY_FOUR_BITS[:100], 3)) == "user_id"


def test_fresh_keys_below_zero_are_no_real_ones() -> None:
    numbers = -np.arange(100, 600)
    words = generated(clean_table(table(kid_id=numbers)), "kid_id", 2_000)
    assert len(set(words)) == 2_000
    assert set(words).isdisjoint(numbers.tolist())


def test_a_number_stays_ordinary_where_the_user_says_so() -> None:
    numbers = np.sort(drawn(1, 420))
    fields = [{"name": "kid", "x-simulacra": {"role": "none"}}]
    stated = clean_described(table(kid=numbers), parse_description({"fields": fields}), None)
    found = stated.clean.schema.find("kid")
    assert found is not None
    assert (found.kind, found.role) == ("integer", None)


def test_weights_of_few_rows_may_differ() -> None:
    clean = clean_table(table(w=np.arange(101, 141)), weights="w")
    assert clean.schema.columns[0].kind == "weight"


SIZES = np.random.default_rng(7).integers(1, 5, 120)
HOUSEHOLD = np.repeat(np.arange(1, 121), SIZES)
MEMBER = np.concatenate([np.arange(1, size + 1) for size in SIZES])


def subject(**columns: Sequence[object] | npt.NDArray[np.generic]) -> str | None:
    schema: TableSchema = clean_table(table(**columns)).schema
    found = schema.subject()
    return None if found is None else found.name


@pytest.mark.parametrize("name", ["x1", "mom", "cluster", "vivienda", "no1"])
def test_numbers_of_groups_with_something_in_common_are_the_subject(name: str) -> None:
    region = RNG.choice(["north", "south", "east"], 121)[HOUSEHOLD]
    assert subject(**{name: HOUSEHOLD, "region": region}) == name
    assert subject(**{name: 40 + 3 * HOUSEHOLD, "line": MEMBER}) == name


def test_sorted_measurements_are_no_subject() -> None:
    numbers = np.sort(RNG.integers(18, 80, ROWS))
    band = np.array(["young", "grown", "old"])[np.digitize(numbers, [35, 60])]
    assert subject(v1=numbers, band=band, sex=RNG.choice(["m", "f"], ROWS)) is None
    assert subject(v1=HOUSEHOLD, other=RNG.choice(["a", "b"], len(HOUSEHOLD))) is None


def test_days_of_a_file_in_order_are_no_subject() -> None:
    weekday = np.array(["mo", "tu", "we", "th", "fr", "sa", "su"])[HOUSEHOLD % 7]
    assert subject(tag=HOUSEHOLD, weekday=weekday) is None
