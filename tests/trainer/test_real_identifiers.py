"""No identifier of a person comes back in the bytes of any file (benchmarks/identifiers.py)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from real_identifiers import REQUESTS, Search, identifiers, transactions, unpacked
from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_intake.output.files import SUFFIXES, write_tables
from simulacra_intake.read import read_table
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.trained_model import TrainedModel

PERSONS, REAL_ROWS = 100, 700
ROWS = 2_000


@dataclass(frozen=True)
class Case:
    """A table, the search for its identifiers, and a model of it."""

    table: pa.Table
    real: set[str]
    search: Search
    model: TrainedModel

    def found(self, tables: list[pa.Table], path: Path) -> set[str]:
        """Return the identifiers in the file of these tables."""
        write_tables(tables, path)
        return self.search.found(unpacked(path.read_bytes(), path.suffix[1:]))


@pytest.fixture(scope="module")
def case() -> Case:
    table = transactions(PERSONS, REAL_ROWS, seed=3)
    real = {word.lower() for word in identifiers(table)}
    clean = clean_table(table)
    request = FitRequest.model_validate({"family": "forest", "seed": 1})
    model = fit_model(clean.table, clean.schema, request)
    return Case(table, real, Search(real), model)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_search_finds_every_identifier_in_a_file_of_real_rows(
    case: Case, suffix: str, tmp_path: Path
) -> None:
    assert case.found([case.table], tmp_path / f"rows{suffix}") == case.real


@pytest.mark.parametrize("request_name", REQUESTS)
@pytest.mark.parametrize("size", [{"row_count": ROWS}, {"persons": 300}], ids=["rows", "persons"])
def test_no_file_of_generated_rows_holds_a_real_identifier(
    case: Case, size: dict[str, int], request_name: str, tmp_path: Path
) -> None:
    request = GenerateRequest.model_validate({**size, **REQUESTS[request_name], "seed": 5})
    tables = list(generate_rows(case.model, plan_generation(case.model, request)))
    assert sum(table.num_rows for table in tables) >= 1_000
    for suffix in SUFFIXES:
        assert not case.found(tables, tmp_path / f"rows{suffix}")


@pytest.mark.parametrize("digits", [3, 7])
def test_whole_keys_that_pandas_wrote_with_a_point_are_drawn(digits: int, tmp_path: Path) -> None:
    """A key with gaps is 920.0 in the file: its fresh ones are whole numbers, and none is real."""
    first = 9 * 10 ** (digits - 1)
    keys = [None if row % 50 == 7 else f"{first + row}.0" for row in range(300)]
    answers = pa.array(np.random.default_rng(2).choice(["a", "b", "c"], 300))
    table = pa.table({"wave2": keys, "answer": answers, "other": answers})
    path = tmp_path / "keys.csv"
    pa.csv.write_csv(table, path)
    clean = clean_table(read_table(path))
    model = fit_model(clean.table, clean.schema, FitRequest.model_validate({"family": "forest"}))
    plan = plan_generation(model, GenerateRequest(row_count=500, seed=1))
    rows = pa.concat_tables(generate_rows(model, plan))
    drawn = rows.column("wave2").to_pylist()
    known = {word for word in drawn if word is not None}
    assert len(known) > 400
    assert not known & {first + row for row in range(300)}
