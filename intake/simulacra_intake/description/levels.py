"""Levels as the user describes them: in their order, by a list of categories.

Returns None, with an error of the description, where the cells contradict it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.columns.build import CleanColumn
from simulacra_intake.columns.parse.numerals import ENOUGH
from simulacra_intake.columns.recognize import WORDS, recognize
from simulacra_intake.columns.text_column import TextColumn
from simulacra_intake.description.statements import Problems, Statement
from simulacra_intake.personal_data.people import OTHER_LEVELS
from simulacra_schema.description_parts import FieldDescription
from simulacra_schema.did_you_mean import closest
from simulacra_schema.table import ColumnKind

FEWEST_CELLS = 5
"""Cells of a word that an error may name."""


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
