"""The task generate: rows of a fitted model, one Parquet part a shard; or the gaps of given rows.

No artifact has a cell that was given: the part of a completion has row numbers, implicates and
filled cells, and completion.json figures of columns.
"""

import itertools
import json

import pyarrow as pa

from simulacra_crds.kinds.base import Artifact
from simulacra_crds.tasks import (
    ATTAINMENT,
    COMPLETION,
    EVIDENCE,
    GIVEN,
    IDENTIFICATION,
    REPORT,
    REPORT_PAGE,
    REQUEST,
    GenerateRequest,
    TaskResult,
    part_name,
)
from simulacra_intake.parquet_file import read_parquet
from simulacra_schema.completion import CompletionReport, GivenOptions
from simulacra_trainer.conditions import AttainmentDetail
from simulacra_trainer.pipeline.evidence import Evidence
from simulacra_trainer.pipeline.generate import (
    generate_rows,
    plan_generation,
    reporting,
    shard_range,
)
from simulacra_trainer.pipeline.generation_report import report_generation
from simulacra_trainer.pipeline.identification import Identification
from simulacra_trainer.progress import ProgressMeter, silent
from simulacra_trainer.report import render_html
from simulacra_trainer.tasks.context import TaskContext

STEPS = {"loading": 1.0, "planning": 2.0, "generating": 7.0}
COMPLETION_STEPS = {"loading": 1.0, "completing": 9.0}


def generate(context: TaskContext) -> TaskResult:
    """Generate the rows of this shard as one Parquet part, unless it is stored already.

    All shards make the same plan; shard 0 stores what belongs to the whole: attainment,
    identification, evidence, report and progress.
    """
    own = context.own
    request = own.load(REQUEST, GenerateRequest)
    if request.given is not None:
        return complete_rows(context, request, request.given)
    name = part_name(context.shard)
    shards = context.spec.shards
    # A part under a customer's key cannot be read, so it is written again. Of linked rows, only
    # the plan says how many a part has.
    is_known = context.spec.customer_key is None and request.persons is None
    if is_known and own.exists(name):
        start, stop = shard_range(request.row_count, context.shard, shards)
        detail = own.find(ATTAINMENT, AttainmentDetail)
        found = own.find(IDENTIFICATION, Identification)
        worth = own.find(EVIDENCE, Evidence)
        return _generated(own.describe(name, stop - start), detail, found, worth)
    is_first = context.shard == 0
    meter = ProgressMeter(STEPS, context.report_progress if is_first else silent)
    meter.step("loading")
    trained = context.load_model(linked=request.persons is not None)
    meter.step("planning")
    # Respondents under do() cost a fit; a shard that starts after the first need not repeat it.
    known = own.find(EVIDENCE, Evidence)
    found = own.find(IDENTIFICATION, Identification)
    plan = plan_generation(trained, request, known, found)
    if plan.attainment is not None and is_first:
        own.store_model(ATTAINMENT, plan.attainment)
    if plan.identification is not None and is_first:
        own.store_model(IDENTIFICATION, plan.identification)
    if plan.evidence is not None and is_first:
        own.store_model(EVIDENCE, plan.evidence)
    progress = meter.step("generating")
    drawn: list[pa.Table] = []
    tables = generate_rows(trained, plan, context.shard, shards, drawn.append)
    first = next(tables)
    if is_first:
        report = report_generation(trained, request, plan, drawn[0])
        own.store(REPORT, json.dumps(report).encode())
        own.store(REPORT_PAGE, render_html(report).encode())
    rows = reporting(itertools.chain([first], tables), plan.rows // shards, progress)
    part = own.store_table(name, rows, first.schema, context.spec.customer_key)
    return _generated(part, plan.attainment, plan.identification, plan.evidence)


def _generated(
    part: Artifact,
    detail: AttainmentDetail | None,
    identification: Identification | None,
    evidence: Evidence | None,
) -> TaskResult:
    attainment = None if detail is None else detail.summary()
    verdict = None if identification is None else identification.verdict
    is_partial = attainment is not None and attainment.status == "partial"
    return TaskResult(
        outcome="Succeeded",
        reason="GeneratedPartially" if is_partial else "Generated",
        artefacts=[part],
        rows=part.rows,
        attainment=attainment,
        identified=None if identification is None else identification.identified,
        verdict=verdict.kind if verdict is not None else None,
        worth=None if evidence is None else evidence.worth,
    )


def complete_rows(
    context: TaskContext, request: GenerateRequest, options: GivenOptions
) -> TaskResult:
    """Store the filled cells of the given rows, or of the donors' own, and the report on them.

    Safe to repeat: the report is stored last.
    """
    from simulacra_trainer.completion import complete, read_given  # rows of a model need neither

    own, name = context.own, part_name(0)
    if context.spec.customer_key is None and own.exists(COMPLETION) and own.exists(name):
        rows = read_parquet(own.download(name, context.directory / "filled.parquet")).num_rows
        return _completed(own.describe(name, rows), own.load(COMPLETION, CompletionReport))
    meter = ProgressMeter(COMPLETION_STEPS, context.report_progress)
    meter.step("loading")
    trained = context.load_model()
    given = None
    if context.spec.given is not None:
        path = context.given.download(GIVEN, context.directory / GIVEN)
        rows = read_parquet(path)
        given = read_given(rows, trained.schema, options.unknown, options.in_pairs)
    progress = meter.step("completing")
    done = complete(trained, given, options, seed=request.seed, progress=progress)
    part = own.store_table(name, iter([done.filled]), done.filled.schema, context.spec.customer_key)
    own.store(COMPLETION, done.report.model_dump_json(by_alias=True).encode())
    return _completed(part, done.report)


def _completed(part: Artifact, report: CompletionReport) -> TaskResult:
    return TaskResult(
        outcome="Succeeded",
        reason="Generated",
        artefacts=[part],
        rows=part.rows,
        given=report.summary,
    )
