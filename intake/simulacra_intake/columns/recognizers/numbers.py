"""Numbers, with their special codes, and words such as "Refused" among them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.columns.build import (
    CleanColumn,
    integer_column,
    note_lost,
    note_specials,
    numeric_column,
    unlearned,
)
from simulacra_intake.columns.distinct_values import Words
from simulacra_intake.columns.parse.approximations import without_approximations
from simulacra_intake.columns.parse.numerals import ParsedNumbers, parse_numbers
from simulacra_intake.columns.row_numbers import is_row_number
from simulacra_intake.columns.specials import (
    MOST_OTHER_WORDS,
    are_special,
    codes_taken,
    other_words,
    take_codes,
)
from simulacra_intake.columns.text_column import Fault, Proposal, Recognizer, TextColumn
from simulacra_intake.rows_of_persons import MIN_PERSONS
from simulacra_schema.table import SpecialValue

MIN_NUMBERS = 5
"""Distinct numbers beside which a few words are special answers, not levels."""
FORM = ("decimalChar", "groupChar", "bareNumber", "type")
BARE = Fault(("bareNumber",), "Text stands around the digits; use false.")
NOT_WHOLE = 'Some numbers are not whole; use "number".'


def _propose(column: TextColumn) -> Proposal | None:
    result = read_numbers(column)
    if result is None and column.asked == "coordinate":
        return column.unlike(("kind", "role"), "The cells are no decimal degrees.")
    if result is None:
        return column.unlike(FORM, "More than 1 % of the cells are no numbers of this form.")
    form = result.schema.form
    around = form is not None and bool(form.before.strip() or form.after.strip())
    faults = (BARE,) if column.asked != "coordinate" and column.said.bare_number and around else ()
    if column.asked == "integer" and result.schema.kind == "numeric":
        return Proposal(faults=(*faults, Fault(("type",), NOT_WHOLE)))
    return Proposal(result, faults=faults)


def read_numbers(column: TextColumn) -> CleanColumn | None:
    """Return numbers, or None if the words are none; those that the user names number no rows."""
    name, storage, origin = column.name, column.storage, column.origin
    words, rough = without_approximations(column.words)
    certain, sign = column.asked is not None, _stated_sign(column)
    parsed = parse_numbers(words, origin.decimal, certain=certain, sign=sign)
    other: list[str] = []
    shown: list[str] = []
    if parsed is None:
        other = _other_answers(words)
        if other:
            shown = [one for one in other if words.counts[_among(words, [one])][0] >= MIN_PERSONS]
            words = words.without(_among(words, other))
            parsed = parse_numbers(words, origin.decimal, certain=certain, sign=sign)
    if parsed is None:
        return None
    numbers = words.rows(parsed.values)
    whole = pa.types.is_integer(numbers.type)
    if whole and not certain and not origin.ordinary and is_row_number(name, numbers):
        return unlearned(name, "identifier", numbers, "int64" if origin.csv else storage)
    values, codes = take_codes(numbers) if _may_hold_codes(column) else (numbers, [])
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
    if rough:
        result.note("numbers with a word or sign of approximation were read as if exact", rough)
    if parsed.unclear:
        result.note("it is unclear whether points or commas are decimal signs; check the range")
    note_specials(result, specials)
    if other:
        listed = f"; check them: {', '.join(map(repr, shown))}" if shown else ""
        result.note(f"words among numbers were set to missing{listed}")
    note_lost(result, words, values, "number")
    return result


def _stated_sign(column: TextColumn) -> str | None:
    """Return the decimal sign that the user states, or implies by that of the thousands."""
    if column.asked not in ("number", "integer"):
        return None
    return column.said.decimal_char or {".": ",", ",": "."}.get(column.said.group_char or "")


def _may_hold_codes(column: TextColumn) -> bool:
    """Return whether 99 may mean "no answer": the user lists no missing values, of coordinates."""
    if column.asked == "duration":
        return True
    return column.asked != "coordinate" and column.said.missing_values is None


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


NUMBERS = Recognizer("numbers", _propose, ("number", "integer", "coordinate"))
