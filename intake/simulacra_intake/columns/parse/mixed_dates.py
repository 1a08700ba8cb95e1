"""Dates that several hands wrote: one column with up to six forms, such as 05.03.2024 and 5 Mar 24.

Each form must hold several words, and all of them together nearly all rows. The order of day and
month is one for the column: the forms that decide it decide for the others.
"""

from calendar import isleap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.columns.distinct_values import Words
from simulacra_intake.columns.parse.date_spelling import spelled_as
from simulacra_intake.columns.parse.dates import (
    DATE_FORMS,
    NAMED_DATE,
    ParsedDates,
    named_months,
    parse_formats,
)
from simulacra_intake.columns.parse.numerals import ENOUGH

LAST_BIRTH = 2029
"""Last year of birth of two digits, as in Excel: 30 to 99 are of the twentieth century."""
YEARS_AHEAD = 40
"""Years after the last one of four digits that years of two digits may mean."""
MOST_FORMS = 6
PROBED, LOOK_LIKE_DATES = 200, 0.9
"""First words, and the share of them that must begin as dates do."""
_PROBE = r"^(?:[0-9]{1,4}(?:[-/. 年]|er |º )|[A-Za-z]{3,9} [0-9])"
FEWEST_WORDS = 3
FEWEST_SHARE = 0.02
"""Words and share of the rows that a form must have."""


@dataclass(frozen=True)
class _Form:
    """The dates of one form, null for words of others, and the share of the rows that have it."""

    parsed: ParsedDates
    share: float


def parse_mixed_dates(
    words: Words, day_first: bool | None = None, *, births: bool = False
) -> ParsedDates | None:
    """Return the dates of a column in several forms; its pattern is the most frequent one's.

    day_first: the order of day and month if no word decides it; births: whether the dates are those
    of births, which lie in the past.
    """
    probe = pc.match_substring_regex(words.levels.slice(0, PROBED), _PROBE)
    if not len(probe) or pc.mean(probe.cast(pa.float64())).as_py() < LOOK_LIKE_DATES:
        return None
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
    values = _in_one_century(forms, births=births)
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
            spelled = spelled_as(dates, found.values, found.text_format)
            found = replace(found, text_format=spelled)
        yield _Form(found, share)
    matched = pc.match_substring_regex(left, NAMED_DATE).fill_null(False)
    share = words.share(matched)
    if pc.sum(matched).as_py() >= FEWEST_WORDS and share >= FEWEST_SHARE:
        dates = pc.if_else(matched, left, None)
        if (found := named_months(replace(words, levels=dates), ENOUGH * share)) is not None:
            yield _Form(found, share)


def _order(parsed: ParsedDates) -> bool | None:
    """Return whether a form shows the day first; None where it is open, or has a name or year."""
    start = parsed.text_format.replace("-", "")[:2]
    open_order = parsed.ambiguous or "%b" in parsed.text_format.lower()
    return None if open_order or start not in ("%d", "%m") else start == "%d"


def _in_one_century(forms: list[_Form], *, births: bool) -> pa.Array:
    """Return the dates of all words; years of two digits lie around the last of four."""
    whole = [form.parsed.values for form in forms if "%y" not in form.parsed.text_format]
    last = max((pc.max(values).as_py().year for values in whole), default=None)
    end = None if last is None else last + YEARS_AHEAD
    if last is not None and births:
        end = min(last + YEARS_AHEAD, max(last, LAST_BIRTH))
    merged = pa.nulls(len(forms[0].parsed.values), pa.timestamp("us"))
    for form in forms:
        values = form.parsed.values
        if "%y" in form.parsed.text_format and end is not None:
            values = in_century(values, end)
        merged = pc.coalesce(merged, values)
    return as_births(merged) if births and last is None else merged


def as_births(values: pa.Array) -> pa.Array:
    """Return dates of birth, whose years have two digits, in the century in which people live.

    The years lie side by side, so the widest gap between them, counted round the century, stands
    between the youngest and the oldest person; the youngest is born in LAST_BIRTH at the latest.
    """
    known = values.drop_null()
    if not len(known):
        return values
    used = sorted(set(pc.year(known).to_numpy() % 100))
    gaps = [
        (later - one) % 100 or 100 for one, later in zip(used, used[1:] + used[:1], strict=True)
    ]
    at = max(range(len(used)), key=lambda i: gaps[i])
    youngest = int(used[at])
    last = LAST_BIRTH - (LAST_BIRTH - youngest) % 100
    return in_century(values, last)


def in_century(values: pa.Array, last: int) -> pa.Array:
    """Return dates in the 100 years up to last whose years end in the same two digits."""
    moments = [
        moment if moment is None else _in_year(moment, last - (last - moment.year) % 100)
        for moment in values.to_pylist()
    ]
    return pa.array(moments, pa.timestamp("us"))


def _in_year(moment: datetime, year: int) -> datetime:
    leap_day = (moment.month, moment.day) == (2, 29) and not isleap(year)
    return moment.replace(year=year, day=28 if leap_day else moment.day)
