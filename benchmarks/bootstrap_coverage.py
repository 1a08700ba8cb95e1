"""Intervals of `simulacra.inference.bootstrap`, with public tables as the populations.

    python benchmarks/bootstrap_coverage.py --first 20 --samples 4 --out lines.jsonl

Samples of n respondents are drawn with replacement from each population of `survey.py`; ours is fit
by its pipeline with its defaults and draws 10,000 rows. Figures without a formula for their
variance are taken of the rows, and of the sample itself. Printed for each kind of figure, with
standard errors over the samples: coverage of 95 % intervals of the sample and of the rows, median
width of the rows' intervals over the sample's, and their root mean square error over the sample's.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import engine
import numpy as np
import numpy.typing as npt
import pandas as pd
from survey import bench_judge, draw, load, ours

from simulacra.inference import EVIDENCE_WEIGHT, bootstrap

SAMPLES = 200
QUESTIONS = {
    "gss": (["prestige", "educ", "tvhours"], "female"),
    "telco": (["tenure", "monthly_charges", "total_charges"], "contract"),
    "adult": (["age", "hours_per_week", "education_num"], "sex"),
    "fair": (["age", "yrs_married", "educ"], "religious"),
}
"""Three columns of numbers of each population, and one whose two largest levels are groups."""
Floats = npt.NDArray[np.float64]


def figures(table: pd.DataFrame, columns: list[str], by: str, groups: list[Any]) -> pd.Series:
    """Return the figures of a table by kind and columns."""
    found: dict[tuple[str, str], float] = {}
    for name in columns:
        of = table[name].dropna()
        low, middle, high = of.quantile([0.25, 0.5, 0.75])
        found["median", name] = middle
        found["quartile", f"{name} 1"] = low
        found["quartile", f"{name} 3"] = high
        found["Gini coefficient", name] = gini(of.to_numpy(float))
    for one, other in ((columns[0], columns[1]), (columns[1], columns[2])):
        found["correlation", f"{one} {other}"] = table[one].corr(table[other])
        found["rank correlation", f"{one} {other}"] = table[one].rank().corr(table[other].rank())
        found["ratio of means", f"{one} {other}"] = table[one].mean() / table[other].mean()
    for name in columns[:2]:
        first, second = (table.loc[table[by] == level, name].median() for level in groups)
        found["median of a group", f"{name} 1"] = first
        found["median of a group", f"{name} 2"] = second
        found["difference of medians", name] = first - second
    return pd.Series(found)


def gini(values: Floats) -> float:
    """Return the Gini coefficient of numbers that are not negative."""
    ranks = 2 * np.arange(1, len(values) + 1) - len(values) - 1
    return float(ranks @ np.sort(values) / (len(values) * values.sum()))


def measure(options: argparse.Namespace) -> None:
    """Write a line for each population and sample until the time is over."""
    end = time.monotonic() + options.seconds
    tools = bench_judge(options.bench)
    for seed in range(options.first, options.first + options.samples):
        for name in options.surveys:
            if time.monotonic() > end:
                print("The time is over.")
                return
            whole = load(name, tools).table
            columns, by = QUESTIONS[name]
            asked = (columns, by, [*whole[by].value_counts().index[:2]])
            sample = draw(whole, options.n, seed).sample
            rows, _ = ours(sample, seed)
            line = {
                "survey": name,
                "n": options.n,
                "kinds": [kind for kind, _ in figures(whole, *asked).index],
                "truth": figures(whole, *asked).to_numpy(),
                "sample": interval(sample.assign(**{EVIDENCE_WEIGHT: 1.0}), asked),
                "rows": interval(rows, asked),
            }
            with options.out.open("a") as file:
                file.write(json.dumps(line, default=lambda of: of.tolist()) + "\n")
            print(name, seed, flush=True)


def interval(table: pd.DataFrame, asked: tuple[list[str], str, list[Any]]) -> list[Floats]:
    """Return the estimates of all figures, and the ends of their intervals."""
    found = bootstrap(table, lambda part: figures(part, *asked).to_numpy(), samples=SAMPLES)
    return [found.estimate, found.low, found.high]


def summary(path: Path) -> None:
    """Print a line for each kind of figure, and one for all."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    print("| figure | sample covers | rows cover | width | RMSE |\n|---|---|---|---|---|")
    for kind in [*dict.fromkeys(lines[0]["kinds"]), None]:
        parts = [judged(line, kind) for line in lines]
        own, rows, width, ours_error, own_error = np.array(parts).T
        cells = [f"{of.mean():.3f} ± {of.std(ddof=1) / len(of) ** 0.5:.3f}" for of in (own, rows)]
        cells += [f"{np.nanmean(width):.2f}", f"{(ours_error.sum() / own_error.sum()) ** 0.5:.2f}"]
        print(f"| {kind or 'all'} | " + " | ".join(cells) + " |")


def judged(line: dict[str, Any], kind: str | None) -> tuple[float, float, float, float, float]:
    """Return coverage of sample and rows, width, and squared errors in units of the sample's.

    kind: of the figures; None for all. Figures whose interval from the sample is a point, such as
    medians of few values, have no unit and count for coverage alone.
    """
    asked = np.array([kind in (None, of) for of in line["kinds"]])
    truth = np.array(line["truth"])[asked]
    (own, *own_ends), (rows, *row_ends) = (
        np.array(line[key])[:, asked] for key in ("sample", "rows")
    )
    near = 1e-9 * np.abs(truth) + 1e-12
    held = [
        float(((low - near <= truth) & (truth <= high + near)).mean())
        for low, high in (own_ends, row_ends)
    ]
    unit = own_ends[1] - own_ends[0]
    fine = unit > near
    width = (row_ends[1] - row_ends[0])[fine] / unit[fine]
    squares = [float(np.sum(((of - truth)[fine] / unit[fine]) ** 2)) for of in (rows, own)]
    return held[0], held[1], float(np.median(width)) if fine.any() else np.nan, *squares


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bench", type=Path, default=engine.BENCH)
    parser.add_argument("--surveys", nargs="+", default=[*QUESTIONS], choices=QUESTIONS)
    parser.add_argument("--n", type=int, default=500)
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--first", type=int, default=20, help="seed of the first sample")
    parser.add_argument("--seconds", type=float, default=1_200)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    measure(options)
    summary(options.out)


if __name__ == "__main__":
    main()
