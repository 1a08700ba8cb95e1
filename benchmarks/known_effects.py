"""Error and coverage of effects on public data sets whose true effect is known.

    python benchmarks/known_effects.py --seconds 2100 --peers PEERS/bin/python

- IHDP surfaces A and B (Hill, 2011; 747 rows): PyPI econml, MIT.
- ACIC 2016, ten tables (Dorie et al., 2019; 4,802 rows): PyPI causallib, Apache-2.0. Its settings
  from the R package aciccomp2016, GPL: with --acic FOLDER, SETTING.csv of each: z, y, mu0, mu1 of
  dgp_2016(input_2016, SETTING, 1), and model.matrix(~ ., input_2016)[, -1]. The first ten settings
  are causallib's tables.
- NSW treated with CPS controls (LaLonde, 1986; 185 of 16,177 rows), the effect on the treated
  beside that of the experiment: PyPI causaldata, MIT; needs pandas.
- RealCause (Neal, Huang & Raghupathi, 2020): LaLonde's treated with PSID controls (2,675 rows) or
  CPS controls (16,177), and Twins (11,984 rows), outcomes drawn from a fitted model: git
  bradyneal/realcause, MIT; with --realcause FOLDER, its folder realcause_datasets.

Only the packages' files are read, none is imported. Install them with --no-deps into an environment
of your own; a set whose package is absent is skipped, and the output says so. All covariates are
given to all: to the product, with its default seed, as stated before the treatment. The peers are
least squares, and a T-learner and a cross-fitted DR-learner with LightGBM, both written here; with
--peers PYTHON also EconML and DoubleML (`known_effects_peers.py` says how), at the same time as the
others. Prints relative error, coverage and width of the 95 % interval, the first two with their
standard errors, and the median CPU seconds. Draws are dealt so that every set has the same share of
its draws when --seconds are over; --methods and --sets run some only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import lightgbm
import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from simulacra_crds.tasks import EstimateRequest
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.effects.estimator import Estimator

ACIC_TABLES = 10
EXPERIMENT = 1794.0
"""Dollars; the difference of means of the NSW experiment (Dehejia & Wahba, 1999)."""
IHDP = [
    *("bw", "b.head", "preterm", "birth.o", "nnhealth", "momage", "sex", "twin", "b.marr"),
    *("mom.lths", "mom.hs"),
    "mom.scoll",  # codespell:ignore scoll
    *("cig", "first", "booze", "drugs", "work.dur", "prenatal"),
    *(f"site{k}" for k in range(1, 8)),
]
IHDP_NUMBERS = 6
TREES = {"verbose": -1, "num_threads": 1}
LEAVES, ROUNDS = {"regression": 15, "binary": 4}, {"regression": 100, "binary": 50}
SEED = 0
"""The product's default."""
DR_FOLDS, LEAST_PROPENSITY = 5, 0.01
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
WANTED = {
    "IHDP A": 100,
    "IHDP B": 100,
    "ACIC 2016": 10,
    "ACIC 2016, settings": 77,
    "NSW and CPS, treated": 1,
    "PSID": 100,
    "CPS": 20,
    "Twins": 10,
}
"""Draws of each set."""
Answers = dict[tuple[str, str], list[tuple[float, bool, float, float]]]
"""Of each set and method: relative error, covered, width and CPU seconds of each draw."""


@dataclass(frozen=True)
class Draw:
    """Covariates, float64 [n, d]; a treatment of 0 and 1, outcome, and the true effect.

    effects: of each row, float64 [n]; None where they are not known.
    """

    x: np.ndarray
    t: np.ndarray
    y: np.ndarray
    truth: float
    population: str = "all"
    effects: np.ndarray | None = None


def file_of(package: str, path: str) -> Path | None:
    """Return a file of an installed package, None if it is not installed."""
    try:
        found = Path(str(distribution(package).locate_file(path)))
    except PackageNotFoundError:
        return None
    return found if found.exists() else None


def ihdp(surface: str, draws: int) -> Iterator[Draw]:
    """Yield draws of a response surface of Hill (2011), as econml has them."""
    file = file_of("econml", "econml/data/ihdp/sim.csv")
    if file is None:
        return
    table = pacsv.read_csv(file)
    kept = ~((table["treat"].to_numpy() == 1) & (table["momwhite"].to_numpy() == 0))
    t = table["treat"].to_numpy()[kept]
    x = np.array([table[name].to_numpy()[kept] for name in IHDP], np.float64).T
    numbers = x[:, :IHDP_NUMBERS]
    x[:, :IHDP_NUMBERS] = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
    x[:, IHDP.index("first")] += 1
    whole = np.column_stack([np.ones(t.size), x])
    for seed in range(draws):
        rng = np.random.default_rng([seed, 11])
        if surface == "A":
            beta = rng.choice(np.arange(5.0), whole.shape[1], p=[0.5, 0.2, 0.15, 0.1, 0.05])
            y = whole @ beta + 4.0 * t + rng.normal(size=t.size)
            yield Draw(x, t, y, 4.0, effects=np.full(t.size, 4.0))
            continue
        beta = rng.choice([0, 0.1, 0.2, 0.3, 0.4], whole.shape[1], p=[0.6, 0.1, 0.1, 0.1, 0.1])
        shifted = whole + np.r_[0.0, np.full(x.shape[1], 0.5)]
        untreated = np.exp(shifted @ beta)
        treated = whole @ beta - ((whole @ beta - untreated)[t == 1].mean() - 4.0)
        y = np.where(t == 1, treated, untreated) + rng.normal(size=t.size)
        effects = treated - untreated
        yield Draw(x, t, y, float(effects.mean()), effects=effects)


def acic(draws: int) -> Iterator[Draw]:
    """Yield the tables of ACIC 2016 that causallib has; categories become indicators."""
    folder = "causallib/datasets/data/acic_challenge_2016"
    for k in range(1, min(draws, ACIC_TABLES) + 1):
        files = [file_of("causallib", f"{folder}/{name}.csv") for name in ("x", f"zymu_{k}")]
        if files[0] is None or files[1] is None:
            return
        covariates, outcomes = (pacsv.read_csv(file) for file in files)
        columns = []
        for column in covariates.columns:
            if pa.types.is_string(column.type):
                values = np.array(column.to_pylist())
                columns += [(values == level).astype(float) for level in np.unique(values)[1:]]
            else:
                columns.append(column.to_numpy().astype(np.float64))
        t = outcomes["z"].to_numpy()
        y = np.where(t == 1, outcomes["y1"].to_numpy(), outcomes["y0"].to_numpy())
        effects = outcomes["mu1"].to_numpy() - outcomes["mu0"].to_numpy()
        yield Draw(np.array(columns).T, t, y, float(effects.mean()), effects=effects)


def settings(folder: Path | None, draws: int) -> Iterator[Draw]:
    """Yield a table of each setting of ACIC 2016."""
    for k in range(1, draws + 1):
        file = None if folder is None else folder / f"{k}.csv"
        if file is None or not file.exists():
            return
        table = pacsv.read_csv(file)
        names = [name for name in table.column_names if name not in ("z", "y", "mu0", "mu1", "e")]
        x = np.array([table[name].to_numpy() for name in names], np.float64).T
        y, mu0, mu1 = (table[name].to_numpy().astype(np.float64) for name in ("y", "mu0", "mu1"))
        yield Draw(x, table["z"].to_numpy(), y, float(np.mean(mu1 - mu0)))


def lalonde(draws: int) -> Iterator[Draw]:
    """Yield the treated of the NSW experiment with controls of the CPS."""
    names = [f"causaldata/{name}/{name}.dta" for name in ("nsw_mixtape", "cps_mixtape")]
    files = [file_of("causaldata", name) for name in names]
    if draws < 1 or files[0] is None or files[1] is None:
        return
    import pandas as pd

    experiment, survey = (pd.read_stata(file) for file in files)
    whole = pd.concat([experiment[experiment.treat == 1], survey])
    names = ["age", "educ", "black", "hisp", "marr", "nodegree", "re74", "re75"]
    x, y = whole[names].to_numpy(np.float64), whole["re78"].to_numpy(np.float64)
    yield Draw(x, whole["treat"].to_numpy(np.int64), y, EXPERIMENT, "treated")


def realcause(folder: Path | None, name: str, draws: int) -> Iterator[Draw]:
    """Yield samples of a generator of RealCause, with the mean of its rows' own effects."""
    for k in range(draws):
        file = None if folder is None else folder / f"{name}_sample{k}.csv"
        if file is None or not file.exists():
            return
        table = pacsv.read_csv(file)
        t, y, effects = (table[column].to_numpy() for column in ("t", "y", "ite"))
        x = table.drop_columns(["t", "y", "y0", "y1", "ite"])
        covariates = np.array([column.to_numpy() for column in x.columns], np.float64).T
        t, y, effects = t.astype(np.int64), y.astype(np.float64), effects.astype(np.float64)
        yield Draw(covariates, t, y, float(effects.mean()), effects=effects)


def product(draw: Draw, _: int) -> tuple[float, float, float]:
    """Return the product's effect and interval, every covariate stated to come first."""
    estimator, names = product_on(draw)
    found = estimator.effect(names)
    return found.effect, found.low, found.high


def product_on(draw: Draw) -> tuple[Estimator, list[str]]:
    """Return the product's estimator on a draw, and the names of the covariates."""
    names = [f"x{k}" for k in range(draw.x.shape[1])]
    level = pa.DictionaryArray.from_arrays(
        pa.array(draw.t.astype(np.int32)), pa.array(["no", "yes"])
    )
    table = pa.table(dict(zip(names, draw.x.T, strict=True)) | {"y": draw.y, "t": level})
    columns = [ColumnSchema(name=n, kind="numeric", storage="double") for n in [*names, "y"]]
    columns.append(ColumnSchema(name="t", kind="categorical", storage="string"))
    schema = TableSchema(rows=table.num_rows, columns=columns)
    request = EstimateRequest(
        treatment="t",
        value="yes",
        baseline="no",
        outcome="y",
        population=draw.population,
        before=names,
        after=["y"],
    )
    return Estimator(table, schema, request, SEED), names


def least_squares(draw: Draw, _: int) -> tuple[float, float, float]:
    """Return the coefficient of the treatment, with its robust interval (White, 1980)."""
    design = np.column_stack([draw.t, np.ones(draw.t.size), draw.x]).astype(np.float64)
    beta, *_rest = np.linalg.lstsq(design, draw.y, rcond=None)
    bread = np.linalg.pinv(design.T @ design)
    scores = design * (draw.y - design @ beta)[:, None]
    error = float(np.sqrt((bread @ (scores.T @ scores) @ bread)[0, 0]))
    return float(beta[0]), float(beta[0]) - 1.96 * error, float(beta[0]) + 1.96 * error


def t_learner(draw: Draw, seed: int) -> tuple[float, float, float]:
    """Return the mean difference of two regressions; it has no interval."""
    asked = draw.x[draw.t == 1] if draw.population == "treated" else draw.x
    arms = [draw.t == arm for arm in (1, 0)]
    means = [
        float(np.mean(boosted("regression", draw.x[rows], draw.y[rows], asked, seed)))
        for rows in arms
    ]
    return means[0] - means[1], np.nan, np.nan


def dr_learner(draw: Draw, seed: int) -> tuple[float, float, float]:
    """Return the mean of a cross-fitted DR-learner (Kennedy, 2023), with its robust interval.

    Least squares of the rows' doubly robust scores on the covariates is its last stage.
    """
    fold = np.random.default_rng(seed).permutation(draw.t.size) % DR_FOLDS
    scores = np.empty(draw.t.size)
    for k in range(DR_FOLDS):
        learn, held = fold != k, fold == k
        t, y = draw.t[held], draw.y[held]
        share = boosted("binary", draw.x[learn], draw.t[learn], draw.x[held], seed)
        share = np.clip(share, LEAST_PROPENSITY, 1 - LEAST_PROPENSITY)
        arms = [learn & (draw.t == arm) for arm in (1, 0)]
        one, none = (
            boosted("regression", draw.x[rows], draw.y[rows], draw.x[held], seed) for rows in arms
        )
        weighted = t * (y - one) / share - (1 - t) * (y - none) / (1 - share)
        scores[held] = one - none + weighted
    design = np.column_stack([np.ones(draw.t.size), draw.x])
    bread = np.linalg.pinv(design.T @ design)
    beta = bread @ design.T @ scores
    asked = design[draw.t == 1] if draw.population == "treated" else design
    errors = design * (scores - design @ beta)[:, None] @ (bread @ asked.mean(axis=0))[None].T
    effect, error = float(asked.mean(axis=0) @ beta), float(np.sqrt(np.sum(errors**2)))
    return effect, effect - 1.96 * error, effect + 1.96 * error


def boosted(
    objective: str, x: np.ndarray, y: np.ndarray, asked: np.ndarray, seed: int
) -> np.ndarray:
    """Return a boosted model's predictions of the asked rows, float64."""
    options = {"objective": objective, "num_leaves": LEAVES[objective], "seed": seed, **TREES}
    booster = lightgbm.train(options, lightgbm.Dataset(x, y), ROUNDS[objective])
    return np.asarray(booster.predict(asked), np.float64)


METHODS: dict[str, Callable[[Draw, int], tuple[float, float, float]]] = {
    "product": product,
    "least squares": least_squares,
    "T-learner": t_learner,
    "DR-learner": dr_learner,
}


class Peers:
    """The process of known_effects_peers.py; it works while this one does."""

    def __init__(self, python: Path, scratch: Path) -> None:
        script = Path(__file__).with_name("known_effects_peers.py")
        kept = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
        self.file = scratch / "draw.npz"
        self.process = subprocess.Popen(
            [str(python), str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=kept | dict.fromkeys(THREADS, "1"),
        )

    def send(self, draw: Draw, seed: int) -> None:
        """Have the peers begin with a draw."""
        treated = draw.population == "treated"
        np.savez(self.file, x=draw.x, t=draw.t, y=draw.y, treated=treated, seed=seed)
        assert self.process.stdin
        self.process.stdin.write(f"{self.file}\n")
        self.process.stdin.flush()

    def receive(self) -> dict[str, tuple[float, float, float, float]]:
        """Return each peer's effect, low, high and CPU seconds of the draw that was sent."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"The peers stopped with exit status {self.process.wait()}.")
        return {name: tuple(found) for name, found in json.loads(line).items()}

    def stop(self) -> None:
        """End the process after the draw that it has."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def deal(
    sets: dict[str, Iterator[Draw]], wanted: dict[str, int], deadline: float
) -> Iterator[tuple[str, int, Draw]]:
    """Yield set, number and draw, always of the set with the least share of its draws so far."""
    dealt = {name: 0 for name in sets if wanted[name]}
    while dealt and time.monotonic() < deadline:
        name = min(dealt, key=lambda name: dealt[name] / wanted[name])
        draw = next(sets[name], None)
        if draw is None:
            del dealt[name]
            continue
        yield name, dealt[name], draw
        dealt[name] += 1
        if dealt[name] == wanted[name]:
            del dealt[name]


def answers(draw: Draw, number: int, methods: list[str], peers: Peers | None) -> dict[str, tuple]:
    """Return effect, low, high and CPU seconds of each method."""
    if peers:
        peers.send(draw, number)
    found: dict[str, tuple] = {}
    for method in methods:
        began = time.process_time()
        found[method] = (*METHODS[method](draw, number), time.process_time() - began)
    return found | (peers.receive() if peers else {})


def main() -> None:
    """Print the table; write one line for each answer to stderr, for a run that is cut off."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=100, help="of a set, at most")
    parser.add_argument("--seconds", type=float, default=900.0)
    parser.add_argument("--methods", nargs="*", default=[*METHODS], choices=[*METHODS])
    parser.add_argument("--peers", type=Path, help="Python that has EconML and DoubleML")
    parser.add_argument("--realcause", type=Path)
    parser.add_argument("--acic", type=Path)
    parser.add_argument("--sets", nargs="*", choices=[*WANTED])
    args = parser.parse_args()
    deadline = time.monotonic() + args.seconds
    wanted = {name: min(args.draws, draws) for name, draws in WANTED.items()}
    sets = {
        "IHDP A": ihdp("A", args.draws),
        "IHDP B": ihdp("B", args.draws),
        "ACIC 2016": acic(args.draws),
        "ACIC 2016, settings": settings(args.acic, args.draws),
        "NSW and CPS, treated": lalonde(args.draws),
        "PSID": realcause(args.realcause, "lalonde_psid", args.draws),
        "CPS": realcause(args.realcause, "lalonde_cps", args.draws),
        "Twins": realcause(args.realcause, "twins", args.draws),
    }
    sets = {name: draws for name, draws in sets.items() if not args.sets or name in args.sets}
    found: Answers = defaultdict(list)
    with tempfile.TemporaryDirectory() as scratch:
        peers = Peers(args.peers, Path(scratch)) if args.peers else None
        for name, number, draw in deal(sets, wanted, deadline):
            for method, answer in answers(draw, number, args.methods, peers).items():
                effect, low, high, cpu = answer
                error, covered = (
                    abs(effect - draw.truth) / abs(draw.truth),
                    low <= draw.truth <= high,
                )
                found[name, method].append((error, covered, high - low, cpu))
                line = [name, number, method, draw.truth, effect, low, high, cpu]
                print(json.dumps(line), file=sys.stderr, flush=True)
        if peers:
            peers.stop()
    show(found, sets)


def show(found: Answers, sets: Iterable[str]) -> None:
    """Print one line for each set and method; *less* is the error less the product's, by draw."""
    print("| set | draws | method | relative error | less | covered | mean width | CPU s |")
    print("|---|---|---|---|---|---|---|---|")
    for (name, method), rows in found.items():
        error, covered, width, cpu = np.array(rows, np.float64).T
        share, n = covered.mean(), len(rows)
        held = f"{covered.sum():.0f} ({share:.2f} ± {np.sqrt(share * (1 - share) / n):.2f})"
        wide = f"{width.mean():.3g}"
        if np.isnan(width).all():
            held, wide = "-", "-"
        less = "-"
        if method != "product" and (name, "product") in found:
            less = _mean(error - np.array(found[name, "product"], np.float64)[:, 0], "+")
        print(
            f"| {name} | {n} | {method} | {_mean(error)} | {less} | {held} | {wide} |"
            f" {np.median(cpu):.2f} |"
        )
    for name in sets:
        if not any(of_set == name for of_set, _ in found):
            print(f"Skipped: {name}. Its files are not there, or the time was over.")


def _mean(values: np.ndarray, sign: str = "") -> str:
    """Return a mean with its standard error, where there is one."""
    spread = f" ± {values.std(ddof=1) / np.sqrt(values.size):.3f}" if values.size > 1 else ""
    return f"{values.mean():{sign}.3f}{spread}"


if __name__ == "__main__":
    main()
