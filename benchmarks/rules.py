"""Rules: violations in a million rows of each kind, the C2ST that they cost, and their speed.

    python benchmarks/rules.py        # prints the figures of benchmarks/results/rules.md
    python benchmarks/rules_sdv.py    # the same table in SDV, where it is installed

The table is a made survey whose rows hold all rules but few: a model is fit with the product's
defaults. C2ST is the AUC of the report's boosted trees between generated rows and people whom
training never saw, with the rules and without, mean of seeds; both models are one fit.
"""

from __future__ import annotations

import json
import platform
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_schema.description import parse_description
from simulacra_trainer.cleaning.described import clean_described
from simulacra_trainer.in_process import fit_table
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.report.comparison.discriminator import two_sample_auc
from simulacra_trainer.rules.check import broken
from simulacra_trainer.rules.model import RuledModel

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "shared" / "bench" / "data"
ROWS, MANY, SEEDS = 1_500, 1_000_000, 5
RULES: list[dict[str, Any]] = [
    {"if": {"employed": "no"}, "then": {"hours": None}},
    {"sum": ["food", "rent"], "equals": "spent"},
    {"compare": ["education", "<=", "age"], "plus": 6},
    {"compare": ["start", "<=", "end"]},
    {"allowed": ["country", "city"]},
    {"forbidden": {"age": {"min": 70}, "employed": "yes"}},
    {"unique": ["block", "line"]},
    {"multiple": "price", "of": 0.25},
    {"then": {"age": {"min": 18}}},
]
ADULT: list[dict[str, Any]] = [
    {"if": {"relationship": "Husband"}, "then": {"marital_status": "Married-civ-spouse"}},
    {"forbidden": {"marital_status": "Never-married", "relationship": "Wife"}},
    {"forbidden": {"workclass": "Private", "occupation": "Unknown"}},
    {"forbidden": {"marital_status": "Divorced", "relationship": ["Husband", "Wife"]}},
]


def survey(rows: int, seed: int = 0) -> pd.DataFrame:
    """Return answers that hold the rules."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 85, rows)
    employed = np.where(age >= 70, "no", rng.choice(["yes", "no"], rows, p=[0.7, 0.3]))
    country = rng.choice(["DE", "AT", "CH"], rows)
    cities = {"DE": ["Bonn", "Ulm"], "AT": ["Graz", "Wels"], "CH": ["Bern", "Genf"]}
    food, rent = np.round(rng.gamma(3, 50, rows), 2), np.round(rng.gamma(4, 100, rows), 2)
    start = np.datetime64("2024-01-01") + rng.integers(0, 200, rows)
    return pd.DataFrame(
        {
            "age": age,
            "education": np.minimum(rng.integers(8, 21, rows), age - 6 - rng.integers(0, 2, rows)),
            "employed": employed,
            "hours": pd.Series(rng.integers(4, 60, rows)).where(employed == "yes"),
            "food": food,
            "rent": rent,
            "spent": np.round(food + rent, 2),
            "start": start,
            "end": start + rng.integers(0, 40, rows),
            "country": country,
            "city": [cities[c][i] for c, i in zip(country, rng.integers(0, 2, rows), strict=True)],
            "price": rng.integers(4, 90, rows) * 0.25,
            "block": rng.integers(0, 5_000, rows),
            "line": rng.integers(1, 5_000, rows),
        }
    )


def cpu() -> float:
    """Return CPU seconds of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def violations() -> dict[str, Any]:
    """Return rows of a million that break each rule, and the CPU seconds with and without rules."""
    frame = survey(ROWS)
    frame.to_csv(Path(tempfile.gettempdir()) / "rules.csv", index=False)  # for rules_sdv.py
    table = pa.Table.from_pandas(frame, preserve_index=False)
    stated = parse_description({"fields": [], "x-simulacra": {"rules": RULES}})
    began = cpu()
    trained = fit_table(table, FitRequest(), stated)
    found: dict[str, Any] = {"fit": cpu() - began}
    began = cpu()
    plan = plan_generation(trained, GenerateRequest(row_count=MANY))
    counts = dict.fromkeys((one.rule.words() for one in trained.schema.rules), 0)
    keys = []
    for rows in generate_rows(trained, plan):
        found["rows"] = found.get("rows", 0) + rows.num_rows
        rows = as_clean(rows)
        for one in trained.schema.rules:
            if one.rule.unique is None:
                counts[one.rule.words()] += int(broken(rows, one.rule).sum())
            else:
                keys.append(rows.select(one.rule.unique).to_pandas())
    found["draw"] = cpu() - began
    counts[trained.schema.rules[6].rule.words()] = int(pd.concat(keys).duplicated().sum())
    assert isinstance(trained.model, RuledModel)
    began = cpu()
    for seed in range(2):
        trained.model.inner.sample(50_000, np.random.default_rng(seed))
    found["without_100k"] = cpu() - began
    began = cpu()
    for seed in range(2):
        trained.model.sample(50_000, np.random.default_rng(seed))
    found["with_100k"] = cpu() - began
    return {**found, "violations": counts}


def as_clean(rows: pa.Table) -> pa.Table:
    """Return rows of the output with dates as moments and words as levels."""
    for place, field in enumerate(rows.schema):
        if pa.types.is_date(field.type) or pa.types.is_timestamp(field.type):
            rows = rows.set_column(place, field.name, rows.column(place).cast(pa.timestamp("us")))
        elif pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            words = rows.column(place).cast(pa.string())
            rows = rows.set_column(place, field.name, words.dictionary_encode())
    return rows.combine_chunks()


def likeness() -> dict[str, Any]:
    """Return what `compared` says of Adult and of the made survey."""
    train = pq.read_table(DATA / "adult_train.parquet").slice(0, 5_000)
    unseen = pq.read_table(DATA / "adult_holdout.parquet")
    of_survey = [pa.Table.from_pandas(survey(5_000, seed), preserve_index=False) for seed in (0, 1)]
    rules = [rule for rule in RULES if "unique" not in rule]
    return {"adult": compared(train, unseen, ADULT), "survey": compared(*of_survey, rules)}


def compared(train: pa.Table, holdout: pa.Table, rules: list[dict[str, Any]]) -> dict[str, float]:
    """Return the C2ST with rules and without, and the share of rows that the latter breaks."""
    stated = parse_description({"fields": [], "x-simulacra": {"rules": rules}})
    clean = clean_described(train, stated).clean
    trained = fit_model(clean.table, clean.schema, FitRequest())
    unseen = clean_described(holdout).clean.table
    names = [c.name for c in clean.schema.learned() if c.name in unseen.column_names]
    assert isinstance(trained.model, RuledModel)
    found: dict[str, list[float]] = {"with": [], "without": [], "broken": []}
    for seed in range(SEEDS):
        for name, model in (("with", trained.model), ("without", trained.model.inner)):
            rows = model.sample(5_000, np.random.default_rng([seed, 7]))
            auc = two_sample_auc(unseen, rows, names, np.random.default_rng(seed))
            found[name].append(float(auc or np.nan))
            if name == "without":
                wrong = [broken(rows, one.rule) for one in trained.schema.rules]
                found["broken"].append(float(np.any(wrong, axis=0).mean()))
    return {name: float(np.mean(of)) for name, of in found.items()}


def main() -> None:
    """Measure, and print the figures."""
    made = {"machine": platform.machine(), "python": platform.python_version()}
    began = time.perf_counter()
    made["million"] = violations()
    print(json.dumps(made), flush=True)
    made["likeness"] = likeness()
    made["seconds"] = time.perf_counter() - began
    print(json.dumps(made, indent=1))


if __name__ == "__main__":
    main()
