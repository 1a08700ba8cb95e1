"""Commands for any resource by its id: show, report, delete."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulacra.commands.options import AsJson, Connect
from simulacra.commands.output import note, print_result
from simulacra.commands.session import connected

app = typer.Typer()


@app.command()
def show(
    resource_id: Annotated[
        str, typer.Argument(help="dataset_id, generation_id, effect_id or job_id.")
    ],
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Print a resource: status, expiry, and a model's figures, the attainment or an effect."""
    with connected(connection) as client:
        print_result(client.get(resource_id), as_json)


@app.command()
def report(
    resource_id: Annotated[str, typer.Argument(help="dataset_id (of its model) or generation_id.")],
    html: Annotated[
        Path | None, typer.Option(help="Write the HTML page to this file instead.")
    ] = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Print the report of a model or a generation: attainment, fidelity, privacy."""
    with connected(connection) as client:
        if html is None:
            print_result(client.report(resource_id), as_json)
        else:
            html.write_text(client.report_page(resource_id))
            note(f"written to {html}")


@app.command()
def delete(
    resource_id: Annotated[
        str,
        typer.Argument(help="dataset_id (ds-...), generation_id (gen-...) or effect_id (eff-...)."),
    ],
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Delete a dataset with everything made from it, a generation or an effect estimate.

    Waits for the erasure and prints its certificate.
    """
    with connected(connection) as client:
        client.delete(resource_id)
        certificate = client.erasure_certificate(resource_id)
        print_result({"deleted": resource_id, "certificate": certificate}, as_json)
