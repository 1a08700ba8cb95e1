"""Filled gaps: do the pooled intervals hold, beside one model and sklearn's IterativeImputer?

    python benchmarks/completion.py --bench FOLDER --kinds mcar:0.3 mar:0.25 block:0.33 --n 400
        --samples 5 --seconds 600 --out lines.jsonl
    python benchmarks/completion.py --summary lines.jsonl

Samples of n respondents are drawn from each population, cells are emptied, and the gaps are filled
m times. Means, shares, correlations, and logit and linear coefficients are pooled by Rubin's rules.
FOLDER has gss, telco, adult and shoppers as data/NAME_train.parquet; a table that is not there is
skipped. IterativeImputer (sample_posterior, names as indicators) is skipped without scikit-learn.
Without an upload there is no privacy tuning, which own gaps do not use.

Printed for each kind of gaps and method, with standard errors over the samples:

- holds: how often a 95 % interval holds the population's figure; of the whole sample: "whole"
- own: how often that of the imputation alone, sqrt((1 + 1/m) B), holds the sample's figure
- width: over that of the sample without gaps, median
- bias: of correlations and of linear coefficients, in standard errors of the sample
- energy: distance of the filled rows to the true ones, x 1,000
- CPU: seconds
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from scipy.stats import t as student

from simulacra.inference import pool_filled
from simulacra_schema.completion import GivenOptions
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.completion import complete, models
from simulacra_trainer.trained_model import TrainedModel

TABLES = ("gss", "telco", "adult", "shoppers")
COLUMNS, M, FEWEST = 10, 10, 0.05
OURS, ONE, PEER = "halves", "one model", "IterativeImputer"
Floats = npt.NDArray[np.float64]
Figures = dict[str, tuple[float, float]]


def population(path: Path) -> pd.DataFrame:
    """Return the complete rows of ten columns, levels of less than 5 % joined."""
    table = pd.read_parquet(path).replace("Unknown", np.nan)
    table = table[[c for c in table if table[c].isna().mean() < 0.2]]
    some = np.unique(np.linspace(0, table.shape[1] - 1, COLUMNS).round().astype(int))
    table = table.iloc[:, some].dropna().reset_index(drop=True)
    for name in table:
        if table[name].dtype.kind in "if":
            table[name] = table[name].astype(float)
            continue
        words = table[name].astype(str)
        share = words.map(words.value_counts(normalize=True))
        table[name] = words.where(share >= FEWEST, "other")
    return table.loc[:, table.nunique() > 1]


def emptied(
    kind: str, share: float, table: pd.DataFrame, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Return the cells to empty: anywhere, by three filled columns, or one block of three."""
    n, p = table.shape
    if kind == "mcar":
        return rng.random((n, p)) < share
    core, gap = max(p // 3, 2), np.zeros((n, p), bool)
    if kind == "mar":
        ranks = [table[c].rank(method="dense").to_numpy(float) for c in table.columns[:core]]
        score = sum((r - r.mean()) / r.std() for r in ranks)
        score = score / score.std()
        for j in range(core, p):
            odds = np.log(share / (1 - share)) + (1.2 if j % 2 else -1.2) * score
            gap[:, j] = rng.random(n) < 1 / (1 + np.exp(-odds))
        return gap
    blocks = np.array_split(rng.permutation(np.arange(core, p)), 3)
    form = rng.integers(0, 3, n)
    for k, block in enumerate(blocks):
        gap[np.ix_(form == k, block)] = True
    return gap


class Analysis:
    """Figures of a table, chosen on its population."""

    def __init__(self, whole: pd.DataFrame) -> None:
        rng = np.random.default_rng(0)
        numbers = [c for c in whole if whole[c].dtype == float and whole[c].nunique() > 4]
        self.top = {c: whole[c].value_counts().index[:2] for c in whole if c not in numbers}
        self.scale = {c: (whole[c].mean(), whole[c].std()) for c in numbers}
        self.pairs = [(a, b) for i, a in enumerate(numbers) for b in numbers[:i]][:8]
        halves = [c for c, top in self.top.items() if 0.15 < (whole[c] == top[0]).mean() < 0.85]
        self.models = []
        for kind, outcomes in (("logit", halves), ("linear", numbers)):
            for y in rng.permutation(outcomes)[:3]:
                others = [c for c in [*numbers, *halves] if c != y]
                self.models.append((kind, y, list(rng.permutation(others)[:3])))

    def of(self, table: pd.DataFrame) -> Figures:
        """Return (estimate, variance) by name."""
        out: Figures = {}
        n = len(table)
        x = {c: ((table[c] - m) / s).to_numpy() for c, (m, s) in self.scale.items()}
        for c, values in x.items():
            out[f"mean {c}"] = values.mean(), values.var(ddof=1) / n
        for c, top in self.top.items():
            for level in top:
                p = (table[c] == level).mean()
                out[f"share {c} {level}"] = p, max(p * (1 - p), 0.25 / n) / n
            x[c] = (table[c] == top[0]).to_numpy(float)
        for a, b in self.pairs:
            u, v = ((x[c] - x[c].mean()) / max(x[c].std(), 1e-12) for c in (a, b))
            r = (u * v).mean()
            out[f"correlation {a} {b}"] = r, (u * v - r / 2 * (u**2 + v**2)).var(ddof=1) / n
        for kind, y, xs in self.models:
            X = np.column_stack([np.ones(n), *(x[c] for c in xs)])
            for c, b, v in zip(xs, *(part[1:] for part in regression(kind, X, x[y])), strict=True):
                if 0 < v < 25 and abs(b) < 12:
                    out[f"{kind} {y} {c}"] = b, v
        return out


def regression(kind: str, X: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return coefficients and sandwich variances."""
    b = np.zeros(X.shape[1])
    for _ in range(1 if kind == "linear" else 30):
        p = X @ b if kind == "linear" else 1 / (1 + np.exp(-np.clip(X @ b, -30, 30)))
        weight = np.ones(len(y)) if kind == "linear" else p * (1 - p)
        bread = np.linalg.pinv((X.T * weight) @ X)
        b = b + np.clip(bread @ X.T @ (y - p), -1e9 if kind == "linear" else -2, 1e9)
    left = y - (X @ b if kind == "linear" else 1 / (1 + np.exp(-np.clip(X @ b, -30, 30))))
    score = X * left[:, None]
    return b, np.diag(bread @ (score.T @ score) @ bread) * len(y) / (len(y) - X.shape[1])


def ours(gapped: pd.DataFrame, seed: int, m: int = M) -> list[pd.DataFrame]:
    """Return m filled tables."""
    clean = clean_table(pa.Table.from_pandas(gapped, preserve_index=False))
    trained = TrainedModel(None, "forest", clean.table, clean.schema, None)  # type: ignore[arg-type]
    done = complete(trained, None, GivenOptions(implicates=m), seed=seed).filled.to_pandas()
    out = []
    for _, part in done.groupby("implicate"):
        table, part = gapped.copy(), part.set_index("row")
        for name in part.columns.drop("implicate"):
            own = part[name].dropna()
            values = own.astype(float) if table[name].dtype == float else own.astype(str)
            table.loc[own.index, name] = values
        out.append(table)
    return out


def one_model(gapped: pd.DataFrame, seed: int) -> list[pd.DataFrame]:
    """Return m filled tables of models that all learn from all rows."""
    half = models._half
    models._half = lambda cells, seed, i: np.arange(cells.donors)
    try:
        return ours(gapped, seed)
    finally:
        models._half = half


def peer(gapped: pd.DataFrame, seed: int) -> list[pd.DataFrame]:
    """Return m tables of scikit-learn's IterativeImputer; a name gets its likeliest indicator."""
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    blocks: list[tuple[str, list[Any]]] = []
    parts = []
    for name in gapped:
        if gapped[name].dtype == float:
            blocks.append((name, []))
            parts.append(gapped[[name]].to_numpy())
        else:
            levels = sorted(gapped[name].dropna().unique())
            blocks.append((name, levels))
            known = gapped[name].notna().to_numpy()[:, None]
            indicators = np.stack([gapped[name] == one for one in levels], axis=1)
            parts.append(np.where(known, indicators.astype(float), np.nan))
    X, out = np.hstack(parts), []
    for i in range(M):
        imputer = IterativeImputer(sample_posterior=True, max_iter=5, random_state=1000 * seed + i)
        filled, at, table = imputer.fit_transform(X), 0, gapped.copy()
        for name, levels in blocks:
            part = filled[:, at : at + max(len(levels), 1)]
            at += part.shape[1]
            gap = gapped[name].isna().to_numpy()
            values = np.array(levels, object)[part.argmax(1)] if levels else part[:, 0]
            table.loc[gap, name] = values[gap]
        out.append(table)
    return out


def energy(a: pd.DataFrame, b: pd.DataFrame) -> float:
    """Return the energy distance of two tables, numbers in deviations, levels as indicators."""

    def coded(table: pd.DataFrame) -> Floats:
        parts = []
        for name in b:
            if b[name].dtype == float:
                values = (table[name] - b[name].mean()) / max(b[name].std(), 1e-9)
                parts.append(values.to_numpy()[:, None])
            else:
                levels = sorted(b[name].unique())
                parts.append(np.stack([table[name] == k for k in levels], 1) / np.sqrt(2))
        return np.hstack(parts).astype(np.float64)

    def mean(x: Floats, y: Floats) -> float:
        squared = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T
        return float(np.sqrt(np.maximum(squared, 0)).mean())

    x, y = coded(a), coded(b)
    return 2 * mean(x, y) - mean(x, x) - mean(y, y)


METHODS = {OURS: ours, ONE: one_model, PEER: peer}


def measure(options: argparse.Namespace) -> None:
    """Write a line for each table, kind of gaps, sample and method until the time is over."""
    warnings.simplefilter("ignore")
    end = time.monotonic() + options.seconds
    paths = {name: options.bench / "data" / f"{name}_train.parquet" for name in TABLES}
    known = {}
    for name, path in paths.items():
        if not path.exists():
            print(f"{name} is not there and was skipped.")
            continue
        whole = population(path)
        known[name] = whole, Analysis(whole), Analysis(whole).of(whole)
    for sample in range(options.first, options.first + options.samples):
        for name, (whole, analysis, truth) in known.items():
            for kind in options.kinds:
                if time.monotonic() > end:
                    print("The time is over.")
                    return
                lines = judged(whole, analysis, truth, kind, sample, options)
                with options.out.open("a") as file:
                    for line in lines:
                        file.write(json.dumps({"table": name, **line}) + "\n")
                print(name, kind, sample, flush=True)


def judged(
    whole: pd.DataFrame,
    analysis: Analysis,
    truth: Figures,
    kind: str,
    sample: int,
    options: argparse.Namespace,
) -> list[dict[str, Any]]:
    """Return a line for each method on one sample."""
    table = whole.sample(options.n, random_state=1_000 + sample).reset_index(drop=True)
    what, share = kind.split(":")
    gap = emptied(what, float(share), table, np.random.default_rng([sample, len(what)]))
    gapped = table.mask(gap)
    if (gapped.nunique() < 2).any():
        return []
    own, lines = analysis.of(table), []
    for method in options.methods:
        began = time.process_time()
        try:
            filled = METHODS[method](gapped, sample)
        except ModuleNotFoundError as error:
            print(f"{method} was skipped: {error}")
            continue
        spent = time.process_time() - began
        each, rows = [analysis.of(one) for one in filled], []
        for figure, (q0, u0) in own.items():
            if figure in truth and all(figure in one for one in each):
                q = np.array([one[figure][0] for one in each])
                u = np.array([one[figure][1] for one in each])
                found = pool_filled(q, u, rows=options.n)
                between = (1 + 1 / len(q)) * q.var(ddof=1)
                rows.append([figure, truth[figure][0], q0, u0, *found[:4], between])
        distance = 1000 * float(np.mean([energy(one, table) for one in filled]))
        line = {"kind": kind, "n": options.n, "sample": sample, "method": method}
        lines.append({**line, "seconds": spent, "energy": distance, "rows": rows})
    return lines


def summary(path: Path, by: list[str]) -> None:
    """Print a line for each group and method."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    print("| gaps | method | samples | whole | holds | own | width | bias | energy | CPU s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for line in lines:
        groups.setdefault((*(str(line[k]) for k in by), line["method"]), []).append(line)
    for (*key, method), some in sorted(groups.items()):
        parts = np.array([scores(line) for line in some])
        mean, n = np.nanmean(parts, axis=0), len(some)
        error = np.nanstd(parts, axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.zeros(7)
        cells = [f"{mean[0]:.3f}", f"{mean[1]:.3f} ± {error[1]:.3f}"]
        cells += [f"{mean[2]:.3f} ± {error[2]:.3f}", f"{mean[3]:.2f}"]
        cells += [f"{mean[4]:+.2f}, {mean[5]:+.2f}"]
        cells += [f"{np.mean([x['energy'] for x in some]):.1f}"]
        cells += [f"{np.mean([x['seconds'] for x in some]):.1f}"]
        print(f"| {' '.join(key)} | {method} | {n} | " + " | ".join(cells) + " |")


def scores(line: dict[str, Any]) -> list[float]:
    """Return holds of the whole sample and of the filled one, own, width and two biases."""
    names = [row[0] for row in line["rows"]]
    true, q0, u0, q, _, low, high, between = np.array([row[1:] for row in line["rows"]]).T
    freedom = line["n"] - 1
    reach = student.ppf(0.975, freedom) * np.sqrt(u0)
    own = np.abs(q - q0) <= student.ppf(0.975, M - 1) * np.sqrt(between)
    out = [np.mean(np.abs(q0 - true) <= reach), np.mean((low <= true) & (true <= high)), own.mean()]
    out.append(float(np.median((high - low) / (2 * reach))))
    toward = (q - q0) / np.sqrt(u0) * np.sign(q0)
    for kind in ("correlation", "linear"):
        of = np.array([name.startswith(kind) for name in names])
        out.append(float(toward[of].mean()) if of.any() else np.nan)
    return out


def main() -> None:
    """Measure, or print the summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bench", type=Path, default=Path("bench"))
    parser.add_argument("--kinds", nargs="+", default=["mcar:0.3", "mar:0.25", "block:0.33"])
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--n", type=int, default=400)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--samples", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--out", type=Path, default=Path("completion.jsonl"))
    parser.add_argument("--summary", type=Path)
    parser.add_argument("--by", nargs="+", default=["kind"])
    options = parser.parse_args()
    if options.summary:
        summary(options.summary, options.by)
    else:
        measure(options)


if __name__ == "__main__":
    main()
