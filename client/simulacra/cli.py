"""The `simulacra` command: `up`, the customer's commands, `mcp` and `admin`."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from simulacra.commands import (
    access,
    account,
    admin,
    certificates,
    datasets,
    effects,
    generations,
    jobs,
    resources,
)
from simulacra.commands.options import Connect
from simulacra.commands.output import note
from simulacra.commands.session import EXIT_CODES, USAGE, errors_reported

_CODES = "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())
app = typer.Typer(
    no_args_is_help=True,
    help="Synthetic tables under stated conditions.",
    epilog=f"Exit codes: {_CODES}.",
)
for noun in (access, datasets, generations, effects, jobs, resources, certificates, account):
    app.registered_commands += noun.app.registered_commands
app.add_typer(admin.app, name="admin")


@app.command()
def up(
    data_dir: Annotated[Path, typer.Option(help="Data directory; made if missing.")],
    port: Annotated[
        int | None, typer.Option(help="Port of the API; any free one if absent.")
    ] = None,
) -> None:
    """Run the whole product on this machine, in the foreground, until Ctrl-C."""
    _require("up", "embedded", "simulacra_embedded.up", "kopf")
    arguments = ["--data-dir", str(data_dir), *([] if port is None else ["--port", str(port)])]
    # Replaces this process, so that signals reach the supervisor directly.
    os.execv(sys.executable, [sys.executable, "-m", "simulacra_embedded.up", *arguments])  # noqa: S606


@app.command()
def mcp(
    directory: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="Folder of the tools' files.")
    ] = Path(),
    connection: Connect = None,
) -> None:
    """Serve the main job to an agent over stdio (MCP). Rows never pass through its context."""
    _require("mcp", "mcp", "mcp")
    from simulacra.mcp_server import serve

    with errors_reported():
        serve(connection, directory)


def _require(command: str, extra: str, *modules: str) -> None:
    if any(find_spec(module) is None for module in modules):
        note(
            f"`simulacra {command}` needs the {extra} extra. Run pip install 'simulacra[{extra}]'.",
            style="red",
        )
        raise typer.Exit(USAGE)
