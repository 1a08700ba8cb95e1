"""The four tasks of a pod: prepare, fit, generate, estimate. Each may be killed and rerun."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from simulacra_crds.contract.schema import TableSchema
from simulacra_crds.contract.tasks import (
    ATTAINMENT,
    DATASET,
    ESTIMATE,
    GRAPH,
    IDENTIFICATION,
    MODEL_PREFIX,
    REPORT,
    REPORT_PAGE,
    REQUEST,
    SCHEMA,
    SHARD_ENV,
    SOURCE,
    UPLOAD,
    UPLOAD_PIECES,
    EstimateRequest,
    FitRequest,
    GenerateRequest,
    KeyedRef,
    PrepareRequest,
    TaskResult,
    TaskSpec,
    part_name,
)
from simulacra_crds.kinds.base import Artifact
from simulacra_crds.kinds.dataset import ReadSource
from simulacra_custody.service import Custody
from simulacra_trainer.artifacts import Artifacts
from simulacra_trainer.checkpoints import StoredCheckpoints
from simulacra_trainer.conditions import AttainmentDetail
from simulacra_trainer.effects import estimate_effect
from simulacra_trainer.object_source import fetch
from simulacra_trainer.pipeline.fit import (
    FitContext,
    TrainedModel,
    fit_as_follower,
    fit_model,
    fit_steps,
    join_workers,
)
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation, shard_range
from simulacra_trainer.pipeline.generation_report import report_generation
from simulacra_trainer.pipeline.identification import Identification
from simulacra_trainer.pipeline.model_dir import (
    MODEL,
    ModelHeader,
    load_model,
    read_clean,
    read_header,
    save_model,
    write_clean,
)
from simulacra_trainer.progress import ProgressMeter, Sink
from simulacra_trainer.report import render_html
from simulacra_trainer.table.clean import clean_table
from simulacra_trainer.table.read import read_table
from simulacra_trainer.workers import workers_of


@dataclass(frozen=True)
class TaskContext:
    """What a task works with: spec, custody, private directory, progress, shard, variables."""

    spec: TaskSpec
    custody: Custody
    directory: Path
    tell: Sink
    shard: int
    env: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def own(self) -> Artifacts:
        """The artifacts of the resource that the task is for."""
        return self._of(self.spec.resource)

    @property
    def dataset(self) -> Artifacts:
        """The artifacts of the dataset."""
        return self._of(self.spec.dataset)

    @property
    def model(self) -> Artifacts:
        """The artifacts of the model."""
        return self._of(self.spec.model)

    def _of(self, resource: KeyedRef | None) -> Artifacts:
        if resource is None:
            raise ValueError("the task names no such resource")
        return Artifacts(self.custody, self.spec.tenant, resource)


def shard_of(env: Mapping[str, str] = os.environ) -> int:
    """Return the shard or worker number: the completion index of an Indexed Job, else 0."""
    return int(env.get(SHARD_ENV) or 0)


def prepare(context: TaskContext) -> TaskResult:
    """Clean the upload or its object, store dataset and schema, erase the upload."""
    own = context.own
    if own.exists(DATASET) and own.exists(SCHEMA):  # an earlier try came as far as the erasure
        schema = own.load(SCHEMA, TableSchema)
        stored = [own.describe(DATASET, schema.rows), own.describe(SCHEMA)]
    else:
        request = own.load(REQUEST, PrepareRequest)
        meter = ProgressMeter({"reading": 2.0, "cleaning": 3.0, "storing": 1.0}, context.tell)
        meter.step("reading")
        raw = read_table(_received(context, request), request.format)
        meter.step("cleaning")
        clean = clean_table(raw, weights=request.weights)
        schema = clean.schema
        storing = meter.step("storing")
        path = context.directory / DATASET
        write_clean(clean.table, path)
        stored = [own.upload(DATASET, path, schema.rows), own.store_model(SCHEMA, schema)]
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


def _received(context: TaskContext, request: PrepareRequest) -> Path:
    """Return the file with the customer's bytes, noting what was read for a later try."""
    path = context.directory / UPLOAD
    if request.source is None:
        return context.own.download(UPLOAD, path)
    context.own.store_model(SOURCE, fetch(request.source, context.env, path))
    return path


def fit(context: TaskContext) -> TaskResult | None:
    """Fit a model on the dataset and store it with its graph and report; model.json comes last and
    says it is whole.

    Of several workers the first does that; the others help it, store nothing and have no result.
    """
    own = context.own
    checkpoints = StoredCheckpoints(own, context.directory / "checkpoints")
    workers = workers_of(context.env, context.shard, context.spec.shards)
    if own.exists(MODEL_PREFIX + MODEL):  # an earlier try came as far as the end
        checkpoints.erase()
        return _fitted_before(context) if context.shard == 0 else None
    request, schema = own.load(REQUEST, FitRequest), context.dataset.load(SCHEMA, TableSchema)
    table = read_clean(context.dataset.download(DATASET, context.directory / DATASET), schema)
    with join_workers(workers, request) as group:
        checkpoints.restore()
        fit_context = FitContext(checkpoints.directory, checkpoints.keep, group)
        if context.shard > 0:
            fit_as_follower(table, schema, request, fit_context)
            return None
        trained = fit_model(
            table, schema, request, ProgressMeter(fit_steps(request), context.tell), fit_context
        )
        directory = context.directory / "model"
        save_model(trained, directory)
        files = sorted(directory.iterdir(), key=lambda path: (path.name == MODEL, path.name))
        stored = [own.upload(name, directory / name) for name in (GRAPH, REPORT, REPORT_PAGE)]
        stored += [own.upload(MODEL_PREFIX + path.name, path) for path in files]
        checkpoints.erase()
    return _fitted(stored, read_header(directory), schema)


def _fitted_before(context: TaskContext) -> TaskResult:
    """Return the result of a fit that ended, from what is stored."""
    own = context.own
    names = [GRAPH, REPORT, REPORT_PAGE, *sorted(own.names(MODEL_PREFIX))]
    header = own.load(MODEL_PREFIX + MODEL, ModelHeader)
    return _fitted(
        [own.describe(name) for name in names], header, context.dataset.load(SCHEMA, TableSchema)
    )


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


def generate(context: TaskContext) -> TaskResult:
    """Generate this shard's rows as one Parquet part; a part that is stored already is done."""
    own, request = context.own, context.own.load(REQUEST, GenerateRequest)
    name, shards = part_name(context.shard), context.spec.shards
    start, stop = shard_range(request.row_count, context.shard, shards)
    if (
        own.exists(name) and context.spec.customer_key is None
    ):  # else it cannot be read, and is written again
        detail = own.load(ATTAINMENT, AttainmentDetail) if own.exists(ATTAINMENT) else None
        rests_on = own.load(IDENTIFICATION, Identification) if own.exists(IDENTIFICATION) else None
        return _generated(own.describe(name, stop - start), detail, rests_on)
    # every shard makes the same plan; the first one tells of it
    meter = ProgressMeter(
        {"loading": 1.0, "planning": 2.0, "generating": 7.0},
        context.tell if context.shard == 0 else lambda _: None,
    )
    meter.step("loading")
    trained = _trained(context)
    meter.step("planning")
    plan = plan_generation(trained, request)
    if plan.attainment is not None and context.shard == 0:
        own.store_model(ATTAINMENT, plan.attainment)
    if plan.identification is not None and context.shard == 0:
        own.store_model(IDENTIFICATION, plan.identification)
    progress, done = meter.step("generating"), itertools.count(1)
    drawn: list[pa.Table] = []
    tables = generate_rows(trained, plan, context.shard, shards, drawn.append)
    first = next(tables)
    if context.shard == 0:
        report = report_generation(trained, request, plan.attainment, drawn[0])
        own.store(REPORT, json.dumps(report).encode())
        own.store(REPORT_PAGE, render_html(report).encode())
    chunks = max(-(-(stop - start) // first.num_rows), 1)

    def counted(table: object) -> bool:
        progress(min(next(done) / chunks, 1.0))
        return table is not None

    part = own.store_table(
        name,
        filter(counted, itertools.chain([first], tables)),
        first.schema,
        context.spec.customer_key,
    )
    return _generated(part, plan.attainment, plan.identification)


def estimate(context: TaskContext) -> TaskResult:
    """Estimate an effect and store it."""
    request = context.own.load(REQUEST, EstimateRequest)
    trained = _trained(context)
    result = estimate_effect(trained.table, trained.schema, trained.graph, request, seed=0)
    stored = context.own.store(ESTIMATE, result.to_json().encode())
    return TaskResult(
        outcome="Succeeded", reason="Estimated", artefacts=[stored], estimate=result.summary
    )


WORK: dict[str, Callable[[TaskContext], TaskResult | None]] = {
    "prepare": prepare,
    "fit": fit,
    "generate": generate,
    "estimate": estimate,
}


def _generated(
    part: Artifact, detail: AttainmentDetail | None, rests_on: Identification | None
) -> TaskResult:
    attainment = None if detail is None else detail.summary()
    partial = attainment is not None and attainment.status == "partial"
    return TaskResult(
        outcome="Succeeded",
        reason="GeneratedPartially" if partial else "Generated",
        artefacts=[part],
        rows=part.rows,
        attainment=attainment,
        identified=None if rests_on is None else rests_on.identified,
    )


def _trained(context: TaskContext) -> TrainedModel:
    directory = context.directory / "model"
    directory.mkdir()
    for name in context.model.names(MODEL_PREFIX):
        context.model.download(name, directory / name.removeprefix(MODEL_PREFIX))
    return load_model(directory)
