"""What was read from an upload, in lines for people."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulacra.csv_reading import is_generated

MAX_LINES = 30
BRIEF_LINES = 8
MARKED = ("subject", "personal_data", "foreign_key", "coordinate")


@dataclass(frozen=True)
class _Line:
    """What was done to a column, or to the table if it has no name."""

    rank: int
    mark: str
    column: str
    text: str


def reading(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield how many columns are learned, and what happened to each column that changed.

    Columns of persons and personal data come first. A guess is followed by the flag that changes
    it. Every column that is not learned is named.
    """
    yield _counts(schema)
    lines = _lines(schema)
    yield from _shown(lines, MAX_LINES, schema)
    if len(lines) > MAX_LINES:
        yield f"  {len(lines) - MAX_LINES} more are in the schema"


def brief(schema: Mapping[str, Any], table: str) -> Iterator[str]:
    """Yield the beginning of `reading`: counts and what was done to persons and unsure columns."""
    yield _counts(schema)
    yield from _shown([one for one in _lines(schema) if one.mark in "!?"], BRIEF_LINES, schema)
    yield f"  what each column was read as, and how to change it: simulacra describe {table}"


def _counts(schema: Mapping[str, Any]) -> str:
    columns = schema["columns"]
    learned = sum(column["learned"] for column in columns)
    persons = f" of {schema['persons']:,} persons" if schema.get("persons") else ""
    return f"{schema['rows']:,} rows{persons}; {learned} of {len(columns)} columns are learned"


def _lines(schema: Mapping[str, Any]) -> list[_Line]:
    """Return what cleaning noted, the most important first."""
    columns = {column["name"]: column for column in schema["columns"]}
    flags = {name: " ".join(words) for name, words in flags_of(schema).items()}
    notes = schema["cleaning"]
    last = {note.get("column"): i for i, note in enumerate(notes)}  # a guess is noted last
    lines = [_Line(1, " ", "", text) for text in _groups(schema)]
    for i, note in enumerate(notes):
        name = note.get("column") or ""
        column = columns.get(name, {})
        rank = _rank(name, column)
        mark = "?" if column.get("to_confirm") else "!" if rank == 0 else " "
        count = f" ({note['count']:,})" if note.get("count") else ""
        flag = flags.get(name) if i == last[note.get("column")] else None
        text = "; ".join(filter(None, (f"{note['action']}{count}", flag)))
        lines.append(_Line(rank, mark, name, text))
    return sorted(lines, key=lambda line: line.rank)


def _groups(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the sets and grids that columns were read as."""
    told = (
        ("sets", "one question with an option each"),
        ("grids", "items of one scale"),
    )
    for key, words in told:
        for group in schema.get(key) or ():
            names = group["columns"]
            yield f"{names[0]} to {names[-1]} ({len(names)} columns) were read as {words}"


def _shown(lines: Sequence[_Line], limit: int, schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the first lines, then the other columns that are not learned, in one."""
    lines = lines[:limit]
    width = max((len(line.column) for line in lines), default=0)
    for line in lines:
        yield f"{line.mark} {line.column:{width}}  {line.text}"
    noted = (note.get("column") for note in schema["cleaning"])
    columns = {column["name"]: column for column in schema["columns"]}
    dropped = [name for name in noted if name is not None and name not in columns]
    unlearned = [name for name, one in columns.items() if not one["learned"] and is_generated(one)]
    rest = dict.fromkeys([*unlearned, *dropped])
    for line in lines:
        rest.pop(line.column, None)
    if rest:
        yield f"  also not learned: {', '.join(rest)}"


def flags_of(schema: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the flag that changes how a column was read, and when, where that was a guess."""
    found = {one["name"]: _flag(one, schema.get("order")) for one in schema["columns"]}
    return {name: words for name, words in found.items() if words is not None}


def _flag(column: Mapping[str, Any], order: str | None) -> tuple[str, str] | None:
    name = shlex.quote(column["name"])
    if column.get("to_confirm") == "weights":
        return f"--weights {name}", "if it is"
    if column.get("to_confirm") == "wave":
        return f"--wave {name}", "if it is"
    if column.get("to_confirm") == "earlier":
        said = f"{column['name']}={column['earlier']['question']}"
        return f"--renamed {shlex.quote(said)}", "if it is"
    if column.get("to_confirm") == "cluster":
        return f"--cluster {name}", "if it is the sampling point"
    if column.get("to_confirm") == "stratum":
        return f"--stratum {name}", "if the sample was stratified by it"
    if column.get("to_confirm") == "replicates":
        pattern = shlex.quote(column["name"].rstrip("0123456789") + "*=METHOD")
        return f"--replicates {pattern}", "if they are replicate weights"
    if column.get("to_confirm") == "groups":
        return f"--cluster {name}", "if they are sampling points"
    if column.get("role") == "foreign_key":
        return f"--subject {name}", "if its values are persons"
    if column.get("role") == "subject":
        return "--subject COL", "if it is another column"
    if column["name"] == order:
        return "--order COL", "if another column orders them"
    if column.get("kind") == "text":
        return f"--drop {name}", "to leave it out"
    return None


def _rank(name: str, column: Mapping[str, Any]) -> int:
    """Return the place of a line: persons, the table and what is unsure, not learned, others."""
    if column.get("role") in MARKED:
        return 0
    if not name or column.get("to_confirm"):
        return 1
    return 3 if column.get("learned") else 2
