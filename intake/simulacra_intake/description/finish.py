"""What the user states beyond the reading of cells: titles, units, dropped columns, empty data."""

from __future__ import annotations

from collections.abc import Sequence

from simulacra_intake.columns.build import CleanColumn
from simulacra_intake.description.statements import Statement, Statements

KEEP_SUBJECT = (
    "This column says which person a row belongs to, which protects the persons. Leave it in: "
    "generated rows get fresh numbers."
)
WAVE = "A wave has an order: numbers, periods, or ordered categories."
DROPPED = "the description leaves the column out"
EMPTIED = "the description empties the column in generated rows"


def finish_statements(columns: Sequence[CleanColumn], statements: Statements) -> list[CleanColumn]:
    """Return the columns with titles, units and replacements as stated, without dropped ones.

    Raises:
        InputError: all errors of the description that reading and cleaning found.
    """
    kept = []
    for column in columns:
        statement = statements.of(column.schema.name)
        if statement is None:
            kept.append(column)
            continue
        _finish(column, statement, statements)
        if not _is_dropped(statement):
            kept.append(column)
        elif column.schema.role == "subject":
            statements.problems.add(statement.at("use", "replace"), KEEP_SUBJECT)
    statements.problems.raise_any()
    return kept


def dropped(statements: Statements) -> list[str]:
    """Return the columns that the description drops."""
    return [name for name, one in statements.columns.items() if _is_dropped(one)]


def _is_dropped(statement: Statement) -> bool:
    extension = statement.field.extension
    return extension.use == "drop" or extension.replace == "drop"


def _finish(column: CleanColumn, statement: Statement, statements: Statements) -> None:
    field, extension = statement.field, statement.field.extension
    if field.title is not None:
        column.update(label=field.title)
    if extension.role == "wave" and column.schema.kind not in ("integer", "ordinal"):
        statements.problems.add(statement.at("role"), WAVE)
    if extension.unit is not None:
        if column.schema.kind in ("integer", "numeric"):
            column.update(unit=extension.unit)
        else:
            statements.problems.add(statement.at("unit"), "The cells are no numbers.")
    if extension.replace == "empty" and column.schema.role == "personal_data":
        column.update(kind="text", masks=[], locale=None, text_format=None, maximum=None)
        column.note(EMPTIED)
