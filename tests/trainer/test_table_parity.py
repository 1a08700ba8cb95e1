"""The same table gives the same model, whatever wrote the file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_intake.read import open_table
from simulacra_trainer.cleaning.clean import CleanTable, clean_table
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation

pytestmark = pytest.mark.usefixtures("exact_counts")

ROWS = 200
OF_THE_FILE = {"storage", "form", "text_format", "decimals"}
"""What a column is stored and written as; it does not change the model."""


def cells() -> dict[str, list[Any]]:
    """Return columns of all kinds, most with gaps."""
    rng = np.random.default_rng(5)

    def gaps(values: list[Any]) -> list[Any]:
        lost = rng.random(ROWS) < 0.1
        return [None if gone else value for value, gone in zip(values, lost, strict=True)]

    who = np.repeat(np.arange(ROWS // 5), 5)
    day = [dt.date(2024, 1, 1) + dt.timedelta(int(d)) for d in rng.integers(0, 300, ROWS)]
    likes = ["strongly disagree", "disagree", "neutral", "agree", "strongly agree"]
    minutes = rng.integers(0, 1440, ROWS).tolist()
    return {
        "customer_id": [f"C{p:04d}" for p in who],
        "email": [f"person{p}@mail.example.com" for p in who],
        "order_nr": list(range(10_001, 10_001 + ROWS)),
        "visited": gaps(rng.integers(0, 2, ROWS).tolist()),
        "rating": gaps(rng.integers(1, 6, ROWS).tolist()),
        "amount": gaps(np.round(rng.lognormal(3, 0.6, ROWS), 2).tolist()),
        "answer": rng.choice([1, 2, 3, 99], ROWS).tolist(),
        "member": gaps((rng.random(ROWS) < 0.4).tolist()),
        "region": gaps([["north", "south", "east"][p % 3] for p in who]),
        "agree": gaps(rng.choice(likes, ROWS).tolist()),
        "day": gaps(day),
        "moment": [dt.datetime(2024, 1, 1) + dt.timedelta(minutes=61 * i) for i in minutes],
        "clock": [dt.time(m // 60, m % 60) for m in minutes],
        "plz": rng.choice(["01067", "04109", "80331"], ROWS).tolist(),
        "media": rng.choice(["TV", "TV;Radio", "Radio;Web", "TV;Web", "Web"], ROWS).tolist(),
        "note": gaps([f"some remark {i} of words" for i in range(ROWS)]),
    }  # fmt: skip


def as_csv(table: dict[str, list[Any]], path: Path) -> None:
    pyarrow.csv.write_csv(pa.table(table), path)


def as_pandas_csv(table: dict[str, list[Any]], path: Path) -> None:
    pd.DataFrame(table).to_csv(path, index=False)


def as_polars_csv(table: dict[str, list[Any]], path: Path) -> None:
    pl.DataFrame(table).write_csv(path)


def as_parquet(table: dict[str, list[Any]], path: Path) -> None:
    pq.write_table(pa.table(table), path)


def as_arrow(table: dict[str, list[Any]], path: Path) -> None:
    pyarrow.feather.write_feather(pa.table(table), path)


def as_pandas(table: dict[str, list[Any]], path: Path) -> None:
    pd.DataFrame(table).to_parquet(path)  # whole numbers with gaps become doubles


def as_objects(table: dict[str, list[Any]], path: Path) -> None:
    pd.DataFrame({name: pd.Series(v, dtype=object) for name, v in table.items()}).to_parquet(path)


def as_nullable(table: dict[str, list[Any]], path: Path) -> None:
    pd.DataFrame(table).convert_dtypes().to_parquet(path)


def as_categories(table: dict[str, list[Any]], path: Path) -> None:
    frame = pd.DataFrame(table).astype({"region": "category", "agree": "category"})
    frame.assign(day=pd.to_datetime(frame["day"])).to_parquet(path)


def as_polars(table: dict[str, list[Any]], path: Path) -> None:
    pl.DataFrame(table).with_columns(pl.col("region").cast(pl.Categorical)).write_parquet(path)


def as_indexed(table: dict[str, list[Any]], path: Path) -> None:
    pd.DataFrame(table).set_index(["customer_id", "order_nr"]).to_parquet(path)


WRITERS: list[Callable[[dict[str, list[Any]], Path], None]] = [
    as_pandas_csv, as_polars_csv, as_parquet, as_arrow, as_pandas, as_objects, as_nullable,
    as_categories, as_polars, as_indexed,
]  # fmt: skip


def read(table: dict[str, list[Any]], write: Callable[..., None], folder: Path) -> CleanTable:
    path = folder / f"table{'.csv' if 'csv' in write.__name__ else '.parquet'}"
    write(table, path)
    return clean_table(open_table(path))


def columns_of(clean: CleanTable) -> dict[str, dict[str, Any]]:
    return {c.name: c.model_dump(exclude=OF_THE_FILE) for c in clean.schema.columns}


@pytest.fixture(scope="module")
def from_csv(tmp_path_factory: pytest.TempPathFactory) -> CleanTable:
    return read(cells(), as_csv, tmp_path_factory.mktemp("csv"))


@pytest.mark.parametrize("write", WRITERS)
def test_clean_table_is_that_of_the_csv(
    write: Callable[..., None], from_csv: CleanTable, tmp_path: Path
) -> None:
    clean = read(cells(), write, tmp_path)
    assert columns_of(clean) == columns_of(from_csv)
    assert clean.schema.relations == from_csv.schema.relations
    assert clean.schema.persons == from_csv.schema.persons == ROWS // 5
    names = from_csv.table.column_names
    assert sorted(clean.table.column_names) == sorted(names)
    assert clean.table.select(names).equals(from_csv.table)


def test_rows_of_one_seed_are_the_same(tmp_path: Path) -> None:
    kept = ("visited", "rating", "amount", "region", "day")
    table = {name: values for name, values in cells().items() if name in kept}
    drawn = []
    for write in (as_csv, as_nullable_with_category):
        clean = read(table, write, tmp_path)
        request = FitRequest.model_validate({"family": "forest", "seed": 1})
        model = fit_model(clean.table, clean.schema, request)
        plan = plan_generation(model, GenerateRequest(row_count=300, seed=2))
        drawn.append(pa.concat_tables(generate_rows(model, plan)).to_pylist())
    assert drawn[0] == drawn[1]


def as_nullable_with_category(table: dict[str, list[Any]], path: Path) -> None:
    pd.DataFrame(table).convert_dtypes().astype({"region": "category"}).to_parquet(path)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_index_left_of_a_frame_is_a_key(form: str, tmp_path: Path) -> None:
    frame = pd.DataFrame(cells()).sample(frac=0.8, random_state=1)
    path = tmp_path / f"table.{form}"
    frame.to_csv(path) if form == "csv" else frame.to_parquet(path)
    schema = clean_table(open_table(path)).schema
    index = schema.find("(index)")
    assert index is not None
    assert (index.role, index.learned) == ("key", False)
    assert not any("__index_level" in column.name for column in schema.columns)
    assert "a column of row numbers without a name was named (index)" in [
        note.action for note in schema.cleaning
    ]
