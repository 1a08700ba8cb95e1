"""Cleaning of text columns: numbers, dates, booleans, scales, identifiers, levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_trainer.table.columns.build import (
    CleanColumn,
    datetime_column,
    empty_column,
    integer_column,
    level_column,
    numeric_column,
    unlearned,
)
from simulacra_trainer.table.columns.dates import parse_dates
from simulacra_trainer.table.columns.distinct_values import Words, split_words
from simulacra_trainer.table.columns.identifiers import is_row_number, unlearned_kind
from simulacra_trainer.table.columns.numerals import parse_numbers
from simulacra_trainer.table.columns.scales import MAX_LEVELS, order_levels

BOOLEAN_WORDS = (
    (frozenset({"false", "f"}), frozenset({"true", "t"})),
    (frozenset({"no", "n"}), frozenset({"yes", "y"})),
    (frozenset({"nein"}), frozenset({"ja"})),
    (frozenset({"non"}), frozenset({"oui"})),
)


@dataclass(frozen=True)
class TextOrigin:
    """The source of a column, which decides how its text is read.

    Attributes:
        csv: the source has no types, so the content decides the type.
        prefer_comma: a comma is more likely a decimal comma.
        doubles: the source stores all numbers as doubles, so whole ones become integers.
    """

    csv: bool = False
    prefer_comma: bool = False
    doubles: bool = False


def clean_text(name: str, column: pa.ChunkedArray, origin: TextOrigin) -> CleanColumn:
    """Clean one column of strings with nulls."""
    words = split_words(column)
    if not words.present:
        return empty_column(name, len(column), "null" if origin.csv else str(column.type))
    storage = str(column.type)
    if len(words.levels) == 1 and not origin.csv:  # a constant keeps its spelling
        return clean_levels(name, words, storage)
    ambiguous = False
    result = _boolean(name, words, storage, origin) or _number(name, words, storage, origin)
    if result is None:
        result, ambiguous = _date(name, words, storage, origin)
    result = result or clean_levels(name, words, storage)
    if ambiguous:
        result.note(
            "the order of day and month in these dates is unclear, so the column stays text"
        )
    _note_words(result, words)
    return result


def clean_dictionary(name: str, column: pa.ChunkedArray) -> CleanColumn:
    """Clean a dictionary column: declared levels stay levels, in order if ordered."""
    words = split_words(column)
    if not words.present:
        return empty_column(name, len(column), str(column.type))
    result = None if column.type.ordered else _boolean(name, words, str(column.type), TextOrigin())
    result = result or clean_levels(
        name, words, str(column.type), declared_order=column.type.ordered
    )
    _note_words(result, words)
    return result


def clean_levels(
    name: str, words: Words, storage: str, declared_order: bool = False
) -> CleanColumn:
    """Clean words that are not numbers or dates: identifiers, free text, scales, levels."""
    kind = unlearned_kind(name, words)
    if kind:
        return unlearned(name, kind, words.rows(words.levels), storage)
    if declared_order:
        return level_column(
            name, "ordinal", *_in_order(words, np.arange(len(words.levels))), storage
        )
    scale = order_levels(words.levels.to_pylist()) if len(words.levels) <= MAX_LEVELS else None
    if scale:
        order = pc.index_in(pa.array(scale), value_set=words.levels).to_numpy(zero_copy_only=False)
        result = level_column(name, "ordinal", *_in_order(words, order), storage)
        result.note("the levels were recognized as an ordered scale")
        return result
    by_share = np.argsort(-words.counts, kind="stable")
    return level_column(name, "categorical", *_in_order(words, by_share), storage)


def _in_order(
    words: Words, order: npt.NDArray[np.int64]
) -> tuple[list[str], npt.NDArray[np.int32]]:
    return words.levels.take(pa.array(order)).to_pylist(), words.restricted(order)


def _boolean(name: str, words: Words, storage: str, origin: TextOrigin) -> CleanColumn | None:
    """Read a pair such as yes and no; levels are the most frequent spellings, "no" first."""
    if not 2 <= len(words.levels) <= 8:
        return None
    lowered = [level.lower() for level in words.levels.to_pylist()]
    for no_words, yes_words in BOOLEAN_WORDS:
        is_yes = np.array([word in yes_words for word in lowered])
        if set(lowered) <= no_words | yes_words and is_yes.any() and not is_yes.all():
            break
    else:
        return None
    codes = np.append(is_yes.astype(np.int32), np.int32(-1))[words.codes]
    spelled = [
        words.levels[int(np.argmax(words.counts * mask))].as_py() for mask in (~is_yes, is_yes)
    ]
    if origin.csv and {s.lower() for s in spelled} == {"false", "true"}:
        spelled = ["false", "true"]
        storage = "bool"
    result = level_column(name, "boolean", spelled, codes, storage)
    if len(words.levels) > 2:
        result.note("different spellings of the two answers were merged", len(words.levels))
    return result


def _number(name: str, words: Words, storage: str, origin: TextOrigin) -> CleanColumn | None:
    parsed = parse_numbers(words, origin.prefer_comma)
    if parsed is None:
        return None
    values = words.rows(parsed.values)
    whole = pa.types.is_integer(values.type)
    if whole and is_row_number(name, values):
        return unlearned(name, "identifier", values, "int64" if origin.csv else storage)
    if origin.csv:
        result = (
            integer_column(name, values, "int64")
            if whole
            else numeric_column(name, values, "double")
        )
    elif whole:
        result = integer_column(name, values, storage)
    else:
        result = numeric_column(name, values, storage, parsed.text_format)
    if parsed.notation:
        result.note(f"numbers written with {parsed.notation} were read as numbers", words.present)
    elif not origin.csv:
        result.note("text that holds numbers was read as numbers", words.present)
    _note_lost(result, words, values, "number")
    return result


def _date(
    name: str, words: Words, storage: str, origin: TextOrigin
) -> tuple[CleanColumn | None, bool]:
    """Return the column as dates, or None and whether its dates are ambiguous."""
    parsed = parse_dates(words)
    if parsed is None or parsed.ambiguous:
        return None, parsed is not None
    values = words.rows(parsed.values)
    text_format: str | None = parsed.text_format
    if origin.csv and text_format != "%Y-%m":
        storage = "timestamp[us, tz=UTC]" if parsed.zoned else "timestamp[us]"
        if not parsed.timed:
            storage = "date32[day]"
        text_format = None
    result = datetime_column(name, values, storage, text_format)
    result.note("text that holds dates was read as dates", words.present)
    _note_lost(result, words, values, "date")
    return result, False


def _note_lost(result: CleanColumn, words: Words, values: pa.Array, what: str) -> None:
    lost = words.present - (len(values) - values.null_count)
    if lost:
        result.note(f"words that are not a {what} were set to missing", lost)


def _note_words(result: CleanColumn, words: Words) -> None:
    if words.tokens:
        result.note("empty cells and words such as N/A were set to missing", words.tokens)
    if words.trimmed:
        result.note("white space around values was removed", words.trimmed)
