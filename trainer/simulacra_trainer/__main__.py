"""The trainer on the command line: fit, generate, report, estimate without a server; run is the
entry of a Job's pod.

Exit codes: 0 done, 2 the command line or a request is wrong, 42 the data cannot be worked with.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from pydantic import ValidationError

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
MAX_JSON_BYTES = 4 << 20
T = TypeVar("T", ConditionSet, Knowledge)


class UsageError(Exception):
    """A parameter cannot be used; the message says which and why."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    args = _parser().parse_args(argv)
    if args.command is not run and is_cold():
        sys.stderr.write(
            "note: the first run compiles the engine, which takes about a minute, once\n"
        )
    try:
        return int(args.command(args))
    except UsageError as error:
        sys.stderr.write(f"error: {error}\n")
        return BAD_REQUEST
    except ModelFileError as error:
        sys.stderr.write(f"error: --model: {error}\n")
        return BAD_REQUEST
    except InputError as error:
        sys.stderr.write(f"error: {error.detail}\n")
        requested = error.reason in (Reason.REQUEST_INVALID, Reason.CONDITIONS_INFEASIBLE)
        return BAD_REQUEST if requested else ExitCode.USER_ERROR


def fit(args: argparse.Namespace) -> int:
    """Clean a table, fit a model, write its directory; a neural fit resumes where it stopped."""
    from simulacra_trainer.table.clean import clean_table
    from simulacra_trainer.table.read import read_table

    if not args.data.is_file():
        raise UsageError(f"--data: there is no file {args.data}")
    knowledge = (
        Knowledge() if args.knowledge is None else _parse(Knowledge, args.knowledge, "--knowledge")
    )
    privacy = None if args.epsilon is None else _privacy(args.epsilon, args.delta)
    request = FitRequest(
        family=args.family, knowledge=knowledge, privacy=privacy, seed=args.seed, gpu=args.gpus
    )
    with ThreadPoolExecutor(1) as reader:
        table = reader.submit(
            read_table, args.data
        )  # a process of its own reads: these imports take as long
        from simulacra_trainer.pipeline.fit import FitContext, fit_model, fit_steps
        from simulacra_trainer.pipeline.model_dir import save_model
        from simulacra_trainer.progress import ProgressMeter

        clean = clean_table(table.result(), weights=args.weights)
    checkpoints = args.out / "checkpoints"
    meter = ProgressMeter(fit_steps(request), _tell)
    trained = fit_model(clean.table, clean.schema, request, meter, FitContext(checkpoints))
    save_model(trained, args.out)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return 0


def generate(args: argparse.Namespace) -> int:
    """Generate rows from a model directory into one file, and show how well conditions are met."""
    from simulacra_trainer.pipeline.generate import CHUNK_ROWS, generate_rows, plan_generation
    from simulacra_trainer.pipeline.model_dir import load_model
    from simulacra_trainer.progress import ProgressMeter

    conditions = (
        _parse(ConditionSet, args.conditions, "--conditions") if args.conditions else ConditionSet()
    )
    do = _read_json(args.do, "--do") if args.do else {}
    if not isinstance(do, dict):
        raise UsageError("--do: the file must hold an object {column: number or level}")
    request = GenerateRequest(
        row_count=args.rows,
        conditions=conditions,
        interventions=do,
        counterfactual=args.counterfactual,
        seed=args.seed,
    )
    meter = ProgressMeter({"loading": 1.0, "planning": 2.0, "generating": 5.0}, _tell)
    meter.step("loading")
    trained = load_model(args.model)
    meter.step("planning")
    plan = plan_generation(trained, request)
    if plan.identification is not None:
        notes = [plan.identification.assumption, *plan.identification.warnings]
        sys.stderr.write("".join(f"note: {note}\n" for note in notes if note))
    progress, done = meter.step("generating"), itertools.count(1)
    chunks = max(-(-plan.rows // CHUNK_ROWS), 1)
    drawn: list[pa.Table] = []

    def counted(table: object) -> bool:
        progress(min(next(done) / chunks, 1.0))
        return table is not None

    write_tables(filter(counted, generate_rows(trained, plan, on_first=drawn.append)), args.out)
    if args.report is not None:
        from simulacra_trainer.pipeline.generation_report import report_generation

        _write_report(report_generation(trained, request, plan.attainment, drawn[0]), args.report)
    if plan.attainment is not None:
        sys.stdout.write(plan.attainment.model_dump_json(by_alias=True, exclude_none=True) + "\n")
    return 0


def report(args: argparse.Namespace) -> int:
    """Write the quality report of a model directory: a page for people (.html), or JSON (.json)."""
    from simulacra_trainer.pipeline.model_dir import load_model

    _write_report(load_model(args.model).report, args.out)
    return 0


def _write_report(found: dict[str, Any], path: Path) -> None:
    from simulacra_trainer.report import render_html

    path.write_text(json.dumps(found, indent=1) if path.suffix == ".json" else render_html(found))


def estimate(args: argparse.Namespace) -> int:
    """Estimate an average causal effect; JSON on standard output."""
    from simulacra_trainer.effects import estimate_effect
    from simulacra_trainer.pipeline.model_dir import load_model

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
    )
    result = estimate_effect(trained.table, trained.schema, trained.graph, request, seed=args.seed)
    sys.stdout.write(result.to_json() + "\n")
    return 0


def run(_args: argparse.Namespace) -> int:
    """Do the task in SIMULACRA_TASK, as a Job's pod does."""
    link_shipped()  # before numba is imported
    from simulacra_trainer.task import run_task

    return run_task()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulacra_trainer", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("fit", help="fit a model on a table", description=fit.__doc__)
    one.add_argument(
        "--data",
        type=Path,
        required=True,
        help="the table (CSV, Parquet, Arrow, .xlsx, .sav), cleaned as an upload is",
    )
    one.add_argument("--out", type=Path, required=True, help="model directory to write")
    one.add_argument(
        "--seed", type=_seed, default=0, help="decides everything that is random (default 0)"
    )
    one.add_argument("--knowledge", type=Path, help="JSON: tiers, required and forbidden edges")
    one.add_argument(
        "--weights", metavar="COL", help="column of survey weights; generated tables lack it"
    )
    one.add_argument(
        "--epsilon",
        type=float,
        help="differential privacy: learn from noisy marginals (0.01 to 100)",
    )
    one.add_argument("--delta", type=float, default=1e-6, help="of --epsilon (default 1e-6)")
    one.add_argument(
        "--family", choices=["auto", "forest", "neural"], default="auto", help="default: auto"
    )
    one.add_argument(
        "--gpus",
        type=_gpus,
        default=0,
        help="GPUs to fit on; auto is neural where there are (default 0)",
    )
    one.set_defaults(command=fit)

    two = commands.add_parser(
        "generate", help="generate rows from a model", description=generate.__doc__
    )
    two.add_argument("--model", type=Path, required=True, help="model directory")
    two.add_argument("--rows", type=_rows, required=True, help="how many rows, at least 1")
    two.add_argument(
        "--out",
        type=_table_file,
        required=True,
        help="file to write; its suffix decides: .parquet, .csv or .arrow",
    )
    two.add_argument("--conditions", type=Path, help="JSON: the conditions object of the REST body")
    two.add_argument("--do", type=Path, help="JSON: {column: number or level}")
    two.add_argument(
        "--counterfactual",
        action="store_true",
        help="rows in pairs: each row, then its twin under --do",
    )
    two.add_argument(
        "--seed", type=_seed, default=0, help="decides everything that is random (default 0)"
    )
    two.add_argument(
        "--report", type=_report, help="write the report of these rows as well: .html or .json"
    )
    two.set_defaults(command=generate)

    three = commands.add_parser(
        "estimate", help="estimate a causal effect", description=estimate.__doc__
    )
    three.add_argument("--model", type=Path, required=True, help="model directory")
    three.add_argument(
        "--treatment", required=True, metavar="COL=V", help="the cause and the value it is set to"
    )
    three.add_argument(
        "--baseline",
        required=True,
        metavar="COL=V",
        help="the same column and the value to compare with",
    )
    three.add_argument(
        "--outcome",
        required=True,
        metavar="COL",
        help="a number or boolean column, or COL=LEVEL: the share of a level",
    )
    three.add_argument(
        "--segment", metavar="COL", help="report the effect by level of this column as well"
    )
    three.add_argument(
        "--seed", type=_seed, default=0, help="decides everything that is random (default 0)"
    )
    three.set_defaults(command=estimate)

    four = commands.add_parser("report", help="write a model's report", description=report.__doc__)
    four.add_argument("--model", type=Path, required=True, help="model directory")
    four.add_argument("--out", type=_report, required=True, help="file to write: .html or .json")
    four.set_defaults(command=report)

    five = commands.add_parser(
        "run", help="do the task of a Job's pod (SIMULACRA_TASK)", description=run.__doc__
    )
    five.set_defaults(command=run)
    return parser


def _report(text: str) -> Path:
    path = Path(text)
    if path.suffix not in (".html", ".json") or not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(
            "give a file that ends in .html or .json, in a folder that is there"
        )
    return path


def _seed(text: str) -> int:
    return _whole(text, 0, 2**31 - 1)


def _gpus(text: str) -> int:
    return _whole(text, 0, 64)


def _rows(text: str) -> int:
    return _whole(text, 1, MAX_ROWS)


def _table_file(text: str) -> Path:
    path = Path(text)
    if path.suffix not in SUFFIXES:
        raise argparse.ArgumentTypeError(
            f"name the file {', '.join(SUFFIXES)}: its suffix decides the format"
        )
    return path


def _whole(text: str, low: int, high: int) -> int:
    if not text.isdigit() or not low <= int(text) <= high:
        raise argparse.ArgumentTypeError(f"a whole number from {low} to {high} is needed")
    return int(text)


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
        raise UsageError(f"{option}: this column is numeric, give a number after =") from None


def _read_json(path: Path, option: str) -> Any:
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            raise UsageError(f"{option}: the file exceeds {MAX_JSON_BYTES >> 20} MiB")
        return json.loads(path.read_bytes())
    except OSError:
        raise UsageError(f"{option}: there is no readable file {path}") from None
    except ValueError:
        raise UsageError(f"{option}: the file is not JSON") from None


def _parse(kind: type[T], path: Path, option: str) -> T:
    try:
        return kind.model_validate(_read_json(path, option))
    except ValidationError as error:
        first = error.errors()[0]
        where = "/".join(str(part) for part in first["loc"])
        raise UsageError(f"{option}: {where}: {first['msg']}") from None


def _privacy(epsilon: float, delta: float) -> DifferentialPrivacy:
    try:
        return DifferentialPrivacy(epsilon=epsilon, delta=delta)
    except ValidationError as error:
        raise UsageError(
            "; ".join(f"--{fault['loc'][0]}: {fault['msg']}" for fault in error.errors())
        ) from None


def _tell(report: ProgressReport) -> None:
    eta = "" if report.eta_seconds is None else f", {report.eta_seconds} s left"
    sys.stderr.write(f"{report.percent:3d} % {report.step}{eta}\n")


if __name__ == "__main__":
    raise SystemExit(main())
