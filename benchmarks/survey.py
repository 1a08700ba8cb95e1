"""Surveys of a few hundred respondents, ours beside peers; public tables are the populations.

    python benchmarks/survey.py --n 500 1500 --samples 2 --seconds 3000 --out lines.jsonl

Samples of n respondents are drawn with replacement from each population; each engine is fit on the
sample and draws 10,000 rows, ours by its pipeline with its defaults. `worth.py` of the bench says
how shares, coefficients and slices are judged, and gives the questions of gss, telco and adult;
the fourth population is statsmodels' fair. Peers run in the environment of engine.py, or in that of
--peers-python. Every engine and sample is a line of JSON in --out; --summary prints its tables.

Figures, each against the population:

- shares (of the levels of all questions), logit: coverage of 95 % intervals of rows as they are >
  with evidence_weight
- slope of logit coefficients on the population's; RMSE: their error over the sample's
- slices: squared error of the respondents' shares over that of the rows', by respondents
- nats: what a log-linear model learned from 2,000 of the rows loses per row of other people, beside
  the same learned from 2,000 people
- TSTR: AUC of boosted trees that learned each target from the rows, on people who are not in the
  sample, over that of the same learned from the sample
- C2ST: AUC of boosted trees between rows and people who are not in the sample, as people see both,
  and with one level for all words that fewer than five of the sample have
- nearness, inference, linkage: gains on members beyond controls; strong: AUC of the attacker who
  has a second survey of n people (`pipeline/disclosure.py` has the limits)
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import time
import warnings
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import simulacra_trainer  # noqa: F401  sets the threads of BLAS, before NumPy reads them

# isort: split
import engine
import numpy as np
import pandas as pd
import pyarrow as pa
from survey_figures import Judge, Parts, Survey, disclosed

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation

HERE = Path(__file__).resolve().parent
ROWS = 10_000
CLASSES = (1, 5, 10, 20, 40, 80, 200, 5_000)
SEPARATED = 6.0
"""A sample's coefficient beyond this is of a cell in which all or none have the answer."""
SAMPLE, OURS = "the sample", "ours"
FAIR = (
    [("rate_marriage", "5"), ("religious", "3"), ("affair", "yes"), ("children", "0")],
    [("occupation", "religious"), ("educ", "occupation"), ("yrs_married", "religious")],
    ["occupation", "religious", "educ", "yrs_married"],
)
"""Questions of `fair`, as the bench's are written: targets, segments, predictors."""


def bench_judge(folder: Path) -> ModuleType:
    """Return the bench's module worth.py."""
    spec = importlib.util.spec_from_file_location("worth", folder / "worth.py")
    if spec is None or spec.loader is None:
        raise SystemExit("The bench has no worth.py.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load(name: str, judge: ModuleType) -> Survey:
    """Return a population; numbers of `fair` that are levels are kept as numbers."""
    if name != "fair":
        return Survey(*judge.load(name))
    from statsmodels import datasets

    table = datasets.fair.load_pandas().data
    table["affair"] = np.where(table.pop("affairs") > 0, "yes", "no")
    return Survey(table, *FAIR)


def draw(whole: pd.DataFrame, n: int, seed: int) -> Parts:
    """Draw a sample; the population must have more than 4 n people."""
    rng = np.random.default_rng([seed, n])
    drawn = rng.integers(0, len(whole), n)
    rest = rng.permutation(np.setdiff1d(np.arange(len(whole)), drawn))
    places = {
        "members": np.unique(drawn),
        "second": rest[:n],
        "controls": rest[n : 2 * n],
        "others": rest[2 * n : 2 * n + ROWS],
    }
    people = {key: whole.iloc[at].reset_index(drop=True) for key, at in places.items()}
    return Parts(whole.iloc[drawn].reset_index(drop=True), people)


def ours(sample: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, float]:
    """Fit with the product's defaults and generate; return the rows and CPU seconds of the fit."""
    began = time.process_time()
    clean = clean_table(pa.Table.from_pandas(sample, preserve_index=False))
    request = FitRequest(family="forest", seed=seed)
    trained = fit_model(clean.table, clean.schema, request)
    spent = time.process_time() - began
    wanted = GenerateRequest(row_count=ROWS, seed=seed)
    rows = pa.concat_tables(generate_rows(trained, plan_generation(trained, wanted)))
    return rows.to_pandas(), spent


def peer(
    name: str, sample: pd.DataFrame, python: Path, seconds: float
) -> tuple[pd.DataFrame, float]:
    """Fit a peer in its environment; return its rows and CPU seconds of the fit."""
    with TemporaryDirectory() as folder:
        train, out = Path(folder) / "train.parquet", Path(folder) / "out.parquet"
        sample.to_parquet(train, index=False)
        command = [str(python), str(HERE / "engine_peers.py"), name, "--train", str(train)]
        command += ["--out", str(out), "--rows", str(ROWS), "--seconds", str(seconds)]
        printed, _ = engine.run(command)
        return pd.read_parquet(out), float(json.loads(printed.splitlines()[-1])["fit_cpu_s"])


def measure(options: argparse.Namespace) -> None:
    """Write a line for each engine and sample until the time is over."""
    end = time.monotonic() + options.seconds
    tools = bench_judge(options.bench)
    surveys = {name: load(name, tools) for name in options.surveys}
    judges = {name: Judge(survey, tools) for name, survey in surveys.items()}
    python = options.peers_python or (engine.environment() if options.peers else None)
    for seed in range(options.first, options.first + options.samples):
        for n in options.n:
            for name, survey in surveys.items():
                if 4 * n >= len(survey.table):
                    print(f"{name}, n = {n}: left out, the population is too small", flush=True)
                    continue
                parts = draw(survey.table, n, seed)
                about = {"survey": name, "n": n, "sample": seed}
                for title in options.engines + options.peers:
                    if time.monotonic() > end:
                        print("The time is over.")
                        return
                    found = about | {"engine": title}
                    found |= figures(title, parts, judges[name], seed, python, options.peer_seconds)
                    with options.out.open("a") as file:
                        file.write(json.dumps(found) + "\n")
                    print(name, n, seed, title, found.get("cpu_s"), flush=True)


def figures(
    title: str, parts: Parts, judge: Judge, seed: int, python: Path | None, seconds: float
) -> dict[str, Any]:
    """Fit one engine on a sample and return its figures; the sample itself has no attacks."""
    if title == SAMPLE:
        return judge.figures(parts.sample, parts.sample) | judge.learned(parts, parts.sample)
    if title == OURS:
        rows, spent = ours(parts.sample, seed)
    else:
        assert python is not None
        rows, spent = peer(title, parts.sample, python, seconds)
    columns = [*parts.sample.columns]
    for name in columns:
        if name not in rows:  # a column of the population that is constant in the sample
            rows[name] = parts.sample[name].iloc[0]
    found = judge.figures(parts.sample, rows)
    found |= judge.learned(parts, rows[columns])
    return {"cpu_s": spent} | found | disclosed(parts, rows[columns], seed)


def summary(path: Path) -> None:
    """Print the tables of a file of lines."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    keys = list(dict.fromkeys((*place_of(of), of["engine"]) for of in lines))
    groups = {
        key: [of for of in lines if (*place_of(of), of["engine"]) == key]
        for key in sorted(keys, key=lambda key: key[:2])
    }
    samples = {(*place_of(of), of["sample"]): of for of in lines if of["engine"] == SAMPLE}
    if missing := {(*place_of(of), of["sample"]) for of in lines} - samples.keys():
        raise SystemExit(f"Measure the sample itself into the same file for {sorted(missing)}.")
    print(
        "| n | population | engine | samples | shares covered | logit covered | slope | RMSE |"
        " worth | nats | TSTR | C2ST | one level | nearness | inference | linkage | strong |"
        " CPU s |"
    )
    print("|" + "---|" * 18)
    for (n, survey, title), of in groups.items():
        own = [samples[n, survey, one["sample"]] for one in of]
        slope, error = against_truth(of, own)
        own_auc = np.mean([one["auc"] for one in own])
        logit = [np.mean(np.concatenate([one["logit"]["covered"] for one in of]))]
        shares = [np.mean(np.concatenate([one["shares"] for one in of]))]
        if "worth" in of[0]:
            logit.append(np.mean(np.concatenate([one["logit_weighted"] for one in of])))
            shares.append(np.mean(np.concatenate([one["shares_weighted"] for one in of])))
        cells = [
            str(n), survey, title, str(len(of)),
            " > ".join(f"{value:.2f}" for value in shares),
            " > ".join(f"{value:.2f}" for value in logit),
            f"{slope:.2f}", f"{error / against_truth(own, own)[1]:.2f}", mean(of, "worth", ".0f"),
            mean(of, "nats", ".3f"), f"{np.mean([one['auc'] for one in of]) / own_auc:.3f}",
            *(mean(of, key, ".3f") for key in ("c2st", "one_level", "nearness", "inference")),
            *(mean(of, key, ".3f") for key in ("linkage", "strong")), mean(of, "cpu_s", ".1f"),
        ]  # fmt: skip
        print("| " + " | ".join(cells) + " |")
    print_slices(groups)


def place_of(line: dict[str, Any]) -> tuple[int, str]:
    """Return size and population of a line."""
    return line["n"], line["survey"]


def against_truth(lines: list[dict[str, Any]], own: list[dict[str, Any]]) -> tuple[float, float]:
    """Return slope and error of coefficients; where the sample `own` has none, none is judged."""
    truth, estimate, known = (
        np.concatenate([one["logit"][key] for one in of]).astype(float)
        for of, key in ((lines, "truth"), (lines, "estimate"), (own, "estimate"))
    )
    fine = np.isfinite(truth) & (np.abs(known) < SEPARATED)
    slope = truth[fine] @ estimate[fine] / (truth[fine] @ truth[fine])
    return float(slope), float(np.sqrt(np.mean((truth - estimate)[fine] ** 2)))


def mean(lines: list[dict[str, Any]], key: str, style: str) -> str:
    """Return the mean of a figure as text."""
    return format(np.mean([of[key] for of in lines]), style) if key in lines[0] else ""


def print_slices(groups: dict[tuple[int, str, str], list[dict[str, Any]]]) -> None:
    """Print the effective-n factor of slices by respondents, over all populations."""
    edges = [f"{low}-{high}" for low, high in pairwise(CLASSES)]
    print("\n| n | engine | " + " | ".join(edges) + " |\n|" + "---|" * (len(edges) + 2))
    for n, title in dict.fromkeys((n, title) for n, _, title in groups):
        if title == SAMPLE:
            continue
        cells = np.array([
            cell
            for key, of in groups.items() if (key[0], key[2]) == (n, title)
            for one in of for cell in one["slices"]
        ])  # fmt: skip
        place = np.digitize(cells[:, 0], CLASSES) - 1
        factors = []
        for at in range(len(edges)):
            inside = cells[place == at]
            enough = len(inside) >= 30
            factors.append(f"{inside[:, 1].mean() / inside[:, 2].mean():.2f}" if enough else "")
        print(f"| {n} | {title} | " + " | ".join(factors) + " |")


def main() -> None:
    """Measure, or print what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bench", type=Path, default=engine.BENCH)
    parser.add_argument("--surveys", nargs="+", default=["gss", "telco", "adult", "fair"])
    parser.add_argument("--n", nargs="+", type=int, default=[500, 1_500])
    parser.add_argument("--samples", type=int, default=2)
    parser.add_argument("--first", type=int, default=0, help="seed of the first sample")
    parser.add_argument("--seconds", type=float, default=3_000)
    parser.add_argument("--engines", nargs="*", default=[SAMPLE, OURS])
    parser.add_argument("--peers", nargs="*", default=["CART"], choices=engine.PEERS)
    parser.add_argument("--peers-python", type=Path, help="Python of an environment with the peers")
    parser.add_argument("--peer-seconds", type=float, default=60.0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--summary", action="store_true")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    if not options.summary:
        measure(options)
    summary(options.out)


if __name__ == "__main__":
    main()
