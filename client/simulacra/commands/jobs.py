"""Commands for jobs: list, wait, cancel."""

from __future__ import annotations

from typing import Annotated

import typer

from simulacra.commands.options import AsJson, Connect, OfDataset, Status, filters
from simulacra.commands.output import print_result, wait_with_progress
from simulacra.commands.session import connected

app = typer.Typer()
JobId = Annotated[str, typer.Argument(help="As `upload`, `generate` or `jobs` printed it.")]


@app.command()
def jobs(
    status: Status = None,
    dataset_id: OfDataset = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """List the jobs, newest first."""
    with connected(connection) as client:
        print_result(client.jobs(**filters(status=status, dataset_id=dataset_id)), as_json)


@app.command()
def wait(job_id: JobId, connection: Connect = None, as_json: AsJson = False) -> None:
    """Wait until a job ends."""
    with connected(connection) as client:
        print_result(wait_with_progress(client, job_id, as_json), as_json)


@app.command()
def cancel(job_id: JobId, connection: Connect = None, as_json: AsJson = False) -> None:
    """Stop a job for good."""
    with connected(connection) as client:
        print_result(client.cancel(job_id), as_json)
