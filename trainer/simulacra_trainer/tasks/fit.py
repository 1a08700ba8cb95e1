"""The task fit: a model of the dataset, by one worker or a group of them."""

from __future__ import annotations

import json

from simulacra_crds.kinds.base import Artifact
from simulacra_crds.tasks import (
    DATASET,
    DESCRIPTION,
    EARLIER,
    GRAPH,
    MODEL_PREFIX,
    REPORT,
    REPORT_PAGE,
    REQUEST,
    SCHEMA,
    SUMMARY,
    FitRequest,
    TaskResult,
)
from simulacra_schema.description import UNNAMED
from simulacra_schema.table import TableSchema
from simulacra_schema.wave_summary import WaveSummary
from simulacra_trainer.pipeline.fit import fit_as_follower, fit_model, fit_steps
from simulacra_trainer.pipeline.fit_context import FitContext, join_workers
from simulacra_trainer.progress import ProgressMeter
from simulacra_trainer.tasks.checkpoints import StoredCheckpoints
from simulacra_trainer.tasks.context import TaskContext
from simulacra_trainer.trained_model import MODEL, ModelHeader, read_clean, read_header, save_model
from simulacra_trainer.workers import workers_of

DOCUMENTS = (GRAPH, REPORT, REPORT_PAGE, SUMMARY)
"""Files of a fitted model that its customer reads."""


def fit(context: TaskContext) -> TaskResult | None:
    """Fit a model and store it with its graph and report. Safe to repeat.

    model.json is stored last and marks the model as complete. In a group the leader does all
    this; followers lend their processors, store nothing and return None.
    """
    own = context.own
    checkpoints = StoredCheckpoints(own, context.directory / "checkpoints")
    workers = workers_of(context.env, context.shard, context.spec.shards)
    if own.exists(MODEL_PREFIX + MODEL):  # an earlier pod finished
        checkpoints.erase()
        return _fitted_before(context) if context.shard == 0 else None
    request = own.load(REQUEST, FitRequest)
    schema = context.dataset.load(SCHEMA, TableSchema)
    table = read_clean(context.dataset.download(DATASET, context.directory / DATASET), schema)
    with join_workers(workers, request) as group:
        checkpoints.restore()
        name = _name_of(context)
        earlier = _earlier(context)
        fit_context = FitContext(checkpoints.directory, checkpoints.store, group, name, earlier)
        if context.shard > 0:
            fit_as_follower(table, schema, request, fit_context)
            return None
        meter = ProgressMeter(fit_steps(request, schema), context.report_progress)
        trained = fit_model(table, schema, request, meter, fit_context)
        directory = context.directory / "model"
        save_model(trained, directory)
        files = sorted(directory.iterdir(), key=lambda path: (path.name == MODEL, path.name))
        stored = [own.upload(name, directory / name) for name in DOCUMENTS]
        stored += [own.upload(MODEL_PREFIX + path.name, path) for path in files]
        checkpoints.erase()
    return _fitted(stored, read_header(directory), schema)


def _name_of(context: TaskContext) -> str | None:
    """Return what the table is called; None without a name, or read by an earlier release."""
    if not context.dataset.exists(DESCRIPTION):
        return None
    name = json.loads(context.dataset.read(DESCRIPTION)).get("name")
    return None if name == UNNAMED else name


def _earlier(context: TaskContext) -> WaveSummary | None:
    """Return the summary of earlier waves that the customer handed back with the table."""
    if not context.dataset.exists(EARLIER):
        return None
    return WaveSummary.model_validate_json(context.dataset.read(EARLIER))


def _fitted_before(context: TaskContext) -> TaskResult:
    """Return the result of a finished fit from its stored artifacts."""
    own = context.own
    documents = [name for name in DOCUMENTS if own.exists(name)]
    names = [*documents, *sorted(own.names(MODEL_PREFIX))]
    header = own.load(MODEL_PREFIX + MODEL, ModelHeader)
    schema = context.dataset.load(SCHEMA, TableSchema)
    return _fitted([own.describe(name) for name in names], header, schema)


def _fitted(stored: list[Artifact], header: ModelHeader, schema: TableSchema) -> TaskResult:
    return TaskResult(
        outcome="Succeeded",
        reason="Fitted",
        artefacts=stored,
        rows=schema.rows,
        columns=len(schema.learned()),
        family=header.family,
        figures=header.figures,
    )
