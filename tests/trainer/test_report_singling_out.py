"""The report names attributes that single persons out together."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.report.attackers.singling_out import singling_out

ROWS = 400


def found(repeat: int = 1, **changes: object) -> dict[str, object] | None:
    rng = np.random.default_rng(4)
    who = np.repeat(np.arange(ROWS // repeat), repeat)
    columns = {
        "birth_year": rng.integers(1930, 2005, ROWS)[who],
        "Geschlecht": rng.choice(["w", "m"], ROWS)[who],
        "PLZ_area": [f"area {k}" for k in rng.integers(0, 40, ROWS)[who]],
        "answer": rng.integers(0, 5, ROWS),
        **changes,
    }
    if repeat > 1:
        columns["customer_id"] = [f"C{p:04d}" for p in who]
    clean = clean_table(pa.table({name: v for name, v in columns.items() if v is not None}))
    return singling_out(clean.table, clean.schema)


def test_birth_year_sex_and_area_are_named_with_coarser_forms() -> None:
    bundle = found()
    assert bundle is not None
    assert bundle["columns"] == ["birth_year", "Geschlecht", "PLZ_area"]
    assert bundle["share"] > 0.8
    assert bundle["coarser"]["birth_year"] == "bands of five or ten years"


def test_persons_are_counted_not_rows() -> None:
    once, many = found(), found(repeat=4)
    assert many is not None
    # Of persons with several rows, rare postcodes are one level.
    assert many["share"] == pytest.approx(once["share"], abs=0.2)


@pytest.mark.parametrize("left_out", ["birth_year", "PLZ_area"])
def test_attributes_that_many_share_are_not_named(left_out: str) -> None:
    assert found(**{left_out: None}) is None


def test_other_columns_are_not_taken_for_attributes() -> None:
    rng = np.random.default_rng(1)
    table = pa.table(
        {"message": rng.normal(size=50), "language": rng.normal(size=50), "x": ["a", "b"] * 25}
    )
    clean = clean_table(table)
    assert singling_out(clean.table, clean.schema) is None
