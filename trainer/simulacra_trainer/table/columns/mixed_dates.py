"""Dates that several hands wrote: one column with up to six forms, such as 05.03.2024 and 5 Mar 24.

Each form must hold several words, and all of them together nearly all rows. The order of day and
month is one for the column: the forms that decide it decide for the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from simulacra_trainer.table.columns.date_spelling import spelled_as
from simulacra_trainer.table.columns.dates import (
    DATE_FORMS,
    NAMED_DATE,
    ParsedDates,
    named_months,
    parse_formats,
)
from simulacra_trainer.table.columns.distinct_values import Words
from simulacra_trainer.table.columns.numerals import ENOUGH

MOST_FORMS = 6
FEWEST_WORDS = 3
FEWEST_SHARE = 0.02
"""Words and share of the rows that a form must have."""


@dataclass(frozen=True)
class _Form:
    """The words of one form, and their dates."""

    levels: pa.StringArray
    parsed: ParsedDates
    share: float


def parse_mixed_dates(words: Words, day_first: bool | None = None) -> ParsedDates | None:
    """Return the dates of a column in several forms; its pattern is the most frequent one's.

    Args:
        words: the column.
        day_first: the order of day and month if no word decides it; None to leave it open.
    """
    needed = ENOUGH * words.share(pc.invert(words.soft()))
    forms = list(_forms(words, None))
    if not 1 < len(forms) <= MOST_FORMS or sum(form.share for form in forms) < needed:
        return None
    orders = {order for form in forms if (order := _order(form.parsed)) is not None}
    if len(orders) > 1:
        return None
    forms = list(_forms(words, orders.pop() if orders else day_first))
    if any(form.parsed.ambiguous for form in forms):
        return ParsedDates(pa.nulls(len(words.levels)), "", ambiguous=True)
    first = max(forms, key=lambda form: form.share).parsed
    values = _in_one_century(forms)
    timed = any(form.parsed.timed for form in forms)
    return replace(first, values=values, timed=timed)


def _forms(words: Words, day_first: bool | None) -> Iterator[_Form]:
    """Yield the forms of the words: those with digits only, then those with names of months."""
    left = words.levels
    for pattern, formats in DATE_FORMS:
        matched = pc.match_substring_regex(left, pattern).fill_null(False)
        share = words.share(matched)
        if pc.sum(matched).as_py() < FEWEST_WORDS or share < FEWEST_SHARE:
            continue
        dates = pc.if_else(matched, left, None)
        found = parse_formats(words, dates, formats, ENOUGH * share, day_first)
        if found is None:
            continue
        left = pc.if_else(matched, None, left)
        if not found.ambiguous:
            spelled = spelled_as(dates, found.values, found.text_format, None)
            found = replace(found, text_format=spelled)
        yield _Form(dates, found, share)
    matched = pc.match_substring_regex(left, NAMED_DATE).fill_null(False)
    share = words.share(matched)
    if pc.sum(matched).as_py() >= FEWEST_WORDS and share >= FEWEST_SHARE:
        dates = pc.if_else(matched, left, None)
        if (found := named_months(replace(words, levels=dates), ENOUGH * share)) is not None:
            yield _Form(dates, found, share)


def _order(parsed: ParsedDates) -> bool | None:
    """Return whether a form shows the day first; None where it is open, or has a name or year."""
    start = parsed.text_format.replace("-", "")[:2]
    open_order = parsed.ambiguous or "%b" in parsed.text_format.lower()
    return None if open_order or start not in ("%d", "%m") else start == "%d"


def _in_one_century(forms: list[_Form]) -> pa.Array:
    """Return the dates of all words; years of two digits never lie behind those of four."""
    whole = [form.parsed.values for form in forms if "%y" not in form.parsed.text_format]
    last = max((pc.max(values).as_py() for values in whole), default=None)
    merged = pa.nulls(len(forms[0].levels), pa.timestamp("us"))
    for form in forms:
        values = form.parsed.values
        if "%y" in form.parsed.text_format and last is not None:
            values = _not_after(values, last.year)
        merged = pc.coalesce(merged, values)
    return merged


def _not_after(values: pa.Array, year: int) -> pa.Array:
    moments = [
        moment if moment is None or moment.year <= year else moment.replace(year=moment.year - 100)
        for moment in values.to_pylist()
    ]
    return pa.array(moments, pa.timestamp("us"))
