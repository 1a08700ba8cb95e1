"""Timestamps from dates and times written as text: ISO first, then common forms.

The data decide the order of day and month (13 or more in one position); if they do not, the column
stays text.
"""

import itertools
import re
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.columns.distinct_values import Words
from simulacra_intake.columns.parse.date_spelling import join_times, spelled_as, split_affixes
from simulacra_intake.columns.parse.numerals import ENOUGH
from simulacra_schema.lexicon import calendar_languages, calendar_names

_TIME = r"(?:[ T][0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?: ?[AaPp][Mm])?)?$"
_ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ T][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)?"
_ZONE = r"(?:Z|[+-][0-9]{2}:?[0-9]{2})"
DATE_FORMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}" + _TIME, ("%Y-%m-%d",)),
    (r"^[0-9]{4}/[0-9]{1,2}/[0-9]{1,2}" + _TIME, ("%Y/%m/%d",)),
    (r"^[0-9]{4}\.[0-9]{1,2}\.[0-9]{1,2}" + _TIME, ("%Y.%m.%d",)),
    (r"^[0-9]{4}\. [0-9]{1,2}\. [0-9]{1,2}" + _TIME, ("%Y. %m. %d",)),
    (r"^[0-9]{4}\. [0-9]{1,2}\. [0-9]{1,2}\." + _TIME, ("%Y. %m. %d.",)),
    (r"^[0-9]{4}\.[0-9]{1,2}\.[0-9]{1,2}\." + _TIME, ("%Y.%m.%d.",)),
    (r"^[0-9]{4}年[0-9]{1,2}月[0-9]{1,2}日" + _TIME, ("%Y年%m月%d日",)),
    (r"^[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}" + _TIME, ("%d.%m.%Y",)),
    (r"^[0-9]{1,2}\. [0-9]{1,2}\. [0-9]{4}" + _TIME, ("%d. %m. %Y",)),
    (r"^[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{2}" + _TIME, ("%d.%m.%y",)),
    (r"^[0-9]{1,2}/[0-9]{1,2}-[0-9]{4}" + _TIME, ("%d/%m-%Y",)),
    (r"^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}" + _TIME, ("%d/%m/%Y", "%m/%d/%Y")),
    (r"^[0-9]{1,2}/[0-9]{1,2}/[0-9]{2}" + _TIME, ("%d/%m/%y", "%m/%d/%y")),
    (r"^[0-9]{1,2}-[0-9]{1,2}-[0-9]{4}" + _TIME, ("%d-%m-%Y", "%m-%d-%Y")),
    (r"^[0-9]{1,2}-[0-9]{1,2}-[0-9]{2}" + _TIME, ("%d-%m-%y", "%m-%d-%y")),
    (r"^[0-9]{1,2} [A-Za-z]{3,9} [0-9]{4}" + _TIME, ("%d %b %Y",)),
    (r"^[0-9]{1,2} [A-Za-z]{3,9} [0-9]{2}" + _TIME, ("%d %b %y",)),
    (r"^[0-9]{1,2}-[A-Za-z]{3}-[0-9]{4}" + _TIME, ("%d-%b-%Y",)),
    (r"^[0-9]{1,2}-[A-Za-z]{3}-[0-9]{2}" + _TIME, ("%d-%b-%y",)),
    (r"^[A-Za-z]{3,9} [0-9]{1,2}, [0-9]{4}" + _TIME, ("%b %d, %Y",)),
    (r"^[A-Za-z]{3,9} [0-9]{1,2} [0-9]{4}" + _TIME, ("%b %d %Y",)),
)
_UNITS_US = (86_400_000_000, 3_600_000_000, 60_000_000, 1_000_000, 1_000)
MOST_ODD = 0.05
"""Share of a column's different moments that need not be on its unit of time."""
_PROBE = (
    r"^[0-9]{1,4}[-/. 年]|[0-9],? (?:de )?[0-9]{4}|^[0-9]{1,2}(?:er|º) |^\pL[\pL\-]+\.?,? [0-9]"
)
NAMED_DATE = (
    r"^(?P<day>[0-9]{1,2})(?P<first>\.?|er|º)(?P<second> de | d'|[ \-])(?P<month>\pL+)"
    r"(?P<third>\.?(?: de | del |, |[ \-]))(?P<year>[0-9]{4})$"
)
_MONTH = r"^[0-9]{4}-(?:0[1-9]|1[0-2])$"
_COMPACT = r"^(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])$"
MIN_COMPACT = 10
"""Different numbers such as 20240305 that are dates, not amounts."""


@dataclass(frozen=True)
class ParsedDates:
    """The timestamp of each word (null if the word is not a date), and its format.

    Attributes:
        values: timestamp[us], UTC where the words name zones.
        text_format: strftime format of the words.
        timed: whether there is a time of day.
        zoned: whether the words name a time zone.
        ambiguous: the order of day and month is unclear, so values must not be used.
        language: of the names of months, if they are not English.
    """

    values: pa.Array
    text_format: str
    timed: bool = False
    zoned: bool = False
    ambiguous: bool = False
    language: str | None = None


def parse_dates(words: Words, day_first: bool | None = None) -> ParsedDates | None:
    """Return a text column's dates if ENOUGH values are dates of one form, else None.

    A day of the week before them, and a zone or a word such as "Uhr" behind them, is left out.

    day_first: the order of day and month if these dates leave it open; None to leave it.
    """
    needed = ENOUGH * words.share(pc.invert(words.soft()))
    probe = words.levels.slice(0, 200)
    if needed == 0 or not pc.any(pc.match_substring_regex(probe, _PROBE)).as_py():
        return None
    if parsed := _bare_dates(words, needed, day_first):
        return parsed
    if joined := join_times(words.levels):
        parsed = _bare_dates(replace(words, levels=joined[0]), needed, day_first)
        if parsed is not None and parsed.timed:
            text_format = _with_between(parsed.text_format, joined[1])
            return replace(parsed, text_format=text_format)
    affixes = split_affixes(words.levels)
    if affixes is None:
        return None
    parsed = _bare_dates(replace(words, levels=affixes.levels), needed, day_first)
    if parsed is None:
        return None
    language = parsed.language
    if affixes.languages and (language or "en") not in affixes.languages:
        if "%b" in parsed.text_format.lower():  # the names of the months are of another language
            return None
        language = affixes.languages[0]
    text_format = affixes.before + parsed.text_format + affixes.after.replace("%", "%%")
    return replace(parsed, text_format=text_format, language=language)


def _with_between(text_format: str, between: str) -> str:
    """Return a pattern with other text between date and time."""
    return re.sub(r" (?=%-?[HI])", between, text_format, count=1)


def _bare_dates(words: Words, needed: float, day_first: bool | None) -> ParsedDates | None:
    if parsed := _iso(words, needed) or _months(words, needed):
        return parsed
    for pattern, formats in DATE_FORMS:
        matched = pc.match_substring_regex(words.levels, pattern)
        if words.share(matched) >= needed:
            dates = pc.if_else(matched, words.levels, None)
            if found := parse_formats(words, dates, formats, needed, day_first):
                spelled = spelled_as(dates, found.values, found.text_format)
                return replace(found, text_format=spelled)
    return named_months(words, needed)


def parse_compact(words: Words) -> ParsedDates | None:
    """Return dates written as eight digits (20240305) if all words are such dates, else None."""
    if len(words.levels) < MIN_COMPACT:
        return None
    if not pc.all(pc.match_substring_regex(words.levels, _COMPACT)).as_py():
        return None
    values = pc.strptime(words.levels, "%Y%m%d", "us", error_is_null=True)
    days = pc.cast(pc.utf8_slice_codeunits(words.levels, 6, 8), pa.int64())
    exact = pc.fill_null(pc.equal(pc.day(values).cast(pa.int64()), days), False)
    return ParsedDates(values, "%Y%m%d") if pc.all(exact).as_py() else None


def parse_pattern(words: Words, pattern: str) -> ParsedDates | None:
    """Return the dates of one strftime pattern if ENOUGH values have it, else None."""
    upper = pc.utf8_upper(words.levels) if "%p" in pattern else words.levels
    values = pc.strptime(upper, pattern, "us", error_is_null=True)
    values = pc.if_else(_same_day(values, upper, pattern), values, None)
    if words.share(pc.is_valid(values)) < ENOUGH * words.share(pc.invert(words.soft())):
        return None
    return ParsedDates(values, pattern, timed="%H" in pattern or "%I" in pattern)


def _iso(words: Words, needed: float) -> ParsedDates | None:
    for zoned, pattern in ((False, f"{_ISO}$"), (True, f"{_ISO} ?{_ZONE}$")):
        matched = pc.match_substring_regex(words.levels, pattern)
        if words.share(matched) < needed:
            continue
        try:
            values = pc.if_else(matched, words.levels, None).cast(
                pa.timestamp("us", "UTC" if zoned else None)
            )
        except pa.ArrowInvalid:
            return None
        values = values.cast(pa.timestamp("us"))  # drops the zone; the values are UTC already
        first = words.levels.filter(matched)[0].as_py()
        timed = ":" in first
        separator = "T" if "T" in first else " "
        clock = "%H:%M:%S" if first.count(":") - (zoned and first[-3] == ":") > 1 else "%H:%M"
        text_format = f"%Y-%m-%d{separator}{clock}" if timed else "%Y-%m-%d"
        return ParsedDates(values, text_format + ("Z" if zoned else ""), timed, zoned)
    return None


def _months(words: Words, needed: float) -> ParsedDates | None:
    matched = pc.match_substring_regex(words.levels, _MONTH)
    if words.share(matched) < needed:
        return None
    days = pc.binary_join_element_wise(pc.if_else(matched, words.levels, None), "01", "-")
    return ParsedDates(days.cast(pa.timestamp("us")), "%Y-%m")


def named_months(words: Words, needed: float) -> ParsedDates | None:
    """Return dates with the name of the month, in one of 24 languages."""
    matched = pc.match_substring_regex(words.levels, NAMED_DATE)
    if words.share(matched) < needed:
        return None
    parts = pc.extract_regex(words.levels, NAMED_DATE)
    names = pc.utf8_lower(pc.struct_field(parts, "month"))
    distinct = set(names.drop_null().to_pylist())
    for language, length in itertools.product(calendar_languages(), ("long", "short")):
        months = [name.lower() for name in calendar_names("months", language, length)]
        if not distinct <= set(months):
            continue
        number = pc.add(pc.index_in(names, value_set=pa.array(months)), 1).cast(pa.string())
        day, year = (pc.struct_field(parts, key) for key in ("day", "year"))
        iso = pc.binary_join_element_wise(year, number, day, "-")
        values = pc.strptime(iso, "%Y-%m-%d", "us", error_is_null=True)
        first = parts.filter(matched)[0].as_py()
        padded = pc.any(pc.starts_with(day, "0")).as_py()
        sign = "%B" if length == "long" else "%b"
        pattern = f"{'%d' if padded else '%-d'}{first['first']}{first['second']}{sign}"
        pattern += f"{first['third']}%Y"
        return ParsedDates(values, pattern, language=language)
    return None


def parse_formats(
    words: Words,
    levels: pa.StringArray,
    formats: tuple[str, ...],
    needed: float,
    day_first: bool | None,
) -> ParsedDates | None:
    """Return the dates of one form, in the order of day and month that most of them have.

    levels: the words of this form, null elsewhere; formats: strftime patterns of the form, the day
    first in the first; needed: share of the rows that must be dates; day_first: the order if the
    words leave it open; None to leave it.
    """
    suffix = _time_format(levels.drop_null()[0].as_py())
    upper = pc.utf8_upper(levels) if "%p" in suffix else levels
    parses = [pc.strptime(upper, f + suffix, "us", error_is_null=True) for f in formats]
    shares = [
        words.share(pc.and_(pc.is_valid(p), _same_day(p, upper, f)))
        for p, f in zip(parses, formats, strict=True)
    ]
    good = [i for i, share in enumerate(shares) if share >= needed and share == max(shares)]
    if not good:
        return None
    ambiguous = len(good) > 1 and day_first is None
    best = good[1] if len(good) > 1 and day_first is False else good[0]
    return ParsedDates(
        parses[best], formats[best] + suffix, timed=bool(suffix), ambiguous=ambiguous
    )


def _same_day(parsed: pa.Array, levels: pa.StringArray, text_format: str) -> pa.BooleanArray:
    """Mark dates whose written day exists: strptime turns 31 February into a day of March."""
    group = {"%d": 0, "%m": 1}.get(text_format[:2])
    if group is None:
        return pc.is_valid(parsed)
    parts = pc.extract_regex(levels, r"^(?P<p0>[0-9]{1,2})[^0-9A-Za-z]+(?P<p1>[0-9A-Za-z]+)")
    written = pc.struct_field(parts, f"p{group}")
    return pc.equal(pc.day(parsed).cast(pa.int64()), written.cast(pa.int64()))


def _time_format(example: str) -> str:
    head, colon, tail = example.partition(":")
    if not colon:
        return ""
    separator = "T" if "T" in head[-3:] else " "
    clock = "%H" if example[-1].isdigit() else "%I"
    seconds = ":%S" if ":" in tail else ""
    half = "" if example[-1].isdigit() else (" %p" if " " in tail else "%p")
    return f"{separator}{clock}:%M{seconds}{half}"


def seconds(values: pa.Array) -> npt.NDArray[np.float64]:
    """Return timestamp[us] values as seconds since 1970, without the nulls."""
    micros = values.drop_null().cast(pa.int64()).to_numpy(zero_copy_only=False)
    result: npt.NDArray[np.float64] = micros / 1e6
    return result


def coarsest_unit(microseconds: npt.NDArray[np.number]) -> int:
    """Return the coarsest calendar unit, in microseconds, that moments are multiples of.

    A few may be none (`MOST_ODD`), as where the end of what goes on is the minute of the export.
    """
    moments = np.unique(microseconds)
    most = MOST_ODD * moments.size
    return next((unit for unit in _UNITS_US if np.count_nonzero(moments % unit) <= most), 1)
