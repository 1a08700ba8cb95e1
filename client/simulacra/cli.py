"""The `simulacra` command: `up` for one machine, and the customer's steps as subcommands.

Results are JSON on stdout, so that scripts can use them; progress and errors go to stderr.
Exit codes: 0 done, 1 the service refused or the job failed, 2 wrong usage.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from simulacra.admin import admin
from simulacra.certificates import verify_certificate
from simulacra.client import Client, Format, Json
from simulacra.connection import Connection
from simulacra.errors import ApiError, JobFailed

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Synthetic tables under stated conditions.")
app.add_typer(admin, name="admin")
console = Console(stderr=True)
ConnectionOption = Annotated[
    Path | None,
    typer.Option("--connection", "-c", help="connection.json of `simulacra up` (else SIMULACRA_* variables)."),
]
DatasetArgument = Annotated[str, typer.Argument(help="dataset_id as `upload` printed it.")]
KeyOption = Annotated[str | None, typer.Option("--key", help="Idempotency-Key: the same key twice is one request.")]


@contextmanager
def _client(path: Path | None) -> Iterator[Client]:
    """Open a client and turn what goes wrong into one sentence on stderr and an exit code."""
    try:
        with Client(Connection.from_file(path) if path else Connection.from_environment()) as client:
            yield client
    except (ValueError, FileNotFoundError) as error:
        console.print(f"[red]{error}", highlight=False)
        raise typer.Exit(2) from error
    except (ApiError, JobFailed, TimeoutError) as error:
        console.print(f"[red]{error}", highlight=False)
        raise typer.Exit(1) from error
    except httpx.TransportError as error:
        console.print(f"[red]the service does not answer ({type(error).__name__}); is `simulacra up` running?")
        raise typer.Exit(1) from error


def _say(value: Any) -> None:
    print(json.dumps(value, indent=2))


def _load(path: Path | None) -> Json | None:
    if path is None:
        return None
    try:
        return dict(json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise typer.BadParameter(f"{path} is not a JSON object: {error}") from error


def wait_with_progress(client: Client, job_id: str) -> Json:
    """Wait for a job with a bar on stderr: percent, elapsed time and the service's own ETA."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[eta]}"), console=console) as bars:
        bar = bars.add_task(job_id, total=100, eta="")

        def show(job: Json) -> None:
            eta = job.get("eta_seconds")
            done = job.get("progress_percent") or (100 if job["status"] in ("ready", "partial") else 0)
            bars.update(bar, completed=done, description=job["status"], eta=f"about {eta} s left" if eta else "")

        return client.wait(job_id, on_progress=show)


@app.command()
def up(
    data_dir: Annotated[Path, typer.Option(help="Where everything lives; made when missing.")],
    port: Annotated[int | None, typer.Option(help="Port of the API; a free one when not given.")] = None,
) -> None:
    """Run the whole product on this machine, in the foreground, until Ctrl-C."""
    if find_spec("simulacra_embedded.up") is None or find_spec("kopf") is None:
        console.print("[red]`simulacra up` needs the embedded extra: pip install 'simulacra[embedded]'")
        raise typer.Exit(2)
    arguments = ["--data-dir", str(data_dir), *([] if port is None else ["--port", str(port)])]
    # Replaces this process: signals reach the supervisor directly.
    os.execv(sys.executable, [sys.executable, "-m", "simulacra_embedded.up", *arguments])  # noqa: S606


@app.command()
def upload(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV or Parquet.")],
    wait: Annotated[bool, typer.Option(help="Wait until the model is ready.")] = True,
    retention_hours: Annotated[float | None, typer.Option(help="24 by default, 168 at most.")] = None,
    family: Annotated[str | None, typer.Option(help="forest, neural or auto.")] = None,
    key: KeyOption = None,
    connection: ConnectionOption = None,
) -> None:
    """Upload a seed table; its model is fit on it."""
    seconds = None if retention_hours is None else round(retention_hours * 3600)
    with _client(connection) as client:
        answer = client.upload(file, retention_seconds=seconds, family=family, key=key)
        if wait:
            answer |= {"status": wait_with_progress(client, answer["job_id"])["status"]}
        _say(answer)


@app.command()
def datasets(connection: ConnectionOption = None) -> None:
    """List the datasets."""
    with _client(connection) as client:
        _say(client.datasets())


@app.command()
def jobs(
    status: Annotated[str | None, typer.Option(help="queued, running, ready, partial or failed.")] = None,
    dataset_id: Annotated[str | None, typer.Option("--dataset")] = None,
    connection: ConnectionOption = None,
) -> None:
    """List the jobs, newest first."""
    with _client(connection) as client:
        filters = {"status": status, "dataset_id": dataset_id}
        _say(client.jobs(**{name: value for name, value in filters.items() if value}))


@app.command()
def cancel(
    job_id: Annotated[str, typer.Argument(help="As `upload`, `generate` or `jobs` printed it.")],
    connection: ConnectionOption = None,
) -> None:
    """Stop a job for good."""
    with _client(connection) as client:
        _say(client.cancel(job_id))


@app.command()
def schema(dataset_id: DatasetArgument, connection: ConnectionOption = None) -> None:
    """Print the cleaned schema, which conditions are written against."""
    with _client(connection) as client:
        _say(client.schema(dataset_id))


@app.command()
def report(dataset_id: DatasetArgument, connection: ConnectionOption = None) -> None:
    """Print the fidelity and privacy report of the dataset's model."""
    with _client(connection) as client:
        _say(client.report(dataset_id))


@app.command()
def extend(
    dataset_id: DatasetArgument,
    retention_hours: Annotated[float, typer.Option(help="Counted from creation; 168 at most.")],
    connection: ConnectionOption = None,
) -> None:
    """Keep a dataset and its model longer (or less long)."""
    with _client(connection) as client:
        _say(client.extend(dataset_id, round(retention_hours * 3600)))


@app.command()
def generate(
    dataset_id: DatasetArgument,
    rows: Annotated[int, typer.Option(help="Rows to generate.")],
    conditions: Annotated[Path | None, typer.Option(exists=True, help="JSON file: the `conditions` object.")] = None,
    do: Annotated[Path | None, typer.Option(exists=True, help="JSON file: {column: value} to intervene on.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same rows.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Download to this file when ready.")] = None,
    key: KeyOption = None,
    connection: ConnectionOption = None,
) -> None:
    """Generate a synthetic table under conditions or interventions, and wait for it."""
    with _client(connection) as client:
        asked = client.generate(
            dataset_id, rows, conditions=_load(conditions), interventions=_load(do), seed=seed, key=key
        )
        wait_with_progress(client, asked["job_id"])
        if output:
            client.download(asked["generation_id"], output, _format(output))
        _say(client.generation(asked["generation_id"]))


@app.command()
def probe(
    dataset_id: DatasetArgument,
    rows: Annotated[int, typer.Option(help="100 at most.")] = 20,
    conditions: Annotated[Path | None, typer.Option(exists=True, help="JSON file: the `conditions` object.")] = None,
    do: Annotated[Path | None, typer.Option(exists=True, help="JSON file: {column: value} to intervene on.")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same rows.")] = None,
    connection: ConnectionOption = None,
) -> None:
    """Sample a few rows at once and say how feasible the conditions are; nothing is kept."""
    with _client(connection) as client:
        _say(client.probe(dataset_id, rows, conditions=_load(conditions), interventions=_load(do), seed=seed))


@app.command()
def effect(
    dataset_id: DatasetArgument,
    treatment: Annotated[str, typer.Option(help="The column that is set.")],
    value: Annotated[str, typer.Option(help="What it is set to: a number or a level.")],
    baseline: Annotated[str, typer.Option(help="What that is compared with.")],
    outcome: Annotated[str, typer.Option(help="The column whose average is compared.")],
    outcome_level: Annotated[str | None, typer.Option(help="Of a category: whose share counts.")] = None,
    segment: Annotated[str | None, typer.Option(help="Give the effect by this column as well.")] = None,
    key: KeyOption = None,
    connection: ConnectionOption = None,
) -> None:
    """Estimate an average causal effect, and wait for it."""
    with _client(connection) as client:
        kinds = {column["name"]: column["kind"] for column in client.schema(dataset_id)["columns"]}
        numeric = kinds.get(treatment) in ("integer", "numeric")
        asked = client.estimate(
            dataset_id,
            treatment=treatment,
            value=_number(value) if numeric else value,
            baseline=_number(baseline) if numeric else baseline,
            outcome=outcome,
            outcome_level=outcome_level,
            segment=segment,
            key=key,
        )
        wait_with_progress(client, asked["job_id"])
        _say(client.effect(asked["effect_id"]))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{text}: the treatment is a number, so give one") from None


@app.command()
def download(
    generation_id: Annotated[str, typer.Argument()],
    output: Annotated[Path, typer.Argument(help="The suffix decides: .parquet, .csv or .arrow.")],
    connection: ConnectionOption = None,
) -> None:
    """Download a generation."""
    with _client(connection) as client:
        _say({"bytes": client.download(generation_id, output, _format(output))})


@app.command()
def delete(
    resource_id: Annotated[
        str, typer.Argument(help="A dataset_id (ds-...), generation_id (gen-...) or effect_id (eff-...).")
    ],
    connection: ConnectionOption = None,
) -> None:
    """Delete a dataset with all that came of it, or one generation; wait, and print the erasure certificate."""
    with _client(connection) as client:
        (client.delete_generation if resource_id.startswith("gen-") else client.delete_dataset)(resource_id)
        _say({"deleted": resource_id, "certificate": client.erasure_certificate(resource_id)})


@app.command("verify-certificate")
def verify(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="What `delete` printed.")],
    keys: Annotated[
        Path | None,
        typer.Option(exists=True, help="The installation's published keys, kept earlier: then nothing is asked for."),
    ] = None,
    connection: ConnectionOption = None,
) -> None:
    """Check an erasure certificate's signature and print what it states."""
    document = _load(file) or {}
    try:
        if keys is None:
            with _client(connection) as client:
                known = client.published_keys()
        else:
            known = _load(keys) or {}
        _say(verify_certificate(document.get("certificate", document), known))
    except ValueError as error:
        console.print(f"[red]{error}", highlight=False)
        raise typer.Exit(1) from error


def _format(path: Path) -> Format:
    formats: dict[str, Format] = {".parquet": "parquet", ".csv": "csv", ".arrow": "arrow"}
    if path.suffix not in formats:
        raise typer.BadParameter(f"{path.name}: name it .parquet, .csv or .arrow")
    return formats[path.suffix]
