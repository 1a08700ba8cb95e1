"""Tables of the list commands for people: one line each, with what is needed to go on."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from simulacra.client import Client
from simulacra.commands.naming import SHORTEST, filters_of, known_names, short_ids
from simulacra.commands.options import AsJson, Connect, OfDataset, Status
from simulacra.commands.output import is_for_people, note, printable, span
from simulacra.commands.session import connected
from simulacra.models import Document
from simulacra.rows import asked_of

Columns = dict[str, Callable[[Document], Any]]
_RIGHT = ("rows", "columns", "age", "left", "time left")


def print_list(
    found: Sequence[Document], kind: str, client: Client, as_json: bool, empty: str
) -> None:
    """Print a list: as JSON for programs, as a table on a terminal.

    `kind` is dataset, generation, effect, segment, sheet or job; `empty` is said, on a terminal, if
    there are none.
    """
    if not is_for_people(as_json):
        print(json.dumps(found, indent=2))
    elif not found:
        print(empty)
    else:
        Console().print(table_of(found, kind, known_names(client)), highlight=False)
        note(*reasons(found, kind), style="yellow")


def add_list(
    app: typer.Typer,
    noun: str,
    title: str,
    empty: str,
    *,
    example: str = "--dataset survey",
    shown: Callable[[Client, Document], Document] | None = None,
) -> None:
    """Add the command that lists what was made from tables.

    `noun` is generation, effect, segment, sheet or job; `title` names several for people, `empty`
    is said on a terminal if there are none. `shown` completes one of them for people.
    """

    def listed(
        status: Status = None,
        dataset_id: OfDataset = None,
        connection: Connect = None,
        as_json: AsJson = False,
    ) -> None:
        with connected(connection) as client:
            found = getattr(client, f"{noun}s")(**filters_of(client, status, dataset_id))
            if shown is not None and is_for_people(as_json):
                found = [shown(client, one) for one in found]
            print_list(found, noun, client, as_json, empty)

    epilog = f"Example: simulacra {noun}s {example}"
    app.command(f"{noun}s", help=f"List the {title}, newest first.", epilog=epilog)(listed)


def table_of(found: Sequence[Document], kind: str, names: dict[str, str]) -> Table:
    """Return the table of a list; names: of the tables, by dataset_id."""
    ids = [str(one[f"{kind}_id"]) for one in found]
    short = short_ids(ids)
    columns: Columns = {
        "id": lambda one: short[str(one[f"{kind}_id"])],
        "table": lambda one: names.get(one["dataset_id"]) or _dataset(one, kind),
        **_SPECIAL.get(kind, {"status": _status, "age": _age}),
    }
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right" if name in _RIGHT else "left", overflow="fold")
    for one in found:
        table.add_row(*(Text(_plain(cell(one))) for cell in columns.values()))
    return table


def reasons(found: Sequence[Document], kind: str) -> list[str]:
    """Return a line for each reason why some of a list wait or failed, with their short ids."""
    short = short_ids([str(one[f"{kind}_id"]) for one in found])
    told: dict[str, list[str]] = {}
    for one in found:
        error = one.get("error")
        reason = f"failed. {error['detail']}" if error else one.get("waiting_reason")
        if reason:
            told.setdefault(reason, []).append(short[str(one[f"{kind}_id"])])
    return [f"{', '.join(ids)}: {reason}" for reason, ids in told.items()]


def time_of(text: Any) -> datetime | None:
    """Return an ISO 8601 time of the service."""
    return None if text is None else datetime.fromisoformat(str(text))


def _age(one: Document) -> str:
    created = time_of(one.get("created_at"))
    return "" if created is None else span((datetime.now(UTC) - created).total_seconds())


def _left(one: Document) -> str:
    expires = time_of(one.get("expires_at"))
    if expires is None:
        return ""
    seconds = (expires - datetime.now(UTC)).total_seconds()
    return span(seconds) if seconds > 0 else "being erased"


def _status(one: Document) -> str:
    percent = one.get("progress_percent")
    shown = f" {percent} %" if one.status == "running" and percent is not None else ""
    return f"{one.status}{shown}"


def _dataset(one: Document, kind: str) -> str:
    """Return the beginning of the dataset's id, in the place of a name that is not known here."""
    return "" if kind == "dataset" else str(one["dataset_id"])[: len("ds-") + SHORTEST]


def _plain(value: Any) -> str:
    return (
        "" if value is None else f"{value:,}" if isinstance(value, int) else printable(str(value))
    )


_TIMES: Columns = {"age": _age, "left": _left}
_SPECIAL: dict[str, Columns] = {
    "dataset": {
        "status": _status,
        "rows": lambda one: one.get("rows"),
        "columns": lambda one: one.get("columns"),
        **_TIMES,
    },
    "generation": {
        "status": _status,
        "rows": lambda one: one.get("rows") or one.get("row_count"),
        "asked": asked_of,
        **_TIMES,
    },
    "job": {
        "kind": lambda one: one.get("kind"),
        "status": _status,
        "age": _age,
        "time left": lambda one: span(one["eta_seconds"]) if one.get("eta_seconds") else "",
    },
}
