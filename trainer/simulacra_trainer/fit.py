"""The fit pipeline: causal graph, privacy dial, model on all rows, report."""

from __future__ import annotations

import contextlib
import importlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from simulacra_crds.reasons import Reason
from simulacra_crds.schema import TableSchema
from simulacra_crds.tasks import FitRequest
from simulacra_trainer.dial import DialResult, turn_dial
from simulacra_trainer.families.base import Family, FittedModel
from simulacra_trainer.families.forest import FOREST
from simulacra_trainer.graph import CausalGraph, learn_graph
from simulacra_trainer.progress import ProgressMeter
from simulacra_trainer.report import build_report, figures
from simulacra_trainer.table.errors import InputError, too_small

STEPS = {"learning the causal graph": 4.0, "turning the privacy dial": 3.0, "fitting": 1.0, "writing the report": 1.0}
GRAPH, DIAL, FIT, REPORT = STEPS
GRAPH_BUDGET_S = 10.0
MAX_FIT_ROWS = 500_000
MIN_ROWS, MIN_COLUMNS = 20, 2
REPORT_ROWS = 20_000
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
    if name == "neural" or (name == "auto" and gpu > 0):
        try:
            family: Family = importlib.import_module("simulacra_trainer.families.neural").NEURAL
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in NEURAL_EXTRA:
                raise
            message = "The neural family is not installed here; install it with: pip install 'simulacra[neural]'"
            raise InputError(Reason.REQUEST_INVALID, message, message) from None
        return family
    return FOREST


def fit_model(table: pa.Table, schema: TableSchema, request: FitRequest, meter: ProgressMeter) -> TrainedModel:
    """Fit a causal generative model on a clean table.

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
    options: dict[str, Any] = {"gpu": request.gpu}
    timings = Timings()
    progress = meter.step(GRAPH)
    with timings.of(GRAPH):
        graph = learn_graph(table, schema, request.knowledge, seed=request.seed, budget_s=GRAPH_BUDGET_S)
    progress(1.0)
    dial: DialResult | None = None
    progress = meter.step(DIAL)
    if family.name == FOREST.name:
        with timings.of(DIAL):
            dial = turn_dial(table, schema, graph.order, seed=request.seed, progress=progress)
        options["penalty"] = dial.penalty
    with timings.of(FIT):
        model = family.fit(table, schema, graph.order, seed=request.seed, options=options, progress=meter.step(FIT))
    progress = meter.step(REPORT)
    report = _report(table, schema, graph, model, dial, timings.seconds, request.seed)
    progress(1.0)
    return TrainedModel(model, family.name, table, schema, graph, _figures(report, dial), report)


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


def _report(
    table: pa.Table,
    schema: TableSchema,
    graph: CausalGraph,
    model: FittedModel,
    dial: DialResult | None,
    timings: dict[str, float],
    seed: int,
) -> dict[str, Any]:
    """Judge the model: where a dial was turned, on the half that its half-model did not see."""
    if dial is not None:
        train, holdout, synthetic = dial.seen, dial.unseen, dial.synthetic
    else:
        train, holdout = table, None
        synthetic = model.sample(min(table.num_rows, REPORT_ROWS), np.random.default_rng([seed, 20]))
    return build_report(
        train, holdout, synthetic, schema, graph_json=json.loads(graph.to_json()), timings=timings, seed=seed
    )


def _figures(report: dict[str, Any], dial: DialResult | None) -> dict[str, float]:
    found = figures(report)
    return found if dial is None else {**found, "penalty_nats": dial.penalty}
