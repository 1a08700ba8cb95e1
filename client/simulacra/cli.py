"""The `simulacra` command: `up`, the customer's commands, `mcp` and `admin`."""

import os
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from simulacra.commands import (
    account,
    admin,
    certificates,
    completions,
    datasets,
    drafts,
    estimates,
    fit,
    generations,
    graphs,
    quotas,
    resources,
    run,
    sheets,
    uploads,
)
from simulacra.commands.options import Connect, option
from simulacra.commands.output import note
from simulacra.commands.session import EXIT_CODES, USAGE, errors_reported
from simulacra.local_state import default_data_dir, remember_service
from simulacra.optional import install_extra

START = "Start"
GROUPS = {
    START: (run, uploads, fit),
    "Generate and ask": (generations, completions, estimates, sheets, drafts),
    "Look and change": (datasets, graphs, resources),
    "Prove the erasure": (certificates,),
    "Account and access": (account,),
}
"""Groups of the help -> modules of commands."""
MACHINES = "Programs and operators"
_CODES = "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())
_EXAMPLE = (
    "Example: simulacra up, then in another terminal simulacra run survey.csv --rows 2000 -o r.csv"
)
app = typer.Typer(
    no_args_is_help=True,
    help="Synthetic tables under stated conditions, and proof that your data is gone afterwards.",
    epilog=f"{_EXAMPLE}\n\nExit codes: {_CODES}.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"simulacra {version('simulacra')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, option("Print the version.", "--version", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Synthetic tables under stated conditions, and proof that your data is gone afterwards."""


@app.command(rich_help_panel=START, epilog="Example: simulacra up")
def up(
    data_dir: Annotated[
        Path | None, option("Data directory; made if missing. ~/.local/share/simulacra if absent.")
    ] = None,
    port: Annotated[int | None, option("Port of the API; any free one if absent.")] = None,
) -> None:
    """Run the whole product on this machine, in the foreground, until Ctrl-C.

    Other commands of this user find it without a --connection.
    """
    _require("up", "embedded", "simulacra_embedded.up", "kopf")
    data_dir = data_dir or default_data_dir()
    remember_service(data_dir)
    arguments = ["--data-dir", str(data_dir), *([] if port is None else ["--port", str(port)])]
    # Replaces this process, so that signals reach the supervisor directly.
    os.execv(sys.executable, [sys.executable, "-m", "simulacra_embedded.up", *arguments])  # noqa: S606


for panel, nouns in GROUPS.items():
    for noun in nouns:
        for command in noun.app.registered_commands:
            command.rich_help_panel = panel
            app.registered_commands.append(command)


@app.command(rich_help_panel=MACHINES, epilog="Example: simulacra mcp --directory files")
def mcp(
    directory: Annotated[
        Path, option("Folder of the tools' files.", exists=True, file_okay=False)
    ] = Path(),
    connection: Connect = None,
) -> None:
    """Serve the main job to an agent over stdio (MCP). Rows never pass through its context."""
    _require("mcp", "mcp", "mcp")
    from simulacra.mcp_server import serve

    with errors_reported():
        serve(connection, directory)


app.add_typer(quotas.app, name="quota", rich_help_panel="Generate and ask")
app.add_typer(admin.app, name="admin", rich_help_panel=MACHINES)


def _require(command: str, extra: str, *modules: str) -> None:
    if any(find_spec(module) is None for module in modules):
        how = install_extra(extra)
        note(f"`simulacra {command}` needs the {extra} extra. {how}", style="red")
        raise typer.Exit(USAGE)
