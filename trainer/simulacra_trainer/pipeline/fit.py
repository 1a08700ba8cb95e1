"""The fit pipeline: causal graph, half-model with privacy tuning, model of all rows, report."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from simulacra_crds.contract.background import bind_background, open_proposals
from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.schema import TableSchema
from simulacra_crds.contract.tasks import FitRequest
from simulacra_crds.contract.verdicts import verdicts
from simulacra_crds.kinds.model import DifferentialPrivacy
from simulacra_trainer.families.base import Family, no_progress
from simulacra_trainer.families.forest import FOREST
from simulacra_trainer.graph import CausalGraph, learn_graph
from simulacra_trainer.linked.model import LinkedModel, fit_linked
from simulacra_trainer.linked.privacy import LinkedTuning, tune_linked
from simulacra_trainer.linked.tables import linked_tables
from simulacra_trainer.persons import one_row_a_person, persons_in, split_persons
from simulacra_trainer.pipeline.holdout import (
    HalfModelRows,
    draw_half_model,
    draw_rows,
    split_halves,
)
from simulacra_trainer.pipeline.privacy_tuning import tune_privacy
from simulacra_trainer.pipeline.trained_model import TrainedModel, is_neural, load_family
from simulacra_trainer.progress import ProgressMeter
from simulacra_trainer.relations.compute import with_computed, without_computed
from simulacra_trainer.relations.plan import (
    graph_with_computed,
    knowledge_of_learned,
    relations_report,
    usable_relations,
    with_relations,
)
from simulacra_trainer.report import build_report, figures
from simulacra_trainer.report.dependence import Trial
from simulacra_trainer.report.singling_out import singling_out
from simulacra_trainer.report.slices import slice_worth
from simulacra_trainer.report.worth import figures_of, model_worth
from simulacra_trainer.survey_weights import as_population
from simulacra_trainer.table.errors import InputError, too_small
from simulacra_trainer.table.limits import MIN_COLUMNS, MIN_ROWS
from simulacra_trainer.workers import Workers

if TYPE_CHECKING:
    from simulacra_trainer.families.neural.worker_group import WorkerGroup

STEPS = {
    "learning the causal graph": 4.0,
    "testing privacy": 3.0,
    "fitting": 1.0,
    "writing the report": 1.0,
}
"""Steps of a fit and their relative durations with the forest family."""
GRAPH, PRIVACY, FIT, REPORT = STEPS
NEURAL_STEPS = {GRAPH: 1.0, PRIVACY: 6.0, FIT: 8.0, REPORT: 1.0}
GRAPH_BUDGET_S = 10.0
MAX_FIT_ROWS = 500_000
MIN_LINKED_PERSONS = 10
PRIVATE_EXTRA = "opendp"


@dataclass(frozen=True)
class FitContext:
    """Checkpoint directory and worker group of a fit, for the neural family, and the table's name.

    Attributes:
        checkpoints: directory from which an interrupted fit resumes; the caller removes it.
        kept: called after a file was written or removed there.
        group: the workers that train together; None for a single process.
        name: of the table, for its report; None without one.
    """

    checkpoints: Path | None = None
    kept: Callable[[], None] = lambda: None
    group: WorkerGroup | None = None
    name: str | None = None


@contextlib.contextmanager
def join_workers(workers: Workers | None, request: FitRequest) -> Iterator[WorkerGroup | None]:
    """Join the worker group of a fit, if there is one, and leave it at the end.

    Raises:
        PeerLost: if another worker does not join or ends early.
    """
    if workers is None:
        yield None
        return
    load_family(request.family, request.gpu)  # raises a clear error if torch is missing
    from simulacra_trainer.families.neural.worker_group import joined

    with joined(workers, on_gpu=request.gpu > 0) as group:
        yield group


def fit_model(
    table: pa.Table,
    schema: TableSchema,
    request: FitRequest,
    meter: ProgressMeter,
    context: FitContext | None = None,
) -> TrainedModel:
    """Fit a causal generative model on a clean table.

    Args:
        table: the clean table.
        schema: its schema.
        request: family, knowledge, differential privacy and seed.
        meter: receives the progress.
        context: checkpoint directory, worker group, and name of the table.

    Raises:
        InputError: too few rows or columns, or knowledge that contradicts itself or the schema.
        PeerLost: another worker ended.
    """
    context = context or FitContext()
    if table.num_rows < MIN_ROWS or len(schema.learned()) < MIN_COLUMNS:
        raise too_small(
            f"The table is too small. It needs {MIN_ROWS} rows and {MIN_COLUMNS} columns that vary."
        )
    real = _within_limit(table, schema, request.seed)
    table = real if request.privacy is None else _private(real, schema, request.privacy)
    family = load_family(request.family, request.gpu)
    options = _options(request, context)
    schema = _usable(schema, request)
    learned = without_computed(schema)
    timings = Timings()
    progress = meter.step(GRAPH)
    with timings.of(GRAPH):
        graph = _graph(table, schema, request, context)
    progress(1.0)
    progress = meter.step(PRIVACY)
    with timings.of(PRIVACY):
        half = _fit_half(family, real, learned, graph.order, request, options, progress)
        options |= half.options
    with timings.of(FIT):
        model = family.fit(
            table,
            learned,
            graph.order,
            seed=request.seed,
            options=options,
            progress=meter.step(FIT),
        )
        model = with_relations(model, schema, table)
        linked, tuning = _fit_linked(table, schema, graph.order, request)
    graph = graph_with_computed(graph, schema)
    proposals = open_proposals(graph.knowledge, learned)
    graph = graph.model_copy(update={"stated": request.stated, "proposals": proposals})
    progress = meter.step(REPORT)
    report = build_report(
        half.rows.halves.seen,
        half.rows.halves.unseen,
        with_computed(half.rows.synthetic, schema),
        schema,
        graph_json=json.loads(graph.to_json()),
        timings=timings.seconds,
        seed=request.seed,
        guarantee=request.privacy,
        name=context.name,
    )
    if report["privacy"] is not None:
        report["privacy"] |= half.copying
    report["singling_out"] = singling_out(real, schema)
    report["relations"] = relations_report(model, schema, request.seed)
    report["linked"] = None if tuning is None else tuning.to_json()
    report["worth"] = None
    if request.privacy is None:  # else it would tell about the table beyond the guarantee
        trials, columns = half.trials(schema), report["marginals"]
        report["worth"] = _worth(trials, table, schema, columns, request.seed)
    report["made"]["family"] = family.name
    progress(1.0)
    found = figures(report) | figures_of(report["worth"]) | half.figures
    report["verdicts"] = [one.model_dump() for one in verdicts(found)]
    return TrainedModel(model, family.name, table, schema, graph, found, report, linked)


def _worth(
    trials: Sequence[Trial],
    table: pa.Table,
    schema: TableSchema,
    columns: list[dict[str, Any]],
    seed: int,
) -> dict[str, Any]:
    """Return the part `worth` of the report, with its slices of the pictured columns."""
    found = model_worth(trials, table, schema, seed=seed)
    of_all = {"rows": found["rows"], "ratio": found["ratio"]}
    return found | {"slices": slice_worth(found["worth"], columns, table, schema, **of_all)}


def _fit_linked(
    table: pa.Table, schema: TableSchema, order: Sequence[str], request: FitRequest
) -> tuple[LinkedModel | None, LinkedTuning | None]:
    """Fit the model of linked rows, forests in every family; None without a subject."""
    tables = linked_tables(table, schema)
    if tables is None or tables.subjects.num_rows < MIN_LINKED_PERSONS:
        return None, None
    tuning = tune_linked(tables, order, seed=request.seed)
    return fit_linked(tables, order, tuning.options, tuning.methods), tuning


def fit_as_follower(
    table: pa.Table, schema: TableSchema, request: FitRequest, context: FitContext
) -> None:
    """Take part in the training that another worker leads. Raises `PeerLost`."""
    if context.group is None:
        raise ValueError("a follower needs a worker group")
    order = json.loads(context.group.share())
    schema = without_computed(_usable(schema, request))
    table = _within_limit(table, schema, request.seed)
    family = load_family(request.family, request.gpu)
    halves = split_halves(table, seed=request.seed, persons=persons_in(table, schema))
    for rows in (halves.seen, table):
        options = _options(request, context)
        family.fit(rows, schema, order, seed=request.seed, options=options, progress=no_progress)


def _usable(schema: TableSchema, request: FitRequest) -> TableSchema:
    """Return the schema with the relations and special codes that this fit learns."""
    schema = usable_relations(schema, request)
    # Differential privacy measures the learned columns alone.
    return schema if request.privacy is None else schema.without_codes()


def _options(request: FitRequest, context: FitContext) -> dict[str, Any]:
    parts = {"checkpoints": context.checkpoints, "kept": context.kept, "group": context.group}
    return {"gpu": request.gpu, **parts}


def _within_limit(table: pa.Table, schema: TableSchema, seed: int) -> pa.Table:
    """Return the table, or a random part of it; the rows of a person stay together."""
    if table.num_rows > MAX_FIT_ROWS:
        rng = np.random.default_rng([seed, 11])
        rows = split_persons(persons_in(table, schema), table.num_rows, rng)[:MAX_FIT_ROWS]
        table = table.take(np.sort(rows))
    return table.combine_chunks()


def _graph(
    table: pa.Table, schema: TableSchema, request: FitRequest, context: FitContext
) -> CausalGraph:
    """Learn the graph, or reuse that of the interrupted fit, whose checkpoints need its order."""
    rng = np.random.default_rng([request.seed, 12])
    table = as_population(one_row_a_person(table, schema, rng), schema, rng)
    knowledge = knowledge_of_learned(bind_background(request.knowledge, schema), schema)
    request = request.model_copy(update={"knowledge": knowledge})
    schema = without_computed(schema)
    path = None
    if context.checkpoints is not None and is_neural(request.family, request.gpu):
        path = context.checkpoints / f"graph-{_fingerprint(table, schema, request)}.json"
    if path is not None and path.exists():
        graph = CausalGraph.from_json(path.read_text())
    else:
        graph = learn_graph(
            table, schema, request.knowledge, seed=request.seed, budget_s=GRAPH_BUDGET_S
        )
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(graph.to_json())
            context.kept()
    if context.group is not None:
        context.group.share(json.dumps(list(graph.order)).encode())
    return graph


def _fingerprint(table: pa.Table, schema: TableSchema, request: FitRequest) -> str:
    digest = hashlib.sha256(schema.model_dump_json().encode() + request.model_dump_json().encode())
    for column in table.columns:
        for buffer in column.combine_chunks().buffers():
            digest.update(buffer or b"")
    return digest.hexdigest()[:16]


def _private(table: pa.Table, schema: TableSchema, privacy: DifferentialPrivacy) -> pa.Table:
    if schema.weight() is not None:
        message = "Differential privacy does not support survey weights. Use one of the two."
        raise InputError(Reason.REQUEST_INVALID, message, message, "/epsilon")
    if schema.subject() is not None:
        message = (
            "Differential privacy bounds what a row tells, and here a person has several rows. Fit "
            "without epsilon, or upload one row a person."
        )
        raise InputError(Reason.REQUEST_INVALID, message, message, "/epsilon")
    try:  # an extra, and slow to import
        from simulacra_trainer.differential_privacy import sanitize
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != PRIVATE_EXTRA:
            raise
        message = "Differential privacy is not installed. Run: pip install 'simulacra[private]'"
        raise InputError(Reason.REQUEST_INVALID, message, message, "/epsilon") from None
    return sanitize(table, schema, privacy)


@dataclass(frozen=True)
class _HalfModel:
    """Results of a model of one half of the rows.

    Attributes:
        rows: its synthetic rows, and both halves.
        others: rows of further half-models.
        options: options for the fit on all rows.
        figures: figures for the status, besides those of the report.
        copying: figures of the copying test, for the privacy part of the report.
    """

    rows: HalfModelRows
    options: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    copying: dict[str, Any] = field(default_factory=dict)
    others: Sequence[HalfModelRows] = ()

    def trials(self, schema: TableSchema) -> list[Trial]:
        """Return seen, unseen and synthetic rows of each half-model, with computed columns."""
        return [
            (rows.halves.seen, rows.halves.unseen, with_computed(rows.synthetic, schema))
            for rows in (self.rows, *self.others)
        ]


def _fit_half(
    family: Family,
    table: pa.Table,
    schema: TableSchema,
    order: Sequence[str],
    request: FitRequest,
    options: dict[str, Any],
    progress: Callable[[float], None],
) -> _HalfModel:
    """Fit a model of one half of the real rows and draw from it."""
    if request.privacy is not None:
        return _fit_half_privately(family, table, schema, order, request, options)
    if family.name == FOREST.name:
        return _tune_half(table, schema, order, request, progress)
    halves = split_halves(table, seed=request.seed, persons=persons_in(table, schema))
    rows = draw_half_model(
        family, halves, schema, order, seed=request.seed, options=options, progress=progress
    )
    return _HalfModel(rows)


def _tune_half(
    table: pa.Table,
    schema: TableSchema,
    order: Sequence[str],
    request: FitRequest,
    progress: Callable[[float], None],
) -> _HalfModel:
    """Choose the penalty and scale of the forest by privacy tuning."""
    strict = request.privacy_level == "strict"
    tuning = tune_privacy(table, schema, order, seed=request.seed, strict=strict, progress=progress)
    copying: dict[str, Any] = {"dcr_share": tuning.share, "dcr_standard_error": tuning.error}
    chosen = {"penalty_nats": tuning.penalty}
    if tuning.disclosure is not None:
        copying["attacks"] = tuning.disclosure.to_json()
        chosen["scale"] = tuning.scale
        copying["level"] = request.privacy_level
    return _HalfModel(tuning.rows, tuning.options, chosen, copying, tuning.others)


def _fit_half_privately(
    family: Family,
    real: pa.Table,
    schema: TableSchema,
    order: Sequence[str],
    request: FitRequest,
    options: dict[str, Any],
) -> _HalfModel:
    """Fit one half with differential privacy; the report compares its rows with real ones."""
    assert request.privacy is not None
    halves = split_halves(real, seed=request.seed, persons=persons_in(real, schema))
    seen = _private(halves.seen, schema, request.privacy)
    model = family.fit(
        seen, schema, order, seed=request.seed, options=options, progress=no_progress
    )
    guarantee = {"epsilon": request.privacy.epsilon, "delta": request.privacy.delta}
    return _HalfModel(draw_rows(model, halves, seed=request.seed), figures=guarantee)


def fit_steps(request: FitRequest) -> dict[str, float]:
    """Return the steps of this fit and their relative durations."""
    return NEURAL_STEPS if is_neural(request.family, request.gpu) else STEPS


class Timings:
    """Seconds of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def of(self, step: str) -> Iterator[None]:
        """Time the body of the with statement."""
        began = time.monotonic()
        yield
        self.seconds[step] = round(time.monotonic() - began, 3)
