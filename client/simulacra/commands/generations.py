"""Commands for generations: generate, list, download, probe."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from simulacra.client import Client
from simulacra.commands import options as opt
from simulacra.commands.asked import Asked, Conditions, Do, QuotaFlags, Ranges, Shares
from simulacra.commands.lists import add_list
from simulacra.commands.naming import dataset_of, resource_of
from simulacra.commands.options import argument, format_of, option
from simulacra.commands.output import (
    byte_bar,
    engine_bar,
    is_for_people,
    note,
    print_result,
    say,
    wait_with_progress,
)
from simulacra.commands.session import connected, exit_if_partial
from simulacra.commands.used_model import LocalModel, SavedModel, TableOrModel, used_model
from simulacra.csv_reading import lines as reading_lines
from simulacra.csv_reading import reading_of
from simulacra.errors import ApiError
from simulacra.models import Generation, Json, Schema
from simulacra.rows import generated

app = typer.Typer()
Safe = Annotated[
    bool, option("CSV: a single quote before texts that a spreadsheet runs as a formula.", "--safe")
]


Plain = Annotated[
    bool, option("CSV: commas, decimal points and ISO dates, whatever the table has.", "--plain")
]


@app.command(
    epilog="Example: simulacra generate survey --rows 2000 --range price=5:6"
    ' --share happiness="very happy"=0.5 -o rows.csv'
)
def generate(
    dataset_id: TableOrModel = None,
    model: SavedModel = None,
    rows: Annotated[int | None, option("Rows to generate.", min=1)] = None,
    persons: Annotated[
        int | None, option("Linked rows: persons to generate, each with its history.")
    ] = None,
    share: Shares = None,
    range_: Ranges = None,
    quota: QuotaFlags = None,
    do: Do = None,
    conditions: Conditions = None,
    counterfactual: opt.Counterfactual = False,
    evidence: opt.Evidence = True,
    seed: opt.Seed = None,
    output: Annotated[
        Path | None, option("Download to this file when ready.", "--output", "-o")
    ] = None,
    safe: Safe = False,
    plain: Plain = False,
    report: Annotated[
        Path | None, option("Write the report of the rows to this file: .html or .json.")
    ] = None,
    wait: Annotated[bool, option("Wait until the rows are ready.")] = True,
    key: opt.Key = None,
    connection: opt.Connect = None,
    as_json: opt.AsJson = False,
) -> None:
    """Generate a synthetic table under conditions or interventions, and wait for it."""
    if (rows is None) == (persons is None):
        raise typer.BadParameter("give either --rows or --persons", param_hint="--rows")
    only = {"no_wait": not wait, "safe": safe}
    with used_model(dataset_id, model, connection, as_json, key=key, of_service=only) as used:
        _check_files(output, report)
        asked = Asked(conditions, share, range_, do, quota, rows)
        wanted, interventions = asked.resolve(lambda: used.schema)
        request: Json = {
            "persons": persons,
            "conditions": wanted,
            "interventions": interventions,
            "counterfactual": counterfactual,
            "evidence": evidence,
        }
        if isinstance(used, LocalModel):
            made = _write_rows(
                used, rows, output, report, as_json, plain=plain, seed=seed or 0, **request
            )
        else:
            client = used.client
            started = client.generate(used.resource_id, rows, seed=seed, key=used.key, **request)
            made_id = started.generation_id
            if wait or output or report:
                wait_with_progress(client, started.job_id, as_json)
            if output:
                save_rows(client, made_id, output, as_json, safe=safe, plain=plain)
            if report:
                _save_report(report, client.report(made_id), client.report_page(made_id))
            made = client.generation(made_id)
        _print(made, as_json, str(output))
        exit_if_partial(made.status)


def _check_files(output: Path | None, report: Path | None) -> None:
    if output is not None:
        format_of(output)
    if report is not None and report.suffix not in (".html", ".json"):
        raise ValueError(f"{report.name}: the suffix must be .html or .json.")


def _write_rows(
    used: LocalModel,
    rows: int | None,
    output: Path | None,
    report: Path | None,
    as_json: bool,
    *,
    plain: bool,
    **request: Any,
) -> Generation:
    """Generate rows of a saved model into a file, and their report."""
    if output is None:
        missing = "name the file of the rows: without a service nothing else keeps them"
        raise typer.BadParameter(missing, param_hint="--output")
    with engine_bar(as_json) as show:
        made = used.model.write(output, rows, plain=plain, on_progress=show, **request)
    if not as_json:
        _note_written(output, used.schema, plain)
    if report is not None:
        _save_report(report, made.report(), made.report_page())
    return made


def _save_report(path: Path, figures: Json, page: str) -> None:
    path.write_text(page if path.suffix == ".html" else json.dumps(figures, indent=1))
    note(f"Wrote {path}.")


def save_rows(
    client: Client,
    generation_id: str,
    output: Path,
    as_json: bool,
    *,
    safe: bool = False,
    plain: bool = False,
) -> int:
    """Download rows with a bar, say which file was written and how to read it; return its bytes."""
    with byte_bar("downloading", as_json) as on_bytes:
        size = client.download(
            generation_id, output, format_of(output), safe=safe, plain=plain, on_bytes=on_bytes
        )
    if not as_json:
        schema = None
        if format_of(output) == "csv":
            with suppress(ApiError):  # rows outlive their dataset and its schema
                schema = client.schema(client.generation(generation_id).dataset_id)
        _note_written(output, schema, plain)
    return size


def _note_written(output: Path, schema: Schema | None, plain: bool) -> None:
    """Say which file was written, and how to read a CSV."""
    note(f"Wrote {output}.")
    if schema is not None and output.suffix == ".csv":
        note(*reading_lines(reading_of(schema, plain=plain), str(output)))


add_list(app, "generation", "generations", "No generated tables yet.")


@app.command(epilog="Example: simulacra download gen-5f2c rows.xlsx")
def download(
    generation_id: Annotated[
        str,
        argument(
            "generation_id, or its beginning; or a table with one generation.", metavar="ROWS"
        ),
    ],
    file: Annotated[
        Path | None, argument("A .parquet, .csv, .arrow, .sav or .xlsx file.", metavar="FILE")
    ] = None,
    output: Annotated[
        Path | None, option("FILE, as `generate` takes it.", "--output", "-o")
    ] = None,
    safe: Safe = False,
    plain: Plain = False,
    connection: opt.Connect = None,
    as_json: opt.AsJson = False,
) -> None:
    """Download a generation. Run it again to continue after an interruption (Parquet)."""
    target = file or output
    if target is None or (file and output):
        raise typer.BadParameter("name one file, as FILE or with -o", param_hint="FILE")
    with connected(connection, "run it again to continue") as client:
        format_of(target)
        generation_id = resource_of(client, generation_id, ("gen-",))
        size = save_rows(client, generation_id, target, as_json, safe=safe, plain=plain)
        print_result({"bytes": size}, as_json)
        _note_verdicts(client.generation(generation_id))


@app.command(epilog="Example: simulacra probe survey --do education_years=16")
def probe(
    dataset_id: opt.DatasetId,
    rows: Annotated[int, option("100 at most.")] = 20,
    share: Shares = None,
    range_: Ranges = None,
    quota: QuotaFlags = None,
    do: Do = None,
    conditions: Conditions = None,
    counterfactual: opt.Counterfactual = False,
    seed: opt.Seed = None,
    connection: opt.Connect = None,
    as_json: opt.AsJson = False,
) -> None:
    """Sample a few rows at once and show the feasibility of the conditions; nothing is stored."""
    with connected(connection) as client:
        asked = Asked(conditions, share, range_, do, quota, rows)
        dataset_id = dataset_of(client, dataset_id)
        wanted, interventions = asked.resolve(lambda: client.schema(dataset_id))
        found = client.probe(
            dataset_id,
            rows,
            conditions=wanted,
            interventions=interventions,
            counterfactual=counterfactual,
            seed=seed,
        )
        print_result(found, as_json)
        note(*(found.get("warnings") or ()))


def _print(made: Generation, as_json: bool, file: str) -> None:
    """Print a generation: its fields for programs, and while it is made; else sentences."""
    lines = [*generated(made)]
    if is_for_people(as_json) and lines:
        say(f"{made.rows or made.row_count:,} rows: {made.generation_id or file}", *lines)
        return
    print_result(made, as_json)
    _note_verdicts(made)


def _note_verdicts(generation: Generation) -> None:
    """Say on stderr what the rows rest on and how good they are, as far as is known."""
    note(*generated(generation))
