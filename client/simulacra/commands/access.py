"""Access: ask for it, and turn an approved request into a connection.json."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulacra.access import claim_credentials, place_for_connection, request_access
from simulacra.commands.shared import JsonOption, console, ended, say

app = typer.Typer()
UrlArgument = Annotated[
    str, typer.Argument(help="Where the service is, e.g. https://api.example.com.")
]


@app.command()
def signup(
    api_url: UrlArgument,
    company: Annotated[str, typer.Option(help="Who asks.")],
    contact: Annotated[str, typer.Option(help="An address to reach you at.")],
    as_json: JsonOption = False,
) -> None:
    """Ask for access. A person decides; keep the request_id that is printed secret, and `claim` with it."""
    with ended():
        say(request_access(api_url, company, contact), as_json)


@app.command()
def claim(
    api_url: UrlArgument,
    request_id: Annotated[str, typer.Argument(help="As `signup` printed it.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Write the credentials to this file.")
    ] = Path("connection.json"),
    wait_seconds: Annotated[float, typer.Option(help="How long to wait for the decision.")] = 0.0,
) -> None:
    """Claim the credentials of an approved request, once; they are written to a file that only you can read."""
    if output.exists():
        raise typer.BadParameter(
            f"{output} is there already: credentials are shown once, so give another name"
        )
    with ended(), place_for_connection(output) as save:
        save(claim_credentials(api_url, request_id, timeout=wait_seconds))
    console.print(f"written to {output}", highlight=False, markup=False)
