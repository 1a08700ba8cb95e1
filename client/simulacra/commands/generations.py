"""Commands for generations: generate, list, download, probe."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Annotated

import typer

from simulacra.commands.options import (
    AsJson,
    Conditions,
    Connect,
    Counterfactual,
    DatasetId,
    Do,
    Evidence,
    Key,
    OfDataset,
    Seed,
    Status,
    filters,
    format_of,
    load,
)
from simulacra.commands.output import byte_bar, note, print_result, wait_with_progress
from simulacra.commands.session import connected, continue_with
from simulacra.models import Generation

app = typer.Typer()
Safe = Annotated[
    bool,
    typer.Option(
        "--safe", help="CSV: a single quote before texts that a spreadsheet runs as a formula."
    ),
]


@app.command()
def generate(
    dataset_id: DatasetId,
    rows: Annotated[int, typer.Option(help="Rows to generate.")],
    conditions: Conditions = None,
    do: Do = None,
    counterfactual: Counterfactual = False,
    evidence: Evidence = True,
    seed: Seed = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Download to this file when ready.")
    ] = None,
    safe: Safe = False,
    wait: Annotated[bool, typer.Option(help="Wait until the rows are ready.")] = True,
    key: Key = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Generate a synthetic table under conditions or interventions, and wait for it."""
    key = key or uuid.uuid4().hex
    with connected(connection, continue_with(key)) as client:
        file_format = format_of(output) if output else None
        started = client.generate(
            dataset_id,
            rows,
            conditions=load(conditions),
            interventions=load(do),
            counterfactual=counterfactual,
            evidence=evidence,
            seed=seed,
            key=key,
        )
        if wait or output:
            wait_with_progress(client, started.job_id, as_json)
        if output and file_format:
            with byte_bar("downloading", as_json) as on_bytes:
                client.download(
                    started.generation_id, output, file_format, safe=safe, on_bytes=on_bytes
                )
        _print_rows(client.generation(started.generation_id), as_json)


@app.command()
def generations(
    status: Status = None,
    dataset_id: OfDataset = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """List the generations, newest first."""
    with connected(connection) as client:
        print_result(client.generations(**filters(status=status, dataset_id=dataset_id)), as_json)


@app.command()
def download(
    generation_id: Annotated[str, typer.Argument(help="As `generate` printed it.")],
    output: Annotated[Path, typer.Argument(help="A .parquet, .csv, .arrow, .sav or .xlsx file.")],
    safe: Safe = False,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Download a generation. Run it again to continue after an interruption (Parquet)."""
    with connected(connection, "run it again to continue") as client:
        file_format = format_of(output)
        with byte_bar("downloading", as_json) as on_bytes:
            size = client.download(generation_id, output, file_format, safe=safe, on_bytes=on_bytes)
        print_result({"bytes": size}, as_json)
        _note_worth(client.generation(generation_id))


@app.command()
def probe(
    dataset_id: DatasetId,
    rows: Annotated[int, typer.Option(help="100 at most.")] = 20,
    conditions: Conditions = None,
    do: Do = None,
    counterfactual: Counterfactual = False,
    seed: Seed = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Sample a few rows at once and show the feasibility of the conditions; nothing is stored."""
    with connected(connection) as client:
        found = client.probe(
            dataset_id,
            rows,
            conditions=load(conditions),
            interventions=load(do),
            counterfactual=counterfactual,
            seed=seed,
        )
        print_result(found, as_json)


def _print_rows(generation: Generation, as_json: bool) -> None:
    print_result(generation, as_json)
    _note_worth(generation)


def _note_worth(generation: Generation) -> None:
    """Say on stderr what the rows are worth, if it is known."""
    if generation.sentence:
        note(generation.sentence)
