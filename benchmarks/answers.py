"""What verdicts are worth: coverage and signs on random survey-like models with known effects.

    python benchmarks/answers.py --models 60 --rows 1000 --seconds 2100
    python benchmarks/answers.py --models 25 --rows 1000 --seconds 600 --unseen

Each model has 14 columns in four tiers (numbers, yes/no, three levels), a yes/no treatment in the
third tier and a number as outcome in the last; the true effect comes from 100,000 rows under do().
Four amounts of knowledge: every place stated; the same with two columns before the treatment as
don't know; tiers only; nothing. The last two learn a graph.
With --unseen one strong common cause of treatment and outcome is left out of the table.

Prints one row for each verdict: answers and those whose union covers the truth, with its standard
error; of the true effects those whose sign is claimed (the union excludes 0), and claimed the wrong
way; of the effects of 0 those whose sign is claimed. Stops after --seconds; --first skips models.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulacra_crds.tasks import EstimateRequest
from simulacra_schema.questions.knowledge import Knowledge
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.effects.estimate import estimate_effect
from simulacra_trainer.graph import CausalGraph, learn_graph

TRUTH_ROWS = 100_000
TIERS = (4, 3, 3, 4)
TREATMENT, OUTCOME = 8, 13
SMALL = 0.02
"""Effects below this share of the outcome's deviation have no sign to get wrong."""
Row = tuple[bool, bool, bool, bool, float]
"""Covered, true effect of 0, sign claimed, claimed the wrong way, error."""
AMOUNTS = ("stated", "two unknown", "tiers", "nothing")


@dataclass(frozen=True)
class SurveyModel:
    """Random weights and shapes; `unseen` adds a common cause of treatment and outcome."""

    weights: np.ndarray
    shapes: np.ndarray
    kinds: list[str]
    unseen: float

    def draw(
        self, n: int, rng: np.random.Generator, do: float | None = None
    ) -> dict[str, np.ndarray]:
        """Return n rows; do fixes the treatment."""
        values: list[np.ndarray] = []
        hidden = rng.normal(size=n)
        for j, kind in enumerate(self.kinds):
            latent = rng.logistic(size=n) * 0.6
            for i, value in enumerate(values):
                shaped = np.tanh(value) if self.shapes[i, j] else value
                latent = latent + self.weights[i, j] * shaped
            if j in (TREATMENT, OUTCOME):
                latent = latent + self.unseen * hidden
            if kind == "yes/no":
                latent = (latent > 0).astype(np.float64)
            elif kind == "levels":
                latent = np.digitize(latent, [-0.5, 0.7]).astype(np.float64)
            if j == TREATMENT and do is not None:
                latent = np.full(n, do)
            values.append(latent)
        return {f"c{j:02d}": value for j, value in enumerate(values)}


def random_model(rng: np.random.Generator, unseen: float) -> SurveyModel:
    """Return a model in which each column has up to three causes of its own or an earlier tier."""
    p = sum(TIERS)
    weights = np.zeros((p, p))
    for j in range(1, p):
        causes = rng.choice(j, size=min(j, int(rng.integers(1, 4))), replace=False)
        weights[causes, j] = rng.choice([-1, 1], causes.size) * rng.uniform(0.4, 1.2, causes.size)
    for column in (TREATMENT, OUTCOME):
        shared = rng.choice(7, size=2, replace=False)
        weights[shared, column] = rng.choice([-1, 1], 2) * rng.uniform(0.4, 1.0, 2)
    kinds = [str(kind) for kind in rng.choice(["number", "yes/no", "levels"], p)]
    kinds[TREATMENT], kinds[OUTCOME] = "yes/no", "number"
    return SurveyModel(weights, rng.random((p, p)) < 0.5, kinds, unseen)


def as_table(model: SurveyModel, drawn: dict[str, np.ndarray]) -> tuple[pa.Table, TableSchema]:
    """Return a clean table and its schema."""
    names = {"yes/no": ["no", "yes"], "levels": ["low", "middle", "high"]}
    arrays, columns = {}, []
    for (name, value), kind in zip(drawn.items(), model.kinds, strict=True):
        if kind == "number":
            arrays[name] = pa.array(value)
            columns.append(ColumnSchema(name=name, kind="numeric", storage="double"))
        else:
            index = pa.array(value.astype(np.int32))
            arrays[name] = pa.DictionaryArray.from_arrays(index, pa.array(names[kind]))
            columns.append(ColumnSchema(name=name, kind="categorical", storage="string"))
    table = pa.table(arrays)
    return table, TableSchema(rows=table.num_rows, columns=columns)


def ask(
    amount: str, table: pa.Table, schema: TableSchema, seed: int
) -> tuple[str, float, float, float]:
    """Return verdict, effect and union of the question with this amount of knowledge."""
    names = table.column_names
    before, after = names[:TREATMENT], names[TREATMENT + 1 :]
    lists: dict[str, list[str]] = {}
    knowledge = Knowledge()
    if amount == "stated":
        lists = {"before": before, "after": after}
    elif amount == "two unknown":
        lists = {"before": before[:-2], "after": after, "dont_know": before[-2:]}
    elif amount == "tiers":
        ends = np.cumsum(TIERS)
        knowledge = Knowledge(tiers=[names[e - k : e] for e, k in zip(ends, TIERS, strict=True)])
    if lists:
        graph = CausalGraph(order=names, parent_lists={name: [] for name in names})
    else:
        graph = learn_graph(table, schema, knowledge, seed=seed, budget_s=5.0)
    request = EstimateRequest(
        treatment=names[TREATMENT], value="yes", baseline="no", outcome=names[OUTCOME], **lists
    )
    result = estimate_effect(table, schema, graph, request, seed=seed)
    found = result.estimate
    if found.effect is None or found.low is None or found.high is None:
        return result.verdict.kind, np.nan, -np.inf, np.inf
    return result.verdict.kind, found.effect, found.low, found.high


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=int, default=30)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--unseen", action="store_true")
    parser.add_argument("--amounts", nargs="*", default=AMOUNTS, choices=AMOUNTS)
    args = parser.parse_args()
    deadline = time.monotonic() + args.seconds
    rows: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for seed in range(args.first, args.models):
        rng = np.random.default_rng([seed, 58])
        model = random_model(rng, 1.5 if args.unseen else 0.0)
        table, schema = as_table(model, model.draw(args.rows, rng))
        y = f"c{OUTCOME:02d}"
        means = [model.draw(TRUTH_ROWS, np.random.default_rng(9), do)[y].mean() for do in (1, 0)]
        truth, spread = means[0] - means[1], float(np.std(table[y].to_numpy()))
        for amount in args.amounts:
            if time.monotonic() >= deadline:
                break
            kind, effect, low, high = ask(amount, table, schema, seed)
            claims, is_zero = low > 0 or high < 0, abs(truth) < SMALL * spread
            is_turned = claims and (low > 0) != (truth > 0)
            covered = low <= truth <= high
            error = (effect - truth) / spread
            rows[amount, kind].append((covered, is_zero, claims, is_turned, error))
    show(rows, print)


def show(rows: dict[tuple[str, str], list[Row]], line: Callable[[str], object]) -> None:
    """Print one line for each amount of knowledge and verdict."""
    line(
        "| knowledge | verdict | answers | covered | true effects: signs claimed, wrong way"
        " | effects of 0: signs claimed | RMSE (SD) |"
    )
    line("|---|---|---|---|---|---|---|")
    for (amount, kind), found in sorted(rows.items()):
        values = np.array(found, np.float64).T
        covered, is_zero, claims, is_turned = values[:4].astype(np.bool_)
        share, error = covered.mean(), values[4]
        rmse = np.sqrt(np.nanmean(error**2)) if np.isfinite(error).any() else np.nan
        spread = np.sqrt(share * (1 - share) / len(found))
        line(
            f"| {amount} | {kind} | {len(found)} | {covered.sum()} ({share:.3f} ± {spread:.3f})"
            f" | {(~is_zero).sum()}: {(claims & ~is_zero).sum()}, {(is_turned & ~is_zero).sum()}"
            f" | {is_zero.sum()}: {(claims & is_zero).sum()} | {rmse:.3f} |"
        )


if __name__ == "__main__":
    main()
