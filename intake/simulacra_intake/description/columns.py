"""Columns as the user describes them.

What the cells contradict is an error of the description; the column is then read as without it,
so that all errors are found at once.
"""

from __future__ import annotations

import pyarrow as pa

from simulacra_intake.arrow_values import is_text
from simulacra_intake.columns.build import CleanColumn, unlearned
from simulacra_intake.columns.recognize import asked, clean_words, note_words
from simulacra_intake.columns.text_column import TextColumn, TextOrigin
from simulacra_intake.description.answers import list_column
from simulacra_intake.description.cells import StatedCells, stated_cells, with_specials
from simulacra_intake.description.levels import categories_of, levels_of
from simulacra_intake.description.statements import Problems, Statement
from simulacra_schema.description_parts import FieldDescription
from simulacra_schema.formats.file_labels import Declared

CODED_ROLES = ("key", "subject", "foreign_key", "pii")
UNLIKE = (*CODED_ROLES, "text", "coordinate")
"""Roles that decide how cells are read."""
READ = ("type", "format", "decimalChar", "groupChar", "bareNumber", "categories",
        "categoriesOrdered", "missingValues", "kind", "delimiter", "options",
        "missing")  # fmt: skip
"""Properties that decide how cells are read."""


def described_column(
    name: str,
    column: pa.ChunkedArray,
    origin: TextOrigin,
    statement: Statement,
    problems: Problems,
) -> CleanColumn | None:
    """Return a column as its statement says, or None if the statement leaves it to detection."""
    role = statement.role
    if not (statement.has(*READ) or role in UNLIKE):
        return None
    if column.null_count == len(column):
        return None
    typed = not is_text(_plain(column.type))
    missing = {one.value for one in statement.field.missing_values or ()}
    others = statement.role in UNLIKE or statement.has(*(set(READ) - {"missingValues", "missing"}))
    # Codes such as 99 are detected among numbers only; an empty list says that there are none.
    emptied = statement.has("missingValues") and _is_number(_plain(column.type))
    if typed and missing <= {""} and not (others or emptied or statement.has("missing")):
        return None
    cells = stated_cells(column, statement)
    if not cells.words.present:
        return None
    if not (others or statement.has("missingValues") or cells.missing.any()):
        return None  # the column has no cell that is said to be missing
    storage = str(column.type)
    if typed:
        origin = TextOrigin(doubles=origin.doubles, names=origin.names)
    if role in CODED_ROLES or role == "text":
        return _coded(name, cells, storage, origin, "text" if role == "text" else "identifier")
    field = statement.field
    described = TextColumn(name, cells.words, storage, origin, field, _asked(field))
    result = _read(described, cells, statement, problems)
    if result is not None:
        note_words(result, cells.words)
        result = with_specials(result, cells)
    return result


def without_stated(declared: Declared, statement: Statement) -> Declared:
    """Return what the file declares without what the user states otherwise."""
    changes: dict[str, object] = {}
    if statement.has("missingValues"):
        changes["missing"] = []
    if statement.field.type in ("number", "integer") and not statement.has("categories"):
        changes["labels"] = []
    return declared.model_copy(update=changes)


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _coded(
    name: str, cells: StatedCells, storage: str, origin: TextOrigin, kind: str
) -> CleanColumn:
    """Return codes or free text, which are not learned."""
    words = cells.words
    if origin.csv and kind == "identifier" and cells.are_whole():
        storage = "int64"
    result = unlearned(
        name, "text" if kind == "text" else "identifier", words.rows(words.levels), storage
    )
    result.words = words
    return result


def _read(
    column: TextColumn, cells: StatedCells, statement: Statement, problems: Problems
) -> CleanColumn | None:
    """Return the cells as the recognizer reads them that the user asks for."""
    if column.asked == "list":
        return list_column(column, statement, problems)
    if column.asked == "categories":
        return categories_of(column, statement, problems, whole=cells.are_whole())
    if column.asked == "string":
        return levels_of(column)
    if column.asked is None:
        return clean_words(column)
    proposal = asked(column)
    for fault in proposal.faults:
        problems.add(statement.at(*fault.properties), fault.detail)
    return proposal.column


def _asked(field: FieldDescription) -> str | None:
    """Return by which kind or type the user asks for a recognizer; None to detect one."""
    kind, extension = field.extension.kind, field.extension
    if "coordinate" in (kind, extension.role):
        return "coordinate"
    if field.type == "list" or field.delimiter is not None or extension.options is not None:
        return "list"
    if field.categories is not None:
        return "categories"
    if kind is not None or field.type not in (None, "any"):
        return kind or field.type
    written = (field.decimal_char, field.group_char, field.bare_number)
    if any(one is not None for one in written):
        return "number"
    return None if field.categories_ordered is None else "string"
