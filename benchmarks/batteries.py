"""Wide Likert batteries: correlations that a fit keeps, its bar and its CPU seconds.

    python benchmarks/batteries.py 300x100 300x300 800x300

A size is rows x items. Answers from 1 to 5 follow six correlated factors; sex and age move two of
them. "kept" is the slope of generated correlations on those of 20,000 other people, for large ones
(above 0.4) and middle ones (0.15 to 0.4); "error" is their root mean square difference, beside that
of the respondents themselves. The other figures are those of the fit's own report; seed 0.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa

from simulacra_crds.tasks import FitRequest
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.trained_model import TrainedModel

FACTORS, POPULATION, DRAWN = 6, 20_000, 5_000
FIGURES = ("c2st_auc", "dcr_share", "scale", "penalty_nats")


def respondents(n: int, items: int, seed: int) -> pd.DataFrame:
    """Return the answers of n people; the loadings depend on the number of items alone."""
    world = np.random.default_rng(2026 + items)
    loads = np.zeros((items, FACTORS))
    own = world.uniform(0.4, 0.85, items)
    own *= world.choice([-1, 1], items, p=[0.25, 0.75])
    loads[np.arange(items), np.arange(items) % FACTORS] = own
    loads += world.normal(0, 0.1, loads.shape)
    between = 0.2 * np.ones((FACTORS, FACTORS)) + 0.8 * np.eye(FACTORS)
    explained = np.einsum("ik,kl,il->i", loads, between, loads)
    loads *= np.sqrt(np.minimum(1.0, 0.85 / explained))[:, None]
    explained = np.einsum("ik,kl,il->i", loads, between, loads)
    cuts = world.normal(world.normal(0, 0.5, items)[:, None], 1, (items, 4)) * 0.9
    cuts.sort(axis=1)
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(n, FACTORS)) @ np.linalg.cholesky(between).T
    sex, age = rng.integers(0, 2, n), rng.integers(0, 4, n)
    factors[:, 0] += 0.4 * (sex - 0.5)
    factors[:, 1] += 0.25 * (age - 1.5)
    scores = factors @ loads.T + rng.normal(size=(n, items)) * np.sqrt(1.0 - explained)
    out = {
        "sex": np.array(["female", "male"])[sex],
        "age": np.array(["18-29", "30-44", "45-59", "60+"])[age],
    }
    for j in range(items):
        out[f"q{j + 1}"] = 1 + (scores[:, [j]] > cuts[j]).sum(axis=1)
    return pd.DataFrame(out)


def kept(population: pd.DataFrame, other: pd.DataFrame) -> dict[str, float]:
    """Return the slopes for large and middle correlations, and the error."""
    names = [name for name in population if name.startswith("q")]
    upper = np.triu_indices(len(names), 1)
    truth, found = (
        np.nan_to_num(np.corrcoef(of[names].astype(str).astype(float).to_numpy().T)[upper])
        for of in (population, other)
    )
    size = np.abs(truth)
    out = {"error": float(np.sqrt(np.mean((truth - found) ** 2)))}
    for name, among in (("large", size > 0.4), ("middle", (size > 0.15) & (size <= 0.4))):
        out[name] = float(truth[among] @ found[among] / (truth[among] @ truth[among]))
    return {name: round(value, 3) for name, value in out.items()}


def fit(people: pd.DataFrame) -> TrainedModel:
    """Fit as the product does."""
    clean = clean_table(pa.Table.from_pandas(people, preserve_index=False))
    request = FitRequest(family="forest")
    return fit_model(clean.table, clean.schema, request)


def measure(n: int, items: int) -> dict[str, object]:
    """Return the figures of one size."""
    sample, population = respondents(n, items, 1), respondents(POPULATION, items, 2)
    began = time.process_time()
    trained = fit(sample)
    fitted = time.process_time()
    drawn = trained.model.sample(DRAWN, np.random.default_rng(5))
    seconds = {"fit": fitted - began, "draw": time.process_time() - fitted}
    privacy = trained.report["privacy"] or {}
    return {
        "size": f"{n} x {items}",
        "cpu_s": {name: round(value, 1) for name, value in seconds.items()},
        "respondents": kept(population, sample),
        "generated": kept(population, drawn.to_pandas()),
        "methods": dict(Counter(getattr(trained.model, "methods", {}).values())),
        "figures": {name: round(trained.figures.get(name, np.nan), 3) for name in FIGURES},
        "attacks": privacy.get("attacks"),
    }


def main() -> None:
    """Print one line of JSON a size."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sizes", nargs="+", metavar="ROWSxITEMS")
    for size in parser.parse_args().sizes:
        print(json.dumps(measure(*map(int, size.split("x")))), flush=True)


if __name__ == "__main__":
    main()
