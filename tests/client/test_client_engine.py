"""The engine without a server: `simulacra.fit` and the model that it returns."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import simulacra
from simulacra.models import Job


@pytest.fixture(scope="module")
def table() -> pa.Table:
    rng = np.random.default_rng(0)
    group = rng.choice(["a", "b"], 300, p=[0.6, 0.4])
    visits = rng.poisson(np.where(group == "b", 6, 3))
    return pa.table({"group": group, "visits": visits, "age": rng.integers(18, 80, 300)})


@pytest.fixture(scope="module")
def model(table: pa.Table) -> simulacra.Model:
    return simulacra.fit(table)


def test_the_same_table_gives_the_same_model_in_every_form(
    table: pa.Table, model: simulacra.Model, tmp_path: Path
) -> None:
    pyarrow.csv.write_csv(table, tmp_path / "t.csv")
    wanted = model.generate(50, seed=3).table.to_pylist()
    frame = table.to_pandas().set_index(np.arange(300) * 2)
    for source in (frame, pl.DataFrame(table), str(tmp_path / "t.csv")):
        assert simulacra.fit(source).generate(50, seed=3).table.to_pylist() == wanted


def test_missing_pandas_is_named_with_its_own_command(
    model: simulacra.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match=r"^pandas is .*\. Run pip install pandas\.$"):
        model.generate(2, seed=1).to_pandas()


def test_three_lines_give_rows_under_conditions(model: simulacra.Model) -> None:
    rows = model.generate(40, shares={"group": {"b": 0.5}}, ranges={"age": (30, None)})
    frame = rows.to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert (frame["group"] == "b").sum() == 20
    assert frame["age"].min() >= 30
    assert pl.DataFrame(rows).shape == rows.to_polars().shape == (40, 4)
    shown = repr(rows).splitlines()
    assert shown[0] == "40 generated rows of 4 columns"
    assert shown[1] == 'group "b": asked 50 % of the rows, attained 50 %'
    assert shown[2] == "age from 30: asked of all rows, attained 100 %"
    assert [line.split(":")[0] for line in shown[3:5]] == ["likeness", "privacy"]
    assert shown[5].endswith("use evidence_weight as frequency weights.")
    assert [line.split(":")[0] for line in rows.verdicts] == ["likeness", "privacy", "worth"]
    assert rows.report().asked["rows"] == 40
    pairs = model.generate(10, interventions={"group": "a"}, counterfactual=True, evidence=False)
    assert pairs.table.column_names == ["pair", "world", "group", "visits", "age"]


def test_do_is_written_as_in_the_command_line(model: simulacra.Model) -> None:
    wanted = model.generate(20, interventions={"visits": 9}, seed=1).table.to_pylist()
    for do in ({"visits": 9}, {"visits": "9"}, "visits=9", ["visits=9"]):
        assert model.generate(20, do=do, seed=1).table.to_pylist() == wanted
    pairs = model.generate(20, do="visits=9", counterfactual=True, seed=1).to_pandas()
    assert (pairs["visits"].iloc[1::2] == 9).all()
    wrong = "do: the table has no column visit. Did you mean visits?"
    for unknown in ("visit=9", {"visit": 9}):
        with pytest.raises(ValueError, match=re.escape(wrong)):
            model.generate(20, do=unknown)
    near = 'The schema has no such column. Did you mean "visits"?'
    with pytest.raises(ValueError, match=re.escape(near)):
        model.generate(20, ranges={"visit": (1, 2)})
    with pytest.raises(ValueError, match="either do or interventions"):
        model.generate(20, do="visits=9", interventions={"visits": 9})


def test_an_estimate_prints_its_verdict_first(model: simulacra.Model) -> None:
    question = {"treatment": "group", "value": "b", "baseline": "a", "outcome": "visits"}
    found = model.estimate(**question, before=["age"], after=["visits"])
    assert found.verdict is not None
    assert str(found).startswith(found.verdict.text)
    assert 1.5 < found.ace["effect"] < 4.5
    assert found.union["low"] <= found.ace["effect"] <= found.union["high"]


def test_a_sheet_is_ranked_and_saved(model: simulacra.Model, tmp_path: Path) -> None:
    found = model.sheet(outcome="visits", before=["age"], after=["visits"])
    assert str(found).startswith("Ranked: 1 of 1 contrasts")
    (lever,) = found.levers
    assert (lever["rank"], lever["treatment"]) == (1, "group")
    assert lever["union"]["low"] <= lever["ace"]["effect"] <= lever["union"]["high"]
    for name in ("sheet.html", "sheet.xlsx", "sheet.json"):
        found.save(tmp_path / name)
        assert (tmp_path / name).stat().st_size > 500
    with pytest.raises(ValueError, match=r"ends in \.html, \.xlsx, \.py or \.json"):
        found.save(tmp_path / "sheet.doc")
    with pytest.raises(ValueError, match="no column of this name"):
        model.sheet(outcome="nothing")
    pair = {"column": "group", "value": "a", "baseline": "zzz"}
    with pytest.raises(ValueError, match="level"):
        model.sheet(outcome="visits", levers=[pair])


def test_a_saved_model_is_loaded_and_generates_the_same(
    model: simulacra.Model, tmp_path: Path
) -> None:
    model.save(tmp_path / "model")
    again = simulacra.load(tmp_path / "model")
    assert again.generate(50, seed=1).table.equals(model.generate(50, seed=1).table)
    assert again.report() == model.report()
    assert again.report_page().startswith("<!DOCTYPE html>")
    rows = model.generate(20)
    rows.save(tmp_path / "rows.parquet")
    assert pq.read_table(tmp_path / "rows.parquet").num_rows == 20
    with pytest.raises(ValueError, match="model directory cannot be read"):
        simulacra.load(tmp_path)


def test_only_the_owner_may_read_a_saved_model_even_over_an_older_one(
    model: simulacra.Model, tmp_path: Path
) -> None:
    """The training table is in it. A reader of an older, readable file gets no new byte."""
    folder = tmp_path / "model"
    before = os.umask(0)
    try:
        model.save(folder)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        names = {one.name for one in folder.iterdir()}
        for name in names:
            (folder / name).write_bytes(b"old")
            (folder / name).chmod(0o666)
        with (folder / "train.parquet").open("rb") as held:
            model.save(folder)
            assert held.read() == b"old"
    finally:
        os.umask(before)
    modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in folder.iterdir()}
    assert modes == dict.fromkeys(names, 0o600)
    assert simulacra.load(folder).report() == model.report()


def test_errors_say_what_is_wrong(model: simulacra.Model, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"/conditions/categorical/kind: The schema has no such"):
        model.generate(5, shares={"kind": {"a": 1}})
    with pytest.raises(ValueError, match=r"at least 20|fewer than 20"):
        simulacra.fit(pd.DataFrame({"a": [1, 2], "b": [3, 4]}))
    with pytest.raises(TypeError, match="list is not a table"):
        simulacra.fit([1, 2])  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        simulacra.fit(tmp_path / "nosuch.csv")
    with pytest.raises(ValueError, match="nosuch: no such folder"):
        simulacra.load(tmp_path / "nosuch")
    with pytest.raises(ValueError, match=r"^/conditions/numeric/visits/min: Input should be a v"):
        model.generate(5, ranges={"visits": ("abc", 4)})  # type: ignore[dict-item]


def test_corrections_are_arguments_and_name_themselves_in_errors(table: pa.Table) -> None:
    marked = table.append_column("row", pa.array(range(300)))
    found = simulacra.fit(marked, key_column="row", drop="age", missing={"visits": [3]}).schema
    columns = {column["name"]: column for column in found["columns"]}
    assert not columns["row"]["learned"]
    assert "age" not in columns
    assert "age" in {note["column"] for note in found["cleaning"]}
    gone = table["visits"].to_pylist().count(3) / 300
    assert columns["visits"]["missing_share"] == pytest.approx(gone, abs=5 / 300)  # noise of keys
    near = 'The table has no such column. Did you mean "visits"?'
    for options, name in (
        ({"order": "visit"}, "order='visit'"),
        ({"drop": ["age", "visit"]}, "drop='visit'"),
        ({"missing": ["visit=3"]}, "missing='visit=3'"),
    ):
        with pytest.raises(ValueError, match=re.escape(f"{name}: {near}")):
            simulacra.fit(table, **options)


def test_a_table_in_memory_leaves_nothing_on_disk(
    table: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written on the way is encrypted, and gone at the end."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[bytes] = []
    clean = tempfile.TemporaryDirectory.cleanup

    def look(folder: tempfile.TemporaryDirectory[str]) -> None:
        seen.extend(path.read_bytes() for path in Path(folder.name).rglob("*") if path.is_file())
        clean(folder)

    monkeypatch.setattr(tempfile.TemporaryDirectory, "cleanup", look)
    simulacra.fit(table)
    assert seen
    assert not any(b"PAR1" in content or b"visits" in content for content in seen)
    assert list(tmp_path.iterdir()) == []


def test_importing_the_sdk_imports_no_engine() -> None:
    code = "import simulacra, sys; from simulacra import Client; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "False\n"


def test_answers_print_as_lines() -> None:
    job = Job(job_id="job-1", error={"code": "simio_x", "errors": []}, share=0.123456)
    lines = ["Job", "  job_id: job-1", "  error:", "    code: simio_x", "    errors: none"]
    assert repr(job).splitlines() == [*lines, "  share: 0.1235"]


def test_strict_is_refused_where_nothing_would_be_tuned() -> None:
    for options, words in (
        ({"epsilon": 1.0}, "strict cannot be combined with epsilon"),
        ({"family": "neural"}, "strict needs family forest"),
    ):
        with pytest.raises(ValueError, match=words):
            simulacra.fit("survey.csv", privacy="strict", **options)
