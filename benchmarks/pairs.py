"""Pairs and rows under do() beside the truth; writes benchmarks/results/pairs.md.

    python benchmarks/pairs.py --models 12

Random structural models whose truth is known for every row: three causes, a treatment (yes/no or a
number), in every second one a mediator, and an outcome that is a number, yes/no or a scale of five.
Every other model has the same effect for everybody. 1,500 rows, the product's defaults, the order
stated as tiers.

- Pairs: the change of the outcome in each generated pair whose treatment changes, beside the change
  that the structural model gives the same row with its own noise. Noise behind a level is known up
  to an interval, so the truth is its expectation there, and that of a pair the mean of DRAWS twins.
  Before: twins by the model alone.
- Joint shape: AUC of boosted trees that tell rows from those of the true model under do(), by all
  columns but the treatment (cross-fitted; .5: not at all). Rows are those of do(), twins, and rows
  without the intervention; `true` are other rows of the true model.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path

import lightgbm
import numpy as np
import pyarrow as pa
from scipy.special import ndtr, ndtri

from simulacra_crds.tasks import FitRequest
from simulacra_schema.questions.knowledge import Knowledge
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.effects.pairs.changes import fit_changes
from simulacra_trainer.pipeline.fit import TrainedModel, fit_model

HERE = Path(__file__).resolve().parent

ROWS, PAIRS, DRAWS, TRUE_DRAWS = 1_500, 1_500, 8, 64
KINDS = ("number", "yes/no", "number", "scale")
Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Structural:
    """A random structural model; its noise is normal and additive before an outcome is cut."""

    seed: int
    kind: str = ""
    differs: bool = False
    numeric: bool = False
    mediated: bool = False
    by: int = 0
    w: np.ndarray = field(default_factory=lambda: np.empty(0))
    effect: float = 0.0

    def __post_init__(self) -> None:
        rng = np.random.default_rng([self.seed, 81])
        kind, turn = self.seed % 4, self.seed // 4 % 2
        found = {
            "kind": KINDS[kind],
            "differs": turn == 0 if kind in (1, 3) else kind == 0,
            "numeric": bool(rng.integers(2)),
            "mediated": bool(rng.integers(2)),
            "by": int(rng.integers(3)),
            "w": rng.normal(size=8) * 0.6,
            "effect": float(rng.choice([-1, 1]) * rng.uniform(0.5, 1.2)),
        }
        for name, value in found.items():
            object.__setattr__(self, name, value)

    def causes(self, n: int, rng: np.random.Generator) -> Columns:
        """Return the treatment and what comes before it."""
        a, b = rng.normal(size=n), rng.gamma(3.0, size=n) / 1.7
        c = rng.random(n) < ndtr(0.5 * a)
        score = self.w[0] * a + self.w[1] * (b - 1.7) + self.w[2] * c
        t = score + rng.normal(size=n)
        return {"a": a, "b": b, "c": c, "t": t if self.numeric else t > 0}

    def mediator(self, x: Columns, t: np.ndarray) -> np.ndarray:
        """Return the expected mediator."""
        return 0.7 * t + self.w[3] * x["a"] + self.w[4] * np.sqrt(x["b"])

    def level(self, x: Columns, t: np.ndarray, m: np.ndarray | float) -> np.ndarray:
        """Return the expected outcome before it is cut."""
        by = (x["a"], 2.0 * x["c"] - 1.0, np.tanh(2.0 * (x["b"] - 1.7)))[self.by]
        own = self.effect * t * (1.0 + 0.9 * self.differs * by)
        return own + self.w[5] * x["a"] + self.w[6] * np.cos(x["b"]) + self.w[7] * x["c"] + 0.5 * m

    def cut(self, y: np.ndarray) -> np.ndarray:
        """Return the outcome as it is observed."""
        ends = self.cuts
        return y if ends is None else np.searchsorted(ends, y) + (self.kind == "scale")

    @property
    def cuts(self) -> np.ndarray | None:
        """Limits of the levels."""
        of = {"number": None, "yes/no": [0.3], "scale": [-1.2, -0.3, 0.5, 1.5]}[self.kind]
        return None if of is None else np.array(of)

    def draw(self, n: int, rng: np.random.Generator, do: float | None = None) -> Columns:
        """Return rows of the model, under do() if a value is given."""
        x = self.causes(n, rng)
        if do is not None:
            x["t"] = np.full(n, do if self.numeric else bool(do))
        m = self.mediator(x, x["t"]) + rng.normal(size=n) if self.mediated else 0.0
        y = self.cut(self.level(x, x["t"], m) + rng.normal(size=n))
        x |= {"m": m} if self.mediated else {}
        return x | {"y": y.astype(bool) if self.kind == "yes/no" else y}

    def changes(self, x: Columns, do: float, rng: np.random.Generator) -> np.ndarray:
        """Return the true change of each row, float64 [n, draws of its noise]."""
        now, after = x.get("m", 0.0), x.get("m", 0.0)
        t = x["t"].astype(float)
        if self.mediated:
            after = now + self.mediator(x, np.full(t.size, do)) - self.mediator(x, t)
        before, then = self.level(x, t, now), self.level(x, np.full(t.size, do), after)
        if self.cuts is None:
            return (then - before)[:, None]
        y = np.round(x["y"].astype(float)).astype(int)
        ends = np.concatenate([[-np.inf], self.cuts, [np.inf]])
        at = np.clip(y - (self.kind == "scale"), 0, ends.size - 2)
        low, high = ndtr(ends[at] - before), ndtr(ends[at + 1] - before)
        u = low[:, None] + rng.random((t.size, TRUE_DRAWS)) * (high - low)[:, None]
        noise = ndtri(np.clip(u, 1e-12, 1 - 1e-12))
        return self.cut((then[:, None] + noise).reshape(-1)).reshape(u.shape) - y[:, None]


def fit(model: Structural) -> TrainedModel:
    """Fit as the product does, with the order stated."""
    rows = model.draw(ROWS, np.random.default_rng([model.seed, 82]))
    clean = clean_table(pa.table(rows))
    later = [["m"]] if model.mediated else []
    known = Knowledge(tiers=[["a", "b", "c"], ["t"], *later, ["y"]])
    return fit_model(clean.table, clean.schema, FitRequest(seed=model.seed, knowledge=known))


def columns_of(table: pa.Table) -> Columns:
    """Return the columns as numbers."""
    words = {"true": 1.0, "false": 0.0}
    return {
        name: np.array([words.get(value, value) for value in table.column(name).to_pylist()], float)
        for name in table.column_names
    }


def auc(rows: Columns, true: Columns, seed: int) -> float:
    """Return how well boosted trees tell rows from true ones, by all columns but the treatment."""
    names = [name for name in true if name != "t"]
    both = [np.column_stack([of[name].astype(float) for name in names]) for of in (rows, true)]
    x, y = np.vstack(both), np.repeat([0.0, 1.0], [len(of) for of in both])
    fold, score = np.random.default_rng(seed).integers(5, size=y.size), np.empty(y.size)
    how = {"objective": "binary", "num_leaves": 8, "learning_rate": 0.1, "verbose": -1}
    how |= {"min_data_in_leaf": 40, "num_threads": 1, "seed": seed}
    for k in range(5):
        learn = fold != k
        made = lightgbm.train(how, lightgbm.Dataset(x[learn], y[learn]), 50)
        score[~learn] = made.predict(x[~learn])
    ones = y == 1
    above = np.argsort(np.argsort(score))[ones].sum() - ones.sum() * (ones.sum() - 1) / 2
    return float(above / (ones.sum() * (~ones).sum()))


def measure(seed: int) -> dict[str, float]:
    """Return the figures of one model."""
    model = Structural(seed)
    trained = fit(model)
    do = 0.8 if model.numeric else 1.0
    asked: dict[str, float | str] = {"t": do if model.numeric else "true"}
    of = trained.model, trained.table, trained.schema, trained.graph
    changes = fit_changes(*of, asked, seed=seed)
    table = trained.model.sample(PAIRS, np.random.default_rng([seed, 90]))
    facts = columns_of(table)
    moved = facts["t"] != do
    true = model.changes(facts, do, np.random.default_rng([seed, 83]))[moved].mean(axis=1)
    before, now = [], []
    for k in range(1 if model.cuts is None else DRAWS):
        rng = np.random.default_rng([seed, 91, k])
        twins = trained.model.counterfactual(table, asked, rng)
        before.append(columns_of(twins))
        now.append(columns_of(changes.applied(table, twins, rng) if changes else twins))
    rng = np.random.default_rng([seed, 84])
    target, other = (model.draw(PAIRS, rng, do) for _ in range(2))
    rows = columns_of(trained.model.sample(PAIRS, np.random.default_rng([seed, 92]), do=asked))

    def off(change: np.ndarray | float) -> float:
        return float(np.sqrt(np.mean((change - true) ** 2)))

    found = {"spread": float(true.std()), "reliability": np.nan}
    if changes is not None:
        found["reliability"] = changes.reliability.get("y", np.nan)
    for name, twins in (("before", before), ("now", now)):
        change = np.mean([of["y"] - facts["y"] for of in twins], axis=0)[moved]
        found[name], found[f"{name}, mean"] = off(change), off(float(change.mean()))
        varies = min(change.std(), true.std()) > 1e-9
        found[f"{name}, r"] = float(np.corrcoef(change, true)[0, 1]) if varies else np.nan
    sets = {"do": rows, "twins before": before[0], "twins": now[0], "observed": facts}
    sets["true"] = other
    return found | {f"auc {name}": auc(of, target, seed) for name, of in sets.items()}


def _cells(values: list[float]) -> str:
    return " | ".join("-" if np.isnan(value) else f"{value:.2f}" for value in values)


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, default=12)
    models, began = parser.parse_args().models, time.process_time()
    page = [
        "| outcome, treatment | effect | spread of true changes | RMSE before | RMSE | RMSE of the"
        " mean | r before | r | reliability |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    shapes = [
        "| | do() rows | twins before | twins | observed | true |",
        "|---|---|---|---|---|---|",
    ]
    every = []
    for seed in range(models):
        model, found = Structural(seed), measure(seed)
        every.append(found)
        what = f"{model.kind}, {'number' if model.numeric else 'yes/no'}"
        names = ["spread", "before", "now", "now, mean", "before, r", "now, r", "reliability"]
        effect = "differs" if model.differs else "the same"
        page.append(f"| {what} | {effect} | {_cells([found[name] for name in names])} |")
        print(page[-1], flush=True)
        names = [name for name in found if name.startswith("auc")]
        shapes.append(f"| {what} | {' | '.join(f'{found[name]:.3f}' for name in names)} |")
    means = [float(np.mean([one[name] for one in every])) for name in names]
    shapes.append(f"| mean | {' | '.join(f'{value:.3f}' for value in means)} |")
    # A pair loses to the mean where it is worse by more than a hundredth of the larger error.
    wins = {
        name: sum(one[name] <= 1.01 * one[f"{name}, mean"] for one in every)
        for name in ("before", "now")
    }
    text = [
        "# Pairs and rows under do() where the truth is known",
        "",
        f"`python benchmarks/pairs.py --models {models}`, {time.strftime('%Y-%m-%d')},",
        f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f},"
        f" {(time.process_time() - began) / 60:.1f} CPU minutes. {ROWS:,} rows.",
        "",
        f"Single changes are at least as near to the truth as their mean in {wins['now']} of"
        f" {models} models, by the model alone (before) in {wins['before']}. Of a number treatment"
        " the mean is over all its values.",
        "",
        *page,
        "",
        "AUC against true rows under do(), by all columns but the treatment:",
        "",
        *shapes,
        "",
    ]
    (HERE / "results" / "pairs.md").write_text("\n".join(text))
    print("\n".join(text))


if __name__ == "__main__":
    main()
