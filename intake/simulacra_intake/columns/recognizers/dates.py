"""Dates in one form or in several, and dates of eight digits."""

from dataclasses import replace

from simulacra_intake.columns.build import CleanColumn, datetime_column, note_lost
from simulacra_intake.columns.parse.dates import (
    ParsedDates,
    parse_compact,
    parse_dates,
    parse_pattern,
)
from simulacra_intake.columns.parse.mixed_dates import as_births, parse_mixed_dates
from simulacra_intake.columns.text_column import Fault, Proposal, Recognizer, TextColumn
from simulacra_intake.personal_data import vocabulary
from simulacra_schema.table import CellForm

DAY_OR_MONTH = Fault(
    ("format", "type"),
    "Day or month first? Use the format %d/%m/%Y or %m/%d/%Y, written as the cells.",
)
OPEN = "the order of day and month in these dates is unclear, so the column stays text"


def _propose(column: TextColumn) -> Proposal | None:
    parsed = _parsed(column)
    if parsed is None:
        detail = "More than 1 % of the cells are no dates of this form."
        return column.unlike(("format", "type"), detail)
    if parsed.ambiguous:
        return Proposal(doubt=OPEN, faults=(DAY_OR_MONTH,))
    return Proposal(_dates(column, parsed))


def _parsed(column: TextColumn) -> ParsedDates | None:
    """Return the dates of one form, else of several, in which a stated one is the most frequent."""
    words, day_first, pattern = column.words, column.origin.day_first, column.said.format
    pattern = pattern if column.asked and pattern and "%" in pattern else None
    births = vocabulary.name_contains(column.name, vocabulary.KNOWN_TO_OTHERS["birth"])
    parsed = parse_pattern(words, pattern) if pattern else parse_dates(words, day_first)
    if parsed is not None:
        short = births and "%y" in parsed.text_format and not parsed.ambiguous
        return replace(parsed, values=as_births(parsed.values)) if short else parsed
    parsed = parse_mixed_dates(words, day_first, births=births)
    return None if parsed and pattern and parsed.text_format != pattern else parsed


def _dates(column: TextColumn, parsed: ParsedDates) -> CleanColumn:
    words, storage = column.words, column.storage
    values = words.rows(parsed.values)
    text_format: str | None = parsed.text_format
    if column.origin.csv and text_format != "%Y-%m":
        storage = "timestamp[us, tz=UTC]" if parsed.zoned else "timestamp[us]"
        if not parsed.timed:
            storage = "date32[day]"
        text_format = None
    result = datetime_column(column.name, values, storage, text_format)
    if parsed.text_format not in ("%Y-%m-%d", "%Y-%m"):
        form = CellForm(text_format=parsed.text_format, language=parsed.language)
        result.update(form=form)
    result.note("text that holds dates was read as dates", words.present)
    note_lost(result, words, values, "date")
    return result


def _propose_compact(column: TextColumn) -> Proposal | None:
    parsed = parse_compact(column.words)
    return Proposal(_dates(column, parsed)) if parsed else None


DATES = Recognizer("dates", _propose, ("date", "datetime"))
COMPACT_DATES = Recognizer("dates of eight digits", _propose_compact)
