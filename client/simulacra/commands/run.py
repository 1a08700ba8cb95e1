"""Command that does the whole job: upload, fit, generate, download, and what the rows are worth."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from simulacra.client import Client
from simulacra.commands import options as opt
from simulacra.commands.asked import Asked, Conditions, Do, QuotaFlags, Ranges, Shares
from simulacra.commands.corrections import Corrections, with_flags
from simulacra.commands.generations import Plain, save_rows
from simulacra.commands.naming import called
from simulacra.commands.options import format_of, load, option
from simulacra.commands.output import is_for_people, note, print_result, wait_with_progress
from simulacra.commands.reading import brief
from simulacra.commands.session import connected, continue_with, exit_if_partial
from simulacra.commands.uploads import onward, send_table, wait_for_model
from simulacra.models import Generation
from simulacra.rows import generated

app = typer.Typer()
Output = Annotated[
    Path, option("File to write: .parquet, .csv, .arrow, .sav or .xlsx.", "--output", "-o")
]


@app.command(epilog="Example: simulacra run survey.csv --rows 2000 -o rows.csv")
@with_flags
def run(
    file: opt.TableFile,
    rows: Annotated[int, option("Rows to generate.", min=1)],
    output: Output,
    plain: Plain = False,
    name: opt.TableName = None,
    share: Shares = None,
    range_: Ranges = None,
    quota: QuotaFlags = None,
    do: Do = None,
    conditions: Conditions = None,
    seed: opt.Seed = None,
    weights: opt.Weights = None,
    describe: Annotated[Path | None, opt.DescriptionFile] = None,
    retention_hours: opt.RetentionHours = None,
    key: opt.Key = None,
    connection: opt.Connect = None,
    as_json: opt.AsJson = False,
    **changes: Any,
) -> None:
    """Do the whole job: upload a table, fit its model, generate rows and download them.

    If interrupted, it prints the --key to continue. Exits with 3 if the conditions are met only in
    part; the rows are written all the same.
    """
    key = key or uuid.uuid4().hex
    with connected(connection, continue_with(key)) as client:
        format_of(output)
        asked = Asked(conditions, share, range_, do, quota, rows)
        corrections = Corrections(**changes)
        options = {"weights": weights, "description": corrections.into(load(describe))}
        with corrections.named_in_errors():
            uploaded = send_table(client, file, key, as_json, retention_hours, name, **options)
            wait_for_model(client, uploaded, as_json)
        table = called(client, uploaded.dataset_id)
        for line in brief(client.schema(uploaded.dataset_id), table):
            note(line)
        try:
            wanted, interventions = asked.resolve(lambda: client.schema(uploaded.dataset_id))
        except ValueError as error:
            ready = f"The model is ready: simulacra generate {table} --rows {rows}"
            raise ValueError(f"{error}\n{ready} ... -o {output}") from error
        started = client.generate(
            uploaded.dataset_id,
            rows,
            conditions=wanted,
            interventions=interventions,
            seed=seed,
            key=key,
        )
        wait_with_progress(client, started.job_id, as_json)
        save_rows(client, started.generation_id, output, as_json, plain=plain)
        made = client.generation(started.generation_id)
        _print(client, made, output, as_json)
        exit_if_partial(made.status)


def _print(client: Client, made: Generation, output: Path, as_json: bool) -> None:
    """Print what was made: the generation and its file for programs, sentences for people."""
    print_result({**made, "file": str(output)}, as_json, _sentences(client, made))
    if not is_for_people(as_json):
        note(*made.quality_lines)


def _sentences(client: Client, made: Generation) -> Iterator[str]:
    yield from generated(made)
    yield from onward(client, made.dataset_id, "More rows:")
