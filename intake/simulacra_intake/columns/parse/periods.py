"""Periods in order: months, quarters, weeks, half years, school years, survey waves."""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from simulacra_schema.lexicon import calendar_languages, calendar_names, scale_ranks

MIN_LEVELS, MAX_LEVELS = 3, 2_000
_YEAR = r"(?P<y>(?:19|20)\d\d)"
_QUARTER = (
    "quartal|quarter|kvartal|kvartál|kwartał|kwartaal|negyedév|čtvrtletí|štvrťrok|neljännes"
    "|trimestre|trimestru|trimestri|çeyrek|квартал|τρίμηνο"
)
"""Quarter of a year, as CLDR has it."""
_FORMS = tuple(
    re.compile(form, re.I)
    for form in (
        rf"(?P<p>0?[1-9]|1[0-2])[/.\-]{_YEAR}",
        rf"{_YEAR}[/.](?P<p>0[1-9]|1[0-2])",
        rf"{_YEAR}m(?P<p>0?[1-9]|1[0-2])",
        rf"(?:q|t|k|kv\.?|kw\.?a|trim\.? ?|tr\.? ?|cz|č)(?P<p>[1-4])[ /.\-]?{_YEAR}",
        rf"(?P<p>[1-4])(?:\.|er|e|ème|º|°|st|nd|rd|th)? ?(?:{_QUARTER})(?: de| del| di)? {_YEAR}",
        rf"(?P<p>[1-4])(?:t|q|k)[ /.\-]?{_YEAR}",
        rf"{_YEAR}\.? ?(?:q|t|k)?(?P<p>[1-4])\. ?(?:{_QUARTER})",
        rf"{_YEAR}[ /.\-]?(?:q|t|k|kv)(?P<p>[1-4])",
        rf"{_YEAR}-?w(?P<p>[0-5]\d)",
        rf"(?:kw|w|uge|v\.?|week|woche|semaine|s|tydz\.?|týden) ?(?P<p>[0-5]?\d)[ /.\-]{_YEAR}",
        rf"(?:h|hj|s)(?P<p>[12])[ /.\-]?{_YEAR}",
        rf"(?:fy|gj|wj|sy|ay|ex\.?) ?{_YEAR}",
        rf"{_YEAR}[ /.\-]?(?:h|hj|s)(?P<p>[12])",
        r"(?:wave|welle|vague|ola|onda|golf|fala|vlna|våg|runde|round|ronde|kierros|hullám|dalga)"
        r"[ _]?(?P<p>\d{1,2})",
    )
)
_EXPIRY = re.compile(r"(?P<p>0[1-9]|1[0-2])/(?P<y>\d\d)")
LEAST_SHORT_YEAR = 13
"""Years of two digits up to 12 may be months: "05/12"."""
_SEASON_OF_YEAR = re.compile(
    rf"(?P<s>[^\W\d]+)[ /\-]?{_YEAR}年?|(?P<z>(?:19|20)\d\d)年?[ /\-]?(?P<t>[^\W\d年]+)"
)
_SEASON = re.compile(rf"{_YEAR}[/\-–](?P<p>\d\d|\d{{4}})")
_MONTH = re.compile(
    rf"(?P<m>[^\W\d]+)\.?(?:(?: de| del)? |[-/]){_YEAR}"
    r"|(?P<s>[^\W\d]+)\.?(?:[-/]['’]?| ['’])(?P<t>\d\d)"
)
"""Also the short form of Excel: "Mar-24"; "Mar 24" may be a day."""


def order_periods(levels: Sequence[str], least: int = MIN_LEVELS) -> list[str] | None:
    """Return the levels in the order of time if all of them are periods of one form, else None.

    least: levels that there must be; fewer may be other words by chance.
    """
    if not least <= len(levels) <= MAX_LEVELS or max(map(len, levels)) > 30:
        return None
    for form in _FORMS:
        found = [form.fullmatch(level) for level in levels]
        if all(found):
            parts = [one.groupdict() for one in found if one]
            keys = [(int(part.get("y") or 0), int(part.get("p") or 0)) for part in parts]
            return _sorted(levels, keys)
    return (
        _seasons(levels)
        or _named_months(levels)
        or _seasons_of_year(levels)
        or _short_months(levels)
    )


def are_months(values: npt.NDArray[np.int64]) -> bool:
    """Return whether whole numbers are months such as 202403."""
    years, months = values // 100, values % 100
    inside = (years >= 1900) & (years <= 2100) & (months >= 1) & (months <= 12)
    return MIN_LEVELS <= len(values) <= MAX_LEVELS and bool(inside.all())


def _seasons(levels: Sequence[str]) -> list[str] | None:
    found = [_SEASON.fullmatch(level) for level in levels]
    years = [(int(one["y"]), int(one["p"]) % 100) for one in found if one]
    follows = all(second == (first + 1) % 100 for first, second in years)
    return _sorted(levels, years) if all(found) and follows else None


def _seasons_of_year(levels: Sequence[str]) -> list[str] | None:
    """Return "Spring 2024" and so on in order; winter is the last season of its year."""
    found = [_SEASON_OF_YEAR.fullmatch(level.lower()) for level in levels]
    parts = [(one["s"] or one["t"], int(one["y"] or one["z"])) for one in found if one]
    if not all(found):
        return None
    for places in scale_ranks("seasons"):
        if all(name in places for name, _ in parts):
            return _sorted(levels, [(year, places[name]) for name, year in parts])
    return None


def _short_months(levels: Sequence[str]) -> list[str] | None:
    """Return "03/26" and so on in order: months of two or more consecutive years."""
    found = [_EXPIRY.fullmatch(level) for level in levels]
    keys = [(int(one["y"]), int(one["p"])) for one in found if one]
    years = sorted({year for year, _ in keys})
    if not all(found) or len(years) < 2 or years[0] < LEAST_SHORT_YEAR:
        return None
    return _sorted(levels, keys) if years[-1] - years[0] < len(years) else None


def _named_months(levels: Sequence[str]) -> list[str] | None:
    found = [_MONTH.fullmatch(level.lower()) for level in levels]
    if not all(found):
        return None
    for language in calendar_languages():
        for length in ("long", "short"):
            names = calendar_names("months", language, length)
            places = {name.lower(): i for i, name in enumerate(names)}
            if all(one and (one["m"] or one["s"]) in places for one in found):
                keys = [
                    (int(one["y"] or one["t"]), places[one["m"] or one["s"]])
                    for one in found
                    if one
                ]
                return _sorted(levels, keys)
    return None


def _sorted(levels: Sequence[str], keys: Sequence[tuple[int, int]]) -> list[str] | None:
    if len(set(keys)) < len(keys):
        return None
    return [level for _, level in sorted(zip(keys, levels, strict=True))]
