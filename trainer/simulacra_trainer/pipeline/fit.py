"""The fit pipeline: causal graph, half-model with privacy tuning, model of all rows, report."""

import contextlib
import hashlib
import json
import time
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from simulacra_crds.tasks import FitRequest
from simulacra_intake.rows_of_persons import one_row_a_person, persons_in
from simulacra_intake.survey_weights import as_population
from simulacra_schema.background import bind_background, open_proposals
from simulacra_schema.table import TableSchema
from simulacra_trainer.families.base import Progress
from simulacra_trainer.graph import CausalGraph, learn_graph
from simulacra_trainer.linked.model import LinkedModel, fit_linked
from simulacra_trainer.linked.privacy import LinkedTuning, tune_linked
from simulacra_trainer.linked.tables import MIN_LINKED_PERSONS, linked_tables
from simulacra_trainer.pipeline.fit_context import FitContext
from simulacra_trainer.pipeline.fit_report import with_report
from simulacra_trainer.pipeline.half_model import fit_half_model
from simulacra_trainer.pipeline.holdout import split_halves
from simulacra_trainer.pipeline.training_table import (
    check_size,
    private_rows,
    rows_within_limit,
    usable_schema,
)
from simulacra_trainer.progress import ProgressMeter, silent
from simulacra_trainer.relations.compute import without_computed
from simulacra_trainer.relations.differences import as_differences
from simulacra_trainer.relations.plan import (
    graph_with_computed,
    implied_edges,
    knowledge_of_learned,
    with_relations,
)
from simulacra_trainer.trained_model import TrainedModel, is_neural, load_family

STEPS = {
    "learning the causal graph": 4.0,
    "testing privacy": 3.0,
    "fitting": 1.0,
    "writing the report": 1.0,
}
"""Steps of a fit and their relative durations with the forest family."""
GRAPH, PRIVACY, FIT, REPORT = STEPS
NEURAL_STEPS = {GRAPH: 1.0, PRIVACY: 6.0, FIT: 8.0, REPORT: 1.0}
PERSONS = "fitting persons"
LAST_STEPS_OF_PERSONS = {PERSONS: 4.0, REPORT: 2.0}
"""Fitting persons took 0.8 to 1.4 of the time of the privacy test (200 and 1,000 rows)."""
GRAPH_BUDGET_S = 10.0


def fit_steps(request: FitRequest, schema: TableSchema) -> dict[str, float]:
    """Return the steps of this fit and their relative durations."""
    steps = dict(NEURAL_STEPS if is_neural(request.family, request.gpu) else STEPS)
    if schema.subject() is None:
        return steps
    del steps[REPORT]  # after the persons
    return {**steps, **LAST_STEPS_OF_PERSONS}


def fit_model(
    table: pa.Table,
    schema: TableSchema,
    request: FitRequest,
    meter: ProgressMeter | None = None,
    context: FitContext | None = None,
) -> TrainedModel:
    """Fit a causal generative model on a clean table.

    meter: receives the progress; without one, nothing does.

    Raises:
        InputError: too few rows or columns, or knowledge that contradicts itself or the schema.
        PeerLost: another worker ended.
    """
    context = context or FitContext()
    check_size(table, schema)
    schema = usable_schema(schema, request)
    learned = without_computed(schema)
    real = rows_within_limit(table, schema, request.seed)
    rows = real if request.privacy is None else private_rows(real, schema, request.privacy)
    family, options = load_family(request.family, request.gpu), context.options(request.gpu)
    steps = _Steps(meter or ProgressMeter(fit_steps(request, schema), silent))

    with steps.of(GRAPH):
        graph = fit_graph(rows, schema, request, context)
        order = graph.order
    with steps.of(PRIVACY) as progress:
        near = as_differences(real, schema)
        half = fit_half_model(family, near, learned, order, request, options, progress)
        options |= half.options
    with steps.of(FIT) as progress:
        fitted = family.fit(
            as_differences(rows, schema),
            learned,
            order,
            seed=request.seed,
            options=options,
            progress=progress,
        )
        model = with_relations(fitted, schema, rows)
    linked, tuning = None, None
    if schema.subject() is not None:
        with steps.of(PERSONS) as progress:
            linked, tuning = _fit_linked(rows, schema, order, request.seed, progress)
    with steps.of(REPORT):
        graph = complete_graph(graph, schema, request)
        trained = TrainedModel(model, family.name, rows, schema, graph, linked=linked)
        timings = steps.seconds
        trained = with_report(trained, real, half, tuning, request, context, timings)
    return trained


def fit_as_follower(
    table: pa.Table, schema: TableSchema, request: FitRequest, context: FitContext
) -> None:
    """Take part in the two trainings that another worker leads. Raises `PeerLost`."""
    order = order_of_leader(context)
    schema = usable_schema(schema, request)
    table = as_differences(rows_within_limit(table, schema, request.seed), schema)
    schema = without_computed(schema)
    family, options = load_family(request.family, request.gpu), context.options(request.gpu)
    halves = split_halves(table, seed=request.seed, persons=persons_in(table, schema))
    for rows in (halves.seen, table):
        family.fit(rows, schema, order, seed=request.seed, options=options)


def _fit_linked(
    table: pa.Table, schema: TableSchema, order: Sequence[str], seed: int, progress: Progress
) -> tuple[LinkedModel | None, LinkedTuning | None]:
    """Fit the model of linked rows, forests in every family; None without a subject."""
    tables = linked_tables(table, schema)
    if tables is None or tables.subjects.num_rows < MIN_LINKED_PERSONS:
        return None, None
    tuning = tune_linked(tables, order, seed=seed, progress=progress)
    return fit_linked(tables, order, tuning.options, tuning.methods), tuning


class _Steps:
    """Reports and times the steps of a fit."""

    def __init__(self, meter: ProgressMeter) -> None:
        self.meter = meter
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def of(self, step: str) -> Iterator[Progress]:
        """Time the body of the with statement, which is given the progress of this step."""
        progress = self.meter.step(step)
        began = time.monotonic()
        yield progress
        progress(1.0)
        self.seconds[step] = round(time.monotonic() - began, 3)


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
    return json.loads(context.group.share())


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
