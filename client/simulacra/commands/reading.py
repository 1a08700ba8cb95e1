"""What was read from an upload, in lines for people."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from simulacra.models import read_as

MAX_LINES = 30
BRIEF_LINES = 8
FLAGS = "--subject COL, --key-column COL, --order COL, --drop COL, --missing COL=VALUE"
MARKED = ("subject", "personal_data", "foreign_key", "coordinate")


def reading(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield how many columns are learned, and what happened to each column that changed.

    Columns of persons and personal data come first. A guess is followed by the flag that changes
    it.
    """
    columns = schema["columns"]
    learned = sum(column["learned"] for column in columns)
    persons = f" of {schema['persons']:,} persons" if schema.get("persons") else ""
    yield (f"{schema['rows']:,} rows{persons}; {learned} of {len(columns)} columns are learned")
    notes = sorted(schema["cleaning"], key=lambda note: _rank(schema, note))
    asked = {column["name"] for column in columns if column.get("to_confirm")}
    flags = {column["name"]: _flag(column, schema.get("order")) for column in columns}
    width = max((len(note.get("column") or "") for note in notes[:MAX_LINES]), default=0)
    for note in notes[:MAX_LINES]:
        mark = "!" if _rank(schema, note) == 0 else "?" if note.get("column") in asked else " "
        count = f" ({note['count']:,})" if note.get("count") else ""
        flag = flags.pop(note.get("column"), None)
        change = f"; {flag}" if flag else ""
        yield f"{mark} {note.get('column') or '':{width}}  {note['action']}{count}{change}"
    if len(notes) > MAX_LINES:
        yield f"  {len(notes) - MAX_LINES} more are in the schema"


def brief(schema: Mapping[str, Any], dataset_id: str) -> Iterator[str]:
    """Yield the begin of `reading`: the counts and what was done to persons and unsure columns."""
    first, *lines = reading(schema)
    yield first
    marked = [line for line in lines if line[0] in "!?"]
    yield from marked[:BRIEF_LINES]
    if len(lines) > len(marked[:BRIEF_LINES]):
        yield f"  what every column was read as: simulacra describe {dataset_id}"


def described(dataset: Mapping[str, Any], description: Mapping[str, Any]) -> Iterator[str]:
    """Yield the description of a dataset: counts, then a line a column."""
    counts = dataset.get("reading") or {}
    words = ("learned", "replaced", "dropped", "to_confirm")
    yield "  ".join(f"{word.replace('_', ' ')} {counts.get(word, 0)}" for word in words)
    fields = description["schema"]["fields"]
    rows = [(_mark(one), one["name"], *read_as(one)) for one in fields]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(5)]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, (*widths, 0), strict=True))
    yield from next_steps(dataset["dataset_id"], dataset["status"])


def next_steps(dataset_id: str, status: str) -> Iterator[str]:
    """Yield the commands that change or confirm what was read."""
    change = f"simulacra describe {dataset_id} -o d.json"
    refit = f"simulacra refit {dataset_id} --describe d.json"
    if status == "held":
        yield "The model is not fit yet; the upload is kept, encrypted, for one hour at most."
        yield f"  change it: simulacra refit {dataset_id} {FLAGS}"
        yield f"  confirm or change it in a file: {change}, then {refit}"
    else:
        yield f"  change it: simulacra refit {dataset_id} --source FILE {FLAGS}"
        yield f"  or in a file: {change}, then {refit} (--source FILE where the upload is erased)"


def _flag(column: Mapping[str, Any], order: str | None) -> str | None:
    """Return the flag that changes how a column was read, where that was a guess."""
    name = shlex.quote(column["name"])
    if column.get("to_confirm") == "weights":
        return f"--weights {name} if it is"
    if column.get("role") == "foreign_key":
        return f"--subject {name} if its values are persons"
    if column.get("role") == "subject":
        return "--subject COL if it is another column"
    if column["name"] == order:
        return "--order COL if another column orders them"
    if column.get("kind") == "text":
        return f"--drop {name} to leave it out"
    return None


def claims(graph: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the edges of a graph rest on."""
    yield "Stated arrows are what you said. Suggested ones: nobody said what comes first."
    if (audit := graph.get("audit")) and audit["arrows"]:
        wrong, arrows = audit["wrong"], audit["arrows"]
        yield f"Without your knowledge, {wrong} of {arrows} known arrows pointed the wrong way."
    for skip in graph.get("skips") or ():
        pair = f"{skip['source']} and {skip['target']}"
        yield f"Not drawn: {pair} go together only in who was asked or answered."


def proposed(graph: Mapping[str, Any], dataset_id: str) -> Iterator[str]:
    """Yield the columns that look like background, each with its reason, and how to bind them."""
    proposals = graph.get("proposals") or []
    if not proposals:
        return
    yield "These columns look like background, which no other column causes:"
    for one in proposals[:MAX_LINES]:
        yield f"  {one['reason']}"
    if len(proposals) > MAX_LINES:
        yield f"  {len(proposals) - MAX_LINES} more are in the graph"
    yield f"  bind them all: simulacra refit {dataset_id} --background auto"
    yield '  or some: --knowledge with {"confirmed": [[COLUMN]]}. Until then nothing rests on them.'


def _mark(field: Mapping[str, Any]) -> str:
    own = field.get("x-simulacra") or {}
    return "!" if own.get("role") in ("subject", "pii", "foreign_key", "coordinate") else " "


def _rank(schema: Mapping[str, Any], note: Mapping[str, Any]) -> int:
    name = note.get("column")
    if name is None:
        return 1
    none: Mapping[str, Any] = {}
    column = next((one for one in schema["columns"] if one["name"] == name), none)
    if column.get("role") in MARKED:
        return 0
    return 1 if column.get("to_confirm") else 2
