"""What statements are worth: verdicts, coverage and signs on random models of four grammars.

    python benchmarks/blocks.py --lines found.jsonl --first 0 --models 100 --seconds 900

Models of grammars.py, 1,000 rows each, a treatment of yes/no, five steps or numbers, asked through
the function behind the command without a service (`in_process.estimate`), with the product's
default seed. A person states every place; two blocks, all up to the treatment's and the column
beside it, and all after; or nothing. A third has a hidden common cause; where a table has an
earlier outcome, it is named as a negative control, unless nothing is stated.

Each answer is a line in --lines; a second run goes on after them, and --show prints the tables
only. Where some people have no counterparts, the truth is that of the people answered. Width is
beside least squares on all columns before the treatment and beside the efficiency bound
(Hahn, 1998) with true propensity and regression, which only levels have. Overlap fails where over 3
% of the people have a true propensity of either value under .02. Useful is better than open.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from grammars import GRAMMARS, HIDDEN, Model, Values, random_model

from simulacra_crds.tasks import EstimateRequest, FitRequest
from simulacra_trainer import in_process
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.effects import estimate as effects
from simulacra_trainer.effects.findings import Findings
from simulacra_trainer.graph import CausalGraph
from simulacra_trainer.pipeline.fit import fit_graph
from simulacra_trainer.pipeline.fit_context import FitContext
from simulacra_trainer.pipeline.training_table import usable_schema
from simulacra_trainer.trained_model import TrainedModel

TRUTH_ROWS = 40_000
REDRAWN = 50
"""Draws of each row's later columns, for its own effect and propensity."""
SMALL = 0.02
"""Effects below this share of the outcome's deviation have no sign to get wrong."""
RARE, FAILS = 0.02, 0.03
AMOUNTS = ("all", "two blocks", "nothing")


def stated(model: Model, amount: str) -> dict[str, object]:
    """Return the fields of the question that this person gives."""
    if amount == "nothing":
        return {}
    controls = [] if model.control is None else [model.control]
    if amount == "all":
        return {"before": model.before, "after": model.after, "negative_controls": controls}
    last = [name for name in model.after if name != model.beside]
    first = [name for name in model.before if name != model.beside]
    blocks = [[*first, model.beside, model.treatment], last]
    return {"blocks": blocks, "negative_controls": controls}


class Truth:
    """Effects, propensities and oracles of a model's rows."""

    def __init__(self, model: Model, rows: Values, seed: int) -> None:
        """Take the rows that the product gets."""
        self.model, self.rows = model, rows
        self.n = rows[model.outcome].size
        self.seed = seed
        names = [*model.before, HIDDEN, "_row"]
        given = {name: rows[name] for name in names if name in rows}
        self.again = {name: np.tile(values, REDRAWN) for name, values in given.items()}
        drawn = [model.draw(TRUTH_ROWS, self._rng(), do=v)[model.outcome] for v in model.asked]
        self.effect = float(drawn[0].mean() - drawn[1].mean())

    def _rng(self) -> np.random.Generator:
        return np.random.default_rng([self.seed, 9])

    def outcomes(self) -> np.ndarray:
        """Return the outcome at value and baseline, float64 [2, REDRAWN, n]."""
        m, size = self.model, self.n * REDRAWN
        found = [
            m.draw(size, self._rng(), self.again, do=v, last=m.outcome)[m.outcome] for v in m.asked
        ]
        return np.array(found).reshape(2, REDRAWN, self.n)

    def of(self, people: np.ndarray | None) -> float:
        """Return the effect on some of the people, bool [n]."""
        if people is None:
            return self.effect
        each = self.outcomes().mean(axis=1)
        each = each[0] - each[1]
        return self.effect + float(each[people].mean() - each.mean())

    def propensities(self) -> np.ndarray:
        """Return the probability of value and baseline, float64 [2, n]."""
        m, size = self.model, self.n * REDRAWN
        drawn = m.draw(size, self._rng(), self.again, last=m.treatment)[m.treatment]
        found = [(drawn == v).reshape(REDRAWN, self.n).mean(axis=0) for v in m.asked]
        return np.array(found)

    def least_squares(self, before: pa.Table) -> tuple[bool, float]:
        """Return whether least squares covers, and its width (HC1)."""
        m, t = self.model, self.rows[self.model.treatment]
        one = np.ones((self.n, 1))
        arms = [(t == v)[:, None] * 1.0 for v in np.unique(t)[1:]] if m.levels else [t[:, None]]
        X = np.hstack([one, *arms, *_coded(before)])
        gap = np.zeros(X.shape[1])
        if m.levels:
            codes = [*np.unique(t)[1:]]
            for v, sign in zip(m.asked, (1.0, -1.0), strict=True):
                if v in codes:
                    gap[1 + codes.index(v)] += sign
        else:
            gap[1] = m.asked[0] - m.asked[1]
        inverse, y = np.linalg.pinv(X.T @ X), self.rows[m.outcome]
        left = y - X @ (inverse @ (X.T @ y))
        error = float(np.sqrt(np.sum((X @ (inverse @ gap) * left) ** 2)))
        error *= np.sqrt(self.n / max(self.n - X.shape[1], 1))
        miss = abs(float(gap @ inverse @ (X.T @ y)) - self.effect)
        return bool(miss <= 1.96 * error), 2 * 1.96 * error

    def bound(self, p: np.ndarray) -> float:
        """Return the width of an interval at the efficiency bound."""
        y = self.outcomes()
        p = np.maximum(p, 0.5 / REDRAWN)
        effects_of = y[0].mean(axis=0) - y[1].mean(axis=0)
        variance = float(np.var(effects_of)) + float(np.mean(np.sum(y.var(axis=1) / p, axis=0)))
        return float(2 * 1.96 * np.sqrt(variance / self.n))


def _coded(table: pa.Table) -> Iterator[np.ndarray]:
    for column in table.columns:
        values = column.combine_chunks()
        if pa.types.is_string(values.type):
            codes = values.dictionary_encode().indices.fill_null(-1).to_numpy()
            yield np.array([codes == k for k in np.unique(codes)[1:]], np.float64).T
        else:
            numbers = values.to_numpy(zero_copy_only=False).astype(np.float64)
            yield np.where(np.isnan(numbers), np.nanmean(numbers), numbers)[:, None]


def lines_of(grammar: str, seed: int, rows: int, amounts: list[str]) -> Iterator[dict[str, object]]:
    """Yield a line for each amount that is stated."""
    model, as_table = random_model(grammar, seed)
    drawn = model.draw(rows, model.rng)
    table = as_table(drawn)
    truth = Truth(model, drawn, seed)
    began = time.process_time()
    clean = clean_table(table)
    request = FitRequest(family="forest")
    schema = usable_schema(clean.schema, request)
    names = [column.name for column in schema.learned()]
    graph = CausalGraph(order=names, parent_lists={name: [] for name in names})
    if any(amount != "all" for amount in amounts):  # which leaves nothing to the graph
        graph = fit_graph(clean.table, schema, request, FitContext())
    trained = TrainedModel(None, "forest", clean.table, schema, graph)  # type: ignore[arg-type]
    p = truth.propensities() if model.levels else np.ones((2, rows))
    line: dict[str, object] = {
        "grammar": grammar,
        "seed": seed,
        "hidden": HIDDEN in drawn,
        "control": model.control is not None,
        "kind": {2: "yes/no", 5: "steps", 0: "number"}[model.levels],
        "truth": truth.effect,
        "spread": float(np.std(drawn[model.outcome])),
        "rare": float(np.mean(p.min(axis=0) < RARE)),
        "graph_s": time.process_time() - began,
    }
    ols = truth.least_squares(table.select(model.before))
    line |= {
        "ols": ols[1],
        "ols_covers": ols[0],
        "bound": None if line["hidden"] or not model.levels else truth.bound(p),
    }
    is_yes_no = pa.types.is_dictionary(clean.table.schema.field(model.outcome).type)
    asked = [("no", "yes")[int(v)] if model.levels == 2 else v for v in model.asked]
    for amount in amounts:
        question = EstimateRequest(
            treatment=model.treatment,
            value=asked[0],
            baseline=asked[1],
            outcome=f"{model.outcome}=yes" if is_yes_no else model.outcome,
            **stated(model, amount),
        )
        yield line | {"amount": amount, **_answer(trained, question, truth)}


def _answer(trained: TrainedModel, question: EstimateRequest, truth: Truth) -> dict[str, object]:
    """Return what a person is shown, and the truth for the people that it is for."""
    seen: list[Findings] = []
    find = effects.find

    def recording(*args: object) -> Findings:
        seen.append(find(*args))  # type: ignore[arg-type]
        return seen[-1]

    effects.find = recording
    began = time.process_time()
    try:
        answer = in_process.estimate(trained, question)
    except Exception as error:
        return {"verdict": "crash", "error": repr(error)[:300]}
    finally:
        effects.find = find
    kind, span = answer["verdict"]["kind"], answer["union"]
    found = {"verdict": kind, "cpu_s": time.process_time() - began, "method": answer["method"]}
    if span is None:
        return found
    people = seen[-1 if kind == "usual order" else 0].people
    chosen = None if people is None else people.rows
    everybody = None if answer["answered"] is None else answer["answered"]["everybody"]
    return found | {
        "low": span["low"],
        "high": span["high"],
        "own_truth": truth.of(chosen),
        "answered": 1.0 if chosen is None else float(chosen.mean()),
        "everybody": None if everybody is None else [everybody["low"], everybody["high"]],
    }


def main() -> None:
    """Run what is missing, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=Path, required=True)
    parser.add_argument("--grammars", nargs="*", default=GRAMMARS, choices=GRAMMARS)
    parser.add_argument("--amounts", nargs="*", default=AMOUNTS, choices=AMOUNTS)
    parser.add_argument("--models", type=int, default=100, help="of each grammar")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=900.0, help="CPU seconds")
    parser.add_argument("--show", action="store_true")
    args = parser.parse_args()
    done = []
    if args.lines.exists():
        done = [json.loads(text) for text in args.lines.read_text().splitlines()]
    had = {(line["grammar"], line["seed"], line["amount"]) for line in done}
    seeds = [] if args.show else range(args.first, args.first + args.models)
    for seed in seeds:
        for grammar in args.grammars:
            amounts = [a for a in args.amounts if (grammar, seed, a) not in had]
            if not amounts or time.process_time() > args.seconds:
                continue
            with args.lines.open("a") as file:
                for line in lines_of(grammar, seed, args.rows, amounts):
                    done.append(line)
                    print(json.dumps(line), file=file, flush=True)
    show(done)


def show(done: list[dict[str, object]]) -> None:
    """Print verdicts by block of models, grammar and treatment, and useful answers."""
    for line in done:
        line["block"] = "hidden" if line["hidden"] else "overlap"
        if not line["hidden"] and line["rare"] > FAILS:  # type: ignore[operator]
            line["block"] = "little overlap"
        line["controlled"] = "control" if line["control"] else "none"
    print(HEAD)
    for by in (
        ("amount", "block", "verdict"),
        ("amount", "block", "controlled", "verdict"),
        ("amount", "block", "grammar", "verdict"),
        ("amount", "block", "kind", "verdict"),
    ):
        keys = sorted({tuple(str(line[k]) for k in by) for line in done})
        for key in keys:
            some = [line for line in done if tuple(str(line[k]) for k in by) == key]
            print(_row(", ".join(key), some))


HEAD = (
    "| answers | number | covered | turned | significant at 0 | width / least squares, / bound"
    " (medians) | everybody covered | CPU s |\n|---|---|---|---|---|---|---|---|"
)


def _row(name: str, some: list[dict[str, object]]) -> str:
    shown = [line for line in some if "low" in line]
    cpu = np.median([line.get("cpu_s", np.nan) for line in some])
    if not shown:
        return f"| {name} | {len(some)} | | | | | | {cpu:.1f} |"
    low, high, truth, spread = (
        np.array([line[k] for line in shown]) for k in ("low", "high", "own_truth", "spread")
    )
    covered, claims = (low <= truth) & (truth <= high), (low > 0) | (high < 0)
    is_zero = np.abs(truth) < SMALL * spread
    turned = claims & ~is_zero & ((low > 0) != (truth > 0))
    share = covered.mean()
    wide = [line for line in shown if line["bound"]]
    ratios = [
        np.median([(line["high"] - line["low"]) / line[k] for line in some_of])
        if some_of
        else np.nan
        for k, some_of in (("ols", shown), ("bound", wide))
    ]
    ends = [(line["everybody"], line["truth"]) for line in shown if line["everybody"]]
    held = sum(end[0] <= one <= end[1] for end, one in ends)
    return (
        f"| {name} | {len(some)} | {covered.sum()} ({share:.2f} ±"
        f" {np.sqrt(share * (1 - share) / len(shown)):.2f}) | {turned.sum()} of"
        f" {(claims & ~is_zero).sum()} | {(claims & is_zero).sum()} of {is_zero.sum()} |"
        f" {ratios[0]:.2f}, {ratios[1]:.2f} | {held} of {len(ends)} | {cpu:.1f} |"
    )


if __name__ == "__main__":
    main()
