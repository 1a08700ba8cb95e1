"""Commands for datasets: upload, list, schema, graph, knowledge, retention."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Annotated

import typer

from simulacra.commands.options import (
    AsJson,
    Connect,
    DatasetId,
    Key,
    KnowledgeFile,
    Status,
    Wait,
    filters,
    load,
)
from simulacra.commands.output import byte_bar, note, print_result, wait_with_progress
from simulacra.commands.reading import reading
from simulacra.commands.session import connected, continue_with

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
        with byte_bar("uploading", as_json) as on_bytes:
            answer = client.upload(
                file,
                retention_seconds=seconds,
                family=family,
                knowledge=known,
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
        print_result(answer, as_json)


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


@app.command()
def refit(
    dataset_id: DatasetId,
    knowledge: Annotated[Path, KnowledgeFile],
    wait: Wait = True,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Fit the model again with other causal knowledge; what the old model made is erased."""
    with connected(connection, "run it again to continue") as client:
        job = client.refit(dataset_id, load(knowledge) or {})
        print_result(wait_with_progress(client, job.job_id, as_json) if wait else job, as_json)


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
