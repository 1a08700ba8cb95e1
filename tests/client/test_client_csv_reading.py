"""A CSV of generated rows, read as the command says, is the table of the Parquet file."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from simulacra import inference
from simulacra.csv_reading import lines, reading_of
from simulacra_intake.output.files import write_tables
from simulacra_intake.output.restore import restore
from simulacra_intake.read import open_table
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.pipeline.evidence import with_weight

ROWS = 120
WEIGHT = SimpleNamespace(column="evidence_weight", weight=0.375, sentence="worth 45 respondents")


def german(number: float) -> str:
    return f"{number:,.2f}".translate(str.maketrans(",.", ".,"))


def american(number: float) -> str:
    return f"{number:,.2f}"


def columns(write: Any) -> dict[str, list[object]]:
    """Return an upload whose numbers `write` writes, with the traps of reading it again."""
    rng = np.random.default_rng(4)
    incomes = enumerate(rng.normal(3_000, 800, ROWS))
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, ROWS), "D")
    return {
        "height": [write(x) for x in rng.normal(1.75, 0.1, ROWS)],
        "income": ["" if i % 9 == 0 else write(x) for i, x in incomes],
        "rent": [f"{write(x)} €" for x in rng.normal(900, 100, ROWS)],
        "change": [write(x) for x in rng.normal(0, 40, ROWS)],
        "day": days.strftime("%d.%m.%Y").tolist(),
        "zip": rng.choice(["01067", "10115", "80331"], ROWS).tolist(),
        "postcode": [f"{code:05d}" for code in rng.integers(1_000, 99_999, ROWS)],
        "age": rng.integers(18, 80, ROWS).tolist(),
        "works": rng.choice(["true", "false"], ROWS).tolist(),
        "party": rng.choice(["None", "Left", "Right"], ROWS).tolist(),
    }


@pytest.fixture(params=[("de", german, ";"), ("us", american, ","), ("tab", german, "\t")])
def upload(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    name, write, delimiter = request.param
    path = tmp_path / f"{name}.csv"
    pd.DataFrame(columns(write)).to_csv(path, sep=delimiter, index=False)
    return path


def written(upload: Path, folder: Path, *, plain: bool) -> tuple[Path, Path, dict[str, Any]]:
    """Return a CSV and a Parquet file of generated rows, and the schema."""
    clean = clean_table(open_table(upload))
    rows = restore(clean.table, clean.schema, rng=np.random.default_rng(0))
    rows = with_weight(rows, WEIGHT)  # type: ignore[arg-type]
    write_tables([rows], folder / "rows.csv", plain=plain)
    write_tables([rows], folder / "rows.parquet")
    schema = clean.schema.model_dump(mode="json", exclude_none=True)
    return folder / "rows.csv", folder / "rows.parquet", schema


@pytest.mark.parametrize("plain", [False, True])
def test_csv_read_as_told_is_the_parquet_table(upload: Path, tmp_path: Path, plain: bool) -> None:
    file, parquet, schema = written(upload, tmp_path, plain=plain)
    call = reading_of(schema, plain=plain).call(str(file))
    found = eval(call, {"pandas": pd})
    expected = pd.read_parquet(parquet)
    expected["day"] = pd.to_datetime(expected["day"])
    assert list(found) == list(expected)
    for name in expected:
        pd.testing.assert_series_equal(
            found[name].astype(expected[name].dtype), expected[name], check_exact=False
        )
    assert inference.worth(found) == pytest.approx(45)


def test_csv_has_the_dialect_of_the_upload_throughout(tmp_path: Path) -> None:
    upload = tmp_path / "de.csv"
    pd.DataFrame(columns(german)).to_csv(upload, sep=";", index=False)
    file, _, _ = written(upload, tmp_path, plain=False)
    head, first, *_ = file.read_text().splitlines()
    assert head.count(";") == len(columns(german))
    assert first.split(";")[-1].strip('"') == "0,375"
    plain, _, _ = written(upload, tmp_path, plain=True)
    head, first, *_ = plain.read_text().splitlines()
    assert (head.count(";"), first.count(",")) == (0, len(columns(german)))


def test_text_of_numbers_is_refused_where_numbers_are_needed(tmp_path: Path) -> None:
    pytest.importorskip("statsmodels")
    upload = tmp_path / "de.csv"
    pd.DataFrame(columns(german)).to_csv(upload, sep=";", index=False)
    file, _, _ = written(upload, tmp_path, plain=False)
    wrong = pd.read_csv(file, sep=";")
    with pytest.raises(ValueError, match="evidence_weight is text"):
        inference.worth(wrong)
    numbers = wrong.assign(evidence_weight=0.5)
    with pytest.raises(ValueError, match="height is text"):
        inference.glm(numbers, "age ~ height")
    assert inference.glm(numbers, "age ~ C(zip)").params.size == 3
    with pytest.raises(ValueError, match="is text"):
        inference.pool(["1,5"], 0.1)


def test_columns_that_stay_text_are_named() -> None:
    clock = {"name": "spent", "kind": "integer", "storage": "duration[s]", "learned": True}
    schema = {"columns": [clock | {"form": {"text_format": "%h h %m min"}}]}
    told = list(lines(reading_of(schema), "rows.csv"))
    assert any("spent" in line and "--plain" in line for line in told[1:])


def test_table_without_dialect_is_read_with_commas() -> None:
    column = {"name": "x", "kind": "numeric", "storage": "double"}
    assert reading_of({"columns": [column]}).call("r.csv") == "pandas.read_csv('r.csv')"


def test_semicolon_without_decimals_writes_the_weight_with_a_comma(tmp_path: Path) -> None:
    upload = tmp_path / "codes.csv"
    rng = np.random.default_rng(1)
    pd.DataFrame(rng.integers(1, 6, (60, 3)), columns=["a", "b", "c"]).to_csv(
        upload, sep=";", index=False
    )
    schema = clean_table(open_table(upload)).schema
    assert schema.dialect is not None
    assert (schema.dialect.delimiter, schema.dialect.decimal) == (";", ",")
    assert clean_table(pa.table({"a": [1.5, 2.5] * 15, "b": [1, 2] * 15})).schema.dialect is None


def test_public_words_that_no_row_has_are_read_as_text(tmp_path: Path) -> None:
    """Rows may have them: of a list of party numbers, say, or None, which is a party's name."""
    file = tmp_path / "rows.csv"
    file.write_text("list\n01\nNone\n")
    own = {"name": "list", "kind": "categorical", "storage": "string"}
    public = own | {"levels": [{"value": "Left"}], "published": {"words": ["01", "None"]}}
    found = eval(reading_of({"columns": [public]}).call(str(file)), {"pandas": pd})
    assert found["list"].tolist() == ["01", "None"]
