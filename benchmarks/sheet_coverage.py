"""Simultaneous coverage of the intervals of an answer sheet.

    python benchmarks/sheet_coverage.py --seconds 600

Draws of a confounded table with yes/no levers of known effects, half of them 0, the order stated.
A sheet covers if all of its intervals do. Twice: with the product's estimator, without the checks,
which leave intervals as they are, as many draws as --seconds allow; and the max-t step alone, on
least squares. Prints a table with the 95 % interval of each coverage, and what intervals of 1.96
standard errors would cover together.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_crds.tasks import EstimateRequest
from simulacra_schema.questions.knowledge import Knowledge
from simulacra_schema.table import ColumnSchema, LevelSchema, TableSchema
from simulacra_trainer.effects.column_timing import read_timing
from simulacra_trainer.effects.estimator import Estimator
from simulacra_trainer.effects.scores import row_influence
from simulacra_trainer.effects.simultaneous import critical_value, on_table
from simulacra_trainer.effects.tried_sets import try_sets
from simulacra_trainer.evidence import Z95
from simulacra_trainer.graph import CausalGraph

ROWS, LEVERS = 500, 6
STEP_DRAWS = 4_000
Floats = npt.NDArray[np.float64]


def draw(n: int, levers: int, rng: np.random.Generator) -> tuple[Floats, Floats, Floats, Floats]:
    """Return confounders [n, 3], levers [n, levers], outcome [n] and true effects [levers]."""
    z = rng.normal(size=(n, 3))
    slopes = rng.normal(scale=0.5, size=(3, levers))
    taken = (rng.random((n, levers)) < 1.0 / (1.0 + np.exp(-z @ slopes))).astype(np.float64)
    truth = np.where(np.arange(levers) % 2, 0.0, rng.normal(scale=0.5, size=levers))
    y = taken @ truth + z @ np.array([1.0, -0.5, 0.5]) + 0.3 * z[:, 0] ** 2 + rng.normal(size=n)
    return z, taken, y, truth


def of_product(seed: int) -> tuple[bool, bool, float]:
    """Return whether the sheet covers, whether 1.96 errors would, and the critical value."""
    rng = np.random.default_rng(seed)
    z, taken, y, truth = draw(ROWS, LEVERS, rng)
    confounders = [f"z{k}" for k in range(z.shape[1])]
    names = [f"lever{k}" for k in range(LEVERS)]
    words = pa.array(["false", "true"])
    columns = {name: pa.array(z[:, k]) for k, name in enumerate(confounders)}
    columns |= {
        name: pa.DictionaryArray.from_arrays(pa.array(taken[:, k].astype(np.int32)), words)
        for k, name in enumerate(names)
    }
    table = pa.table(columns | {"y": y})
    levels = [LevelSchema(value=word, share=0.5) for word in words.to_pylist()]
    schema = TableSchema(
        rows=ROWS,
        columns=[
            ColumnSchema(name=name, kind="boolean", storage="x", levels=levels)
            if name in names
            else ColumnSchema(name=name, kind="numeric", storage="x")
            for name in table.column_names
        ],
    )
    graph = CausalGraph(
        order=table.column_names, parent_lists={name: [] for name in table.column_names}
    )
    intervals, influences = [], []
    for name in names:
        request = EstimateRequest(
            treatment=name,
            value="true",
            baseline="false",
            outcome="y",
            before=confounders,
            after=["y", *(other for other in names if other != name)],
        )
        estimator = Estimator(table, schema, request, seed)
        tried = try_sets(estimator, read_timing(Knowledge(), schema, request, "y"), graph)
        ((_, runs, interval),) = tried.found
        intervals.append(interval)
        influences.append(on_table(row_influence(runs[0]), estimator.contrast.rows, None, ROWS))
    critical = critical_value(influences, seed)
    errors = np.array([one.error for one in intervals])
    largest = float(np.max(np.abs(np.array([one.effect for one in intervals]) - truth) / errors))
    return largest <= critical, largest <= Z95, critical


def of_step(rng: np.random.Generator, levers: int = 12) -> tuple[bool, bool, float]:
    """Return the same for least squares on a correct model, where only the max-t step counts."""
    z, taken, y, truth = draw(ROWS, levers, rng)
    design = np.column_stack([taken, np.ones(ROWS), z, z[:, 0] ** 2])
    inverse = np.linalg.inv(design.T @ design)
    found = inverse @ design.T @ y
    residual = (y - design @ found) * np.sqrt(ROWS / (ROWS - design.shape[1]))
    influences = (design @ inverse)[:, :levers] * residual[:, None]
    z_scores = (found[:levers] - truth) / np.sqrt(np.sum(influences**2, axis=0))
    critical = critical_value(list(influences.T), int(rng.integers(1 << 30)))
    largest = float(np.max(np.abs(z_scores)))
    return largest <= critical, largest <= Z95, critical


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--step-draws", type=int, default=STEP_DRAWS)
    args = parser.parse_args()
    print("| estimator | draws | joint coverage | intervals of 1.96 errors | half-width |")
    print("|---|---|---|---|---|")
    rng = np.random.default_rng(0)
    steps = [of_step(rng) for _ in range(args.step_draws)]
    print(_row("max-t step alone, least squares, 12 levers", steps), flush=True)
    end = time.monotonic() + args.seconds
    sheets: list[tuple[bool, bool, float]] = []
    while time.monotonic() < end:
        sheets.append(of_product(len(sheets)))
    print(_row(f"the product's, {LEVERS} levers", sheets))


def _row(name: str, found: list[tuple[bool, bool, float]]) -> str:
    joint, alone, critical = (np.array(part, np.float64) for part in zip(*found, strict=True))
    margin = Z95 * float(np.sqrt(joint.mean() * (1 - joint.mean()) / joint.size))
    low, high = joint.mean() - margin, min(joint.mean() + margin, 1.0)
    return (
        f"| {name} | {joint.size} | {joint.mean():.3f} [{low:.3f}, {high:.3f}] |"
        f" {alone.mean():.3f} | {critical.mean():.2f} |"
    )


if __name__ == "__main__":
    main()
