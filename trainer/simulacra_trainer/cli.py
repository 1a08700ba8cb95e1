"""Command line of the trainer: fit, generate, estimate and report locally; run is for pods.

Exit codes: 0 success, 2 wrong command line or request, 42 unusable data.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from pydantic import BaseModel, ValidationError

from simulacra_crds.contract.description import (
    MAX_DESCRIPTION_BYTES,
    Description,
    DescriptionInvalid,
    load_description,
)
from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.schema import TableSchema
from simulacra_crds.contract.tasks import (
    EstimateRequest,
    ExitCode,
    FitRequest,
    GenerateRequest,
    ProgressReport,
)
from simulacra_crds.kinds.generation_job import MAX_ROWS, ConditionSet
from simulacra_crds.kinds.model import DifferentialPrivacy, Knowledge
from simulacra_trainer.families.base import ModelFileError
from simulacra_trainer.kernel_cache import is_cold, link_shipped
from simulacra_trainer.table.errors import InputError
from simulacra_trainer.table.output.files import SUFFIXES, write_tables

BAD_REQUEST = 2
REQUEST_REASONS = (
    Reason.REQUEST_INVALID,
    Reason.CONDITIONS_INFEASIBLE,
    Reason.DESCRIPTION_MISMATCH,
)
MAX_JSON_BYTES = 4 << 20
M = TypeVar("M", bound=BaseModel)


class UsageError(Exception):
    """A parameter cannot be used; the message says which and why."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    args = _parser().parse_args(argv)
    if args.command not in (run, describe) and is_cold():
        _note("compiling the engine for the first run, which takes about a minute")
    try:
        return int(args.command(args))
    except UsageError as error:
        sys.stderr.write(f"error: {error}\n")
        return BAD_REQUEST
    except ModelFileError as error:
        sys.stderr.write(f"error: --model: {error}\n")
        return BAD_REQUEST
    except InputError as error:
        for one in error.errors:
            sys.stderr.write(f"error: {one.pointer or '/'}: {one.detail}\n")
        if not error.errors:
            sys.stderr.write(f"error: {error.detail}\n")
        is_request = error.reason in REQUEST_REASONS
        return BAD_REQUEST if is_request else ExitCode.USER_ERROR


def fit(args: argparse.Namespace) -> int:
    """Clean a table and fit a model; a neural fit that was interrupted resumes."""
    from simulacra_trainer.table.description.described import clean_described
    from simulacra_trainer.table.description.layout import open_described

    if not args.data.is_file():
        raise UsageError(f"--data: {args.data} is not a file")
    description = _load_description(args.describe)
    request = FitRequest(
        family=args.family,
        knowledge=_load(Knowledge, args.knowledge, "--knowledge"),
        privacy=None if args.epsilon is None else _privacy(args.epsilon, args.delta),
        seed=args.seed,
        gpu=args.gpus,
    )
    with ThreadPoolExecutor(1) as reader:
        # A child process reads the table while the imports below, which take as long, run.
        table = reader.submit(open_described, args.data, "auto", description)
        from simulacra_trainer.pipeline.fit import FitContext, fit_model, fit_steps
        from simulacra_trainer.pipeline.trained_model import save_model
        from simulacra_trainer.progress import ProgressMeter

        clean = clean_described(table.result(), description, args.weights).clean
    checkpoints = args.out / "checkpoints"
    meter = ProgressMeter(fit_steps(request), _print_progress)
    trained = fit_model(clean.table, clean.schema, request, meter, FitContext(checkpoints))
    save_model(trained, args.out)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return 0


def describe(args: argparse.Namespace) -> int:
    """Clean a table; print its completed description, or its schema with --schema, as JSON."""
    from simulacra_trainer.table.description.described import clean_described
    from simulacra_trainer.table.description.layout import open_described

    if not args.data.is_file():
        raise UsageError(f"--data: {args.data} is not a file")
    description = _load_description(args.describe)
    raw = open_described(args.data, "auto", description)
    described = clean_described(raw, description, args.weights)
    schema = described.clean.schema.model_dump(mode="json", exclude_none=True)
    content = schema if args.schema else described.document
    sys.stdout.write(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    return 0


def generate(args: argparse.Namespace) -> int:
    """Generate rows into one file; print how well conditions are met as JSON."""
    from simulacra_trainer.pipeline.generate import generate_rows, plan_generation, reporting
    from simulacra_trainer.pipeline.trained_model import load_model
    from simulacra_trainer.progress import ProgressMeter

    do = _read_json(args.do, "--do") if args.do else {}
    if not isinstance(do, dict):
        raise UsageError("--do: the file must hold an object {column: number or level}")
    request = GenerateRequest(
        row_count=args.rows,
        conditions=_load(ConditionSet, args.conditions, "--conditions"),
        interventions=do,
        counterfactual=args.counterfactual,
        evidence=args.evidence,
        seed=args.seed,
    )
    steps = {"loading": 1.0, "planning": 2.0, "generating": 5.0}
    meter = ProgressMeter(steps, _print_progress)
    meter.step("loading")
    trained = load_model(args.model)
    meter.step("planning")
    plan = plan_generation(trained, request)
    if plan.identification is not None:
        for text in filter(None, [plan.identification.assumption, *plan.identification.warnings]):
            _note(text)
    progress = meter.step("generating")
    drawn: list[pa.Table] = []
    tables = generate_rows(trained, plan, on_first=drawn.append)
    write_tables(reporting(tables, plan.rows, progress), args.out)
    if args.report is not None:
        from simulacra_trainer.pipeline.generation_report import report_generation

        _write_report(report_generation(trained, request, plan, drawn[0]), args.report)
    if plan.attainment is not None:
        sys.stdout.write(plan.attainment.model_dump_json(by_alias=True, exclude_none=True) + "\n")
    if plan.evidence is not None:
        _note(plan.evidence.sentence)
    return 0


def estimate(args: argparse.Namespace) -> int:
    """Estimate an average causal effect; print it as JSON."""
    from simulacra_trainer.effects import estimate_effect
    from simulacra_trainer.pipeline.trained_model import load_model

    trained = load_model(args.model)
    treatment, value = _assignment(args.treatment, "--treatment", trained.schema)
    column, baseline = _assignment(args.baseline, "--baseline", trained.schema)
    if column != treatment:
        raise UsageError("--baseline must name the same column as --treatment")
    request = EstimateRequest(
        treatment=treatment,
        value=value,
        baseline=baseline,
        outcome=args.outcome,
        segment=args.segment,
        before=args.before,
        after=args.after,
        dont_know=args.dont_know,
        population=args.population,
        negative_controls=args.negative_controls,
    )
    result = estimate_effect(trained.table, trained.schema, trained.graph, request, seed=args.seed)
    sys.stdout.write(result.to_json() + "\n")
    return 0


def report(args: argparse.Namespace) -> int:
    """Write the quality report of a model: a web page (.html) or JSON (.json)."""
    from simulacra_trainer.pipeline.trained_model import load_model

    _write_report(load_model(args.model).report, args.out)
    return 0


def run(_args: argparse.Namespace) -> int:
    """Run the task in the environment variable SIMULACRA_TASK, as the pod of a Job does."""
    link_shipped()  # before numba is imported
    from simulacra_custody.core_dumps import forbid_core_dumps
    from simulacra_trainer.tasks.entry import run_task

    forbid_core_dumps()
    return run_task()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulacra_trainer", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(command: Callable[..., int], summary: str) -> Callable[..., argparse.Action]:
        one = commands.add_parser(command.__name__, help=summary, description=command.__doc__)
        one.set_defaults(command=command)
        return one.add_argument

    model = {"type": Path, "required": True, "help": "model directory"}
    seed = {
        "type": _whole_number(0, 2**31 - 1),
        "default": 0,
        "help": "seed of the random numbers; the same seed gives the same result (default 0)",
    }

    option = add(fit, "fit a model to a table")
    option(
        "--data",
        type=Path,
        required=True,
        help="table (CSV, Parquet, Arrow, .xlsx, .sav), cleaned in the same way as an upload",
    )
    option("--out", type=Path, required=True, help="model directory to write")
    option("--seed", **seed)
    option("--knowledge", type=Path, help="JSON file: tiers, required and forbidden edges")
    option("--weights", metavar="COL", help="column of survey weights; not generated")
    option("--describe", type=Path, help="JSON file: description of the table (Data Package)")
    option(
        "--epsilon",
        type=float,
        help="fit with differential privacy, on noisy marginals (0.01 to 100)",
    )
    option("--delta", type=float, default=1e-6, help="delta for --epsilon (default 1e-6)")
    option(
        "--family",
        choices=["auto", "forest", "neural"],
        default="auto",
        help="model family; auto takes neural with GPUs and forest without (default auto)",
    )
    option("--gpus", type=_whole_number(0, 64), default=0, help="GPUs to fit on (default 0)")

    option = add(describe, "print what each column of a table was read as")
    option("--data", type=Path, required=True, help="table, as for fit")
    option("--weights", metavar="COL", help="column of survey weights")
    option("--describe", type=Path, help="JSON file: description of the table (Data Package)")
    option("--schema", action="store_true", help="print the cleaned schema instead")

    option = add(generate, "generate rows from a model")
    option("--model", **model)
    rows = _whole_number(1, MAX_ROWS)
    option("--rows", type=rows, required=True, help="number of rows, at least 1")
    option(
        "--out",
        type=_table_file,
        required=True,
        help="file to write; its suffix sets the format: .parquet, .csv, .arrow, .sav or .xlsx",
    )
    option("--conditions", type=Path, help="JSON file: the conditions object of the REST API")
    option("--do", type=Path, help="JSON file of interventions: {column: number or level}")
    option(
        "--counterfactual",
        action="store_true",
        help="write rows in pairs: each row, then its twin under --do",
    )
    option(
        "--no-evidence",
        dest="evidence",
        action="store_false",
        help="leave out the last column, evidence_weight",
    )
    option("--seed", **seed)
    option("--report", type=_report_file, help="report of these rows to write: .html or .json")

    option = add(estimate, "estimate a causal effect")
    option("--model", **model)
    option("--treatment", required=True, metavar="COL=V", help="cause and the value to set it to")
    option("--baseline", required=True, metavar="COL=V", help="same column, value to compare with")
    option(
        "--outcome",
        required=True,
        metavar="COL",
        help="numeric or boolean column; COL=LEVEL for the share of one level",
    )
    option("--segment", metavar="COL", help="report the effect for each level of this column too")
    columns: dict[str, Any] = {"type": _columns, "default": [], "metavar": "COL,..."}
    option("--before", **columns, help="columns that were already so before the treatment")
    option("--after", **columns, help="columns that came after it; name the outcome here too")
    option("--dont-know", **columns, help="columns to leave open, whatever the tiers say")
    option(
        "--population",
        choices=("all", "treated", "overlap"),
        default="all",
        help="whose effect: of all, of those who have the value, or of those who could have either",
    )
    option(
        "--negative-controls",
        **columns,
        help="columns that the treatment cannot change, such as the outcome asked earlier",
    )
    option("--seed", **seed)

    option = add(report, "write the quality report of a model")
    option("--model", **model)
    option("--out", type=_report_file, required=True, help="file to write: .html or .json")

    add(run, "run the task of a pod (SIMULACRA_TASK)")
    return parser


def _columns(text: str) -> list[str]:
    return next(csv.reader([text], skipinitialspace=True), [])


def _report_file(text: str) -> Path:
    path = Path(text)
    if path.suffix not in (".html", ".json") or not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError("name an .html or .json file in an existing directory")
    return path


def _table_file(text: str) -> Path:
    path = Path(text)
    if path.suffix not in SUFFIXES:
        raise argparse.ArgumentTypeError(f"the file name must end in {', '.join(SUFFIXES)}")
    return path


def _whole_number(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdigit() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse


def _assignment(text: str, option: str, schema: TableSchema) -> tuple[str, float | str]:
    name, equals, value = text.rpartition("=")
    column = schema.find(name)
    if not equals or column is None:
        raise UsageError(f"{option} must look like COL=V, with a column of the model's schema")
    if not column.is_numeric:
        return name, value
    try:
        return name, float(value)
    except ValueError:
        raise UsageError(f"{option}: the column is numeric; write a number after =") from None


def _read_json(path: Path, option: str) -> Any:
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise UsageError(f"{option}: the file exceeds {MAX_JSON_BYTES >> 20} MiB")
        return json.loads(path.read_bytes())
    except OSError:
        raise UsageError(f"{option}: cannot read {path}") from None
    except ValueError:
        raise UsageError(f"{option}: the file is not JSON") from None


def _load(kind: type[M], path: Path | None, option: str) -> M:
    if path is None:
        return kind()
    try:
        return kind.model_validate(_read_json(path, option))
    except ValidationError as error:
        first = error.errors()[0]
        where = "/".join(str(part) for part in first["loc"])
        raise UsageError(f"{option}: {where}: {first['msg']}") from None


def _load_description(path: Path | None) -> Description | None:
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            return load_description(file.read(MAX_DESCRIPTION_BYTES + 1))
    except OSError:
        raise UsageError(f"--describe: cannot read {path}") from None
    except DescriptionInvalid as error:
        faults = "; ".join(f"{one.pointer or '/'}: {one.detail}" for one in error.errors)
        raise UsageError(f"--describe: {faults}") from None


def _privacy(epsilon: float, delta: float) -> DifferentialPrivacy:
    try:
        return DifferentialPrivacy(epsilon=epsilon, delta=delta)
    except ValidationError as error:
        faults = (f"--{fault['loc'][0]}: {fault['msg']}" for fault in error.errors())
        raise UsageError("; ".join(faults)) from None


def _write_report(content: dict[str, Any], path: Path) -> None:
    from simulacra_trainer.report import render_html

    is_json = path.suffix == ".json"
    path.write_text(json.dumps(content, indent=1) if is_json else render_html(content))


def _print_progress(report: ProgressReport) -> None:
    eta = "" if report.eta_seconds is None else f", {report.eta_seconds} s left"
    sys.stderr.write(f"{report.percent:3d} % {report.step}{eta}\n")


def _note(text: str) -> None:
    sys.stderr.write(f"note: {text}\n")
