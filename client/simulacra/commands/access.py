"""Commands for access: request it, and turn an approved request into a connection.json."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulacra.access import claim_credentials, new_connection_file, request_access
from simulacra.commands.options import AsJson, argument, option
from simulacra.commands.output import note, print_result
from simulacra.commands.session import errors_reported

app = typer.Typer()
ApiUrl = Annotated[str, argument("Address of the service, e.g. https://api.example.com.")]


@app.command(
    epilog="Example: simulacra signup https://api.example.com --company A --contact me@a.example"
)
def signup(
    api_url: ApiUrl,
    company: Annotated[str, option("Your company.")],
    contact: Annotated[str, option("An address to reach you at.")],
    as_json: AsJson = False,
) -> None:
    """Request access; a person decides. Keep the printed request_id secret: `claim` needs it."""
    with errors_reported():
        print_result(request_access(api_url, company, contact), as_json)


@app.command(epilog="Example: simulacra claim https://api.example.com req_...")
def claim(
    api_url: ApiUrl,
    request_id: Annotated[str, argument("As `signup` printed it.")],
    output: Annotated[Path, option("Write the credentials to this file.", "--output", "-o")] = Path(
        "connection.json"
    ),
    wait_seconds: Annotated[float, option("How long to wait for the decision.")] = 0.0,
) -> None:
    """Claim the credentials of an approved request, once, into a file that only you can read."""
    if output.exists():
        raise typer.BadParameter(
            f"{output} exists already. Credentials are shown once, so give another name."
        )
    with errors_reported(), new_connection_file(output) as write:
        write(claim_credentials(api_url, request_id, timeout=wait_seconds))
    note(f"Wrote {output}.")
