"""What little knowledge is worth: useful answers and their coverage, by what a person states.

    python benchmarks/blocks.py --grammar tiers --models 30 --seconds 350
    python benchmarks/blocks.py --grammar named --models 30 --seconds 350

Grammar `tiers` is that of answers.py (14 columns, names without words). Grammar `named` has 10
columns with names of a survey: interactions, five-point scales and skewed numbers, a treatment that
stands anywhere in its tier, and one name in ten that belongs to a neighboring tier.

A person states nothing; two blocks, all up to the treatment's tier and all after it; two blocks
with the cut before the treatment's tier, so that it shares a block with the outcome; each tier as a
block; or every place relative to the treatment. All are stated with the question; the graph is
learned without knowledge. Useful is a verdict better than open.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from answers import OUTCOME, SMALL, TIERS, TREATMENT, as_table, random_model

from simulacra_crds.tasks import EstimateRequest
from simulacra_schema.questions.knowledge import Knowledge
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.effects.estimate import estimate_effect
from simulacra_trainer.graph import learn_graph

TRUTH_ROWS = 50_000
AMOUNTS = ("nothing", "two blocks", "two blocks, early", "tiers", "all")
NAMES = (
    ("age", "sex", "region"),
    ("education", "income", "household size", "occupation"),
    ("price seen", "brand trust", "campaign", "service quality", "attitude"),
    ("satisfaction", "recommendation", "purchase intention", "churn"),
)
NAMED_TIERS = (2, 2, 3, 3)
WRONG_NAME = 0.1


@dataclass(frozen=True)
class Case:
    """A table with a question of known effect; tiers: of the true order."""

    table: pa.Table
    schema: TableSchema
    tiers: list[list[str]]
    treatment: str
    outcome: str
    truth: float
    levels: tuple[float | str, float | str]


def tiered(seed: int, rows: int) -> Case:
    """Return a model of answers.py."""
    rng = np.random.default_rng([seed, 99])
    model = random_model(rng, 0.0)
    table, schema = as_table(model, model.draw(rows, rng))
    y = f"c{OUTCOME:02d}"
    ones, zeros = (model.draw(TRUTH_ROWS, np.random.default_rng(9), do)[y] for do in (1, 0))
    ends = np.cumsum(TIERS)
    names = table.column_names
    tiers = [names[e - k : e] for e, k in zip(ends, TIERS, strict=True)]
    truth = float(ones.mean() - zeros.mean())
    return Case(table, schema, tiers, names[TREATMENT], y, truth, ("yes", "no"))


def named(seed: int, rows: int) -> Case:
    """Return a model with names of a survey."""
    rng = np.random.default_rng([seed, 100])
    p = sum(NAMED_TIERS)
    tier = np.repeat(np.arange(4), NAMED_TIERS)
    treatment, outcome = int(rng.integers(4, 7)), int(rng.integers(7, 10))
    weights = np.zeros((p, p))
    for j in range(1, p):
        causes = rng.choice(j, size=min(j, int(rng.integers(1, 4))), replace=False)
        weights[causes, j] = rng.choice([-1, 1], causes.size) * rng.uniform(0.3, 0.9, causes.size)
    weights[treatment, outcome] = rng.choice([0.0, -0.6, 0.6])
    product = rng.choice(4, size=2, replace=False)
    shapes = rng.choice(["scale", "skewed", "number"], p)

    def draw(n: int, own: np.random.Generator, do: float | None = None) -> list[np.ndarray]:
        values: list[np.ndarray] = []
        for j in range(p):
            latent = own.normal(size=n)
            for i, value in enumerate(values):
                latent = latent + weights[i, j] * value
            if j == outcome:
                latent = latent + 0.3 * values[product[0]] * values[product[1]]
            if j == treatment:
                latent = (latent > 0).astype(np.float64) if do is None else np.full(n, do)
            elif shapes[j] == "scale":
                latent = np.digitize(latent, [-1.5, -0.5, 0.5, 1.5]).astype(np.float64) - 2
            elif shapes[j] == "skewed" and j != outcome:
                latent = np.exp(np.clip(latent, -4, 2) / 2) - 1
            values.append(latent)
        return values

    taken: list[str] = []
    for j in range(p):
        shift = int(rng.choice([-1, 1])) if rng.random() < WRONG_NAME else 0
        kind = int(np.clip(tier[j] + (shift if j not in (treatment, outcome) else 0), 0, 3))
        free = [n for n in NAMES[kind] if n not in taken] or [n for k in NAMES for n in k]
        taken.append(str(rng.choice([n for n in free if n not in taken])))
    drawn = draw(rows, rng)
    ones, zeros = (draw(TRUTH_ROWS, np.random.default_rng(9), do)[outcome] for do in (1.0, 0.0))
    table = pa.table(dict(zip(taken, drawn, strict=True)))
    columns = [
        ColumnSchema(
            name=name,
            kind="numeric",
            storage="double",
            minimum=float(value.min()),
            maximum=float(value.max()),
        )
        for name, value in zip(taken, drawn, strict=True)
    ]
    tiers = [[n for n, t in zip(taken, tier, strict=True) if t == k] for k in range(4)]
    return Case(
        table,
        TableSchema(rows=rows, columns=columns),
        tiers,
        taken[treatment],
        taken[outcome],
        float(ones.mean() - zeros.mean()),
        (1.0, 0.0),
    )


def stated(case: Case, amount: str) -> dict[str, list[list[str]] | list[str]]:
    """Return the fields of the question that this person gives."""
    names = [name for tier in case.tiers for name in tier]
    early = sum(len(tier) for tier in case.tiers[:2])
    late = early + len(case.tiers[2])
    at = names.index(case.treatment)
    return {
        "nothing": {},
        "two blocks": {"blocks": [names[:late], names[late:]]},
        "two blocks, early": {"blocks": [names[:early], names[early:]]},
        "tiers": {"blocks": case.tiers},
        "all": {"before": names[:at], "after": names[at + 1 :]},
    }[amount]


def main() -> None:
    """Print one row for each amount of knowledge and verdict."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--grammar", choices=("tiers", "named"), default="tiers")
    parser.add_argument("--models", type=int, default=30)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--seconds", type=float, default=350.0, help="CPU seconds")
    parser.add_argument("--amounts", nargs="*", default=AMOUNTS, choices=AMOUNTS)
    args = parser.parse_args()
    found: dict[tuple[str, str], list[tuple[bool, bool, bool, bool, float]]] = defaultdict(list)
    for seed in range(args.first, args.first + args.models):
        if time.process_time() > args.seconds:
            break
        case = (tiered if args.grammar == "tiers" else named)(seed, args.rows)
        graph = learn_graph(case.table, case.schema, Knowledge(), seed=seed, budget_s=5.0)
        spread = float(np.std(case.table[case.outcome].to_numpy()))
        for amount in args.amounts:
            request = EstimateRequest(
                treatment=case.treatment,
                value=case.levels[0],
                baseline=case.levels[1],
                outcome=case.outcome,
                **stated(case, amount),
            )
            answer = estimate_effect(case.table, case.schema, graph, request, seed=seed)
            span, kind = answer.union, answer.verdict.kind
            low, high = (-np.inf, np.inf) if span is None else (span.low, span.high)
            claims, is_zero = low > 0 or high < 0, abs(case.truth) < SMALL * spread
            turned = claims and not is_zero and (low > 0) != (case.truth > 0)
            covered = low <= case.truth <= high
            row = (covered, is_zero, claims, turned, (high - low) / spread)
            found[amount, kind].append(row)
            print(seed, amount, kind, *map(float, row), sep="\t", flush=True)
    print(
        "| knowledge | verdict | answers | covered | signs claimed | turned | false | width (SD) |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for (amount, kind), rows in sorted(found.items()):
        covered, is_zero, claims, turned = np.array(rows)[:, :4].astype(bool).T
        width = np.median([row[4] for row in rows])
        print(
            f"| {amount} | {kind} | {len(rows)} | {covered.sum()} | {claims.sum()} | {turned.sum()}"
            f" | {(claims & is_zero).sum()} | {width:.2f} |"
        )


if __name__ == "__main__":
    main()
