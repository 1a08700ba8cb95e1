"""Nothing that is shown of a dataset or a model holds one person's value, or counts one person.

Every number and word of every artifact is looked up among the values that one to four persons of
the table have, and among those of as many people who are not in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from safetensors.numpy import load_file

from simulacra_crds.tasks import BoostRequest, EstimateRequest, FitRequest, SheetRequest
from simulacra_schema.questions.segments import SegmentColumn
from simulacra_schema.questions.sheet import SheetLever
from simulacra_schema.table import TableSchema
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.cleaning.described import DescribedTable, clean_described
from simulacra_trainer.effects.estimate import answer_effect
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.segments.estimate import certify_segments
from simulacra_trainer.sheet.estimate import answer_sheet
from simulacra_trainer.trained_model import TrainedModel, save_model

ROWS = 240
EPOCH = pd.Timestamp("1970-01-01")
WORD = re.compile(r"[A-Za-z]+ \d+|\d{4}-\d\d-\d\d|-?\d+\.?\d*")
CHANCE = 2
"""Numbers of few digits, and days, that may agree with somebody's by chance."""
SOME_NOISE = 0.7
"""Most counts that the noise of one person may leave exact; it is 38 % of them."""


def people(seed: int) -> pd.DataFrame:
    """Return persons, nearly all of whose numbers, dates and some words are theirs alone."""
    rng = np.random.default_rng(seed)
    rare = [f"firm {number}" for number in rng.integers(1_000, 9_999, ROWS)]
    return pd.DataFrame(
        {
            "sex": rng.choice(["f", "m"], ROWS),
            "region": rng.choice(["north", "south", "east", "west"], ROWS),
            "employer": np.where(rng.random(ROWS) < 0.2, rare, rng.choice(["mill", "mine"], ROWS)),
            "income": np.round(rng.lognormal(10.4, 0.7, ROWS), 2),
            "kilos": np.round(rng.normal(70, 12, ROWS), 4),
            "born": EPOCH + pd.to_timedelta(rng.integers(-12_000, 12_000, ROWS), "D"),
            "amount": rng.integers(1_000_000, 9_999_999, ROWS).astype(float),
            "visits": rng.negative_binomial(1, 0.2, ROWS),
            "asked": np.where(rng.random(ROWS) < 0.1, None, rng.choice(["no", "yes"], ROWS)),
        }
    )


def described(table: pd.DataFrame) -> DescribedTable:
    return clean_described(pa.Table.from_pandas(table, preserve_index=False))


def own(table: pd.DataFrame) -> set[float | str]:
    """Return values of one to four persons that nobody has by chance, in all their forms."""
    found: set[float | str] = set()
    for name in ("employer", "income", "kilos", "born", "amount"):
        counts = table[name].value_counts()
        for value in counts[counts < 5].index:
            if name == "born":
                seconds = (value - EPOCH).total_seconds()
                found |= {seconds, seconds * 1e6, str(value.date())}
            else:
                found.add(value)
    return found


def leaves(value: Any) -> Iterator[float | str]:
    """Yield every number and word of a JSON value or a text."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from leaves(str(key))
            yield from leaves(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from leaves(one)
    elif isinstance(value, str):
        for word in WORD.findall(value):
            yield word
            if re.fullmatch(r"-?\d+\.?\d*", word):
                yield float(word)
    elif isinstance(value, int | float):
        yield float(value)


def shown(trained: TrainedModel, description: Any, directory: Path) -> dict[str, Any]:
    """Return everything that a customer can read of a table and its model, by name."""
    save_model(trained, directory)
    found: dict[str, Any] = {"description": description}
    for file in directory.iterdir():
        if file.suffix == ".json":
            found[file.name] = json.loads(file.read_text())
        elif file.suffix == ".html":
            found[file.name] = file.read_text()
        elif file.suffix == ".safetensors":
            tensors = load_file(file)
            found[file.name] = [tensors[n].ravel().tolist() for n in ("values", "low", "high")]
    table, schema = trained.table, trained.schema
    question = {"treatment": "sex", "value": "f", "baseline": "m", "outcome": "income"}
    asked = EstimateRequest(**question, segment="kilos")
    found["effect"] = answer_effect(table, schema, trained.graph, asked, seed=0).model_dump()
    segment = [SegmentColumn(column="region", levels=[]), SegmentColumn(column="sex", levels=[])]
    boost = BoostRequest(segment=segment, questions=["employer", "visits"])
    found["segments"] = certify_segments(trained, boost).model_dump()
    four = {"method": "van_westendorp", "columns": ["visits", "kilos", "income", "amount"]}
    for one in (four, {"method": "gabor_granger", "columns": ["kilos"]}):
        prices = certify_segments(trained, BoostRequest.model_validate({"prices": one}))
        assert prices.price_answer is not None, prices.reason
        found[f"prices {one['method']}"] = prices.model_dump()
    levers = [SheetLever(column=name) for name in ("region", "visits", "kilos")]
    sheet = SheetRequest(outcome="income", levers=levers)
    found["sheet"] = answer_sheet(trained, sheet, seed=0).model_dump()
    return found


def test_no_artifact_holds_a_value_of_few_persons(tmp_path: Path) -> None:
    table, others = people(1), people(2)
    found = described(table)
    trained = fit_model(found.clean.table, found.clean.schema, FitRequest(seed=1))
    members, controls = own(table), own(others) - own(table)
    assert len(members) > 4 * ROWS
    for name, artifact in shown(trained, found.document, tmp_path / "model").items():
        told = set(leaves(artifact))
        assert told, name
        own_values = told & members
        assert len(own_values) <= len(told & controls) + CHANCE, (name, own_values)


@pytest.fixture(scope="module")
def schema() -> TableSchema:
    return described(people(1)).clean.schema


def test_levels_and_ends_of_a_schema_are_of_five_persons(schema: TableSchema) -> None:
    table = people(1)
    visits = schema.find("visits")
    assert visits is not None
    counts = table["visits"].value_counts()
    assert {int(one) for one in visits.level_values()} == set(counts[counts >= 5].index)
    assert (counts < 5).any()
    for name in ("income", "kilos", "amount", "born"):
        column = schema.find(name)
        assert column is not None
        assert column.minimum is not None
        assert not {column.minimum, column.maximum} & own(table), name


def test_counts_of_a_schema_have_noise() -> None:
    table = pa.Table.from_pandas(people(1), preserve_index=False)
    exact, drawn = 0, 0
    for _ in range(8):
        for column in clean_table(table).schema.columns:
            counts = people(1)[column.name].value_counts()
            answered = ROWS * (1 - column.missing_share)
            for level in column.levels:
                if level.pooled is None and column.kind != "integer":
                    drawn += 1
                    exact += round(level.share * answered, 6) == counts[level.value]
            gaps = int(people(1)[column.name].isna().sum())
            if gaps:
                drawn += 1
                exact += round(column.missing_share * ROWS, 6) == gaps
    assert drawn > 60
    assert exact <= SOME_NOISE * drawn


def test_numbers_of_few_persons_in_all_are_not_learned() -> None:
    table = people(1).assign(bonus=np.nan, seen=pd.NaT)
    table.loc[[3, 50, 77], "bonus"] = [1234.5, 4321.25, 777.75]
    table.loc[[3, 50], "seen"] = pd.Timestamp("2020-03-04")
    found = described(table)
    for name in ("bonus", "seen"):
        column = found.clean.schema.find(name)
        assert column is not None
        assert (column.learned, column.minimum, column.maximum) == (False, None, None)
    assert not set(leaves(found.clean.schema.model_dump())) & {1234.5, 4321.25, 777.75}
