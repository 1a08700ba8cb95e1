"""The `simulacra` command: `up` for one machine, the customer's steps, `mcp` for agents, `admin` for operators.

How all of them print and which exit codes they have is in `commands.shared`.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from simulacra.admin import admin
from simulacra.commands import access, certificates, datasets, generations
from simulacra.commands.shared import EXIT_CODES, USAGE, ConnectionOption, console, ended

_ENDS = "; ".join(f"{code} {what}" for code, what in EXIT_CODES.items())
app = typer.Typer(
    no_args_is_help=True,
    help="Synthetic tables under stated conditions.",
    epilog=f"Exit codes: {_ENDS}.",
)
for group in (access, datasets, generations, certificates):
    app.registered_commands += group.app.registered_commands
app.add_typer(admin, name="admin")


@app.command()
def up(
    data_dir: Annotated[Path, typer.Option(help="Where everything lives; made when missing.")],
    port: Annotated[
        int | None, typer.Option(help="Port of the API; a free one when not given.")
    ] = None,
) -> None:
    """Run the whole product on this machine, in the foreground, until Ctrl-C."""
    if find_spec("simulacra_embedded.up") is None or find_spec("kopf") is None:
        console.print(
            "`simulacra up` needs the embedded extra: pip install 'simulacra[embedded]'",
            style="red",
        )
        raise typer.Exit(USAGE)
    arguments = ["--data-dir", str(data_dir), *([] if port is None else ["--port", str(port)])]
    # Replaces this process: signals reach the supervisor directly.
    os.execv(sys.executable, [sys.executable, "-m", "simulacra_embedded.up", *arguments])  # noqa: S606


@app.command()
def mcp(
    directory: Annotated[
        Path,
        typer.Option(
            exists=True, file_okay=False, help="The only folder that tools read from and write to."
        ),
    ] = Path(),
    connection: ConnectionOption = None,
) -> None:
    """Serve the main job to an agent over stdio (Model Context Protocol); rows never pass through its context."""
    if find_spec("mcp") is None:
        console.print(
            "`simulacra mcp` needs the mcp extra: pip install 'simulacra[mcp]'", style="red"
        )
        raise typer.Exit(USAGE)
    from simulacra.mcp_server import serve

    with ended():
        serve(connection, directory)
