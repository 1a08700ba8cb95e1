"""Invented values have the form of the upload, never repeat a key and are never real ones."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulacra_intake.output.invented import RowSpan
from simulacra_intake.output.restore import restore
from simulacra_intake.personal_data.numbers import has_valid_checksum
from simulacra_intake.persons.masks import code_words, learn_masks, places, possible, widened
from simulacra_intake.persons.real_values import METADATA, RealValues, digest_real_values
from simulacra_intake.raw_table import ORIGIN
from simulacra_trainer.cleaning.clean import CleanTable, clean_table

ROWS = 300


def cleaned(**columns: list[object]) -> CleanTable:
    plain = {"answer": ["yes", "no", "maybe"] * 100, "amount": [i / 7 for i in range(ROWS)]}
    return clean_table(pa.table({**columns, **plain}))


def generated(clean: CleanTable, name: str, rows: int = 2_000, first: int = 0) -> list[object]:
    rng = np.random.default_rng(first)
    table = clean.table.take(pa.array(rng.integers(ROWS, size=rows)))
    real = RealValues.from_bytes(clean.table.schema.metadata[METADATA])
    span = RowSpan(first, 10_000, 3)
    return restore(table, clean.schema, rng=rng, span=span, real=real).column(name).to_pylist()


FORMS = {
    "order_id": (lambda i: f"T{i:06d}", r"T\d{6,}"),
    "response_id": (lambda i: f"R_{(i + 7) * 2_654_435_761 % 36**6:07x}kQ", r"R_\w{8,12}"),
    "case_id": (lambda i: f"{'ER'[i % 2]}{i:05d}", r"[ER]\d{5,}"),
    "mobile": (lambda i: f"+44 7{i % 900:03d} {i * 3137 % 10**6:06d}", r"\+44 7\d{3} \d{6}"),
    "ssn": (lambda i: f"{200 + i}-{10 + i % 80}-{1000 + i * 7}", r"\d{3}-\d\d-\d{4}"),
    "email": (lambda i: f"p{i}@mail.example.de", r"[a-z0-9.]+@example\.(org|com|net)"),
    "ip": (lambda i: f"10.0.{i % 200}.{i // 200}", r"198\.1[89]\.\d+\.\d+"),
    "address": (lambda i: f"{i + 1} Mill Lane", r"\d+ \S.+"),
    "username": (lambda i: f"{'abcdefgh'[i % 8]}lee{i:03d}", r"[a-h]lee\d{3}|[a-z]{4}\d{3,}"),
    "Anschrift": (lambda i: f"Mühlweg {i + 1}", r"\S.+ \d+"),
}


@pytest.mark.parametrize("name", FORMS)
def test_invented_values_have_the_form_of_the_upload(name: str) -> None:
    make, form = FORMS[name]
    real = [make(i) for i in range(ROWS)]
    words = generated(cleaned(**{name: real}), name)
    assert all(re.fullmatch(form, str(word)) for word in words)
    assert not set(words) & set(real)


@pytest.mark.parametrize("name", ["order_id", "case_id", "response_id", "ssn"])
def test_keys_never_repeat_across_parts_of_a_table(name: str) -> None:
    clean = cleaned(**{name: [FORMS[name][0](i) for i in range(ROWS)]})
    words = [*generated(clean, name), *generated(clean, name, first=2_000)]
    assert len(set(words)) == len(words)


@pytest.mark.parametrize(("start", "longest"), [(700_001, 6), (100, 5)])
def test_numbers_never_repeat_and_grow_only_without_room(start: int, longest: int) -> None:
    real = [start + 13 * i for i in range(ROWS)]
    clean = cleaned(customer_id=real)
    words = [*generated(clean, "customer_id"), *generated(clean, "customer_id", first=2_000)]
    assert {len(str(word)) for word in words} <= set(range(longest, 7))
    assert set(words).isdisjoint(real)
    assert len(set(words)) == len(words)


def test_identifiers_that_fill_a_narrow_type_are_empty() -> None:
    clean = clean_table(
        pa.table(
            {
                "row_id": pa.array(range(100), pa.int8()),
                "answer": ["yes", "no"] * 50,
                "amount": [i / 7 for i in range(100)],
            }
        )
    )
    back = restore(clean.table, clean.schema, rng=np.random.default_rng(0), span=RowSpan(0, 100))
    assert back.column("row_id").null_count == 100
    assert back.column("row_id").type == pa.int8()


def test_person_has_one_name_in_all_columns() -> None:
    clean = cleaned(
        name=[f"Nora{'abcdefghij'[i % 10]} Kraus{'klmnopqrst'[i // 10 % 10]}{'uvw'[i // 100]}"
              for i in range(ROWS)],
        email=[f"p{i}@mail.example.de" for i in range(ROWS)],
    )  # fmt: skip
    rng = np.random.default_rng(0)
    rows = restore(clean.table, clean.schema, rng=rng, span=RowSpan(0, ROWS)).to_pylist()
    for row in rows:
        first, last = row["name"].lower().split()
        if (first + last).isascii():
            assert row["email"].startswith(f"{first}.{last}")


def test_last_name_first_stays_so() -> None:
    names = [f"Kraus{'klmnopqrst'[i // 10 % 10]}{'uvw'[i // 100]}, Nora{'abcdefghij'[i % 10]}"
             for i in range(ROWS)]  # fmt: skip
    assert all(re.fullmatch(r"\S+, \S+", word) for word in generated(cleaned(name=names), "name"))


def test_names_of_the_upload_are_never_drawn() -> None:
    from simulacra_intake.personal_data.forms import names_of

    known = names_of("en_US")
    names = [f"{known.first[i % 30]} {known.last[i // 30]}" for i in range(ROWS)]
    clean = cleaned(name=names)
    assert clean.schema.find("name").locale == "en_US"
    assert not set(generated(clean, "name", 9_000)) & set(names)


def test_checksums_of_invented_numbers_are_wrong() -> None:
    from stdnum import luhn

    cards = [f"4539 {1000 + i} 0000 {i:03d}" for i in range(ROWS)]
    cards = [card + luhn.calc_check_digit(card.replace(" ", "")) for card in cards]
    words = generated(cleaned(card=cards), "card")
    assert all(re.fullmatch(r"4539 \d{4} \d{4} \d{4}", word) for word in words)
    assert not any(has_valid_checksum("card", word) for word in words)


def test_missing_values_stay_as_frequent() -> None:
    emails = [None if i % 4 == 0 else f"p{i}@mail.example.de" for i in range(ROWS)]
    words = generated(cleaned(email=emails), "email")
    assert sum(word is None for word in words) / len(words) == pytest.approx(0.25, abs=0.05)


def test_same_seed_gives_the_same_values() -> None:
    clean = cleaned(email=[f"p{i}@mail.example.de" for i in range(ROWS)])
    assert generated(clean, "email") == generated(clean, "email")


@given(st.lists(st.text("abXY019-_ /[]#A\\", min_size=1, max_size=12), min_size=5, max_size=60))
def test_masks_give_codes_of_the_same_length_as_a_word(words: list[str]) -> None:
    for mask in learn_masks(words):
        letters = places(mask)
        assert len(letters) in {len(word) for word in words}
        [code] = code_words(letters, np.array([0]), np.random.default_rng(0))
        assert len(code) == len(letters)


@given(st.integers(1, 5_000), st.integers(0, 99))
def test_codes_of_different_indexes_differ(count: int, seed: int) -> None:
    letters = widened(["E", "0123456789", "ab"], count)
    assert possible(letters) >= count
    codes = code_words(letters, np.arange(count), np.random.default_rng(seed))
    assert len(set(codes)) == count


def test_what_all_words_begin_and_end_with_stays() -> None:
    masks = learn_masks([f"FV/{i}/2024" for i in range(1, 60)])
    assert {mask.form for mask in masks} == {r"FV/#/2024", r"FV/##/2024"}
    codes = code_words(widened(places(masks[0]), 10_000), np.arange(50), np.random.default_rng(0))
    assert all(re.fullmatch(r"FV/\d+/2024", code) for code in codes)


def test_prefix_of_few_words_does_not_stay() -> None:
    [mask] = learn_masks([f"K7{i}" for i in range(9)])
    assert mask.form == "A##"


@given(st.lists(st.text(min_size=1), min_size=1, max_size=50))
def test_every_real_value_is_known_in_any_dress(values: list[str]) -> None:
    try:
        [value.encode() for value in values]
    except UnicodeEncodeError:
        return
    assert digest_real_values(values).holds(values).all()
    assert digest_real_values(values).holds([f" {value}  " for value in values]).all()


def test_digests_hold_no_value_and_differ_for_each_table() -> None:
    values = [f"p{i}@mail.example.de" for i in range(500)]
    stored = [digest_real_values(values).to_bytes() for _ in range(2)]
    assert stored[0] != stored[1]
    assert b"mail" not in stored[0]
    others = [f"q{i}@mail.example.de" for i in range(2_000)]
    assert RealValues.from_bytes(stored[0]).holds(others).mean() < 0.01


def test_numbers_are_known_whatever_stands_between_the_digits() -> None:
    known = digest_real_values(["+44 7722 376627"])
    assert known.holds(["44-7722-376627", "+447722376627"]).all()
    assert not known.holds(["+44 7722 376628"]).any()


def test_numbers_of_a_csv_are_never_real_ones_with_a_zero_in_front() -> None:
    real = [7 + 41 * i for i in range(ROWS)]
    columns = {
        "hh_id": [str(i) for i in real],
        "answer": ["yes", "no", "maybe"] * 100,
        "region": ["north", "south"] * 150,
    }
    table = pa.table(columns).replace_schema_metadata({ORIGIN: b"csv"})
    clean = clean_table(table)
    assert clean.schema.find("hh_id").role == "key"
    rows = 30_000
    drawn = clean.table.take(pa.array(np.arange(rows) % ROWS))
    values = RealValues.from_bytes(clean.table.schema.metadata[METADATA])
    back = restore(
        drawn, clean.schema, rng=np.random.default_rng(0), span=RowSpan(0, rows), real=values
    )
    invented = back.column("hh_id").to_pylist()
    assert back.column("hh_id").type == pa.int64()
    assert not set(invented) & set(real)
    assert len(set(invented)) == rows
