"""Output of the commands.

Results go to stdout: JSON with `--json` or without a terminal, or else tables. Notes go to stderr,
and so do progress bars, which need a terminal and no `--json`.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group, RenderableType
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
from simulacra.models import Answer, Job, Probe, Schema, Usage, lines_of, plain
from simulacra.operations.resources import NOUNS
from simulacra.rows import few_behind, in_words, little_behind, quota_in_words, rests_on
from simulacra.upload_io import OnBytes

console = Console(stderr=True)
SAMPLED = 4
"""Rows of a probe that stand beside each other."""
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but tab and line feed, changes of the direction of text, half characters."""


def printable(text: str) -> str:
    """Return a text with control characters as escapes.

    Names and levels come from a table that somebody else may have made: what they hold must not
    move the cursor, hide text or stop the command.
    """
    return _UNPRINTABLE.sub(lambda found: repr(found[0])[1:-1], text)


def is_for_people(as_json: bool) -> bool:
    """Return whether the output is for people: stdout is a terminal, and no --json is given."""
    return sys.stdout.isatty() and not as_json


def print_result(value: Any, as_json: bool, in_words: Iterable[str] | None = None) -> None:
    """Print a result on stdout, as JSON, or for people in these words or else as a table."""
    if not is_for_people(as_json):
        print(json.dumps(value, indent=2))
    elif in_words is None:
        Console().print(_table(value), highlight=False)
    else:
        say(*in_words)


def say(*lines: str) -> None:
    """Print lines for people on stdout."""
    for line in lines:
        print(printable(line))


def note(*lines: str, style: str | None = None) -> None:
    """Print lines on stderr as they are, without markup."""
    for line in lines:
        console.print(printable(line), style=style, highlight=False, markup=False, soft_wrap=True)


def span(seconds: float) -> str:
    """Return a duration as people say it: 40 s, 12 min, 5 h, 3 d."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size or (unit == "min" and seconds >= size):
            return f"{seconds // size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _table(value: Any) -> RenderableType:
    if isinstance(value, Answer):
        return Text(printable(str(value)))
    if isinstance(value, Schema):
        return _columns(("column", "kind", "levels or range"), value.listed())
    if isinstance(value, Probe):
        return _sampled(value)
    if isinstance(value, Usage):
        return _columns(("", "used", "limit", "within"), map(_used, value.items()))
    if isinstance(value, dict):
        table = Table(show_header=False)
        for name, cell in value.items():
            table.add_row(_cell(name), _cell(cell))
        return table
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        names = list(dict.fromkeys(name for row in value for name in row))
        table = Table(*map(_cell, names))
        for row in value:
            table.add_row(*(_cell(row.get(name)) for name in names))
        return table
    return _cell(value) if value != [] else "none"


def _columns(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    table = Table(*map(_cell, head))
    for row in rows:
        table.add_row(*map(_cell, row))
    return table


def _sampled(probe: Probe) -> Group:
    """Return the first rows side by side, then how the conditions are met, and what do() claims."""
    shown = probe.rows[:SAMPLED]
    names = list(shown[0]) if shown else []
    head = ("", *(f"row {at}" for at in range(1, len(shown) + 1)))
    table = _columns(head, ((name, *(row.get(name) for row in shown)) for name in names))
    met = [in_words(one) for one in (probe.attainment or {}).get("conditions", ())]
    met += [quota_in_words(one) for one in (probe.attainment or {}).get("quotas") or ()]
    count = f"{len(shown)} of {len(probe.rows)} rows; --json prints all."
    said = [count, f"conditions: {probe.feasibility['status']}", *met]
    said += [*few_behind(probe.attainment), *little_behind(probe.attainment), *rests_on(probe)]
    return Group(table, Text(printable("\n".join(said))))


def _used(quota: tuple[str, Any]) -> Sequence[str]:
    name, one = quota
    if not isinstance(one, dict):
        return (name, f"{one:,}", "", "")
    limit = "none" if one["limit"] is None else f"{one['limit']:,}"
    seconds = one["window_seconds"]
    return (name, f"{one['used']:,}", limit, f"{seconds:,} s" if seconds else "")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return escape(printable("\n".join(lines_of(value))))
    return escape(printable(plain(value)))


def _bars(as_json: bool, *columns: ProgressColumn) -> Progress:
    visible = is_for_people(as_json) and console.is_terminal
    done = TaskProgressColumn("[progress.percentage]{task.percentage:>3.0f} %")
    first = (TextColumn("{task.description}", markup=False), BarColumn(), done)
    return Progress(*first, *columns, console=console, disable=not visible)


@contextmanager
def byte_bar(label: str, as_json: bool) -> Iterator[OnBytes]:
    """Yield a callback that draws a bar of transferred bytes: percent, count, rate, time left."""
    with _bars(as_json, DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()) as bars:
        bar = bars.add_task(printable(label), total=None)
        before = None

        def show(done: int, total: int | None) -> None:
            nonlocal before
            if before is None or done < before:  # the rate counts from here, not from zero
                bars.reset(bar, total=total, completed=done)
            bars.update(bar, completed=done, total=total)
            before = done

        yield show


@contextmanager
def engine_bar(as_json: bool) -> Iterator[Callable[[Any], None]]:
    """Yield a callback that draws a bar of work in this process: step, percent, time left."""
    with _work_bar("loading", as_json) as update:
        yield lambda report: update(report.step, report.percent, report.eta_seconds)


@contextmanager
def _work_bar(label: str, as_json: bool) -> Iterator[Callable[[str, int, float | None], None]]:
    """Yield a callback that draws a bar of work: what is done, percent, seconds left if known."""
    with _bars(as_json, TimeElapsedColumn(), TextColumn("{task.fields[eta]}")) as bars:
        bar = bars.add_task(label, total=100, eta="")

        def update(doing: str, percent: int, seconds: float | None) -> None:
            eta = f"about {span(seconds)} left" if seconds else ""
            bars.update(bar, completed=percent, description=doing, eta=eta)

        yield update


def wait_with_progress(client: Client, job_id: str, as_json: bool) -> Job:
    """Wait for a job with a bar (percent, elapsed time, ETA).

    Notes when the service is away, and why nothing works on the job.
    """
    noted = False
    waits: str | None = None
    with _work_bar("waiting", as_json) as update:

        def show(job: Job) -> None:
            nonlocal noted, waits
            noted = False
            if job.waiting_reason not in (None, waits):
                note(job.waiting_reason, style="yellow")
            waits = job.waiting_reason
            done = 100 if job["status"] in ("ready", "partial") else 0
            doing = NOUNS.get(job.kind, NOUNS["job"]).work
            update(f"{doing}: {job.status}", job.progress_percent or done, job.eta_seconds)

        def away(failure: str, left: float) -> None:
            nonlocal noted
            if not noted:
                note(f"The service does not answer ({failure}). Trying for {left:.0f} s more.")
            noted = True

        return client.wait(job_id, on_progress=show, on_away=away)
