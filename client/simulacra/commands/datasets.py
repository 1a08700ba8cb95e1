"""Datasets, jobs and downloads."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Annotated

import typer

from simulacra.commands.shared import (
    ConnectionOption,
    DatasetArgument,
    JsonOption,
    KeyOption,
    byte_bar,
    connected,
    console,
    format_of,
    go_on,
    load,
    say,
    wait_with_progress,
)

app = typer.Typer()
StatusOption = Annotated[
    str | None, typer.Option(help="queued, running, ready, partial or failed.")
]
OfDatasetOption = Annotated[
    str | None, typer.Option("--dataset", help="Only what belongs to this dataset_id.")
]
JobArgument = Annotated[str, typer.Argument(help="As `upload`, `generate` or `jobs` printed it.")]


@app.command()
def upload(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, help="CSV (.gz, .zst), Parquet, Arrow, .xlsx, .sav."
        ),
    ],
    wait: Annotated[bool, typer.Option(help="Wait until the model is ready.")] = True,
    retention_hours: Annotated[
        float | None, typer.Option(help="24 by default, 168 at most.")
    ] = None,
    family: Annotated[str | None, typer.Option(help="forest, neural or auto.")] = None,
    knowledge: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="JSON file: tiers, required and forbidden edges."
        ),
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="Column of survey weights; generated rows lack it.")
    ] = None,
    epsilon: Annotated[
        float | None, typer.Option(help="Differential privacy of the model, 0.01 to 100.")
    ] = None,
    delta: Annotated[float | None, typer.Option(help="Of --epsilon; 1e-6 by default.")] = None,
    key: KeyOption = None,
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Upload a seed table; its model is fit on it. Interrupted, it says with which --key to go on where it stopped."""
    seconds = None if retention_hours is None else round(retention_hours * 3600)
    key = key or uuid.uuid4().hex
    with connected(connection, go_on(key)) as client:
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
        say(answer, as_json)


@app.command()
def datasets(
    status: StatusOption = None, connection: ConnectionOption = None, as_json: JsonOption = False
) -> None:
    """List the datasets, newest first."""
    with connected(connection) as client:
        say(client.datasets(**_given(status=status)), as_json)


@app.command()
def show(
    resource_id: Annotated[
        str, typer.Argument(help="dataset_id, generation_id, effect_id or job_id.")
    ],
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print anything by its id: status, expiry, and a model's figures, what was attained, or an effect."""
    with connected(connection) as client:
        say(client.get(resource_id), as_json)


@app.command()
def generations(
    status: StatusOption = None,
    dataset_id: OfDatasetOption = None,
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the generations, newest first."""
    with connected(connection) as client:
        say(client.generations(**_given(status=status, dataset_id=dataset_id)), as_json)


@app.command()
def effects(
    status: StatusOption = None,
    dataset_id: OfDatasetOption = None,
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the effect estimates, newest first."""
    with connected(connection) as client:
        say(client.effects(**_given(status=status, dataset_id=dataset_id)), as_json)


@app.command()
def jobs(
    status: StatusOption = None,
    dataset_id: OfDatasetOption = None,
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the jobs, newest first."""
    with connected(connection) as client:
        say(client.jobs(**_given(status=status, dataset_id=dataset_id)), as_json)


@app.command()
def wait(
    job_id: JobArgument, connection: ConnectionOption = None, as_json: JsonOption = False
) -> None:
    """Wait until a job ends."""
    with connected(connection) as client:
        say(wait_with_progress(client, job_id, as_json), as_json)


@app.command()
def cancel(
    job_id: JobArgument, connection: ConnectionOption = None, as_json: JsonOption = False
) -> None:
    """Stop a job for good."""
    with connected(connection) as client:
        say(client.cancel(job_id), as_json)


@app.command()
def schema(
    dataset_id: DatasetArgument, connection: ConnectionOption = None, as_json: JsonOption = False
) -> None:
    """Print the cleaned schema, which conditions are written against."""
    with connected(connection) as client:
        say(client.schema(dataset_id), as_json)


@app.command()
def report(
    resource_id: Annotated[str, typer.Argument(help="dataset_id (of its model) or generation_id.")],
    html: Annotated[
        Path | None, typer.Option(help="Write the page for people to this file instead.")
    ] = None,
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the report of a dataset's model or of a generation: asked and attained, fidelity, privacy."""
    with connected(connection) as client:
        if html is None:
            say(client.report(resource_id), as_json)
        else:
            html.write_text(client.report_page(resource_id))
            console.print(f"written to {html}", highlight=False, markup=False)


@app.command()
def graph(
    dataset_id: DatasetArgument, connection: ConnectionOption = None, as_json: JsonOption = False
) -> None:
    """Print the causal graph of the dataset's model."""
    with connected(connection) as client:
        say(client.graph(dataset_id), as_json)


@app.command()
def knowledge(
    dataset_id: DatasetArgument, connection: ConnectionOption = None, as_json: JsonOption = False
) -> None:
    """Print what the dataset's model was told of causes."""
    with connected(connection) as client:
        say(client.knowledge(dataset_id), as_json)


@app.command()
def refit(
    dataset_id: DatasetArgument,
    knowledge: Annotated[
        Path,
        typer.Option(
            exists=True, dir_okay=False, help="JSON file: tiers, required and forbidden edges."
        ),
    ],
    wait: Annotated[bool, typer.Option(help="Wait until the model is ready.")] = True,
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit the model anew with other knowledge of causes; what came of the model before is erased with it."""
    with connected(connection, "run it again to go on") as client:
        job = client.refit(dataset_id, load(knowledge) or {})
        say(wait_with_progress(client, job.job_id, as_json) if wait else job, as_json)


@app.command()
def extend(
    dataset_id: DatasetArgument,
    retention_hours: Annotated[float, typer.Option(help="Counted from creation; 168 at most.")],
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a dataset and its model longer (or less long)."""
    with connected(connection) as client:
        say(client.extend(dataset_id, round(retention_hours * 3600)), as_json)


@app.command()
def download(
    generation_id: Annotated[str, typer.Argument(help="As `generate` printed it.")],
    output: Annotated[Path, typer.Argument(help="The suffix decides: .parquet, .csv or .arrow.")],
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Download a generation; run it again to go on after an interruption (Parquet)."""
    with connected(connection, "run it again to go on") as client:
        file_format = format_of(output)
        with byte_bar("downloading", as_json) as on_bytes:
            size = client.download(generation_id, output, file_format, on_bytes=on_bytes)
        say({"bytes": size}, as_json)


def _given(**filters: str | None) -> dict[str, str]:
    return {name: value for name, value in filters.items() if value}
