"""The task prepare: from an upload, or an object in the customer's store, to a clean dataset."""

from __future__ import annotations

from pathlib import Path

from simulacra_crds.contract.schema import TableSchema
from simulacra_crds.contract.tasks import (
    DATASET,
    REQUEST,
    SCHEMA,
    SOURCE,
    UPLOAD,
    UPLOAD_PIECES,
    PrepareRequest,
    TaskResult,
)
from simulacra_crds.kinds.dataset import ReadSource
from simulacra_trainer.progress import ProgressMeter
from simulacra_trainer.table.clean import clean_table
from simulacra_trainer.table.read import open_table
from simulacra_trainer.tasks.context import TaskContext
from simulacra_trainer.tasks.object_source import fetch

STEPS = {"reading": 2.0, "cleaning": 3.0, "storing": 1.0}


def prepare(context: TaskContext) -> TaskResult:
    """Store the clean dataset and its schema, then erase the upload. Safe to repeat."""
    own = context.own
    if own.exists(DATASET) and own.exists(SCHEMA):  # an earlier pod got as far as the erasure
        schema = own.load(SCHEMA, TableSchema)
        stored = [own.describe(DATASET, schema.rows), own.describe(SCHEMA)]
    else:
        request = own.load(REQUEST, PrepareRequest)
        meter = ProgressMeter(STEPS, context.report_progress)
        meter.step("reading")
        raw = open_table(_receive(context, request), request.format)
        meter.step("cleaning")
        clean = clean_table(raw, weights=request.weights)
        schema = clean.schema
        storing = meter.step("storing")
        table = own.store_table(DATASET, iter([clean.table]), clean.table.schema)
        stored = [table, own.store_model(SCHEMA, schema)]
        storing(1.0)
    for name in (UPLOAD, *own.names(UPLOAD_PIECES)):
        own.erase(name)
    return TaskResult(
        outcome="Succeeded",
        reason="Prepared",
        artefacts=stored,
        rows=schema.rows,
        columns=len(schema.columns),
        source=own.load(SOURCE, ReadSource) if own.exists(SOURCE) else None,
    )


def _receive(context: TaskContext, request: PrepareRequest) -> Path:
    """Return the file with the customer's bytes; of an object, store what was read."""
    path = context.directory / UPLOAD
    if request.source is None:
        return context.own.download(UPLOAD, path)
    context.own.store_model(SOURCE, fetch(request.source, context.env, path))
    return path
