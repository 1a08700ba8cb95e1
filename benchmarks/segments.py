"""Coverage, worth and verdicts of certified segments; public tables are the populations.

    python benchmarks/segments.py --seconds 600 --repetitions 10

Draws surveys of 300 to 1,500 respondents with replacement from adult, gss and shoppers (developed
on), and from telco, statsmodels' fair and randhie (held out). Certifies random answers in all
levels of a question (one-way) and in all pairs of levels of two questions (two-way), and compares
with the population. Prints, by respondents in the segment: coverage of the 95 % intervals, their
width beside Wilson's, and the mean square error of the respondents' shares over that of the
certified ones. The same by verdict, and for the shares of which more is said than that they are no
better, where that gain must not be below the worth said.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from simulacra_trainer.segments.certify import BOOSTED, SLIGHTLY, certify

SIZES = (300, 500, 1_000, 1_500)
CLASSES = (1, 5, 10, 20, 40, 80, 200, 5_000)
DEVELOPED = ("adult", "gss", "shoppers")
HELD_OUT = ("telco", "fair", "randhie")
MOST_LEVELS = 12
LEAST_TRUTH = 30
"""Population rows of a cell below which its true share is not taken."""


def population(name: str, folder: Path) -> pd.DataFrame:
    """Return the codes of a table's columns, int [rows]; numbers of many values in four bands."""
    if name in ("fair", "randhie"):
        from statsmodels import datasets

        table = getattr(datasets, name).load_pandas().data
    else:
        table = pd.concat(
            [pd.read_parquet(folder / f"{name}_{part}.parquet") for part in ("train", "holdout")]
        )
    codes = {}
    for column in table:
        values = table[column]
        if pd.api.types.is_numeric_dtype(values) and values.nunique() > MOST_LEVELS:
            values = pd.qcut(values, 4, duplicates="drop")
        if 2 <= values.nunique() <= MOST_LEVELS:
            codes[column] = pd.factorize(values, sort=False)[0]
    return pd.DataFrame(codes)


def trial(
    whole: pd.DataFrame, survey: pd.DataFrame, segment: list[str], question: str, answer: int
) -> list[list[float]]:
    """Return a row for each cell that can be judged: respondents, errors, covered, widths, gain."""
    sizes = [int(whole[name].max()) + 1 for name in segment]
    cells = int(np.prod(sizes))
    groups = [np.asarray(group) for group in np.unravel_index(np.arange(cells), sizes)]
    counts = []
    for table in (whole, survey):
        known = table[(table[[*segment, question]] >= 0).all(axis=1)]
        cell = np.ravel_multi_index([known[name].to_numpy() for name in segment], sizes)
        hit = (known[question] == answer).to_numpy().astype(float)
        counts.append((np.bincount(cell, hit, cells), np.bincount(cell, minlength=cells)))
    (true_hits, rows), (hits, respondents) = counts
    found = certify(hits, respondents.astype(float), groups)
    few = certify(hits, np.maximum(respondents, 5.0), groups)  # Wilson also below 5
    rowset = []
    for at in np.flatnonzero((rows >= LEAST_TRUTH) & (respondents >= 1)):
        truth = true_hits[at] / rows[at]
        direct = hits[at] / respondents[at]
        width = few.own_high[at] - few.own_low[at]
        rowset.append([
            respondents[at], (direct - truth) ** 2, (found.share[at] - truth) ** 2,
            found.low[at] <= truth <= found.high[at], found.high[at] - found.low[at], width,
            found.gain[at], found.worth[at] / respondents[at],
        ])  # fmt: skip
    return rowset


def survey_of(whole: pd.DataFrame, size: int, rng: np.random.Generator) -> list[list[float]]:
    """Return the trials of one survey: eight segmentations of each kind, four answers each."""
    survey = whole.iloc[rng.integers(0, len(whole), size)]
    rows = []
    for ways in (1, 2):
        for _ in range(8):
            segment = list(rng.choice(whole.columns, ways, replace=False))
            rest = [name for name in whole.columns if name not in segment]
            for _ in range(4):
                question = str(rng.choice(rest))
                answer = int(rng.choice(whole[question][whole[question] >= 0].unique()))
                if 0.03 <= (whole[question] == answer).mean() <= 0.97:
                    found = trial(whole, survey, segment, question, answer)
                    rows += [[ways, size, *row] for row in found]
    return rows


COLUMNS = (
    "ways", "size", "respondents", "direct", "certified", "covered", "width", "wilson", "gain",
    "worth", "table", "survey",
)  # fmt: skip


def summary(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return figures by class; the error of the coverage counts surveys, which are independent."""
    groups = rows.groupby(by, observed=True)
    keys = list(dict.fromkeys([*by, "table", "survey"]))
    each = rows.groupby(keys, observed=True).covered.agg(["mean", "count"])
    parts = each.groupby(by, observed=True)
    error = parts["mean"].std() / np.sqrt(parts["mean"].count())
    return pd.DataFrame({
        "cells": groups.size(), "coverage": groups.covered.mean(), "error": error,
        "width over Wilson": groups.width.mean() / groups.wilson.mean(),
        "gain of error": groups.direct.mean() / groups.certified.mean(),
        "worth said": groups.worth.median(),
    }).round(3)  # fmt: skip


def main() -> None:
    """Run as many surveys as the time allows and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the bench's tables")
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--tables", nargs="+", default=[*DEVELOPED, *HELD_OUT])
    options = parser.parse_args()
    end = time.monotonic() + options.seconds
    wholes = {name: population(name, options.data) for name in options.tables}
    rows: list[list[object]] = []
    for repetition in range(options.repetitions):
        for size in SIZES:
            for at, (name, whole) in enumerate(wholes.items()):
                if time.monotonic() < end:
                    rng = np.random.default_rng([repetition, size, at])
                    found = survey_of(whole, size, rng)
                    rows += [[*row, name, f"{size} {repetition}"] for row in found]
    table = pd.DataFrame(rows, columns=COLUMNS).astype({"covered": float})
    table["class"] = pd.cut(table.respondents, CLASSES, right=False)
    edges = [-np.inf, SLIGHTLY, BOOSTED, np.inf]
    table["verdict"] = pd.cut(table.gain, edges, right=False, labels=["none", "slight", "boosted"])
    pd.set_option("display.width", 200)
    print(table.groupby("table").survey.nunique().to_dict(), f"{time.process_time():.0f} CPU s")
    for by in (["ways", "class"], ["ways", "verdict"], ["ways", "size"], ["ways", "table"]):
        print(summary(table, by).to_string(), "\n")
    print(summary(table[table.verdict != "none"], ["ways", "class"]).to_string(), "\n")


if __name__ == "__main__":
    main()
