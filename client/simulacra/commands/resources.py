"""Commands for any resource by its id: show, report, delete; and for jobs: list, wait, cancel."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from simulacra.client import Client
from simulacra.commands.certificates import proof_commands
from simulacra.commands.lists import add_list
from simulacra.commands.naming import job_of, resource_of
from simulacra.commands.options import AsJson, Connect, Yes, argument, option
from simulacra.commands.output import is_for_people, note, print_result, say, wait_with_progress
from simulacra.commands.session import confirm, connected, exit_if_partial
from simulacra.commands.used_model import (
    LocalModel,
    SavedModel,
    ServedModel,
    TableOrModel,
    used_model,
)
from simulacra.local_state import forget_table, table_names
from simulacra.models import Document, Job, Report
from simulacra.operations.resources import ERASABLE, KINDS

app = typer.Typer()
NO_WAVES = (
    "The report has no waves: state their column, as in `simulacra refit TABLE --wave COL`. Models"
    " with differential privacy have none."
)


@app.command(epilog="Example: simulacra show survey")
def show(
    resource_id: Annotated[
        str,
        argument("A table; or the id of a dataset, job, or anything made from it.", metavar="NAME"),
    ],
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Print a resource: status, expiry, and figures, attainment, an effect or shares."""
    with connected(connection) as client:
        print_result(_explained(client, resource_of(client, resource_id, tuple(KINDS))), as_json)


def _explained(client: Client, resource_id: str) -> Document:
    """Return a resource; a failed dataset of an earlier release gets its error from its job."""
    found = client.get(resource_id)
    if resource_id.startswith("ds-") and found.status == "failed" and "error" not in found:
        found["error"] = client.job(str(found.job_id)).error
    return found


@app.command(epilog="Example: simulacra report survey --html report.html")
def report(
    resource_id: Annotated[
        str | None, argument("A table or dataset_id (its model), or a gen_id.", metavar="NAME")
    ] = None,
    model: SavedModel = None,
    html: Annotated[Path | None, option("Write the HTML page to this file instead.")] = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Print the report of a model or a generation: on a terminal its verdicts, else all of it."""
    kinds = ("ds-", "gen-")
    with used_model(
        resource_id, model, connection, as_json, prefixes=kinds, metavar="NAME"
    ) as used:
        if html is not None:
            html.write_text(used.read("report_page"), encoding="utf-8")
            note(f"Wrote {html}.")
        else:
            found = used.read("report")
            print_result(found, as_json, _brief_report(used, found))


def _brief_report(used: ServedModel | LocalModel, report: Report) -> Iterator[str]:
    """Yield the verdicts, the errors beside their floors, and where the rest is."""
    yield from used.verdicts()
    yield from report.drawn()
    yield from [*report.moved()][:1]
    yield from report.errors()
    yield f"Every column: simulacra report {used.shown()} --html report.html, or --json"


@app.command(epilog="Example: simulacra waves tracker")
def waves(
    table: TableOrModel = None,
    model: SavedModel = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Print what moved in the newest wave of a survey, how surely, and whose answers moved it.

    The column of the waves is stated at the upload, with --wave.
    """
    with used_model(table, model, connection, as_json) as used:
        found = used.read("report")
        if not found.waves:
            say(NO_WAVES)
            raise typer.Exit(1)
        print_result(found.waves, as_json, _waves_in_words(used, found))


def _waves_in_words(used: ServedModel | LocalModel, report: Report) -> Iterator[str]:
    yield from report.moved()
    yield f"Every answer: simulacra waves {used.shown()} --json, or report --html"


@app.command(epilog="Example: simulacra summary q3 -o q3.wave.json")
def summary(
    output: Annotated[Path, option("File to write.", "--output", "-o", dir_okay=False)],
    table: TableOrModel = None,
    model: SavedModel = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Write the summary of a survey's waves, without rows, to keep for the next wave.

    The next `upload` or `fit` takes it as --earlier; the service erases its own with the table.
    """
    with used_model(table, model, connection, as_json) as used:
        found = used.read("summary")
        output.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        waves = [str(one["label"]) for one in found["summary"]["waves"]]
        note(f"Wrote {output}: {len(waves)} wave(s), the newest {waves[-1]}. Keep it.")
        if not is_for_people(as_json):
            print_result({"file": str(output), "waves": waves}, as_json)


@app.command(epilog="Example: simulacra delete survey")
def delete(
    resource_id: Annotated[
        str,
        argument("A table; or the id of a dataset or of anything made from it.", metavar="NAME"),
    ],
    yes: Yes = False,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Delete a dataset with everything made from it, a generation or an estimate.

    Asks first on a terminal. Waits for the erasure and prints its certificate, or on a terminal
    what was erased; then how to keep the proof.
    """
    with connected(connection) as client:
        found = resource_of(client, resource_id, ERASABLE, strict=True)
        confirm(_what_goes(client, found), yes)
        client.delete(found)
        forget_table(client.api_url, found)
        certificate = client.erasure_certificate(found)
        if is_for_people(as_json):
            say(_erasure(certificate))
            proof = Path("erasure.json")
        else:
            print_result({"deleted": found, "certificate": certificate}, as_json)
            proof = Path("erasure-proof.json")  # the first may be in erasure.json
        note("Keep the proof, a minute from now, when it can show that the key is gone:")
        note(proof_commands(found, proof, connection))


def _what_goes(client: Client, resource_id: str) -> str:
    name = table_names(client.api_url).get(resource_id)
    shown = f"{name} ({resource_id})" if name else resource_id
    more = ""
    if resource_id.startswith("ds-"):
        more = ", its model and all rows and estimates made from it"
    return f"Erase {shown}{more}? It cannot be undone."


def _erasure(certificate: Document) -> str:
    """Return what a certificate states."""
    statement = certificate["statement"]
    size = f"{statement['objects']} stored objects of {statement['stored_bytes']:,} bytes"
    return f"Erased {certificate['resource_id']}: {size}; their key was destroyed."


JobId = Annotated[
    str, argument("job_id, or its beginning; or the id or table that it works on.", metavar="JOB")
]


def _with_progress(client: Client, job: Document) -> Document:
    """Return a job of a list with its progress, which the list leaves out."""
    return Job(job | client.job(job.job_id)) if job.status == "running" else job


add_list(app, "job", "jobs", "No jobs.", example="--status running", shown=_with_progress)


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
