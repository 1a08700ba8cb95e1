"""Where the CPU time of a fit goes: steps, the most expensive functions, and rows of a fixed seed.

    python benchmarks/fit_profile.py [--rows 5000] [--plain]

A made survey of 40 columns (levels, agreement, numbers, and questions that a filter skips) goes
through the trainer's own cleaning and fit, report included, in one process with one thread. The
time limits of the search for the graph are lifted, so that nothing depends on the machine's load.
The digest is that of 2,000 generated rows, graph and report: two commits that do the same have the
same. `--plain` measures without cProfile, which makes calls look dearer than they are.
"""

from __future__ import annotations

import argparse
import cProfile
import hashlib
import json
import pstats
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.graph import learn
from simulacra_trainer.pipeline import fit
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.progress import ProgressMeter

SCALE = ("never", "seldom", "sometimes", "often", "always")
FILTERS = 5
FIRST = 25
GENERATED = 2_000


def survey(rows: int, seed: int = 0) -> pa.Table:
    """Draw a survey of 40 columns: 10 of persons, 15 of agreement, 5 filters of 2 questions."""
    rng = np.random.default_rng(seed)
    traits = rng.normal(size=(rows, 3))
    traits[:, 1] += 0.5 * traits[:, 0]

    def of(trait: int, share: float = 0.6) -> np.ndarray:
        return share * traits[:, trait] + rng.normal(size=rows)

    age = np.clip(48 + 17 * traits[:, 2] + rng.normal(0, 4, rows), 18, 95).astype(int)
    income = np.round(np.exp(10 + 0.5 * of(0)), -2).astype(int)
    out: dict[str, pa.Array] = {
        "sex": pa.array(rng.choice(["female", "male"], rows)),
        "region": pa.array([f"region {n}" for n in rng.integers(0, 12, rows)]),
        "trade": pa.array([f"trade {n}" for n in np.clip(4 * of(0) + 10, 0, 19).astype(int)]),
        "party": pa.array(np.array(list("ABCDEF"))[np.clip(1.3 * of(1) + 3, 0, 5).astype(int)]),
        "degree": pa.array([f"degree {n}" for n in np.clip(1.2 * of(0) + 2, 0, 4).astype(int)]),
        "age": pa.array(age),
        "income": pa.array(income, mask=rng.random(rows) < 0.1),
        "hours": pa.array(np.where(age > 66, 0, np.clip(38 + 9 * of(0), 0, 80)).astype(int)),
        "children": pa.array(rng.poisson(np.clip((age - 18) / 25, 0.05, 2.0))),
        "height": pa.array(np.round(171 + 9 * rng.normal(size=rows), 1)),
    }
    for item in range(15):
        levels = np.clip(1.2 * of(item % 3) + 2.5, 0, 4).astype(int)
        out[f"agree_{item}"] = pa.array(np.array(SCALE)[levels], mask=rng.random(rows) < 0.03)
    for item in range(FILTERS):
        is_asked = of(item % 3) > 0.3 * item - 0.5
        often = np.clip(1.2 * of(item % 3) + 2.5, 0, 4).astype(int)
        paid = np.round(np.exp(3 + of((item + 1) % 3)), 2)
        out[f"uses_{item}"] = pa.array(np.where(is_asked, "yes", "no"))
        out[f"how_often_{item}"] = pa.array(np.array(SCALE)[often], mask=~is_asked)
        out[f"paid_{item}"] = pa.array(paid, mask=~is_asked)
    return pa.table(out)


@contextmanager
def timed(of: dict[str, float], step: str) -> Iterator[None]:
    """Add the CPU seconds of the body to a step."""
    began = time.process_time()
    yield
    of[step] = of.get(step, 0.0) + time.process_time() - began


class Meter(ProgressMeter):
    """Notes the CPU seconds at which each step of the fit begins."""

    def __init__(self, weights: dict[str, float]) -> None:
        super().__init__(weights, lambda *_: None)
        self.began: list[tuple[str, float]] = []

    def step(self, name: str) -> Callable[[float], None]:
        """Note the step."""
        self.began.append((name, time.process_time()))
        return super().step(name)


def main() -> None:
    """Fit, and print CPU seconds and digest."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--plain", action="store_true", help="without cProfile")
    parser.add_argument("--top", type=int, default=25, help="functions of the list")
    parser.add_argument("--out", help="file of the profile")
    asked = parser.parse_args()
    fit.GRAPH_BUDGET_S = learn.HALVES_BUDGET_S = 3_600.0
    raw, steps = survey(asked.rows), dict[str, float]()
    profile = cProfile.Profile()
    if not asked.plain:
        profile.enable()
    with timed(steps, "clean"):
        clean = clean_table(raw)
    request = FitRequest(seed=1)
    meter = Meter(fit.fit_steps(request, clean.schema))
    model = fit.fit_model(clean.table, clean.schema, request, meter)
    ended = [*meter.began[1:], ("", time.process_time())]
    for (name, began), (_, end) in zip(meter.began, ended, strict=True):
        steps[name] = end - began
    profile.disable()
    if not asked.plain:
        found = pstats.Stats(profile)
        for order in ("tottime", "cumulative"):
            found.sort_stats(order).print_stats(asked.top if order == "tottime" else 3 * asked.top)
        if asked.out:
            found.dump_stats(asked.out)
    request = GenerateRequest(row_count=GENERATED, seed=7)
    plan = plan_generation(model, request)
    rows = pa.concat_tables(generate_rows(model, plan)).combine_chunks()
    digest = hashlib.sha256(model.graph.model_dump_json().encode())
    digest.update(json.dumps(rows.to_pylist(), default=str).encode())
    digest.update(json.dumps(_untimed(model.report), sort_keys=True, default=str).encode())
    told = {step: round(of, 2) for step, of in steps.items()}
    print({"columns": raw.num_columns, **told, "all": round(sum(steps.values()), 2)})
    print(digest.hexdigest())


def _untimed(report: object) -> object:
    """Return a report without what it says of durations."""
    found = report.model_dump(mode="json") if hasattr(report, "model_dump") else report
    if isinstance(found, dict):
        return {name: _untimed(of) for name, of in found.items() if "timing" not in name}
    return [_untimed(of) for of in found] if isinstance(found, list) else found


if __name__ == "__main__":
    main()
