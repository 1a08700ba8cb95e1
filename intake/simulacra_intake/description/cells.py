"""Cells of a described column as words: what the user says is missing is set apart."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.arrow_values import is_text, level_values
from simulacra_intake.columns.build import KEPT_APART, CleanColumn
from simulacra_intake.columns.distinct_values import MISSING_TOKENS, Words, split_words
from simulacra_intake.description.statements import Statement
from simulacra_schema.table import LevelSchema, SpecialValue

WHOLE = r"^-?(?:0|[1-9][0-9]{0,17})$"


@dataclass(frozen=True)
class StatedCells:
    """The words of a column, and those among them that the user calls missing.

    Attributes:
        words: without the missing ones.
        all_words: with the missing ones that are not empty cells.
        missing: marks them among all_words, bool [k].
    """

    words: Words
    all_words: Words
    missing: npt.NDArray[np.bool_]

    def specials(self) -> list[SpecialValue]:
        """Return the missing words that cells hold, with their share of all rows."""
        rows = max(len(self.all_words.codes), 1)
        return [
            SpecialValue(
                value=self.all_words.levels[int(i)].as_py(),
                share=float(self.all_words.counts[i] / rows),
            )
            for i in np.flatnonzero(self.missing)
        ]

    def are_whole(self) -> bool:
        """Return whether all words are whole numbers without leading zeros."""
        return bool(pc.all(pc.match_substring_regex(self.all_words.levels, WHOLE)).as_py())


def stated_cells(column: pa.ChunkedArray, statement: Statement) -> StatedCells:
    """Return the cells of a column as words; numbers are written without a needless point."""
    field = statement.field
    listed = None if field.missing_values is None else {v.value for v in field.missing_values}
    levels = {one.value.lower() for one in field.categories or ()}
    tokens = MISSING_TOKENS - levels if listed is None else {""}
    words = split_words(as_text(column), tokens)
    named = sorted({*(listed or ()), *(field.extension.missing or ())})
    missing = pc.is_in(words.levels, value_set=pa.array(named, pa.string()))
    marked = missing.to_numpy(zero_copy_only=False)
    return StatedCells(words.only(~marked), words, marked)


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return any column as text."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return column if is_text(kind.value_type) else as_text(column.cast(kind.value_type))
    if is_text(kind):
        return column
    if pa.types.is_floating(kind):
        whole = pc.and_(pc.equal(column, pc.round(column)), pc.less(pc.abs(column), 2.0**53))
        numbers = pc.if_else(whole, column, None).cast(pa.int64()).cast(pa.string())
        return pc.coalesce(numbers, column.cast(pa.string()))
    return column.cast(pa.string())


def with_specials(result: CleanColumn, cells: StatedCells) -> CleanColumn:
    """Return a column with what the user calls missing kept apart.

    Among levels, the missing words are levels behind the others, flagged; beside numbers and dates
    they are listed and missing.
    """
    specials = cells.specials()
    if not specials:
        return result
    values = result.values
    if result.schema.kind not in ("categorical", "ordinal") or values is None:
        result.update(specials=[*result.schema.specials, *specials])
        stated = cells.all_words.rows(pc.if_else(cells.missing, cells.all_words.levels, None))
        result.codes = stated if result.codes is None else pc.coalesce(result.codes, stated)
        if result.schema.learned:
            listed = ", ".join(one.value for one in specials)
            result.note(f"values that the description calls missing were set apart: {listed}")
        return result
    rows = len(values)
    places = np.flatnonzero(cells.missing)
    own = np.full(len(cells.missing) + 1, -1)
    own[places] = len(result.schema.levels) + np.arange(len(places))
    codes = values.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    codes = np.where(codes < 0, own[cells.all_words.codes], codes)
    names = [*result.schema.level_values(), *(one.value for one in specials)]
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    known = list(result.schema.levels)
    known += [LevelSchema(value=one.value, share=0, special=True) for one in specials]
    levels = [
        level.model_copy(update={"share": float(count / max(counts.sum(), 1))})
        for level, count in zip(known, counts, strict=True)
    ]
    missing = float((codes < 0).sum() / max(rows, 1))
    schema = result.schema.model_copy(update={"levels": levels, "missing_share": missing})
    apart = CleanColumn(schema, level_values(codes, names), result.notes)
    apart.note(KEPT_APART + ", ".join(one.value for one in specials))
    return apart
