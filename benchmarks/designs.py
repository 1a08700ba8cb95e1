"""Coverage of effects by parallel trends and by an instrument, on simulated surveys.

`python benchmarks/designs.py [--draws 100] [--rows 1000] [--only NAME] [--cross-fits 3]` prints a
line a case. Every effect is asked by the defaults, seed 0, with `x` and `k` stated before.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from simulacra_crds.tasks import EstimateRequest
from simulacra_schema.table import ColumnSchema, LevelSchema, TableSchema
from simulacra_trainer.effects.designs import instrument, stated, trends
from simulacra_trainer.effects.estimate import estimate_effect
from simulacra_trainer.effects.estimator import CROSS_FITS
from simulacra_trainer.graph import CausalGraph

Json = dict[str, Any]
Case = Callable[[int, np.random.Generator], tuple[pa.Table, Json, float]]
WAVES = 6
SINCE = 4


def tracker(
    n: int,
    rng: np.random.Generator,
    *,
    slope: float = 0.0,
    effect: float = 0.5,
    shares: bool = False,
    panel: bool = False,
    before: int = SINCE,
) -> tuple[pa.Table, Json, float]:
    """Draw waves of two groups whose outcomes move alike given x and k, except for `slope` a wave.

    A hidden cause differs between groups. Who is asked drifts: x rises from wave to wave, more so
    in one group, and the outcome's trend depends on x and k. shares: of yes and no, not numbers;
    panel: the same people in all waves, a fifth of the rows missing; before: waves before.
    """
    waves = WAVES - SINCE + before
    people = n // waves if panel else n
    of = np.repeat(np.arange(people), waves) if panel else np.arange(n)
    wave = np.tile(np.arange(waves), people) if panel else rng.integers(0, waves, n)
    hidden, k = rng.normal(size=people)[of], rng.integers(0, 3, people)[of]
    x = rng.normal(size=people)[of]
    group = rng.random(people)[of] < _expit(0.5 * x + 0.6 * (k == 2) - 0.3)
    x = x + (0.0 if panel else 0.05) * wave * (1 + group)
    trend = wave * (0.1 + 0.08 * x + 0.1 * (k == 1) + slope * group)
    treated = group & (wave >= before)
    score = x + 0.5 * (k == 2) + 0.8 * group + (1.0 if panel else 0.3) * hidden + trend
    if shares:
        base = _expit(0.5 * score - 1.0)
        y = (rng.random(n) < base + 0.15 * treated * (base < 0.85)).astype(float)
        truth = float(np.mean(0.15 * (base < 0.85)[treated]))
    else:
        unit = effect * (1 + 0.5 * x)
        y, truth = score + unit * treated + rng.normal(size=wave.size), float(unit[treated].mean())
    columns = {"wave": wave, "x": x, "k": _levels("a b c", k), "y": y}
    columns["g"] = _levels("no yes", group)
    if panel:
        columns["person"] = of
        kept = pa.array(rng.random(wave.size) < 0.8)
        columns = {name: pa.array(values).filter(kept) for name, values in columns.items()}
    question = {"treatment": "g", "parallel_trends": {"wave": float(before)}}
    return pa.table(columns), question, truth


def instrumented(
    n: int, rng: np.random.Generator, *, strength: float, dose: bool = False
) -> tuple[pa.Table, Json, float]:
    """Draw a treatment that a hidden cause moves, and an instrument that x and k move.

    dose: the treatment is a number. The effect does not depend on the hidden cause, so that the
    truth is the same for whomever the instrument moves.
    """
    x, hidden = rng.normal(size=(2, n))
    k = rng.integers(0, 3, n)
    z = rng.random(n) < _expit(0.7 * x + 0.5 * (k == 2))
    pull = strength * z + 0.5 * x + 0.4 * (k == 1) + hidden
    t = pull + rng.normal(size=n) if dose else pull + rng.logistic(size=n) > 0.3
    y = 0.8 * t + x + 0.3 * x**2 + 0.5 * (k == 2) + 1.2 * hidden + rng.normal(size=n)
    treatment = pa.array(t) if dose else _levels("no yes", t)
    columns = {"z": _levels("no yes", z), "x": x, "k": _levels("a b c", k), "g": treatment, "y": y}
    asked = {"value": 1.0, "baseline": 0.0} if dose else {}
    return pa.table(columns), {"treatment": "g", "instrument": "z=yes", **asked}, 0.8


CASES: dict[str, Case] = {
    "instrument, strong": lambda n, rng: instrumented(n, rng, strength=1.5),
    "instrument, weak": lambda n, rng: instrumented(n, rng, strength=0.5),
    "trends, panel": lambda n, rng: tracker(n, rng, panel=True),
    "trends, other people": tracker,
    "trends broken by .3 a wave, 3 waves before": lambda n, rng: tracker(
        n, rng, slope=0.3, before=3
    ),
    "trends broken by .3 a wave, 3 waves before, panel": lambda n, rng: tracker(
        n, rng, slope=0.3, before=3, panel=True
    ),
    "instrument, none": lambda n, rng: instrumented(n, rng, strength=0.0),
    "instrument, number": lambda n, rng: instrumented(n, rng, strength=0.8, dose=True),
    "trends, other people, one wave before": lambda n, rng: tracker(n, rng, before=1),
    "trends, other people, yes or no": lambda n, rng: tracker(n, rng, shares=True),
    "trends broken by .1 a wave, 3 waves before": lambda n, rng: tracker(
        n, rng, slope=0.1, before=3
    ),
}


def _expit(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


def _levels(names: str, at: np.ndarray) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(at.astype(np.int32)), pa.array(names.split()))


def schema_of(table: pa.Table) -> TableSchema:
    """Return the schema of a simulated table; `person` is its subject."""
    columns = []
    for name in table.column_names:
        values = table.column(name).combine_chunks()
        column = ColumnSchema(name=name, kind="numeric", storage="double")
        if name == "person":
            column = column.model_copy(update={"learned": False, "role": "subject"})
        elif pa.types.is_dictionary(values.type):
            levels = [LevelSchema(value=one, share=0.5) for one in values.dictionary.to_pylist()]
            column = column.model_copy(update={"kind": "categorical", "levels": levels})
        columns.append(column)
    return TableSchema(rows=table.num_rows, columns=columns)


def run(name: str, case: Case, draws: int, rows: int) -> str:
    """Return the line of a case."""
    kinds: Counter[str] = Counter()
    covered, widths, errors = [], [], []
    start = time.process_time()
    for draw in range(draws):
        table, question, truth = case(rows, np.random.default_rng(draw))
        asked = {"value": "yes", "baseline": "no", "outcome": "y", "before": ["x", "k"], **question}
        order = table.column_names
        graph = CausalGraph(order=order, parent_lists={one: [] for one in order})
        request = EstimateRequest.model_validate(asked)
        found = estimate_effect(table, schema_of(table), graph, request, seed=0)
        kinds[found.verdict.kind] += 1
        if found.union is not None:
            covered.append(found.union.low <= truth <= found.union.high)
            widths.append(found.union.high - found.union.low)
            assert found.estimate.effect is not None
            errors.append(found.estimate.effect - truth)
    seconds = (time.process_time() - start) / draws
    told = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
    if not covered:
        return f"| {name} | {told} | - | - | - | {seconds:.1f} |"
    share = float(np.mean(covered))
    error = np.sqrt(share * (1 - share) / len(covered))
    return (
        f"| {name} | {told} | {sum(covered)} of {len(covered)} ({share:.2f} ± {error:.2f}) |"
        f" {np.median(errors):+.3f} | {np.median(widths):.2f} | {seconds:.1f} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--only", default="")
    parser.add_argument("--cross-fits", type=int, default=CROSS_FITS)
    given = parser.parse_args()
    for module in (stated, instrument, trends):
        vars(module)["CROSS_FITS"] = given.cross_fits
    print("| case | verdicts | covered | median error | median width | CPU s |")
    print("|---|---|---|---|---|---|", flush=True)
    for name, case in CASES.items():
        if given.only in name:
            print(run(name, case, given.draws, given.rows), flush=True)


if __name__ == "__main__":
    main()
