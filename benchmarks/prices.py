"""Coverage of price questions: simulated populations of people who name prices or would buy.

    python benchmarks/prices.py --samples 200

Draws surveys of 300 and 1,000 respondents from populations of 300,000: prices to the cent, rounded
as people round, in steps of five, and in sampling points whose people are alike, with weights. Of
four in a hundred the prices contradict each other. Prints how often each interval covers the
population's figure: van Westendorp's four crossings; of Gabor and Granger demand and revenue at all
five prices together, the best price, and elasticities one by one.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa

from simulacra_crds.tasks import BoostRequest
from simulacra_intake.description.statements import state
from simulacra_schema.description import parse_description
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.segments.estimate import certify_segments
from simulacra_trainer.segments.price_points import CROSSINGS

SIZES = (300, 1_000)
ASKED = (7.99, 9.99, 12.99, 14.99, 19.99)
PEOPLE, POINT = 300_000, 25
"""Of a population, and of a sampling point."""
NAMES = ("too cheap", "cheap", "expensive", "too expensive")


def population(kind: str, rng: np.random.Generator) -> dict[str, Any]:
    """Return prices [people, 4], who buys [people, asked], and chances or None."""
    place = rng.normal(size=PEOPLE // POINT).repeat(POINT) * (0.15 if kind == "points" else 0.0)
    level = 12.0 * np.exp(place + rng.normal(0.0, 0.35, PEOPLE))
    own = np.sort(np.exp(rng.normal(0.0, 0.12, (PEOPLE, 4))) * (0.55, 0.8, 1.15, 1.5), axis=1)
    prices = level[:, None] * own
    if kind == "people's":
        halves = np.round(2.0 * prices) / 2.0
        prices = np.where(rng.random((PEOPLE, 4)) < 0.4, halves - 0.01, np.round(prices))
    prices = np.round(prices / 5.0) * 5.0 if kind == "fives" else np.round(prices, 2)
    prices = np.maximum(prices, 0.49)
    odd = rng.random(PEOPLE) < 0.04
    prices[odd] = prices[odd][:, ::-1]
    most = level * 1.2 * np.exp(rng.normal(0.0, 0.2, PEOPLE))
    chance = np.exp(rng.normal(0.0, 0.3, PEOPLE) + 0.3 * np.log(level / 12.0))
    found = {"prices": prices, "buys": most[:, None] >= ASKED}
    return found | {"chance": chance.reshape(-1, POINT) if kind == "points" else None}


def truth(whole: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of a population, by mid-distribution functions of all its prices."""
    prices = whole["prices"]
    fine = (np.diff(prices, axis=1) >= 0).all(axis=1)
    found: dict[str, Any] = {}
    for name, *pair in CROSSINGS:
        values, which = np.unique(prices[fine][:, pair], return_inverse=True)
        mass = np.bincount(which.reshape(-1)).astype(float)
        found[name] = np.interp(0.5, (np.cumsum(mass) - mass / 2.0) / mass.sum(), values)
    demand = whole["buys"].mean(axis=0)
    asked = np.array(ASKED)
    middle = (asked[1:] + asked[:-1]) * np.diff(demand) / (demand[1:] + demand[:-1])
    return found | {
        "demand": demand,
        "best": asked[np.argmax(asked * demand)],
        "elasticity": middle / np.diff(asked),
    }


def survey(whole: dict[str, Any], size: int, rng: np.random.Generator) -> Any:
    """Return the clean table of a survey, as a model has it; weights are those of the design."""
    rows, fields = rng.integers(0, PEOPLE, size), []
    clusters, weights = np.arange(size), np.ones(size)
    if whole["chance"] is not None:  # points of the same chance, then ten people by their own
        points = rng.integers(0, PEOPLE // POINT, size // 10)
        chance = whole["chance"][points] / whole["chance"][points].mean(axis=1, keepdims=True)
        below = np.cumsum(chance, axis=1)[:, None] / POINT
        place = (rng.random((points.size, 10, 1)) > below).sum(axis=2)
        place = np.minimum(place, POINT - 1)
        rows, clusters = (points[:, None] * POINT + place).ravel(), np.arange(size) // 10
        weights = 1.0 / np.take_along_axis(chance, place, axis=1).ravel()
        fields = [
            {"name": "psu", "x-simulacra": {"role": "cluster"}},
            {"name": "w", "x-simulacra": {"role": "weight"}},
        ]
    columns: dict[str, Any] = dict(zip(NAMES, whole["prices"][rows].T, strict=True))
    columns |= {
        f"buys at {price}": np.where(buys, "yes", "no")
        for price, buys in zip(ASKED, whole["buys"][rows].T, strict=True)
    }
    if fields:
        columns |= {"psu": clusters, "w": weights}
    table = pa.table(columns)
    statements = state(parse_description({"fields": fields}), table.column_names, None)
    clean = clean_table(table, statements=statements)
    return SimpleNamespace(table=clean.table, schema=clean.schema, report={})


def judge(trained: Any, true: dict[str, Any], covered: dict[str, list[float]]) -> None:
    """Add to each figure whether its interval covers."""
    answers = {}
    for method in ("van_westendorp", "gabor_granger"):
        asked = BoostRequest.model_validate({"prices": {"method": method}})
        answers[method] = certify_segments(trained, asked).price_answer
    for point in answers["van_westendorp"].points:
        covered[point.name].append(point.low <= true[point.name] <= point.high)
    granger = answers["gabor_granger"]
    demand = granger.curves[0]
    inside = (np.array(demand.low) <= true["demand"]) & (true["demand"] <= np.array(demand.high))
    covered["demand, all together"].append(bool(inside.all()))
    (best,) = granger.points
    covered["best price"].append(best.low <= true["best"] <= best.high)
    for one, value in zip(granger.elasticities, true["elasticity"], strict=False):
        covered["elasticities"].append(one.low <= value <= one.high)


def main() -> None:
    """Print the coverage by population and size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--kinds", nargs="+", default=["cents", "people's", "fives", "points"])
    options = parser.parse_args()
    for kind in options.kinds:
        whole = population(kind, np.random.default_rng(11))
        true = truth(whole)
        for size in SIZES:
            covered: dict[str, list[float]] = defaultdict(list)
            for sample in range(options.samples):
                judge(survey(whole, size, np.random.default_rng([sample, size])), true, covered)
            shares = ", ".join(f"{name} {np.mean(of):.3f}" for name, of in covered.items())
            print(f"{kind}, {size}: {shares}; {time.process_time():.0f} CPU s", flush=True)


if __name__ == "__main__":
    main()
