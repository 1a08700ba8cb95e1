"""The causal graph of a fit: learned, kept for an interrupted fit, shared with the followers."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pyarrow as pa

from simulacra_crds.tasks import FitRequest
from simulacra_intake.rows_of_persons import one_row_a_person
from simulacra_intake.survey_weights import as_population
from simulacra_schema.background import bind_background, open_proposals
from simulacra_schema.table import TableSchema
from simulacra_trainer.graph import CausalGraph, learn_graph
from simulacra_trainer.pipeline.fit_context import FitContext
from simulacra_trainer.relations.compute import without_computed
from simulacra_trainer.relations.differences import as_differences
from simulacra_trainer.relations.plan import (
    graph_with_computed,
    implied_edges,
    knowledge_of_learned,
)
from simulacra_trainer.trained_model import is_neural

GRAPH_BUDGET_S = 10.0


def fit_graph(
    table: pa.Table, schema: TableSchema, request: FitRequest, context: FitContext
) -> CausalGraph:
    """Learn the graph, or reuse that of the interrupted fit, whose checkpoints need its order.

    It has the columns that are not computed; `complete_graph` adds the others.
    """
    rng = np.random.default_rng([request.seed, 12])
    table = as_population(one_row_a_person(table, schema, rng), schema, rng)
    knowledge = knowledge_of_learned(bind_background(request.knowledge, schema), schema)
    request = request.model_copy(update={"knowledge": knowledge})
    table, implied = as_differences(table, schema), implied_edges(schema)
    schema = without_computed(schema)
    path = None
    if context.checkpoints is not None and is_neural(request.family, request.gpu):
        path = context.checkpoints / f"graph-{_fingerprint(table, schema, request)}.json"
    if path is not None and path.exists():
        graph = CausalGraph.from_json(path.read_text())
    else:
        graph = learn_graph(
            table,
            schema,
            request.knowledge,
            seed=request.seed,
            budget_s=GRAPH_BUDGET_S,
            implied=implied,
        )
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(graph.to_json())
            context.kept()
    if context.group is not None:
        context.group.share(json.dumps(list(graph.order)).encode())
    return graph


def order_of_leader(context: FitContext) -> list[str]:
    """Return the order of the graph that the leader of a worker group shares.

    Raises:
        PeerLost: another worker ended.
    """
    if context.group is None:
        raise ValueError("a follower needs a worker group")
    order: list[str] = json.loads(context.group.share())
    return order


def complete_graph(graph: CausalGraph, schema: TableSchema, request: FitRequest) -> CausalGraph:
    """Return the graph with computed columns, the stated knowledge and open proposals."""
    graph = graph_with_computed(graph, schema)
    proposals = open_proposals(graph.knowledge, without_computed(schema))
    return graph.model_copy(update={"stated": request.stated, "proposals": proposals})


def _fingerprint(table: pa.Table, schema: TableSchema, request: FitRequest) -> str:
    digest = hashlib.sha256(schema.model_dump_json().encode() + request.model_dump_json().encode())
    for column in table.columns:
        for buffer in column.combine_chunks().buffers():
            digest.update(buffer or b"")
    return digest.hexdigest()[:16]
