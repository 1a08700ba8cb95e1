"""Commands for datasets: upload, list, schema, description, graph, knowledge, retention."""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import Annotated

import typer

from simulacra.client import Client
from simulacra.commands.options import (
    AsJson,
    Connect,
    DatasetId,
    DescriptionFile,
    Key,
    KnowledgeFile,
    Status,
    Strict,
    Wait,
    filters,
    load,
)
from simulacra.commands.output import byte_bar, note, print_result, wait_with_progress
from simulacra.commands.reading import described, next_steps, reading
from simulacra.commands.session import REFUSED, connected, continue_with
from simulacra.errors import ApiError
from simulacra.models import Document, Json

app = typer.Typer()


@app.command()
def upload(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, help="CSV (.gz, .zst), Parquet, Arrow, .xlsx, .sav."
        ),
    ],
    wait: Wait = True,
    retention_hours: Annotated[
        float | None, typer.Option(help="24 by default, 168 at most.")
    ] = None,
    family: Annotated[str | None, typer.Option(help="forest, neural or auto.")] = None,
    knowledge: Annotated[Path | None, KnowledgeFile] = None,
    describe: Annotated[Path | None, DescriptionFile] = None,
    hold: Annotated[
        bool, typer.Option("--hold", help="Stop after reading; `refit` confirms and fits.")
    ] = False,
    keep_source: Annotated[
        bool, typer.Option("--keep-source", help="Keep the table, so that it can be read again.")
    ] = False,
    strict: Strict = False,
    weights: Annotated[
        str | None, typer.Option(help="Column of survey weights; generated rows lack it.")
    ] = None,
    epsilon: Annotated[
        float | None, typer.Option(help="Differential privacy of the model, 0.01 to 100.")
    ] = None,
    delta: Annotated[float | None, typer.Option(help="Of --epsilon; 1e-6 by default.")] = None,
    key: Key = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Upload a seed table and fit its model. If interrupted, it prints the --key to continue."""
    seconds = None if retention_hours is None else round(retention_hours * 3600)
    key = key or uuid.uuid4().hex
    with connected(connection, continue_with(key)) as client:
        known = load(knowledge)
        description = load(describe)
        with byte_bar("uploading", as_json) as on_bytes:
            answer = client.upload(
                file,
                retention_seconds=seconds,
                family=family,
                knowledge=known,
                description=description,
                hold=hold,
                keep_source=keep_source,
                weights=weights,
                epsilon=epsilon,
                delta=delta,
                key=key,
                on_bytes=on_bytes,
            )
        if wait:
            answer["status"] = wait_with_progress(client, answer["job_id"], as_json)["status"]
            for line in reading(client.schema(answer["dataset_id"])):
                note(line)
            for line in next_steps(answer["dataset_id"], answer["status"]):
                note(line)
        print_result(answer, as_json)
        if strict and wait:
            exit_if_unsure(client, answer["dataset_id"])


def exit_if_unsure(client: Client, dataset_id: str) -> None:
    """Exit with 1 when a reading is to be confirmed."""
    count = (client.dataset(dataset_id).reading or {}).get("to_confirm", 0)
    if count:
        note(f"{count} column(s) to confirm: simulacra describe {dataset_id}", style="red")
        raise typer.Exit(REFUSED)


@app.command()
def datasets(status: Status = None, connection: Connect = None, as_json: AsJson = False) -> None:
    """List the datasets, newest first."""
    with connected(connection) as client:
        print_result(client.datasets(**filters(status=status)), as_json)


@app.command()
def schema(dataset_id: DatasetId, connection: Connect = None, as_json: AsJson = False) -> None:
    """Print the cleaned schema. Conditions are written against it."""
    with connected(connection) as client:
        print_result(client.schema(dataset_id), as_json)


@app.command()
def graph(dataset_id: DatasetId, connection: Connect = None, as_json: AsJson = False) -> None:
    """Print the causal graph of the dataset's model."""
    with connected(connection) as client:
        print_result(client.graph(dataset_id), as_json)


@app.command()
def knowledge(dataset_id: DatasetId, connection: Connect = None, as_json: AsJson = False) -> None:
    """Print the causal knowledge given for the dataset."""
    with connected(connection) as client:
        print_result(client.knowledge(dataset_id), as_json)


@app.command("describe")
def describe_dataset(
    dataset_id: DatasetId,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", dir_okay=False, help="File to write.")
    ] = None,
    strict: Strict = False,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Show what was read as what, and why. Change the file of -o and give it to `refit`."""
    with connected(connection) as client:
        found = client.describe(dataset_id)
        if output is not None:
            output.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        elif as_json or not sys.stdout.isatty():
            print_result(found, as_json)
        else:
            for line in described(client.dataset(dataset_id), found):
                print(line)
        if strict:
            exit_if_unsure(client, dataset_id)


@app.command()
def refit(
    dataset_id: DatasetId,
    knowledge: Annotated[Path | None, KnowledgeFile] = None,
    describe: Annotated[Path | None, DescriptionFile] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="The table, uploaded again where it is erased."
        ),
    ] = None,
    wait: Wait = True,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Fit again with other knowledge or another description; what the old model made is erased.

    With --source the table becomes another dataset, with the knowledge and retention of this one.
    """
    if source is not None and describe is None:
        raise typer.BadParameter("--source needs --describe.")
    with connected(connection, "run it again to continue") as client:
        description = load(describe)
        if source is not None:
            job = _upload_again(client, dataset_id, source, description or {})
        else:
            job = client.refit(dataset_id, load(knowledge), description=description)
        print_result(wait_with_progress(client, job["job_id"], as_json) if wait else job, as_json)


def _upload_again(client: Client, dataset_id: str, source: Path, description: Json) -> Document:
    before = client.dataset(dataset_id)
    try:
        known: Json | None = client.knowledge(dataset_id)
    except ApiError:  # its model is gone
        known = None
    made = client.upload(
        source,
        description=description,
        knowledge=known,
        retention_seconds=before.retention_seconds,
        keep_source=bool(before.get("source_kept")),
    )
    note(f"{source.name} is {made.dataset_id} now. Erase the old: simulacra delete {dataset_id}")
    return made


@app.command()
def extend(
    dataset_id: DatasetId,
    retention_hours: Annotated[float, typer.Option(help="Counted from creation; 168 at most.")],
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Keep a dataset and its model for more time, or for less."""
    with connected(connection) as client:
        print_result(client.extend(dataset_id, round(retention_hours * 3600)), as_json)
