"""Given rows through the service: filled, joined, and gone with either dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from simulacra import Client
from simulacra.errors import ApiError, JobFailed

pytestmark = pytest.mark.e2e
MARKS = {"name": "zq-given-name", "note": "zq-given-note"}
"""What only the given rows have; no file of the service may hold it."""


def survey(rows: int = 300, seed: int = 5, gaps: float = 0.2) -> pd.DataFrame:
    """Return answers of a survey, with gaps in `happy` and `income`."""
    rng = np.random.default_rng(seed)
    region = rng.choice(["north", "south", "west"], rows)
    age = rng.integers(18, 80, rows)
    income = np.round(20 + 0.3 * age + 8 * (region == "south") + rng.normal(0, 4, rows), 1)
    happy = np.where(income + rng.normal(0, 5, rows) > 36, "yes", "no")
    table = pd.DataFrame({"region": region, "age": age, "income": income, "happy": happy})
    table.loc[rng.random(rows) < gaps, "happy"] = None
    table.loc[rng.random(rows) < gaps, "income"] = np.nan
    return table


@pytest.fixture(scope="module")
def donors(client: Client) -> str:
    uploaded = client.upload(survey())
    client.wait(uploaded.job_id, timeout=240)
    return str(uploaded.dataset_id)


def test_a_customer_file_is_completed_and_joined(client: Client, donors: str) -> None:
    customers = survey(60, seed=9, gaps=0.4)[["region", "age", "happy"]]
    customers["name"] = [f"{MARKS['name']}-{one}" for one in range(60)]
    done = client.complete(donors, customers, columns=["happy", "income"], implicates=4, seed=1)
    assert done.report["rows"] == 60
    assert {one["column"] for one in done.report["columns"]} == {"happy", "income"}
    assert set(done.filled.column_names) == {"row", "implicate", "happy", "income"}
    assert len(done.tables) == 4
    for one in done.tables:
        assert list(one["name"]) == list(customers["name"])
        known = customers["happy"].notna()
        assert (one["happy"][known] == customers["happy"][known]).all(), "no given cell changes"
        assert one[["happy", "income"]].notna().all(axis=None)
    assert done.long().num_rows == 5 * 60
    assert done.long()["implicate"].to_pylist()[:60] == [0] * 60
    pooled = done.pool(lambda one: (one.income.mean(), one.income.var() / len(one)))
    assert pooled.low < pooled.estimate < pooled.high
    given = client.dataset(done.given_id)
    assert (given.purpose, given.model) == ("given", None)
    with pytest.raises(ApiError, match="given rows"):
        client.schema(done.given_id)


def test_the_same_file_needs_no_second_upload(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    survey(200, seed=3).to_csv(path, index=False)
    uploaded = client.upload(path)
    client.wait(uploaded.job_id, timeout=240)
    before = len(client.datasets())
    done = client.complete(uploaded.dataset_id, path, implicates=2)
    assert len(client.datasets()) == before
    assert done.given_id == uploaded.dataset_id
    gaps = survey(200, seed=3)[["happy", "income"]].isna().sum()
    found = {one["column"]: one["gaps"] for one in done.report["columns"]}
    assert found == {"happy": gaps.happy, "income": gaps.income}
    assert isinstance(done.tables[0], pa.Table)


def test_levels_that_the_model_does_not_know_are_refused(client: Client, donors: str) -> None:
    strangers = survey(40, seed=2)
    strangers["region"] = "zq-atlantis"
    with pytest.raises(JobFailed, match="region"):
        client.complete(donors, strangers[["region", "age"]], implicates=2)
    done = client.complete(donors, strangers[["region", "age"]], implicates=2, unknown="missing")
    assert done.report["rows"] == 40


@pytest.mark.parametrize("erased", ["donors", "given"])
def test_erasing_either_dataset_takes_the_completion(client: Client, erased: str) -> None:
    uploaded = client.upload(survey(120, seed=6))
    client.wait(uploaded.job_id, timeout=240)
    done = client.complete(uploaded.dataset_id, survey(30, seed=7)[["region", "age"]], implicates=2)
    first = uploaded.dataset_id if erased == "donors" else done.given_id
    client.delete_dataset(first)
    with pytest.raises(ApiError) as gone:
        client.generation(done.generation_id)
    assert gone.value.status == 404
    for one in (uploaded.dataset_id, done.given_id):
        if one != first:
            client.delete_dataset(one)
    for one in (uploaded.dataset_id, done.given_id, done.generation_id):
        assert client.erasure_certificate(one)["resource_id"] == one
