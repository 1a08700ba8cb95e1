"""Fit, generate and estimate in the caller's process, with the same pipeline as the pods.

`simulacra.fit` and the commands without a service are its callers. Temporary files are encrypted
(`scratch`), and an untrusted file is parsed in the confined child process, as in a pod.
"""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from simulacra_crds.tasks import (
    BoostRequest,
    EstimateRequest,
    FitRequest,
    GenerateRequest,
    SheetRequest,
)
from simulacra_intake.description.layout import NOTHING_STATED, open_described
from simulacra_intake.scratch import EncryptedPath
from simulacra_schema.description import Description
from simulacra_trainer.cleaning.described import DescribedTable, clean_described
from simulacra_trainer.compile_ahead import compiled_ahead
from simulacra_trainer.progress import ProgressMeter, Sink, silent

if TYPE_CHECKING:  # heavy: imported while a child process reads the table
    from simulacra_schema.completion import GivenOptions
    from simulacra_schema.segment_shares import SegmentResult
    from simulacra_schema.sheets import SheetResult
    from simulacra_schema.wave_summary import WaveSummary
    from simulacra_trainer.completion import Completion
    from simulacra_trainer.pipeline.generate import Plan
    from simulacra_trainer.trained_model import TrainedModel


@dataclass(frozen=True)
class Generated:
    """Generated rows, their plan (attainment, evidence, identification) and their request.

    rows: None for rows in a file.
    """

    rows: pa.Table | None
    plan: Plan
    request: GenerateRequest
    sample: pa.Table
    """Clean rows for the report: all, or a random part."""


@dataclass(frozen=True)
class MadeSheet:
    """An answer sheet, and its files: html and xlsx."""

    result: SheetResult
    files: dict[str, bytes]


def read_described(
    source: Path | pa.Table,
    description: Description | None = None,
    weights: str | None = None,
    earlier: WaveSummary | None = None,
) -> DescribedTable:
    """Read and clean a file, or a table in memory, as an upload is.

    earlier: summary of the waves before those of the table.

    Raises:
        InputError: it is no table within the limits, or the description contradicts it.
    """
    description = description or NOTHING_STATED
    if isinstance(source, Path):
        raw = open_described(source, "auto", description)
        return clean_described(raw, description, weights, earlier)
    with tempfile.TemporaryDirectory(prefix="simulacra-") as folder:
        path = EncryptedPath(folder) / "table.parquet"
        with path.open("wb") as file:
            pq.write_table(source, file)
        raw = open_described(path, "auto", description)
        return clean_described(raw, description, weights, earlier)


def fit_table(
    source: Path | pa.Table,
    request: FitRequest,
    description: Description | None = None,
    weights: str | None = None,
    *,
    checkpoints: Path | None = None,
    earlier: WaveSummary | None = None,
    sink: Sink = silent,
) -> TrainedModel:
    """Clean a table and fit a model; the same table, request and seed give the same model.

    source: a file (CSV, Parquet, Arrow, .xlsx, .sav) or a table in memory; description: what the
    columns are, as far as it is not to be detected; checkpoints: directory from which an
    interrupted neural fit resumes.

    Raises:
        InputError: as `read_described`, or a request that does not fit the table.
    """
    with compiled_ahead():
        with ThreadPoolExecutor(1) as reader:
            # A child process reads the table while the imports below, which take as long, run.
            reading = reader.submit(read_described, source, description, weights, earlier)
            from simulacra_trainer.pipeline.fit import fit_model, fit_steps
            from simulacra_trainer.pipeline.fit_context import FitContext

            clean = reading.result().clean
        name = None if description is None else description.name
        if name is None and isinstance(source, Path):
            name = source.name
        context = FitContext(checkpoints, name=name, earlier=earlier)
        meter = ProgressMeter(fit_steps(request, clean.schema), sink)
        return fit_model(clean.table, clean.schema, request, meter, context)


def generate_table(trained: TrainedModel, request: GenerateRequest) -> Generated:
    """Generate rows into memory; the same model, request and seed give the same rows.

    Raises:
        InputError: the request does not match the schema, or its conditions have no support.
    """
    from simulacra_trainer.pipeline.generate import generate_rows, plan_generation

    plan = plan_generation(trained, request)
    sample: list[pa.Table] = []
    rows = pa.concat_tables(
        generate_rows(trained, plan, on_first=sample.append)
    ).unify_dictionaries()
    return Generated(rows, plan, request, sample[0])


def generate_file(
    trained: TrainedModel,
    request: GenerateRequest,
    path: Path,
    *,
    plain: bool = False,
    sink: Sink = silent,
) -> Generated:
    """Generate rows into a file, a chunk at a time; its suffix sets the format.

    path: complete or not at all; plain: as `write_tables`.

    Raises:
        InputError: as `generate_table`.
    """
    from simulacra_intake.output.files import write_tables
    from simulacra_trainer.pipeline.generate import generate_rows, plan_generation, reporting

    meter = ProgressMeter({"planning": 2.0, "generating": 5.0}, sink)
    meter.step("planning")
    plan = plan_generation(trained, request)
    sample: list[pa.Table] = []
    tables = generate_rows(trained, plan, on_first=sample.append)
    write_tables(reporting(tables, plan.rows, meter.step("generating")), path, plain=plain)
    return Generated(None, plan, request, sample[0])


def report_rows(trained: TrainedModel, made: Generated) -> dict[str, Any]:
    """Return the report of generated rows, with their request under `asked`."""
    from simulacra_trainer.pipeline.generation_report import report_generation

    return report_generation(trained, made.request, made.plan, made.sample)


def estimate(trained: TrainedModel, request: EstimateRequest, seed: int = 0) -> dict[str, Any]:
    """Return an average causal effect with its verdict, as JSON with names in snake case.

    Raises:
        InputError: the question does not match the schema.
    """
    from simulacra_trainer.effects.estimate import answer_effect

    found = answer_effect(trained.table, trained.schema, trained.graph, request, seed=seed)
    return found.model_dump(mode="json")


def complete_table(
    trained: TrainedModel,
    given: Path | pa.Table | None,
    options: GivenOptions | None = None,
    seed: int = 0,
    sink: Sink = silent,
) -> Completion:
    """Fill the gaps of given rows, or of the model's own table.

    given: a file of 20 rows or more, or a table in memory of any number of rows; None for the gaps
    of the model's own table.

    Raises:
        InputError: the rows cannot be read or completed; all faults are in its `errors`.
    """
    from simulacra_schema.completion import GivenOptions
    from simulacra_trainer.completion import complete, read_given

    options = options or GivenOptions()
    meter = ProgressMeter({"reading": 1.0, "filling": 9.0}, sink)
    meter.step("reading")
    rows = None
    if given is not None:
        raw = open_described(given) if isinstance(given, Path) else given
        rows = read_given(raw, trained.schema, options.unknown, options.in_pairs)
    return complete(trained, rows, options, seed=seed, progress=meter.step("filling"))


def sheet(
    trained: TrainedModel, request: SheetRequest, seed: int = 0, sink: Sink = silent
) -> MadeSheet:
    """Return the answer sheet of an outcome with its page and its workbook.

    Raises:
        InputError: the question does not match the schema, or no lever is left.
    """
    from simulacra_schema.referee import sheet_program
    from simulacra_trainer.sheet.estimate import answer_sheet
    from simulacra_trainer.sheet.page import render_sheet
    from simulacra_trainer.sheet.workbook import write_workbook

    made = answer_sheet(trained, request, seed=seed, sink=sink)
    program = sheet_program(made.model_dump(mode="json")).encode()
    files = {"html": render_sheet(made).encode(), "xlsx": write_workbook(made), "py": program}
    return MadeSheet(made, files)


def boost(trained: TrainedModel, request: BoostRequest) -> SegmentResult:
    """Return certified shares of answers in segments.

    Raises:
        InputError: the question does not match the schema.
    """
    from simulacra_trainer.segments.estimate import certify_segments

    return certify_segments(trained, request)
