"""Commands for jobs: list, wait, cancel."""

from __future__ import annotations

from typing import Annotated

import typer

from simulacra.client import Client
from simulacra.commands.lists import print_list
from simulacra.commands.naming import filters_of, job_of
from simulacra.commands.options import AsJson, Connect, OfDataset, Status, argument
from simulacra.commands.output import is_for_people, print_result, wait_with_progress
from simulacra.commands.session import connected, exit_if_partial
from simulacra.models import Job

app = typer.Typer()
JobId = Annotated[
    str, argument("job_id, or its beginning; or the id or table that it works on.", metavar="JOB")
]


@app.command(epilog="Example: simulacra jobs --status running")
def jobs(
    status: Status = None,
    dataset_id: OfDataset = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """List the jobs, newest first."""
    with connected(connection) as client:
        found = client.jobs(**filters_of(client, status, dataset_id))
        if is_for_people(as_json):
            found = [_with_progress(client, one) for one in found]
        print_list(found, "job", client, as_json, "No jobs.")


def _with_progress(client: Client, job: Job) -> Job:
    """Return a job of a list with its progress, which the list leaves out."""
    return Job(job | client.job(job.job_id)) if job.status == "running" else job


@app.command(epilog="Example: simulacra wait survey")
def wait(job_id: JobId, connection: Connect = None, as_json: AsJson = False) -> None:
    """Wait until a job ends."""
    with connected(connection) as client:
        ended = wait_with_progress(client, job_of(client, job_id), as_json)
        print_result(ended, as_json)
        exit_if_partial(ended.status)


@app.command(epilog="Example: simulacra cancel survey")
def cancel(job_id: JobId, connection: Connect = None, as_json: AsJson = False) -> None:
    """Stop a job for good."""
    with connected(connection) as client:
        print_result(client.cancel(job_of(client, job_id)), as_json)
