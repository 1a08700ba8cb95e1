"""What was read from an upload, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MAX_LINES = 30
MARKED = ("subject", "personal_data", "foreign_key", "coordinate")


def reading(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield how many columns are learned, and what happened to each column that changed.

    Columns of persons and personal data come first.
    """
    columns = schema["columns"]
    learned = sum(column["learned"] for column in columns)
    persons = f" of {schema['persons']:,} persons" if schema.get("persons") else ""
    yield (f"{schema['rows']:,} rows{persons}; {learned} of {len(columns)} columns are learned")
    notes = sorted(schema["cleaning"], key=lambda note: _rank(schema, note))
    width = max((len(note.get("column") or "") for note in notes[:MAX_LINES]), default=0)
    for note in notes[:MAX_LINES]:
        mark = "!" if _rank(schema, note) == 0 else " "
        count = f" ({note['count']:,})" if note.get("count") else ""
        yield f"{mark} {note.get('column') or '':{width}}  {note['action']}{count}"
    if len(notes) > MAX_LINES:
        yield f"  {len(notes) - MAX_LINES} more are in the schema"


def _rank(schema: Mapping[str, Any], note: Mapping[str, Any]) -> int:
    name = note.get("column")
    if name is None:
        return 1
    marked = (column for column in schema["columns"] if column.get("role") in MARKED)
    return 0 if any(column["name"] == name for column in marked) else 2
