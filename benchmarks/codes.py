"""How much of the relation between special codes and other columns generated rows keep.

A simulated survey: who refuses the income question (-9) depends on age and class, who does not know
it (-8) on education; the wealth question is refused by the same people; trust depends on which of
the two was answered. Run: python benchmarks/codes.py [rows] [family]
"""

from __future__ import annotations

import sys
import time
from itertools import pairwise

import numpy as np
import pyarrow as pa

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_trainer.in_process import fit_table, generate_table

REFUSED, UNKNOWN = -9, -8
GENERATED = 40_000
AGES = [0, 30, 45, 60, 75, 200]
EDUCATION = ["basic", "middle", "high", "university"]


def survey(rows: int, seed: int) -> pa.Table:
    """Return a survey with codes for "refused" and "don't know" among incomes and wealths."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 91, rows)
    education = np.clip(np.round(rng.normal(1.6 - 0.01 * (age - 50), 0.9)), 0, 3).astype(int)
    latent = 0.6 * education + rng.normal(0, 1, rows)
    klass = np.digitize(latent + rng.normal(0, 0.5, rows), [0.3, 1.2, 2.2])
    income = np.round(np.exp(6.9 + 0.35 * latent), -1).astype(np.int64)
    wealth = np.round(np.exp(8.5 + 0.6 * latent + 0.02 * age + rng.normal(0, 0.7, rows)), -2)
    refuses = rng.random(rows) < _logistic(-3.2 + 0.035 * (age - 50) + 0.6 * (klass - 1.5))
    unaware = rng.random(rows) < _logistic(-1.2 - 1.1 * education)
    blank = rng.random(rows) < 0.03
    trust = rng.normal(5 - 2.0 * refuses + 1.5 * (unaware & ~refuses), 1.5)
    again = refuses & (rng.random(rows) < 0.8)
    lost = unaware & (rng.random(rows) < 0.6)
    wealth = np.where(again, REFUSED, np.where(lost, UNKNOWN, wealth)).astype(np.int64)
    income = np.where(refuses, REFUSED, np.where(unaware, UNKNOWN, income))
    return pa.table(
        {
            "age": age,
            "education": np.array(EDUCATION)[education],
            "class": np.array(["lower", "working", "middle", "upper"])[klass],
            "region": rng.choice(["n", "s", "e", "w"], rows),
            "income": pa.array(income, mask=blank),
            "wealth": wealth,
            "trust": np.clip(np.round(trust), 0, 10).astype(np.int64),
        }
    )


def _logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def relations(table: pa.Table) -> dict[str, np.ndarray]:
    """Return shares of codes by group, association of both refusals, and trust by code."""
    age = np.asarray(table["age"].to_numpy(zero_copy_only=False))
    education = np.asarray(table["education"].to_pylist())
    income, wealth, trust = (
        np.asarray(table[name].to_numpy(zero_copy_only=False), np.float64)
        for name in ("income", "wealth", "trust")
    )
    refused, unknown = income == REFUSED, income == UNKNOWN
    groups = [(age >= low) & (age < high) for low, high in pairwise(AGES)]
    return {
        "refused by age, %": np.array([100 * refused[g].mean() for g in groups]),
        "don't know by education, %": np.array(
            [100 * unknown[education == e].mean() for e in EDUCATION]
        ),
        "refusals of income and wealth, r": np.array(
            [np.corrcoef(refused, wealth == REFUSED)[0, 1]]
        ),
        "don't knows of both, r": np.array([np.corrcoef(unknown, wealth == UNKNOWN)[0, 1]]),
        "trust: refused, don't know, blank": np.array(
            [trust[m].mean() for m in (refused, unknown, np.isnan(income))]
        ),
        "share refused, don't know, blank, %": np.array(
            [100 * m.mean() for m in (refused, unknown, np.isnan(income))]
        ),
    }


def main(rows: int = 2_000, family: str = "forest") -> None:
    """Print the relations of the population, of the sample and of generated rows."""
    start = time.process_time()
    trained = fit_table(survey(rows, 1), FitRequest.model_validate({"family": family}))
    seconds = time.process_time() - start
    made = generate_table(trained, GenerateRequest(row_count=GENERATED, seed=1, evidence=False))
    tables = {"population": survey(400_000, 2), "sample": survey(rows, 1), "generated": made.rows}
    found = {name: relations(table) for name, table in tables.items()}
    print(f"{rows} rows, {family}, fit {seconds:.1f} CPU s")
    for what in found["population"]:
        print(what)
        for name, figures in found.items():
            print(f"  {name:<11}", " ".join(f"{x:6.2f}" for x in figures[what]))


if __name__ == "__main__":
    main(*[int(x) if x.isdigit() else x for x in sys.argv[1:]])
