"""Coverage of the effect intervals on models with known effects.

    python benchmarks/effects_coverage.py --repetitions 200 --seconds 600
    python benchmarks/effects_coverage.py --groups --rows 1000 --repetitions 60

Confounded models with 2,000 rows and every place stated: linear, nonlinear, with interactions, with
jumps, a treatment of four levels and a numeric treatment. Prints a table: bias, RMSE and coverage
of the 95 % interval beside the bias of the naive difference (see instead of do). Stops after
--seconds.

With --groups: the effect by quintiles of a number, and by these and a column of three levels, from
the estimator alone. Prints how often all intervals of a table hold together and how often one of
them holds alone, with the groups shown, and how often groups are said to differ (p < 0.05).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulacra_crds.tasks import EstimateRequest
from simulacra_schema.answers import EffectResult
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.effects.estimate import estimate_effect
from simulacra_trainer.effects.estimator import Estimator
from simulacra_trainer.effects.segment_rows import BANDS
from simulacra_trainer.effects.segments import segment_effects
from simulacra_trainer.graph import CausalGraph

ROWS = 2_000


@dataclass(frozen=True)
class Case:
    """A drawn table, its true graph, the estimand and the true effect by segment."""

    table: pa.Table
    graph: CausalGraph
    request: EstimateRequest
    truth: float
    segments: dict[str, float]

    def schema(self) -> TableSchema:
        """Return the schema of the table."""
        kinds = {pa.dictionary(pa.int32(), pa.string()): "categorical", pa.float64(): "numeric"}
        columns = [
            ColumnSchema(name=f.name, kind=kinds[f.type], storage=str(f.type))
            for f in self.table.schema
        ]
        return TableSchema(rows=self.table.num_rows, columns=columns)

    def estimate(self, seed: int) -> EffectResult:
        """Return the product's estimate."""
        return estimate_effect(self.table, self.schema(), self.graph, self.request, seed=seed)


def linear(n: int, rng: np.random.Generator) -> Case:
    """Draw a linear model; the mediator m carries 0.4 of the effect of 1.3."""
    z1, z2, z3 = _causes(n, rng)
    t = rng.random(n) < _expit(0.8 * z1 - 0.6 * z2 + 0.5 * (z3 - 1))
    m = 0.8 * t + 0.5 * z1 + 0.7 * rng.normal(size=n)
    y = 0.9 * t + 0.5 * m + z1 - 0.8 * z2 + 0.5 * z3 + rng.normal(size=n)
    return _case(z1, z2, z3, _levels("no yes", t), y, m, 1.3, {"k0": 1.3, "k1": 1.3, "k2": 1.3})


def nonlinear(n: int, rng: np.random.Generator) -> Case:
    """Draw a model with sines and squares in propensity, outcome and effect."""
    z1, z2, z3 = _causes(n, rng)
    t = rng.random(n) < _expit(np.sin(2 * z1) + 0.5 * z2**2 - 0.6 + 0.6 * (z3 == 1))
    effect = 1 + 0.5 * (z3 == 2) + 0.6 * z1**2
    y = effect * t + z2**2 + np.sin(2 * z1) + 0.8 * rng.normal(size=n)
    return _case(
        z1,
        z2,
        z3,
        _levels("no yes", t),
        y,
        z1,
        1 + 0.5 / 3 + 0.6,
        {"k0": 1.6, "k1": 1.6, "k2": 2.1},
    )


def interactions(n: int, rng: np.random.Generator) -> Case:
    """Draw a model with products of causes and heavy-tailed noise."""
    z1, z2, z3 = _causes(n, rng)
    t = rng.random(n) < _expit(0.9 * z1 * z2 + 0.7 * np.where(z3 == 2, z1, -0.5 * z1))
    y = (
        (0.5 + 0.5 * z1) * t
        + 1.2 * z1 * z2
        + np.where(z3 == 2, z1, -z2)
        + 0.5 * rng.standard_t(4, n)
    )
    return _case(z1, z2, z3, _levels("no yes", t), y, z1, 0.5, {"k0": 0.5, "k1": 0.5, "k2": 0.5})


def steps(n: int, rng: np.random.Generator) -> Case:
    """Draw a model with jumps where two causes combine, as in eligibility rules."""
    z1, z2, z3 = _causes(n, rng)
    corner = np.where((z1 > 0.3) & (z2 > -0.5), 1.0, -0.5)
    t = rng.random(n) < _expit(1.2 * corner + 0.8 * ((z3 == 1) & (z1 < 0)))
    y = (1 + (z2 > 0)) * t + 1.5 * corner + 1.0 * ((z3 == 1) & (z1 < 0)) + 0.8 * rng.normal(size=n)
    return _case(z1, z2, z3, _levels("no yes", t), y, z1, 1.5, {"k0": 1.5, "k1": 1.5, "k2": 1.5})


def four_levels(n: int, rng: np.random.Generator) -> Case:
    """Draw a treatment of four levels; the compared ones have about 10 and 40 % of the rows."""
    z1, z2, z3 = _causes(n, rng)
    utility = np.array(
        [1.0 + 0 * z1, 0.4 + 0.5 * z2, -0.2 - 0.4 * z1, -0.7 + 0.8 * z1]
    ).T + rng.gumbel(size=(n, 4))
    t = utility.argmax(axis=1)
    y = np.array([0.0, 0.3, 0.6, 1.0])[t] + 1.5 * z1 + z2 + rng.normal(size=n)
    treatment = _levels("no maybe perhaps yes", t)
    return _case(z1, z2, z3, treatment, y, z1, 1.0, {"k0": 1.0, "k1": 1.0, "k2": 1.0})


def numeric(n: int, rng: np.random.Generator) -> Case:
    """Draw a numeric treatment with a curved effect between two quantiles."""
    z1, z2, z3 = _causes(n, rng)
    t = 0.7 * z1 - 0.4 * z2 + rng.normal(size=n)
    y = np.tanh(t) + 0.8 * z1 + 0.5 * z2**2 + rng.normal(size=n)
    truth = float(2 * np.tanh(0.8))
    return _case(
        z1, z2, z3, pa.array(t), y, z1, truth, dict.fromkeys(("k0", "k1", "k2"), truth), (0.8, -0.8)
    )


def _causes(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    z1, z2 = rng.normal(size=(2, n))
    return z1, z2, rng.integers(0, 3, n)


def _case(
    z1: np.ndarray,
    z2: np.ndarray,
    z3: np.ndarray,
    t: pa.Array,
    y: np.ndarray,
    m: np.ndarray,
    truth: float,
    segments: dict[str, float],
    asked: tuple[float | str, float | str] = ("yes", "no"),
) -> Case:
    table = pa.table({"z1": z1, "z2": z2, "z3": _levels("k0 k1 k2", z3), "t": t, "m": m, "y": y})
    causes = ["z1", "z2", "z3"]
    parents = {
        "z1": [],
        "z2": [],
        "z3": [],
        "t": causes,
        "m": ["z1", "t"],
        "y": [*causes, "t", "m"],
    }
    request = EstimateRequest(
        treatment="t",
        value=asked[0],
        baseline=asked[1],
        outcome="y",
        segment="z3",
        before=causes,
        after=["m", "y"],
    )
    return Case(
        table, CausalGraph(order=list(parents), parent_lists=parents), request, truth, segments
    )


def _levels(names: str, index: np.ndarray) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int32)), pa.array(names.split()))


def _expit(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


Draw = Callable[[int, np.random.Generator], Case]
MODELS: tuple[Draw, ...] = (linear, nonlinear, interactions, steps, four_levels, numeric)


def coverage(model: Draw, repetitions: int, deadline: float) -> dict[str, float]:
    """Repeat draw and estimate; return the figures of the effect and of its segments.

    deadline: time.monotonic() after which no repetition starts.
    """
    rows, hits = [], []
    for seed in range(repetitions):
        if time.monotonic() >= deadline:
            break
        case = model(ROWS, np.random.default_rng([seed, 7]))
        result = case.estimate(seed)
        e = result.estimate
        assert result.naive is not None
        if e.effect is None or e.low is None or e.high is None:
            continue
        rows.append(
            (
                e.effect - case.truth,
                e.low <= case.truth <= e.high,
                e.high - e.low,
                result.naive - case.truth,
            )
        )
        hits += [s.low <= case.segments[s.level] <= s.high for s in result.segments]
    if not rows:
        return {"repetitions": 0}
    error, covered, width, naive = np.array(rows, float).T
    return {
        "repetitions": len(rows),
        "bias": error.mean(),
        "rmse": np.sqrt((error**2).mean()),
        "coverage": covered.mean(),
        "width": width.mean(),
        "segment coverage": float(np.mean(hits)),
        "naive bias": naive.mean(),
    }


UNIT_EFFECTS: dict[Draw, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    linear: lambda z1, z2, z3: np.full(z1.size, 1.3),
    nonlinear: lambda z1, z2, z3: 1 + 0.5 * (z3 == 2) + 0.6 * z1**2,
    interactions: lambda z1, z2, z3: 0.5 + 0.5 * z1,
    steps: lambda z1, z2, z3: 1.0 + (z2 > 0),
    numeric: lambda z1, z2, z3: np.full(z1.size, 2 * np.tanh(0.8)),
}
GROUPS = (["z1"], ["z3", "z1"])


def group_coverage(model: Draw, rows: int, repetitions: int, deadline: float) -> list[str]:
    """Return a line of figures for each way to group.

    deadline: time.monotonic() after which no repetition starts.
    """
    causes = _causes(400_000, np.random.default_rng(1))
    effects = UNIT_EFFECTS[model](*causes)
    found: dict[int, list[tuple[float, ...]]] = {at: [] for at in range(len(GROUPS))}
    for seed in range(repetitions):
        if time.monotonic() >= deadline:
            break
        case = model(rows, np.random.default_rng([seed, 7]))
        estimator = Estimator(case.table, case.schema(), case.request, seed)
        runs = estimator.scores(estimator.predictions(["z1", "z2", "z3"]))
        edges = np.quantile(case.table["z1"].to_numpy(), np.arange(1, BANDS) / BANDS)
        bands = np.searchsorted(edges, causes[0])
        for at, names in enumerate(GROUPS):
            made = segment_effects(estimator.table, names, [runs], None, reverses=False, seed=seed)
            held, alone = [], []
            for one in made.effects:
                *level, ends = one.level.split(", ")
                low, high = map(float, ends.split(" to "))
                inside = bands == np.searchsorted(edges, (low + high) / 2)
                if level:
                    inside &= causes[2] == int(level[0][1])
                truth = float(effects[inside].mean())
                held.append(one.low <= truth <= one.high)
                alone.append(one.alone.low <= truth <= one.alone.high)
            if made.differ is not None:
                shown = len(held) / (len(held) + len(made.unshown))
                found[at].append((all(held), float(np.mean(alone)), shown, made.differ.p < 0.05))
    lines = []
    for at, names in enumerate(GROUPS):
        if not found[at]:
            lines.append(f"| {model.__name__} | {', '.join(names)} | 0 |")
            continue
        together, alone, shown, differ = np.mean(found[at], axis=0)
        lines.append(
            f"| {model.__name__} | {', '.join(names)} | {len(found[at])} | {together:.3f} |"
            f" {alone:.3f} | {shown:.2f} | {differ:.2f} |"
        )
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--groups", action="store_true")
    parser.add_argument("--rows", type=int, default=1_000, help="of tables with --groups")
    args = parser.parse_args()
    if args.groups:
        print("| model | by | tables | all hold | one holds | shown | said to differ |")
        print("|---|---|---|---|---|---|---|")
        for model in UNIT_EFFECTS:
            deadline = time.monotonic() + args.seconds
            for line in group_coverage(model, args.rows, args.repetitions, deadline):
                print(line, flush=True)
        return
    deadline = time.monotonic() + args.seconds
    for model in MODELS:
        found = coverage(model, args.repetitions, deadline)
        print(
            model.__name__.ljust(14),
            "  ".join(f"{name} {value:.3f}" for name, value in found.items()),
            flush=True,
        )


if __name__ == "__main__":
    main()
