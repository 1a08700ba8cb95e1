"""Tables whose rows belong to persons, through the service: a panel and a diary."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulacra import Client

pytestmark = pytest.mark.e2e


def panel(persons: int = 50, years: int = 4) -> pa.Table:
    """Return wages of persons over years: attributes, a first year, and what changes each year."""
    rng = np.random.default_rng(21)
    who = np.repeat(np.arange(persons), years)
    year = np.tile(np.arange(1980, 1980 + years), persons)
    educ = np.repeat(rng.integers(8, 17, persons), years)
    union = rng.choice(["no", "yes"], who.size, p=[0.75, 0.25])
    married = np.repeat(rng.choice(["no", "yes"], persons), years)
    wage = 0.08 * educ + 0.2 * (union == "yes") + rng.normal(0, 0.3, who.size)
    columns = {"nr": who + 1, "year": year, "educ": educ, "married": married, "union": union}
    return pa.table(columns | {"lwage": np.round(wage, 4)})


def diary(persons: int = 50) -> pa.Table:
    """Return episodes of persons' days: each person has its own number of them."""
    rng = np.random.default_rng(22)
    counts = rng.integers(4, 9, persons)
    who = np.repeat(np.arange(persons), counts)
    place = np.concatenate([np.arange(one) for one in counts])
    sex = np.repeat(rng.choice(["f", "m"], persons), counts)
    what = rng.choice(["sleep", "eat", "work", "travel"], who.size)
    minutes = rng.integers(1, 30, who.size) * 10
    return pa.table(
        {"person": who + 1, "sex": sex, "episode": place + 1, "what": what, "minutes": minutes}
    )


@pytest.mark.parametrize(
    ("table", "subject", "order"), [(panel(), "nr", "year"), (diary(), "person", "episode")]
)
def test_persons_are_fit_at_once_and_their_rows_come_back(
    client: Client,
    tmp_path: Path,
    table: pa.Table,
    subject: str,
    order: str,
) -> None:
    uploaded = client.upload(table, subject=subject, order=order)
    client.wait(uploaded["job_id"], timeout=240)
    made = client.generate(uploaded["dataset_id"], persons=20, seed=1)
    client.wait(made["job_id"], timeout=120)
    client.download(made["generation_id"], tmp_path / "rows.parquet")
    rows = pq.read_table(tmp_path / "rows.parquet")
    assert len(set(rows.column(subject).to_pylist())) == 20
    assert rows.num_rows > 40
