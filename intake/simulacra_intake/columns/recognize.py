"""What a column of text is: the recognizers by their rank, and the one function that chooses.

To add one, write its module in `recognizers/` and give it a place here.
"""

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from simulacra_intake.columns.build import CleanColumn, empty_column
from simulacra_intake.columns.distinct_values import Words, split_words
from simulacra_intake.columns.identifiers import are_dialed
from simulacra_intake.columns.recognizers.answers import ANSWERS
from simulacra_intake.columns.recognizers.dates import COMPACT_DATES, DATES
from simulacra_intake.columns.recognizers.numbers import NUMBERS
from simulacra_intake.columns.recognizers.postcodes import NAMED_POSTCODES, POSTCODES
from simulacra_intake.columns.recognizers.times import TIMES
from simulacra_intake.columns.recognizers.words import (
    BOOLEANS,
    DECLARED,
    LEVELS,
    PERIODS,
    SCALES,
    UNLEARNED,
)
from simulacra_intake.columns.text_column import Proposal, Recognizer, TextColumn

WORDS = (POSTCODES, PERIODS, UNLEARNED, SCALES, LEVELS)
"""Of cells that are words whatever they look like: the user says so, or all hold the same one."""
RECOGNIZERS = (
    BOOLEANS,
    NAMED_POSTCODES,
    TIMES,
    COMPACT_DATES,
    NUMBERS,
    DATES,
    ANSWERS,
    *WORDS,
)
"""By rank: the narrower form stands before the wider one. The last proposes always."""
_OF_DIGITS = (NAMED_POSTCODES, POSTCODES, TIMES, COMPACT_DATES, NUMBERS, DATES)


def recognize(column: TextColumn, recognizers: Sequence[Recognizer] = RECOGNIZERS) -> CleanColumn:
    """Return the proposal of the highest rank, with what higher ones leave open as notes."""
    doubts: list[str] = []
    digits = column.words.in_ascii()
    for recognizer in recognizers:
        proposal = _proposal(recognizer, column, digits)
        if proposal.column is not None:
            for doubt in doubts:
                proposal.column.note(doubt)
            return proposal.column
        doubts += [proposal.doubt] if proposal.doubt else []
    raise ValueError("the last recognizer proposes always")


def asked(column: TextColumn) -> Proposal:
    """Return what the recognizer proposes that the user asks for."""
    (recognizer,) = (one for one in RECOGNIZERS if column.asked in one.kinds)
    return _proposal(recognizer, column, column.words.in_ascii())


def _proposal(recognizer: Recognizer, column: TextColumn, digits: Words) -> Proposal:
    """Return what a recognizer proposes; numbers, dates and postcodes are read in any digits.

    digits: the words in ASCII digits; the column's own where none is of another script.
    """
    if recognizer not in _OF_DIGITS or digits is column.words:
        return recognizer.propose(column) or Proposal()
    proposal = recognizer.propose(replace(column, words=digits)) or Proposal()
    if proposal.column is not None:
        proposal.column.note("digits of another script were read as 0 to 9", digits.present)
    return proposal


def clean_words(column: TextColumn) -> CleanColumn:
    """Clean one column of strings by its distinct words."""
    name, words, origin = column.name, column.words, column.origin
    if not words.present:
        return empty_column(name, len(words.codes), "null" if origin.csv else column.storage)
    if len(words.levels) == 1 and not origin.csv:  # a constant keeps its spelling
        return recognize(column, WORDS)
    if are_dialed(name, words):
        return recognize(column, (UNLEARNED, LEVELS))
    result = recognize(column)
    note_words(result, words)
    return result


def clean_dictionary(name: str, column: pa.ChunkedArray) -> CleanColumn:
    """Clean a dictionary column: declared levels stay levels, in order if ordered.

    Else they are in the order of the rows, as of text: categories of pandas are sorted.
    """
    ordered = column.type.ordered
    words = split_words(column)
    words = words if ordered else words.by_appearance()
    if not words.present:
        return empty_column(name, len(column), str(column.type))
    read = TextColumn(name, words, str(column.type))
    result = recognize(read, (UNLEARNED, DECLARED) if ordered else (BOOLEANS, *WORDS))
    note_words(result, words)
    return result


def note_words(result: CleanColumn, words: Words) -> None:
    """Note white space and missing words."""
    if words.tokens:
        result.note("empty cells and words such as N/A were set to missing", words.tokens)
    if words.trimmed:
        result.note("white space around values was removed", words.trimmed)
