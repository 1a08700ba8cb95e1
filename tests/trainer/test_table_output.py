"""Generated rows have the columns, order, types and formats of the upload."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulacra_intake.arrow_values import parse_type
from simulacra_intake.output.invented import RowSpan
from simulacra_intake.output.restore import restore
from simulacra_intake.read import read_table
from simulacra_trainer.cleaning.clean import clean_table

N = 60


def round_trip(table: pa.Table) -> pa.Table:
    cleaned = clean_table(table)
    return restore(cleaned.table, cleaned.schema, rng=np.random.default_rng(0))


def repeated(values: list[object], kind: pa.DataType) -> pa.Array:
    return pa.array((values * N)[:N], kind)


TYPED = {
    "int8": repeated([1, -2, None, 5], pa.int8()),
    "uint64": repeated([1, 2, 3, None], pa.uint64()),
    "double": repeated([0.1, 2.5, None], pa.float64()),
    "float": repeated([0.1, 2.5, None], pa.float32()),
    "whole": repeated([1.0, 2.0, None], pa.float64()),
    "decimal": repeated([Decimal("1.10"), Decimal("-2.25"), None], pa.decimal128(9, 2)),
    "bool": repeated([True, False, None], pa.bool_()),
    "yes": repeated(["Yes", "No", None], pa.string()),
    "words": repeated(["red", "green", "Unknown"], pa.large_string()),
    "view": repeated(["red", "green", None], pa.string_view()),
    "category": repeated(["b", "a", None], pa.string()).dictionary_encode(),
    "ordered": pa.DictionaryArray.from_arrays(
        repeated([2, 0, 1], pa.int8()), ["lo", "mid", "hi"], ordered=True
    ),
    "date": repeated([1, 2, None, 30_000], pa.date32()),
    "date64": repeated([0, 86_400_000], pa.int64()).cast(pa.date64()),
    "seconds": repeated([1, 2, None], pa.timestamp("s")),
    "zoned": repeated([1_700_000_000_000, 5, None], pa.timestamp("ms", tz="Europe/Berlin")),
    "nanos": repeated([1_000, 2_000], pa.timestamp("ns")),
    "time": repeated([1, 2, 86_399], pa.time32("s")),
    "time64": repeated([1, 2, None], pa.time64("us")),
    "duration": repeated([1, 2, None], pa.duration("s")),
    "coded": repeated([3, 1, None], pa.int64()).dictionary_encode(),
    "digits": repeated(["1", "2", None], pa.string()),
    "money": repeated(["1.50", "22.00", None], pa.string()),
    "iso": repeated(["2024-01-31", "2023-02-01", None], pa.string()),
    "german": repeated(["31.01.2024", "01.02.2023", None], pa.string()),
    "clock": repeated(["2024-01-31 10:30:00", "2023-02-01 00:00:05"], pa.string()),
    "month": repeated(["2024-01", "2023-12"], pa.string()),
    "hash": pa.array([2**63 + 5, 5, 6] * 20, pa.uint64()),
    "half": repeated([0.5, 1.5, None], pa.float16()),
    "wide decimal": repeated([Decimal("1.10"), Decimal("2")], pa.decimal256(40, 2)),
    "constant": pa.array(["x"] * N),
    "constant_text_date": pa.array(["31.01.2024"] * N),
    "constant_money": pa.array(["$1.50"] * N),
    "constant_date": repeated([12], pa.date32()),
    "constant_bool": repeated([True], pa.bool_()),
    "constant_decimal": repeated([Decimal("2.50")], pa.decimal128(9, 2)),
    "constant_time": repeated([7], pa.time32("s")),
    "constant_zoned": repeated([0], pa.timestamp("us", tz="UTC")),
    "nothing": pa.nulls(N),
    "empty": pa.nulls(N, pa.float32()),
}


@pytest.mark.parametrize("name", TYPED)
def test_every_type_is_restored(name: str) -> None:
    table = pa.table({name: TYPED[name], "o": ["p", "q", "r"] * 20, "f": [0.5, 1.5] * 30})
    back = round_trip(table)
    assert back.schema.field(name).type == table.schema.field(name).type
    assert back[name].to_pylist() == table[name].to_pylist()
    assert back.schema.equals(table.schema)


def test_all_types_are_parsed_from_their_names() -> None:
    for array in TYPED.values():
        assert parse_type(str(array.type)) == array.type


def test_a_csv_has_the_types_of_its_content(tmp_path: Path) -> None:
    table = pa.table(
        {
            "i": repeated([1, 2, 3, None], pa.int64()),
            "f": repeated([0.5, None, 2.25], pa.float64()),
            "b": repeated([True, False], pa.bool_()),
            "d": repeated([19_000, 19_001], pa.date32()),
            "t": repeated([10**15, 2 * 10**15], pa.timestamp("us")),
            "w": repeated(["x", "y, z", "ü"], pa.string()),
        }
    )
    pacsv.write_csv(table, tmp_path / "t.csv")
    assert round_trip(read_table(tmp_path / "t.csv")).equals(table)


def test_identifiers_are_fresh_and_free_text_is_empty() -> None:
    rng = np.random.default_rng(5)
    scattered = rng.permutation(10**6)[:N]
    table = pa.table(
        {
            "row": pa.array(range(N), pa.int32()),
            "code": [f"C{i:06d}" for i in scattered],
            "maybe": [f"D{i:06d}" if i % 3 else None for i in scattered],
            "comment": [f"remark {i} about nothing in particular" for i in scattered],
            "a": ["p", "q", "r"] * 20,
            "b": [1.5, 2.5] * 30,
        }
    )
    back = round_trip(table)
    assert back.schema.equals(table.schema)
    for name in ("row", "code", "maybe"):
        fresh = [v for v in back[name].to_pylist() if v is not None]
        assert len(set(fresh)) == len(fresh) > 0
        assert not set(fresh) & set(table[name].to_pylist())
    assert back["row"].null_count == 0
    assert 0 < back["maybe"].null_count < N
    assert back["comment"].null_count == N


def test_shards_draw_different_identifiers() -> None:
    table = pa.table({"id": range(N), "a": ["p", "q", "r"] * 20, "b": [1.5, 2.5] * 30})
    cleaned = clean_table(table)
    parts = [
        restore(
            cleaned.table,
            cleaned.schema,
            rng=np.random.default_rng(first),
            span=RowSpan(first, 120),
        )
        for first in (0, N)
    ]
    assert not set(parts[0]["id"].to_pylist()) & set(parts[1]["id"].to_pylist())


def test_identifiers_that_use_up_their_type_are_empty() -> None:
    table = pa.table(
        {"id": pa.array(range(68, 128), pa.int8()), "a": ["p", "q", "r"] * 20, "b": [1.5, 2.5] * 30}
    )
    assert round_trip(table)["id"].null_count == N


def test_values_are_clipped_and_rounded_to_their_type() -> None:
    cleaned = clean_table(
        pa.table({"i": pa.array([1, 2, 3] * 20, pa.int8()), "f": [0.5, 1.25] * 30})
    )
    generated = pa.table({"i": pa.array([300, -300, 5]), "f": [0.123456, 2.0, None]})
    back = restore(generated, cleaned.schema, rng=np.random.default_rng(0))
    assert back["i"].to_pylist() == [127, -128, 5]
    assert back["f"].to_pylist() == [0.12, 2.0, None]


def test_zero_rows_keep_the_schema() -> None:
    table = pa.table(TYPED)
    cleaned = clean_table(table)
    back = restore(cleaned.table.slice(0, 0), cleaned.schema, rng=np.random.default_rng(0))
    assert (back.num_rows, back.schema.equals(table.schema)) == (0, True)


words = st.sampled_from(["red", "green", "blue", "Yes", "1-2", "low", "medium", "high", "x y"])
numbers = st.floats(-1e9, 1e9, allow_nan=False).map(lambda x: round(x, 3))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.none() | st.integers(-(2**62), 2**62), min_size=20, max_size=40),
    st.lists(st.none() | numbers, min_size=40, max_size=40),
    st.lists(st.none() | words, min_size=40, max_size=40),
)
def test_any_typed_table_is_restored(
    ints: list[int], floats: list[float], texts: list[str]
) -> None:
    n = len(ints)
    table = pa.table(
        {
            "i": pa.array(ints, pa.int64()),
            "f": pa.array(floats[:n], pa.float64()),
            "w": pa.array(texts[:n], pa.string()),
            "fixed": (["p", "q"] * n)[:n],
            "other": ([0.5, 0.25] * n)[:n],
        }
    )
    cleaned = clean_table(table)
    back = restore(cleaned.table, cleaned.schema, rng=np.random.default_rng(0))
    assert back.schema.equals(table.schema)
    rare = {word for word, count in Counter(texts[:n]).items() if word and count < 5}
    assert not rare & set(back["w"].to_pylist())
    kept = [c.name for c in cleaned.schema.columns if c.learned or c.kind == "constant"]
    kept = [name for name in kept if name != "w" or not rare]
    assert back.select(kept).to_pylist() == table.select(kept).to_pylist()


def test_a_parquet_file_survives_a_round_trip(tmp_path: Path) -> None:
    table = pa.table(
        {name: array for name, array in TYPED.items() if name not in ("view", "duration")}
    )
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=17)
    raw = read_table(tmp_path / "t.parquet")
    assert round_trip(raw).equals(raw)
