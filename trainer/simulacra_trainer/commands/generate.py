"""Command generate: rows from a model, into a file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pyarrow as pa

from simulacra_crds.tasks import GenerateRequest
from simulacra_intake.output.files import write_tables
from simulacra_schema.conditions import ConditionSet
from simulacra_schema.questions.rows import MAX_PERSONS, MAX_ROWS
from simulacra_trainer.commands.arguments import (
    Option,
    UsageError,
    add_model,
    add_seed,
    load,
    note,
    print_progress,
    read_json,
    report_file,
    table_file,
    whole_number,
    write_report,
)


def add_options(option: Option) -> None:
    """Add the options of generate."""
    add_model(option)
    rows = whole_number(1, MAX_ROWS)
    option("--rows", type=rows, help="number of rows, at least 1")
    option(
        "--persons",
        type=whole_number(1, MAX_PERSONS),
        help="linked rows: number of persons, each with its history, instead of --rows",
    )
    option(
        "--out",
        type=table_file,
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
    add_seed(option)
    option("--report", type=report_file, help="report of these rows to write: .html or .json")


def generate(args: argparse.Namespace) -> int:
    """Generate rows into one file; print how well conditions are met as JSON."""
    from simulacra_trainer.pipeline.generate import generate_rows, plan_generation, reporting
    from simulacra_trainer.progress import ProgressMeter
    from simulacra_trainer.trained_model import load_model

    if (args.rows is None) == (args.persons is None):
        raise UsageError("give either --rows or --persons")
    do = read_json(args.do, "--do") if args.do else {}
    if not isinstance(do, dict):
        raise UsageError("--do: the file must hold an object {column: number or level}")
    request = GenerateRequest(
        row_count=args.rows or 0,
        persons=args.persons,
        conditions=load(ConditionSet, args.conditions, "--conditions"),
        interventions=do,
        counterfactual=args.counterfactual,
        evidence=args.evidence,
        seed=args.seed,
    )
    steps = {"loading": 1.0, "planning": 2.0, "generating": 5.0}
    meter = ProgressMeter(steps, print_progress)
    meter.step("loading")
    trained = load_model(args.model, linked=request.persons is not None)
    meter.step("planning")
    plan = plan_generation(trained, request)
    if (found := plan.identification) is not None:
        verdict = None if found.verdict is None else found.verdict.text
        for text in filter(None, [verdict, found.assumption, *found.warnings]):
            note(text)
    progress = meter.step("generating")
    drawn: list[pa.Table] = []
    tables = generate_rows(trained, plan, on_first=drawn.append)
    write_tables(reporting(tables, plan.rows, progress), args.out)
    if args.report is not None:
        from simulacra_trainer.pipeline.generation_report import report_generation

        write_report(report_generation(trained, request, plan, drawn[0]), args.report)
    if plan.attainment is not None:
        sys.stdout.write(plan.attainment.model_dump_json(by_alias=True, exclude_none=True) + "\n")
    if plan.evidence is not None:
        note(" ".join(filter(None, [plan.evidence.sentence, plan.evidence.reason])))
    return 0
