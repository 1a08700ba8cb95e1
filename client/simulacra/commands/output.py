"""Output of the commands.

Results go to stdout: JSON with `--json` or without a terminal, or else tables. Notes go to stderr,
and so do progress bars, which need a terminal and no `--json`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
from rich.text import Text

from simulacra.client import Client
from simulacra.effect import Effect
from simulacra.models import Job, lines_of, plain
from simulacra.segment import Segment
from simulacra.sheet import Sheet
from simulacra.upload_io import OnBytes

console = Console(stderr=True)


def is_for_people(as_json: bool) -> bool:
    """Return whether the output is for people: stdout is a terminal, and no --json is given."""
    return sys.stdout.isatty() and not as_json


def print_result(value: Any, as_json: bool) -> None:
    """Print a result on stdout, as JSON or as a table."""
    if is_for_people(as_json):
        Console().print(_table(value), highlight=False)
    else:
        print(json.dumps(value, indent=2))


def note(text: str, style: str | None = None) -> None:
    """Print a line on stderr as it is, without markup."""
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)


def _table(value: Any) -> Table | Text | str:
    if isinstance(value, Effect | Segment | Sheet):
        return Text(str(value))
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
    if isinstance(value, dict | list):
        return escape("\n".join(lines_of(value)))
    return escape(plain(value))


def _bars(as_json: bool, *columns: ProgressColumn) -> Progress:
    visible = is_for_people(as_json) and console.is_terminal
    first = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    return Progress(*first, *columns, console=console, disable=not visible)


@contextmanager
def byte_bar(label: str, as_json: bool) -> Iterator[OnBytes]:
    """Yield a callback that draws a bar of transferred bytes: percent, count, rate, time left."""
    with _bars(as_json, DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()) as bars:
        bar = bars.add_task(label, total=None)
        before = None

        def show(done: int, total: int | None) -> None:
            nonlocal before
            if before is None or done < before:  # the rate counts from here, not from zero
                bars.reset(bar, total=total, completed=done)
            bars.update(bar, completed=done, total=total)
            before = done

        yield show


def wait_with_progress(client: Client, job_id: str, as_json: bool) -> Job:
    """Wait for a job with a bar (percent, elapsed time, ETA), and note when the service is away."""
    noted = False
    with _bars(as_json, TimeElapsedColumn(), TextColumn("{task.fields[eta]}")) as bars:
        bar = bars.add_task(job_id, total=100, eta="")

        def show(job: Job) -> None:
            nonlocal noted
            noted = False
            eta = f"about {job.eta_seconds} s left" if job.eta_seconds else ""
            done = 100 if job["status"] in ("ready", "partial") else 0
            percent = job.progress_percent or done
            bars.update(bar, completed=percent, description=job["status"], eta=eta)

        def away(failure: str, left: float) -> None:
            nonlocal noted
            if not noted:
                note(f"The service does not answer ({failure}). Trying for {left:.0f} s more.")
            noted = True

        return client.wait(job_id, on_progress=show, on_away=away)
