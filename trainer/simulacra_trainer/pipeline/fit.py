"""The fit pipeline: causal graph, privacy tuning or trial, model on all rows, report."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.schema import TableSchema
from simulacra_crds.contract.tasks import FitRequest
from simulacra_crds.kinds.model import DifferentialPrivacy
from simulacra_trainer.families.base import Family, FittedModel, no_progress
from simulacra_trainer.families.forest import FOREST
from simulacra_trainer.graph import CausalGraph, learn_graph
from simulacra_trainer.pipeline.holdout import (
    HalfModelRows,
    draw_half_model,
    draw_rows,
    split_halves,
)
from simulacra_trainer.pipeline.privacy_tuning import tune_privacy
from simulacra_trainer.progress import ProgressMeter
from simulacra_trainer.report import build_report, figures
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
"""The steps of a fit, and how long each takes relative to the others with the forest family."""
GRAPH, PRIVACY, FIT, REPORT = STEPS
NEURAL_STEPS = {GRAPH: 1.0, PRIVACY: 6.0, FIT: 8.0, REPORT: 1.0}
GRAPH_BUDGET_S = 10.0
MAX_FIT_ROWS = 500_000
NEURAL_EXTRA = ("torch", "pytorch_lightning")
PRIVATE_EXTRA = "opendp"


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
        InputError: if the neural family is asked for where torch or pytorch-lightning is not
            installed.
    """
    if _is_neural(name, gpu):
        try:
            family: Family = importlib.import_module("simulacra_trainer.families.neural").NEURAL
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in NEURAL_EXTRA:
                raise
            message = "The neural family is not installed. Run: pip install 'simulacra[neural]'"
            raise InputError(Reason.REQUEST_INVALID, message, message) from None
        return family
    return FOREST


@dataclass(frozen=True)
class FitContext:
    """Checkpoint directory and worker group of a fit; only the neural family uses them.

    Attributes:
        checkpoints: a directory in which a fit that is cut short leaves what the next one continues
            from; the caller removes it.
        kept: called after something was written or removed there.
        group: the workers that train together; None: this process alone.
    """

    checkpoints: Path | None = None
    kept: Callable[[], None] = lambda: None
    group: WorkerGroup | None = None


@contextlib.contextmanager
def join_workers(workers: Workers | None, request: FitRequest) -> Iterator[WorkerGroup | None]:
    """Meet the other workers of a fit, if there are any, and leave them at the end.

    Raises:
        PeerLost: if one of them does not come or goes before the end.
    """
    if workers is None:
        yield None
        return
    family_named(request.family, request.gpu)  # says what is to be installed where torch is missing
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
        meter: told how far the work is.
        context: where checkpoints go, and the workers that this one leads.

    Raises:
        InputError: if there are too few rows or columns, or the knowledge contradicts itself or the
            schema.
        PeerLost: if another worker ended.
    """
    context = context or FitContext()
    if table.num_rows < MIN_ROWS or len(schema.learned()) < MIN_COLUMNS:
        raise too_small(
            f"The table is too small: it needs {MIN_ROWS} rows and {MIN_COLUMNS} columns that vary."
        )
    table = real = _within_limit(table, request.seed)
    if request.privacy is not None:
        table = _private(real, schema, request.privacy)
    family = family_named(request.family, request.gpu)
    options = _options(request, context)
    timings = Timings()
    progress = meter.step(GRAPH)
    with timings.of(GRAPH):
        population = as_population(table, schema, np.random.default_rng([request.seed, 12]))
        graph = _graph(population, schema, request, context)
    progress(1.0)
    progress = meter.step(PRIVACY)
    with timings.of(PRIVACY):
        trial = _trial(family, real, schema, graph.order, request, options, progress)
        options |= trial.options
    with timings.of(FIT):
        model = family.fit(
            table, schema, graph.order, seed=request.seed, options=options, progress=meter.step(FIT)
        )
    progress = meter.step(REPORT)
    report = build_report(
        trial.rows.halves.seen,
        trial.rows.halves.unseen,
        trial.rows.synthetic,
        schema,
        graph_json=json.loads(graph.to_json()),
        timings=timings.seconds,
        seed=request.seed,
        privacy_asked=request.privacy,
    )
    if report["privacy"] is not None:
        report["privacy"] |= trial.copying
    progress(1.0)
    return TrainedModel(
        model, family.name, table, schema, graph, {**figures(report), **trial.figures}, report
    )


def fit_as_follower(
    table: pa.Table, schema: TableSchema, request: FitRequest, context: FitContext
) -> None:
    """Take part in the trainings of a fit that another worker leads. Raises `PeerLost`."""
    if context.group is None:
        raise ValueError("a worker helps a group")
    order = json.loads(context.group.share())
    table, family = _within_limit(table, request.seed), family_named(request.family, request.gpu)
    for rows in (split_halves(table, seed=request.seed).seen, table):
        options = _options(request, context)
        family.fit(rows, schema, order, seed=request.seed, options=options, progress=no_progress)


def _options(request: FitRequest, context: FitContext) -> dict[str, Any]:
    parts = {"checkpoints": context.checkpoints, "kept": context.kept, "group": context.group}
    return {"gpu": request.gpu, **parts}


def _within_limit(table: pa.Table, seed: int) -> pa.Table:
    if table.num_rows > MAX_FIT_ROWS:
        rows = np.random.default_rng([seed, 11]).permutation(table.num_rows)[:MAX_FIT_ROWS]
        table = table.take(np.sort(rows))
    return table.combine_chunks()


def _graph(
    table: pa.Table, schema: TableSchema, request: FitRequest, context: FitContext
) -> CausalGraph:
    """Learn the graph, or reuse the interrupted fit's: checkpoints belong to its order."""
    kept = None
    if context.checkpoints is not None and _is_neural(request.family, request.gpu):
        kept = context.checkpoints / f"graph-{_fingerprint(table, schema, request)}.json"
    if kept is not None and kept.exists():
        graph = CausalGraph.from_json(kept.read_text())
    else:
        graph = learn_graph(
            table, schema, request.knowledge, seed=request.seed, budget_s=GRAPH_BUDGET_S
        )
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(graph.to_json())
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


def _private(table: pa.Table, schema: TableSchema, asked: DifferentialPrivacy) -> pa.Table:
    if schema.weight() is not None:
        message = (
            "Differential privacy is not offered with survey weights: fit without one of the two."
        )
        raise InputError(Reason.REQUEST_INVALID, message, message, "/epsilon")
    try:  # a fifth of a second, and few fits need it
        from simulacra_trainer.differential_privacy import sanitize
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != PRIVATE_EXTRA:
            raise
        message = "Differential privacy is not installed here; install it with: pip install 'simulacra[private]'"
        raise InputError(Reason.REQUEST_INVALID, message, message, "/epsilon") from None
    return sanitize(table, schema, asked)


@dataclass(frozen=True)
class _Trial:
    """A model of one half of the rows.

    Attributes:
        rows: what it drew, and both halves.
        options: what the family is to be fit with because of it.
        figures: what the status says of the fit besides the report's figures.
        copying: figures of the report's privacy part that the test of copying gave.
    """

    rows: HalfModelRows
    options: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    copying: dict[str, float] = field(default_factory=dict)


def _trial(
    family: Family,
    table: pa.Table,
    schema: TableSchema,
    order: Sequence[str],
    request: FitRequest,
    options: dict[str, Any],
    progress: Callable[[float], None],
) -> _Trial:
    """Draw from a model of one half of the real rows, as the family and the request ask for."""
    if request.privacy is not None:
        return _private_trial(family, table, schema, order, request, options)
    if family.name == FOREST.name:
        return _tuned_trial(table, schema, order, request, progress)
    halves = split_halves(table, seed=request.seed)
    return _Trial(
        draw_half_model(
            family, halves, schema, order, seed=request.seed, options=options, progress=progress
        )
    )


def _tuned_trial(
    table: pa.Table,
    schema: TableSchema,
    order: Sequence[str],
    request: FitRequest,
    progress: Callable[[float], None],
) -> _Trial:
    """Let the test of copying choose the forest's penalty."""
    dial = tune_privacy(table, schema, order, seed=request.seed, progress=progress)
    copying = {"dcr_share": dial.share, "dcr_standard_error": dial.error}
    return _Trial(dial.rows, dial.options, {"penalty_nats": dial.penalty}, copying)


def _private_trial(
    family: Family,
    real: pa.Table,
    schema: TableSchema,
    order: Sequence[str],
    request: FitRequest,
    options: dict[str, Any],
) -> _Trial:
    """Draw from a private model of one half, only to report its figures on real rows."""
    assert request.privacy is not None
    halves = split_halves(real, seed=request.seed)
    seen = _private(halves.seen, schema, request.privacy)
    model = family.fit(
        seen, schema, order, seed=request.seed, options=options, progress=no_progress
    )
    stated = {"epsilon": request.privacy.epsilon, "delta": request.privacy.delta}
    return _Trial(draw_rows(model, halves, seed=request.seed), figures=stated)


def fit_steps(request: FitRequest) -> dict[str, float]:
    """Return the steps of this fit and their relative durations."""
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
