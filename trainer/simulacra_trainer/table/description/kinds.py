"""Described columns by kind: numbers, moments, booleans, periods, levels.

Each returns None, with an error of the description, where the cells contradict it.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_crds.contract.did_you_mean import closest
from simulacra_crds.contract.schema import ColumnKind
from simulacra_trainer.table.columns.build import CleanColumn, level_column
from simulacra_trainer.table.columns.distinct_values import Words
from simulacra_trainer.table.columns.numerals import ENOUGH, StatedNumber
from simulacra_trainer.table.columns.periods import order_periods
from simulacra_trainer.table.columns.text import (
    TextOrigin,
    boolean_column,
    clean_levels,
    date_column,
    in_order,
    number_column,
    time_column,
)
from simulacra_trainer.table.description.cells import StatedCells
from simulacra_trainer.table.description.statements import Path, Problems, Statement

FEWEST_CELLS = 5
"""Cells of a word that an error may name."""
NOT_NUMBERS = "More than 1 % of the cells are no numbers of this form."


def fault(problems: Problems, path: Path, detail: str) -> CleanColumn | None:
    """Add an error; return None, which leaves the column to detection."""
    problems.add(path, detail)
    return None


def number_of(
    name: str,
    words: Words,
    storage: str,
    origin: TextOrigin,
    statement: Statement,
    problems: Problems,
) -> CleanColumn | None:
    """Return numbers as their statement says."""
    field = statement.field
    implied = {".": ",", ",": "."}.get(field.group_char or "")
    stated = StatedNumber(field.decimal_char or implied)
    coded = field.missing_values is None
    result = number_column(name, words, storage, origin, stated, coded=coded)
    if result is None:
        where = statement.at("decimalChar", "groupChar", "bareNumber", "type")
        return fault(problems, where, NOT_NUMBERS)
    form = result.schema.form
    if field.bare_number and form and (form.before.strip() or form.after.strip()):
        fault(problems, statement.at("bareNumber"), "Text stands around the digits; use false.")
    if field.type == "integer" and result.schema.kind == "numeric":
        return fault(problems, statement.at("type"), 'Some numbers are not whole; use "number".')
    return result


def moment_of(
    name: str,
    words: Words,
    storage: str,
    origin: TextOrigin,
    statement: Statement,
    problems: Problems,
) -> CleanColumn | None:
    """Return dates or times of day as their statement says."""
    field = statement.field
    if field.type == "time":
        found = time_column(name, words, storage, origin, duration=False)
        where = statement.at("type")
        return found or fault(problems, where, "More than 1 % of the cells are no times.")
    pattern = field.format if field.format and "%" in field.format else None
    result, ambiguous = date_column(name, words, storage, origin, pattern)
    if ambiguous:
        detail = "Day or month first? Use the format %d/%m/%Y or %m/%d/%Y, written as the cells."
        return fault(problems, statement.at("format", "type"), detail)
    if result is None:
        detail = "More than 1 % of the cells are no dates of this form."
        return fault(problems, statement.at("format", "type"), detail)
    return result


def boolean_of(
    name: str,
    words: Words,
    storage: str,
    origin: TextOrigin,
    statement: Statement,
    problems: Problems,
) -> CleanColumn | None:
    """Return two values as yes and no."""
    found = boolean_column(name, words, storage, origin)
    if found is None and len(words.levels) <= 2:
        order = pc.array_sort_indices(words.levels).to_numpy().astype(np.int64)
        found = level_column(name, "boolean", *in_order(words, order), storage)
    detail = "The column has more than two values; list its categories instead."
    return found or fault(problems, statement.at("kind", "type"), detail)


def period_of(
    name: str,
    words: Words,
    storage: str,
    origin: TextOrigin,
    statement: Statement,
    problems: Problems,
) -> CleanColumn | None:
    """Return periods in order: a known form, or whole numbers such as years."""
    levels = words.levels.to_pylist()
    ordered = order_periods(levels)
    if ordered is None and all(level.isdecimal() for level in levels):
        ordered = sorted(levels, key=int)
    if ordered is None:
        detail = "The cells are no periods of one form; list the categories in order instead."
        return fault(problems, statement.at("kind", "type"), detail)
    places = pc.index_in(pa.array(ordered), value_set=words.levels).to_numpy(zero_copy_only=False)
    return level_column(name, "ordinal", *in_order(words, places.astype(np.int64)), storage)


def levels_of(name: str, words: Words, storage: str, statement: Statement) -> CleanColumn:
    """Return words as levels; an order that the user states or denies wins over a found scale."""
    result = clean_levels(name, words, storage)
    ordered = statement.field.categories_ordered
    levels = words.levels.to_pylist()
    if ordered and result.schema.kind == "categorical" and all(map(str.isdecimal, levels)):
        by_number = np.argsort([int(level) for level in levels], kind="stable")
        return level_column(name, "ordinal", *in_order(words, by_number), storage)
    if ordered is None or result.schema.kind not in ("categorical", "ordinal"):
        return result
    result.update(kind="ordinal" if ordered else "categorical", ordered=ordered)
    return result


def categories_of(
    name: str,
    cells: StatedCells,
    storage: str,
    origin: TextOrigin,
    statement: Statement,
    problems: Problems,
) -> CleanColumn | None:
    """Return the stated levels, in their order if they have one."""
    field, words = statement.field, cells.words
    assert field.categories is not None
    stated = [one.value for one in field.categories]
    places = pc.index_in(pa.array(stated, pa.string()), value_set=words.levels).to_pylist()
    known = np.zeros(len(words.levels), np.bool_)
    known[[place for place in places if place is not None]] = True
    absent = [i for i, place in enumerate(places) if place is None]
    usual = words.levels.filter(pa.array(~known & (words.counts >= FEWEST_CELLS))).to_pylist()
    for i in absent:
        detail = f"No cell holds this level.{closest(stated[i], usual)}"
        problems.add((*statement.at("categories"), i), detail)
    lost = int(words.counts[~known].sum())
    if not absent and lost > (1 - ENOUGH) * words.present:
        share = f"{100 * lost / words.present:.0f} %"
        detail = f"{share} of the cells hold none of these levels. List them too, or as missing."
        return fault(problems, statement.at("categories"), detail)
    if absent:
        return None
    order = np.array([place for place in places if place is not None], np.int64)
    kind = _level_kind(statement, len(order))
    if origin.csv and cells.are_whole() and field.type in ("integer", "number"):
        storage = "int64"
    result = level_column(name, kind, *in_order(words, order), storage)
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


def _level_kind(statement: Statement, levels: int) -> ColumnKind:
    field = statement.field
    if field.extension.kind == "boolean" or field.type == "boolean":
        return "boolean" if levels <= 2 else "categorical"
    return "ordinal" if field.categories_ordered else "categorical"
