"""What the commands share: how they connect, how they speak, and how they end.

Exit codes: 0 done; 1 the service refused; 2 wrong usage; 3 the job failed; 4 the service did not answer, or not in
time; 130 interrupted. Results go to stdout: JSON with `--json` or where stdout is no terminal, tables for people else.
Errors go to stderr, and so does progress: only where people look, which is a terminal, and never with `--json`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from simulacra.client import Client
from simulacra.connection import Connection
from simulacra.documents import Job, Json
from simulacra.errors import ApiError, DownloadCorrupt, JobFailed
from simulacra.operations import Format
from simulacra.protocol import may_pass
from simulacra.sending import OnBytes

REFUSED, USAGE, FAILED, SILENT, INTERRUPTED = 1, 2, 3, 4, 130
EXIT_CODES = {
    0: "done",
    REFUSED: "the service refused, or a check did not hold",
    USAGE: "wrong usage: an option, a file or the connection",
    FAILED: "the job failed",
    SILENT: "the service did not answer, or not in time",
    INTERRUPTED: "interrupted (Ctrl-C)",
}
console = Console(stderr=True)
ConnectionOption = Annotated[
    Path | None,
    typer.Option("--connection", "-c", help="connection.json of `simulacra up` (else SIMULACRA_* variables)."),
]
DatasetArgument = Annotated[str, typer.Argument(help="dataset_id as `upload` printed it.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON also on a terminal.")]
SeedOption = Annotated[int | None, typer.Option("--seed", help="Same seed, same rows.")]
KeyOption = Annotated[str | None, typer.Option("--key", help="Idempotency-Key: the same key twice is one request.")]
ConditionsOption = Annotated[
    Path | None, typer.Option("--conditions", exists=True, dir_okay=False, help="JSON file: the `conditions` object.")
]
PairsOption = Annotated[bool, typer.Option("--counterfactual", help="Rows in pairs: a row, then its twin under --do.")]
DoOption = Annotated[
    Path | None, typer.Option("--do", exists=True, dir_okay=False, help="JSON file: {column: value} to intervene on.")
]


def go_on(key: str) -> str:
    """Return what to say to those whose work was interrupted."""
    return f"to go on where it stopped, run the same command with --key {key}"


@contextmanager
def connected(path: Path | None, hint: str = "") -> Iterator[Client]:
    """Open a client and turn what goes wrong into one sentence on stderr and an exit code.

    Args:
        path: a connection.json; None: the environment says.
        hint: what to do after an interruption, a broken connection or a refusal that passes.
    """
    with ended(hint), Client(Connection.from_file(path) if path else Connection.from_environment()) as client:
        yield client


@contextmanager
def ended(hint: str = "") -> Iterator[None]:
    """Turn what goes wrong into one sentence on stderr and an exit code."""
    try:
        yield
    except BrokenPipeError:  # whoever read the results has enough
        raise
    except (ValueError, ModuleNotFoundError) as error:
        raise _end(USAGE, str(error)) from error
    except JobFailed as error:
        raise _end(FAILED, f"{error.job_id} failed: {error}") from error
    except ApiError as error:
        raise _end(REFUSED, str(error), hint if may_pass(error) else "") from error
    except DownloadCorrupt as error:
        raise _end(REFUSED, str(error)) from error
    except TimeoutError as error:
        raise _end(SILENT, str(error)) from error
    except OSError as error:
        if error.filename is None:  # no file: the request for access was denied
            raise _end(REFUSED, str(error)) from error
        raise _end(USAGE, f"{error.filename}: {error.strerror}") from error
    except httpx2.TransportError as error:
        url = error.request.url
        where = f"{url.scheme}://{url.netloc.decode()}"
        what = f"the service at {where} does not answer ({type(error).__name__}); is `simulacra up` running?"
        raise _end(SILENT, what, hint) from error
    except KeyboardInterrupt as error:
        raise _end(INTERRUPTED, "interrupted", hint) from error


def _end(code: int, sentence: str, hint: str = "") -> typer.Exit:
    console.print(sentence, style="red", highlight=False, markup=False, soft_wrap=True)
    if hint:
        console.print(hint, highlight=False, markup=False, soft_wrap=True)
    return typer.Exit(code)


def say(value: Any, as_json: bool) -> None:
    """Print a result: for programs, or for people."""
    if as_json or not sys.stdout.isatty():
        print(json.dumps(value, indent=2))
    else:
        Console().print(_table(value), highlight=False)


def _table(value: Any) -> Table | str:
    if isinstance(value, dict):
        table = Table(show_header=False)
        for name, cell in value.items():
            table.add_row(name, _cell(cell))
        return table
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        names = list(dict.fromkeys(name for row in value for name in row))
        table = Table(*names)
        for row in value:
            table.add_row(*(_cell(row.get(name)) for name in names))
        return table
    return _cell(value) if value != [] else "none"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return escape(value if isinstance(value, str) else json.dumps(value, indent=1))


def load(path: Path | None) -> Json | None:
    """Read a JSON object from a file."""
    if path is None:
        return None
    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise typer.BadParameter(f"{path} is not a JSON object: {error}") from error
    if not isinstance(found, dict):
        raise typer.BadParameter(f"{path} is not a JSON object: write it as {{...}}")
    return found


def format_of(path: Path) -> Format:
    """Return the format that a file's suffix asks for. ValueError: there is no such format, or no folder for it."""
    formats: dict[str, Format] = {".parquet": "parquet", ".csv": "csv", ".arrow": "arrow"}
    if path.suffix not in formats:
        raise ValueError(f"{path.name}: name it .parquet, .csv or .arrow")
    if not path.parent.is_dir():
        raise ValueError(f"{path.parent}: there is no such folder; make it first")
    return formats[path.suffix]


def _bars(as_json: bool, *columns: ProgressColumn) -> Progress:
    seen = sys.stdout.isatty() and console.is_terminal and not as_json
    first = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    return Progress(*first, *columns, console=console, disable=not seen)


@contextmanager
def byte_bar(what: str, as_json: bool) -> Iterator[OnBytes]:
    """Yield what draws a bar of the bytes that have gone or come: percent, how many, rate, time left."""
    with _bars(as_json, DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()) as bars:
        bar, before = bars.add_task(what, total=None), None

        def show(done: int, total: int | None) -> None:
            nonlocal before
            if before is None or done < before:  # from here on: what was there already has no rate
                bars.reset(bar, total=total, completed=done)
            bars.update(bar, completed=done, total=total)
            before = done

        yield show


def wait_with_progress(client: Client, job_id: str, as_json: bool) -> Job:
    """Wait for a job with a bar: percent, elapsed time and the service's own ETA. Say it when nobody answers."""
    silent = False
    with _bars(as_json, TimeElapsedColumn(), TextColumn("{task.fields[eta]}")) as bars:
        bar = bars.add_task(job_id, total=100, eta="")

        def show(job: Job) -> None:
            nonlocal silent
            silent = False
            eta = job.get("eta_seconds")
            done = job.get("progress_percent") or (100 if job["status"] in ("ready", "partial") else 0)
            bars.update(bar, completed=done, description=job["status"], eta=f"about {eta} s left" if eta else "")

        def away(what: str, left: float) -> None:
            nonlocal silent
            if not silent:
                say_so = f"the service does not answer ({what}); it is waited for, {left:.0f} s at most"
                console.print(say_so, highlight=False, markup=False, soft_wrap=True)
            silent = True

        return client.wait(job_id, on_progress=show, on_away=away)
