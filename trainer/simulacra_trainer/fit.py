"""The fit pipeline: causal order, privacy dial, model on all rows, report."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from simulacra_crds.model import Knowledge
from simulacra_crds.schema import TableSchema
from simulacra_crds.tasks import FitRequest

from simulacra_trainer.dial import DialResult, turn_dial
from simulacra_trainer.families.base import Family, FittedModel
from simulacra_trainer.families.forest import FOREST
from simulacra_trainer.plain_order import plain_order
from simulacra_trainer.progress import ProgressMeter
from simulacra_trainer.table.errors import too_small

STEPS = {"learning the causal graph": 4.0, "turning the privacy dial": 3.0, "fitting": 2.0, "writing the report": 4.0}
GRAPH, DIAL, FIT, REPORT = STEPS
GRAPH_BUDGET_S = 10.0
MAX_FIT_ROWS = 500_000
MIN_ROWS, MIN_COLUMNS = 20, 2


class Graph(Protocol):
    """What the pipeline asks of a causal graph."""

    order: list[str]

    def descendants(self, column: str) -> set[str]:
        """Return the columns that the column may change."""

    def to_json(self) -> dict[str, Any]:
        """Return the graph as JSON."""


@dataclass(frozen=True)
class TrainedModel:
    """A fitted model with everything that generation and estimation need."""

    model: FittedModel
    family: str
    table: pa.Table
    schema: TableSchema
    graph: Graph
    figures: dict[str, float]
    report: dict[str, Any]


def family_named(name: str, gpu: int = 0) -> Family:
    """Return the family; auto is the forest on CPUs and the neural one where a GPU is asked for."""
    if name == "neural" or (name == "auto" and gpu > 0):
        neural = importlib.import_module("simulacra_trainer.families.neural")
        return neural.NEURAL
    return FOREST


def causal_graph(table: pa.Table, schema: TableSchema, knowledge: Knowledge, seed: int) -> Graph:
    """Learn the causal graph of a clean table; its order is binding for the model."""
    try:
        graph = importlib.import_module("simulacra_trainer.graph")
    except ModuleNotFoundError:
        return plain_order(schema, knowledge)
    return graph.learn_graph(table, schema, knowledge, seed=seed, budget_s=GRAPH_BUDGET_S)


def fit_model(table: pa.Table, schema: TableSchema, request: FitRequest, meter: ProgressMeter) -> TrainedModel:
    """Fit a causal generative model on a clean table.

    Raises:
        InputError: if there are too few rows or columns.
    """
    if table.num_rows < MIN_ROWS or len(schema.learned()) < MIN_COLUMNS:
        raise too_small(
            f"The table has too little to learn from: {MIN_ROWS} rows and {MIN_COLUMNS} columns that vary are needed."
        )
    if table.num_rows > MAX_FIT_ROWS:
        rows = np.random.default_rng([request.seed, 11]).permutation(table.num_rows)[:MAX_FIT_ROWS]
        table = table.take(np.sort(rows))
    table = table.combine_chunks()
    begin = meter.step(GRAPH)
    graph = causal_graph(table, schema, request.knowledge, request.seed)
    begin(1.0)
    family = family_named(request.family, request.gpu)
    options: dict[str, Any] = {"gpu": request.gpu}
    figures: dict[str, float] = {}
    if family is FOREST:
        dial = turn_dial(table, schema, graph.order, seed=request.seed, progress=meter.step(DIAL))
        options["penalty"] = dial.penalty
        figures = dial_figures(dial)
    model = family.fit(table, schema, graph.order, seed=request.seed, options=options, progress=meter.step(FIT))
    report, more = _report(table, schema, model, graph, request.seed, meter.step(REPORT))
    return TrainedModel(model, family.name, table, schema, graph, {**figures, **more}, report)


def dial_figures(dial: DialResult) -> dict[str, float]:
    """Return what the dial found, as figures of the model's status."""
    return {"penalty_nats": dial.penalty, "dcr_share_equal_halves": round(dial.share, 4)}


def _report(
    table: pa.Table,
    schema: TableSchema,
    model: FittedModel,
    graph: Graph,
    seed: int,
    progress: Callable[[float], None],
) -> tuple[dict[str, Any], dict[str, float]]:
    return {}, {}
