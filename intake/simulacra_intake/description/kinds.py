"""Described columns by kind: numbers, moments, booleans, periods, levels.

Each returns None, with an error of the description, where the cells contradict it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.columns.build import CleanColumn, level_column
from simulacra_intake.columns.distinct_values import Words
from simulacra_intake.columns.parse.numerals import ENOUGH, StatedNumber
from simulacra_intake.columns.parse.periods import order_periods
from simulacra_intake.columns.text import (
    boolean_column,
    clean_levels,
    date_column,
    in_order,
    number_column,
    time_column,
)
from simulacra_intake.columns.text_origin import TextOrigin
from simulacra_intake.description.cells import StatedCells
from simulacra_intake.description.statements import Problems, Statement
from simulacra_intake.personal_data.people import OTHER_LEVELS
from simulacra_schema.did_you_mean import closest
from simulacra_schema.table import ColumnKind

FEWEST_CELLS = 5
"""Cells of a word that an error may name."""
NOT_NUMBERS = "More than 1 % of the cells are no numbers of this form."


@dataclass(frozen=True)
class DescribedCells:
    """The cells of a column, and what the user states of it.

    Attributes:
        name: the column.
        cells: with the stated missing values taken out.
        storage: type in the file.
        origin: how the file writes its cells.
        statement: the column's field of the description.
        problems: collects errors of the description.
    """

    name: str
    cells: StatedCells
    storage: str
    origin: TextOrigin
    statement: Statement
    problems: Problems

    @property
    def words(self) -> Words:
        """The distinct cells."""
        return self.cells.words

    def levels(
        self, kind: ColumnKind, order: npt.NDArray[np.int64], storage: str | None = None
    ) -> CleanColumn:
        """Return a column of the words at these positions, in this order."""
        return level_column(self.name, kind, *in_order(self.words, order), storage or self.storage)

    def fault(self, properties: Sequence[str], detail: str) -> CleanColumn | None:
        """Add an error at the first stated property; return None, which leaves it to detection."""
        self.problems.add(self.statement.at(*properties), detail)
        return None


def number_of(described: DescribedCells) -> CleanColumn | None:
    """Return numbers as their statement says."""
    field = described.statement.field
    implied = {".": ",", ",": "."}.get(field.group_char or "")
    stated = StatedNumber(field.decimal_char or implied)
    coded = field.missing_values is None
    name, words, storage = described.name, described.words, described.storage
    result = number_column(name, words, storage, described.origin, stated, coded=coded)
    if result is None:
        return described.fault(("decimalChar", "groupChar", "bareNumber", "type"), NOT_NUMBERS)
    form = result.schema.form
    if field.bare_number and form and (form.before.strip() or form.after.strip()):
        described.fault(("bareNumber",), "Text stands around the digits; use false.")
    if field.type == "integer" and result.schema.kind == "numeric":
        return described.fault(("type",), 'Some numbers are not whole; use "number".')
    return result


def moment_of(described: DescribedCells) -> CleanColumn | None:
    """Return dates or times of day as their statement says."""
    field = described.statement.field
    name, words, storage = described.name, described.words, described.storage
    if field.type == "time":
        found = time_column(name, words, storage, described.origin, duration=False)
        return found or described.fault(("type",), "More than 1 % of the cells are no times.")
    pattern = field.format if field.format and "%" in field.format else None
    result, ambiguous = date_column(name, words, storage, described.origin, pattern)
    if ambiguous:
        detail = "Day or month first? Use the format %d/%m/%Y or %m/%d/%Y, written as the cells."
        return described.fault(("format", "type"), detail)
    if result is None:
        detail = "More than 1 % of the cells are no dates of this form."
        return described.fault(("format", "type"), detail)
    return result


def boolean_of(described: DescribedCells) -> CleanColumn | None:
    """Return two values as yes and no."""
    words = described.words
    found = boolean_column(described.name, words, described.storage, described.origin)
    if found is None and len(words.levels) <= 2:
        order = pc.array_sort_indices(words.levels).to_numpy().astype(np.int64)
        found = described.levels("boolean", order)
    detail = "The column has more than two values; list its categories instead."
    return found or described.fault(("kind", "type"), detail)


def period_of(described: DescribedCells) -> CleanColumn | None:
    """Return periods in order: a known form, or whole numbers such as years."""
    levels = described.words.levels.to_pylist()
    ordered = order_periods(levels)
    if ordered is None and all(level.isdecimal() for level in levels):
        ordered = sorted(levels, key=int)
    if ordered is None:
        detail = "The cells are no periods of one form; list the categories in order instead."
        return described.fault(("kind", "type"), detail)
    known = described.words.levels
    places = pc.index_in(pa.array(ordered), value_set=known).to_numpy(zero_copy_only=False)
    return described.levels("ordinal", places.astype(np.int64))


def levels_of(described: DescribedCells) -> CleanColumn:
    """Return words as levels; an order that the user states or denies wins over a found scale."""
    result = clean_levels(described.name, described.words, described.storage)
    ordered = described.statement.field.categories_ordered
    levels = described.words.levels.to_pylist()
    if ordered and result.schema.kind == "categorical" and all(map(str.isdecimal, levels)):
        return described.levels("ordinal", np.argsort([int(one) for one in levels], kind="stable"))
    if ordered is None or result.schema.kind not in ("categorical", "ordinal"):
        return result
    result.update(kind="ordinal" if ordered else "categorical", ordered=ordered)
    return result


def categories_of(described: DescribedCells) -> CleanColumn | None:
    """Return the stated levels, in their order if they have one.

    A completed description lists rare words as one level; where it is sent back, other words than
    those listed are levels too.
    """
    field, words = described.statement.field, described.words
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
        described.problems.add((*described.statement.at("categories"), i), detail)
    with_others = not OTHER_LEVELS.isdisjoint(listed)
    lost = 0 if with_others else int(words.counts[~known].sum())
    if not absent and lost > (1 - ENOUGH) * words.present:
        share = f"{100 * lost / words.present:.0f} %"
        detail = f"{share} of the cells hold none of these levels. List them too, or as missing."
        return described.fault(("categories",), detail)
    if absent:
        return None
    order = np.array([place for place in places if place is not None], np.int64)
    if with_others:
        order = np.append(order, np.flatnonzero(~known))
    whole = described.origin.csv and described.cells.are_whole()
    storage = "int64" if whole and field.type in ("integer", "number") else None
    result = described.levels(_level_kind(described.statement, len(order)), order, storage)
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
