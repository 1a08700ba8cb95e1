"""Columns and their levels as the user describes them.

What the cells contradict is an error of the description; the column is then read as without it,
so that all errors are found at once.
"""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.arrow_values import is_text
from simulacra_intake.columns.build import CleanColumn, unlearned
from simulacra_intake.columns.parse.numerals import ENOUGH
from simulacra_intake.columns.recognize import WORDS, asked, clean_words, note_words, recognize
from simulacra_intake.columns.text_column import TextColumn, TextOrigin
from simulacra_intake.description.answers import list_column
from simulacra_intake.description.cells import StatedCells, stated_cells, with_specials
from simulacra_intake.description.statements import Problems, Statement
from simulacra_intake.personal_data.people import OTHER_LEVELS
from simulacra_schema.description_parts import FieldDescription
from simulacra_schema.did_you_mean import closest
from simulacra_schema.formats.file_labels import Declared
from simulacra_schema.table import ColumnKind

CODED_ROLES = ("key", "subject", "foreign_key", "pii")
UNLIKE = (*CODED_ROLES, "text", "coordinate")
"""Roles that decide how cells are read."""
READ = ("type", "format", "decimalChar", "groupChar", "bareNumber", "categories",
        "categoriesOrdered", "missingValues", "kind", "delimiter", "options",
        "missing")  # fmt: skip
"""Properties that decide how cells are read."""
FEWEST_CELLS = 5
"""Cells of a word that an error may name."""


def described_column(
    name: str, column: pa.ChunkedArray, origin: TextOrigin, statement: Statement, problems: Problems
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


def levels_of(column: TextColumn) -> CleanColumn:
    """Return words as levels; an order that the user states or denies wins over a found scale."""
    result = recognize(replace(column, asked=None), WORDS)
    ordered = column.said.categories_ordered
    levels = column.words.levels.to_pylist()
    if ordered and result.schema.kind == "categorical" and all(map(str.isdecimal, levels)):
        return column.levels("ordinal", np.argsort([int(one) for one in levels], kind="stable"))
    if ordered is None or result.schema.kind not in ("categorical", "ordinal"):
        return result
    result.update(kind="ordinal" if ordered else "categorical", ordered=ordered)
    return result


def categories_of(
    column: TextColumn, statement: Statement, problems: Problems, *, whole: bool
) -> CleanColumn | None:
    """Return the stated levels, in their order if they have one.

    A completed description lists rare words as one level; where it is sent back, other words than
    those listed are levels too.

    whole: the cells are whole numbers.
    """
    field, words = column.said, column.words
    assert field.categories is not None
    held = set(words.levels.to_pylist())
    listed = [one.value for one in field.categories]
    stated = [one for one in listed if one not in OTHER_LEVELS or one in held]
    places = pc.index_in(pa.array(stated, pa.string()), value_set=words.levels).to_pylist()
    known = np.zeros(len(words.levels), np.bool_)
    known[[place for place in places if place is not None]] = True
    absent = [i for i, place in enumerate(places) if place is None]
    usual = words.levels.filter(pa.array(~known & (words.counts >= FEWEST_CELLS))).to_pylist()
    for i in absent:
        detail = f"No cell holds this level.{closest(stated[i], usual)}"
        problems.add((*statement.at("categories"), i), detail)
    with_others = not OTHER_LEVELS.isdisjoint(listed)
    lost = 0 if with_others else int(words.counts[~known].sum())
    if not absent and lost > (1 - ENOUGH) * words.present:
        share = f"{100 * lost / words.present:.0f} %"
        detail = f"{share} of the cells hold none of these levels. List them too, or as missing."
        problems.add(statement.at("categories"), detail)
        return None
    if absent:
        return None
    order = np.array([place for place in places if place is not None], np.int64)
    if with_others:
        order = np.append(order, np.flatnonzero(~known))
    number = column.origin.csv and field.type in ("integer", "number") and whole
    kind = _level_kind(column.said, len(order))
    result = column.levels(kind, order, "int64" if number else None)
    labels = {one.value: one.label for one in field.categories if one.label}
    if labels:
        levels = [
            level.model_copy(update={"label": labels.get(level.value)})
            for level in result.schema.levels
        ]
        result.update(levels=levels)
    if lost:
        result.note("cells with none of the described levels were set to missing", lost)
    return result


def _level_kind(field: FieldDescription, levels: int) -> ColumnKind:
    if field.extension.kind == "boolean" or field.type == "boolean":
        return "boolean" if levels <= 2 else "categorical"
    return "ordinal" if field.categories_ordered else "categorical"
