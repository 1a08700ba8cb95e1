"""The fit pipeline: causal graph, privacy dial or trial on half the rows, model on all rows, report."""

from __future__ import annotations

import contextlib
import importlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from simulacra_crds.reasons import Reason
from simulacra_crds.schema import TableSchema
from simulacra_crds.tasks import FitRequest
from simulacra_trainer.dial import turn_dial
from simulacra_trainer.families.base import Family, FittedModel
from simulacra_trainer.families.forest import FOREST
from simulacra_trainer.graph import CausalGraph, learn_graph
from simulacra_trainer.halves import draw_half_model, split_halves
from simulacra_trainer.progress import ProgressMeter
from simulacra_trainer.report import build_report, figures
from simulacra_trainer.table.errors import InputError, too_small

STEPS = {"learning the causal graph": 4.0, "testing privacy": 3.0, "fitting": 1.0, "writing the report": 1.0}
"""The steps of a fit, and how long each takes relative to the others with the forest family."""
GRAPH, PRIVACY, FIT, REPORT = STEPS
NEURAL_STEPS = {GRAPH: 1.0, PRIVACY: 6.0, FIT: 8.0, REPORT: 1.0}
GRAPH_BUDGET_S = 10.0
MAX_FIT_ROWS = 500_000
MIN_ROWS, MIN_COLUMNS = 20, 2
NEURAL_EXTRA = ("torch", "lightning")


@dataclass(frozen=True)
class TrainedModel:
    """A fitted model with everything that generation and estimation need.

    figures: fidelity and privacy without names, for a status; report: for the customer.
    """

    model: FittedModel
    family: str
    table: pa.Table
    schema: TableSchema
    graph: CausalGraph
    figures: dict[str, float]
    report: dict[str, Any]


def family_named(name: str, gpu: int = 0) -> Family:
    """Return the family; auto is the forest on CPUs and the neural one where a GPU is asked for.

    Raises:
        InputError: if the neural family is asked for where torch or lightning is not installed.
    """
    if _is_neural(name, gpu):
        try:
            family: Family = importlib.import_module("simulacra_trainer.families.neural").NEURAL
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in NEURAL_EXTRA:
                raise
            message = "The neural family is not installed here; install it with: pip install 'simulacra[neural]'"
            raise InputError(Reason.REQUEST_INVALID, message, message) from None
        return family
    return FOREST


def fit_model(
    table: pa.Table,
    schema: TableSchema,
    request: FitRequest,
    meter: ProgressMeter,
    *,
    checkpoints: Path | None = None,
) -> TrainedModel:
    """Fit a causal generative model on a clean table.

    Args:
        table: the clean table.
        schema: its schema.
        request: family, knowledge and seed.
        meter: told how far the work is.
        checkpoints: a directory in which a neural fit that is cut short leaves what the next one continues from.

    Raises:
        InputError: if there are too few rows or columns, or the knowledge contradicts itself or the schema.
    """
    if table.num_rows < MIN_ROWS or len(schema.learned()) < MIN_COLUMNS:
        raise too_small(
            f"The table has too little to learn from: {MIN_ROWS} rows and {MIN_COLUMNS} columns that vary are needed."
        )
    if table.num_rows > MAX_FIT_ROWS:
        rows = np.random.default_rng([request.seed, 11]).permutation(table.num_rows)[:MAX_FIT_ROWS]
        table = table.take(np.sort(rows))
    table = table.combine_chunks()
    family = family_named(request.family, request.gpu)
    options: dict[str, Any] = {"gpu": request.gpu, "checkpoints": checkpoints}
    timings = Timings()
    progress = meter.step(GRAPH)
    with timings.of(GRAPH):
        graph = learn_graph(table, schema, request.knowledge, seed=request.seed, budget_s=GRAPH_BUDGET_S)
    progress(1.0)
    progress = meter.step(PRIVACY)
    known: dict[str, float] = {}
    copying: dict[str, float] = {}
    with timings.of(PRIVACY):
        if family.name == FOREST.name:
            dial = turn_dial(table, schema, graph.order, seed=request.seed, progress=progress)
            trial, options["penalty"], known["penalty_nats"] = dial.rows, dial.penalty, dial.penalty
            copying["dcr_share"] = dial.share
            if dial.error is not None:
                copying["dcr_standard_error"] = dial.error
        else:
            halves = split_halves(table, seed=request.seed)
            trial = draw_half_model(
                family, halves, schema, graph.order, seed=request.seed, options=options, progress=progress
            )
    with timings.of(FIT):
        model = family.fit(table, schema, graph.order, seed=request.seed, options=options, progress=meter.step(FIT))
    progress = meter.step(REPORT)
    report = build_report(
        trial.halves.seen,
        trial.halves.unseen,
        trial.synthetic,
        schema,
        graph_json=json.loads(graph.to_json()),
        timings=timings.seconds,
        seed=request.seed,
    )
    if report["privacy"] is not None:
        report["privacy"] |= copying
    progress(1.0)
    return TrainedModel(model, family.name, table, schema, graph, {**figures(report), **known}, report)


def fit_steps(request: FitRequest) -> dict[str, float]:
    """Return the steps of the fit that is asked for, and how long each takes relative to the others."""
    return NEURAL_STEPS if _is_neural(request.family, request.gpu) else STEPS


def _is_neural(name: str, gpu: int) -> bool:
    return name == "neural" or (name == "auto" and gpu > 0)


class Timings:
    """Seconds that each step took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def of(self, step: str) -> Iterator[None]:
        """Time what runs inside."""
        began = time.monotonic()
        yield
        self.seconds[step] = round(time.monotonic() - began, 3)
