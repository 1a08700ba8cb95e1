"""Completion as a generation: the filled cells of given rows as its one part.

No artifact has a cell that was given: the part has row numbers, implicates and filled cells, and
completion.json figures of columns.
"""

from __future__ import annotations

from simulacra_crds.kinds.base import Artifact
from simulacra_crds.tasks import (
    COMPLETION,
    GIVEN,
    GenerateRequest,
    TaskResult,
    part_name,
)
from simulacra_intake.parquet_file import read_parquet
from simulacra_schema.completion import CompletionReport, GivenOptions
from simulacra_trainer.completion import complete, read_given
from simulacra_trainer.progress import ProgressMeter
from simulacra_trainer.tasks.context import TaskContext

STEPS = {"loading": 1.0, "completing": 9.0}


def complete_rows(
    context: TaskContext, request: GenerateRequest, options: GivenOptions
) -> TaskResult:
    """Store the filled cells of the given rows, or of the donors' own, and the report on them.

    Safe to repeat: the report is stored last.
    """
    own, name = context.own, part_name(0)
    if context.spec.customer_key is None and own.exists(COMPLETION) and own.exists(name):
        rows = read_parquet(own.download(name, context.directory / "filled.parquet")).num_rows
        return _completed(own.describe(name, rows), own.load(COMPLETION, CompletionReport))
    meter = ProgressMeter(STEPS, context.report_progress)
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
