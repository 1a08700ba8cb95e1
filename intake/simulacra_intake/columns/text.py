"""Cleaning of text columns: numbers, dates, booleans, scales, identifiers, levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.columns.build import (
    CleanColumn,
    datetime_column,
    empty_column,
    integer_column,
    level_column,
    numeric_column,
    unlearned,
)
from simulacra_intake.columns.distinct_values import Words, split_words
from simulacra_intake.columns.identifiers import are_dialed, unlearned_kind
from simulacra_intake.columns.parse.dates import (
    ParsedDates,
    parse_compact,
    parse_dates,
    parse_pattern,
)
from simulacra_intake.columns.parse.mixed_dates import as_births, parse_mixed_dates
from simulacra_intake.columns.parse.numerals import ParsedNumbers, StatedNumber, parse_numbers
from simulacra_intake.columns.parse.periods import order_periods
from simulacra_intake.columns.parse.scales import MAX_LEVELS, order_levels
from simulacra_intake.columns.recognizers.answers import answers_column
from simulacra_intake.columns.recognizers.postcodes import is_postcode_name, postcode_column
from simulacra_intake.columns.recognizers.times import parse_times
from simulacra_intake.columns.row_numbers import is_row_number
from simulacra_intake.columns.specials import (
    MOST_OTHER_WORDS,
    are_lone_codes,
    are_special,
    codes_taken,
    other_words,
    take_codes,
)
from simulacra_intake.columns.text_origin import TextOrigin
from simulacra_intake.personal_data import vocabulary
from simulacra_intake.rows_of_persons import MIN_PERSONS
from simulacra_schema.lexicon import scale_ranks
from simulacra_schema.table import CellForm, SpecialValue

KEPT_APART = "answers that are no level were kept apart: "
NO_ANSWER = "codes and words for no answer were set to missing: "
MIN_NUMBERS = 5
"""Distinct numbers beside which a few words are special answers, not levels."""


def clean_text(name: str, column: pa.ChunkedArray, origin: TextOrigin) -> CleanColumn:
    """Clean one column of strings with nulls."""
    words = split_words(column, writes_na=origin.writes_na)
    return clean_words(name, words, str(column.type), origin)


def clean_words(
    name: str, words: Words, storage: str, origin: TextOrigin, *, coded: bool = True
) -> CleanColumn:
    """Clean one column of strings by its distinct words; with `coded`, numbers may have codes."""
    if not words.present:
        return empty_column(name, len(words.codes), "null" if origin.csv else storage)
    if len(words.levels) == 1 and not origin.csv:  # a constant keeps its spelling
        return clean_levels(name, words, storage)
    if are_dialed(name, words):
        return clean_levels(name, words, storage, scale=False)
    ambiguous = False
    result = (
        boolean_column(name, words, storage, origin)
        or (postcode_column(name, words, storage) if is_postcode_name(name) else None)
        or time_column(name, words, storage, origin)
        or _compact_dates(name, words, storage, origin)
        or number_column(name, words, storage, origin, coded=coded)
    )
    if result is None:
        result, ambiguous = date_column(name, words, storage, origin)
    result = (
        result
        or answers_column(name, words, storage, origin.names)
        or clean_levels(name, words, storage)
    )
    if ambiguous:
        result.note(
            "the order of day and month in these dates is unclear, so the column stays text"
        )
    note_words(result, words)
    return result


def clean_dictionary(name: str, column: pa.ChunkedArray) -> CleanColumn:
    """Clean a dictionary column: declared levels stay levels, in order if ordered.

    Else they are in the order of the rows, as of text: categories of pandas are sorted.
    """
    words = split_words(column)
    if not column.type.ordered:
        words = words.by_appearance()
    if not words.present:
        return empty_column(name, len(column), str(column.type))
    result = (
        None if column.type.ordered else boolean_column(name, words, str(column.type), TextOrigin())
    )
    result = result or clean_levels(
        name, words, str(column.type), declared_order=column.type.ordered
    )
    note_words(result, words)
    return result


def time_column(
    name: str, words: Words, storage: str, origin: TextOrigin, duration: bool | None = None
) -> CleanColumn | None:
    """Return times of day or durations, None if the words are none."""
    parsed = parse_times(name, words, duration)
    if parsed is None:
        return None
    values = words.rows(parsed.values)
    if origin.csv:
        storage = "duration[s]" if parsed.duration else "time32[s]"
    result = integer_column(name, values, storage)
    result.update(form=parsed.form, unit=parsed.unit)
    what = "durations" if parsed.duration else "times of day"
    unit = "minutes" if parsed.unit == "min" else "seconds"
    result.note(f"text that holds {what} was read as {unit}", words.present)
    _note_lost(result, words, values, "time")
    return result


def clean_levels(
    name: str,
    words: Words,
    storage: str,
    declared_order: bool = False,
    *,
    scale: bool = True,
) -> CleanColumn:
    """Clean words that are not numbers or dates: identifiers, free text, scales, levels.

    scale: whether they may be a scale, periods or postcodes, which numbers of persons are not.
    """
    if not declared_order and scale:
        if coded := postcode_column(name, words, storage):
            return coded
        if in_time := order_periods(words.levels.to_pylist()):
            order = pc.index_in(pa.array(in_time), value_set=words.levels)
            places = order.to_numpy(zero_copy_only=False)
            result = level_column(name, "ordinal", *in_order(words, places), storage)
            result.note("the levels were recognized as periods in order")
            return result
    kind = unlearned_kind(name, words)
    if kind:
        result = unlearned(name, kind, words.rows(words.levels), storage)
        result.words = words
        return result
    if declared_order:
        return level_column(
            name, "ordinal", *in_order(words, np.arange(len(words.levels))), storage
        )
    by_share = np.argsort(-words.counts, kind="stable")
    special = are_special(words.levels).to_numpy(zero_copy_only=False) | are_lone_codes(
        words.levels
    )
    answers = words.levels.filter(pa.array(~special)).to_pylist()
    ordered = order_levels(answers) if scale and len(answers) <= MAX_LEVELS else None
    if ordered is None:
        result = level_column(name, "categorical", *in_order(words, by_share), storage)
    else:
        order = pc.index_in(pa.array(ordered), value_set=words.levels).to_numpy(
            zero_copy_only=False
        )
        order = np.concatenate([order, by_share[special[by_share]]])
        result = level_column(name, "ordinal", *in_order(words, order), storage)
        result.note("the levels were recognized as an ordered scale")
        if special.any():
            flag_special(result, set(words.levels.filter(pa.array(special)).to_pylist()))
    return result


def flag_special(result: CleanColumn, special: set[str]) -> None:
    """Flag answers such as "don't know", which stand behind the levels of a scale."""
    levels = [
        level.model_copy(update={"special": level.value in special})
        for level in result.schema.levels
    ]
    result.update(levels=levels)
    listed = ", ".join(level.value for level in levels if level.special)
    result.note(f"{KEPT_APART}{listed}")


def in_order(words: Words, order: npt.NDArray[np.int64]) -> tuple[list[str], npt.NDArray[np.int32]]:
    """Return the words at these places, and the codes of the rows among them."""
    return words.levels.take(pa.array(order)).to_pylist(), words.restricted(order)


def boolean_column(name: str, words: Words, storage: str, origin: TextOrigin) -> CleanColumn | None:
    """Read a pair such as yes and no; levels are the most frequent spellings, "no" first."""
    if not 2 <= len(words.levels) <= 8:
        return None
    lowered = [level.lower() for level in words.levels.to_pylist()]
    for ranks in scale_ranks("booleans"):
        is_yes = np.array([ranks.get(word) == 1 for word in lowered])
        if ranks.keys() >= set(lowered) and is_yes.any() and not is_yes.all():
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


def number_column(
    name: str,
    words: Words,
    storage: str,
    origin: TextOrigin,
    stated: StatedNumber | None = None,
    *,
    coded: bool = True,
) -> CleanColumn | None:
    """Return numbers, or None if the words are none.

    Args:
        name: of the column.
        words: its cells.
        storage: its Arrow type.
        origin: how its text is read.
        stated: the user says that they are numbers, so they are no row numbers.
        coded: look for codes such as 99 that mean "no answer".
    """
    parsed = parse_numbers(words, origin.decimal, stated)
    other: list[str] = []
    shown: list[str] = []
    if parsed is None:
        other = _other_answers(words)
        if other:
            shown = [one for one in other if words.counts[_among(words, [one])][0] >= MIN_PERSONS]
            words = words.without(_among(words, other))
            parsed = parse_numbers(words, origin.decimal, stated)
    if parsed is None:
        return None
    numbers = words.rows(parsed.values)
    whole = pa.types.is_integer(numbers.type)
    if whole and stated is None and not origin.ordinary and is_row_number(name, numbers):
        return unlearned(name, "identifier", numbers, "int64" if origin.csv else storage)
    values, codes = take_codes(numbers) if coded else (numbers, [])
    text_format = None
    if origin.csv:
        storage = "int64" if whole else "double"
    elif parsed.decimals and not whole:
        text_format = f".{parsed.decimals}f"
    result = (
        integer_column(name, values, storage)
        if whole
        else numeric_column(name, values, storage, text_format)
    )
    specials = [*_special_answers(words), *codes]
    result.update(form=parsed.form, unit=_unit(parsed), specials=specials)
    if specials:
        written = words.rows(pc.if_else(are_special(words.levels), words.levels, None))
        result.codes = pc.coalesce(written, codes_taken(numbers, values))
    if parsed.notation:
        result.note(f"numbers written with {parsed.notation} were read as numbers", words.present)
    elif not origin.csv:
        result.note("text that holds numbers was read as numbers", words.present)
    if parsed.unclear:
        result.note("it is unclear whether points or commas are decimal signs; check the range")
    note_specials(result, specials)
    if other:
        listed = f"; check them: {', '.join(map(repr, shown))}" if shown else ""
        result.note(f"words among numbers were set to missing{listed}")
    _note_lost(result, words, values, "number")
    return result


def note_specials(result: CleanColumn, specials: Sequence[SpecialValue]) -> None:
    """Note special codes and words that were set to missing."""
    if specials:
        listed = ", ".join(special.value for special in specials)
        rows = round(sum(special.share for special in specials) * result.rows)
        result.note(f"{NO_ANSWER}{listed}", rows)


def _special_answers(words: Words) -> list[SpecialValue]:
    marked = np.flatnonzero(are_special(words.levels).to_numpy(zero_copy_only=False))
    return [
        SpecialValue(value=words.levels[int(i)].as_py(), share=words.counts[i] / len(words.codes))
        for i in marked
    ]


def _other_answers(words: Words) -> list[str]:
    """Return the few frequent words of a column that otherwise holds numbers."""
    with_digits = pc.match_substring_regex(words.levels, "[0-9]").to_numpy(zero_copy_only=False)
    others = np.flatnonzero(~with_digits & ~words.no_values())
    if not with_digits.sum() >= MIN_NUMBERS or len(others) > MOST_OTHER_WORDS:
        return []
    counts = {words.levels[int(i)].as_py(): int(words.counts[i]) for i in others}
    return other_words(counts, words.present)


def _among(words: Words, chosen: Sequence[str]) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = pc.is_in(
        words.levels, value_set=pa.array(chosen, pa.string())
    ).to_numpy(zero_copy_only=False)
    return found


def _unit(parsed: ParsedNumbers) -> str | None:
    form = parsed.form
    return ((form.before or form.after).strip() or None) if form else None


def date_column(
    name: str, words: Words, storage: str, origin: TextOrigin, pattern: str | None = None
) -> tuple[CleanColumn | None, bool]:
    """Return the column as dates, or None and whether its dates are ambiguous.

    pattern: strftime format that the user states; of several forms, that of most cells.
    """
    births = vocabulary.name_contains(name, vocabulary.KNOWN_TO_OTHERS["birth"])
    parsed = parse_pattern(words, pattern) if pattern else parse_dates(words, origin.day_first)
    if parsed is not None and births and "%y" in parsed.text_format and not parsed.ambiguous:
        parsed = replace(parsed, values=as_births(parsed.values))
    if parsed is None:
        parsed = parse_mixed_dates(words, origin.day_first, births=births)
        if parsed is not None and pattern is not None and parsed.text_format != pattern:
            return None, False
    if parsed is None or parsed.ambiguous:
        return None, parsed is not None
    return _dates(name, words, storage, origin, parsed), False


def _compact_dates(name: str, words: Words, storage: str, origin: TextOrigin) -> CleanColumn | None:
    parsed = parse_compact(words)
    return None if parsed is None else _dates(name, words, storage, origin, parsed)


def _dates(
    name: str, words: Words, storage: str, origin: TextOrigin, parsed: ParsedDates
) -> CleanColumn:
    values = words.rows(parsed.values)
    text_format: str | None = parsed.text_format
    if origin.csv and text_format != "%Y-%m":
        storage = "timestamp[us, tz=UTC]" if parsed.zoned else "timestamp[us]"
        if not parsed.timed:
            storage = "date32[day]"
        text_format = None
    result = datetime_column(name, values, storage, text_format)
    if parsed.text_format not in ("%Y-%m-%d", "%Y-%m"):
        form = CellForm(text_format=parsed.text_format, language=parsed.language)
        result.update(form=form)
    result.note("text that holds dates was read as dates", words.present)
    _note_lost(result, words, values, "date")
    return result


def _note_lost(result: CleanColumn, words: Words, values: pa.Array, what: str) -> None:
    special = sum(round(one.share * len(values)) for one in result.schema.specials)
    lost = words.present - (len(values) - values.null_count) - special
    if lost > 0:
        result.note(f"words that are not a {what} were set to missing", lost)


def note_words(result: CleanColumn, words: Words) -> None:
    """Note white space and missing words."""
    if words.tokens:
        result.note("empty cells and words such as N/A were set to missing", words.tokens)
    if words.trimmed:
        result.note("white space around values was removed", words.trimmed)
