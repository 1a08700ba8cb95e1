"""How often, how long ago and how long, in 17 languages: levels such as "2-3 times a month",
"seltener als einmal im Jahr", "within the past week" or "6 months to 1 year" in order.

A level is a unit of time, a number of times or of units, and words such as "less than". All levels
of a column must be read, and no two may have the same place.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache

from simulacra_schema.lexicon import in_languages, words_in

_HOURS = {
    "hour": 1,
    "day": 24,
    "week": 24 * 7,
    "month": 24 * 30.4,
    "quarter": 24 * 91.3,
    "year": 24 * 365.25,
}
_COUNTS = {"one": 1, "two": 2, "three": 3}
_DAYS_AGO = {"today": 0.2, "yesterday": 1.2}
_ALONE = ("never", "rarely", "longer")
_READ = (*_ALONE, "several", "less", "more", "every", "times", "ago", *_HOURS, *_COUNTS)
_DIGITS = re.compile(r"[\d'’.,]")
_NUMBER = re.compile(r"\d{1,3}(?:[.,]\d)?")
_LONG_WORD = 6
"""Letters from which on a word must be one of these, or one of several levels."""
_RANGE = re.compile(
    r"(\d{1,3})(?:\s*(?:-|–|—|to|bis|à|a|o|or|oder|ou|do|tot|till|til)\s*(\d{1,3}))?"
)
_ALWAYS = 1e6
_LEAST_UNITS = 2
"""Levels that name a unit of time; three of the others may say "never" and the like."""
Place = float | None


@cache
def _words(key: str) -> tuple[str, ...]:
    """Return the words of a key of all languages; each may be a pattern."""
    texts = (section[key] for _, section in in_languages("times") if key in section)
    return tuple(word for text in texts for word in words_in(text))


@cache
def _find(key: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w)(?:{'|'.join(_words(key))})(?!\w)")


@cache
def _days_ago() -> dict[str, float]:
    return {word: days for key, days in _DAYS_AGO.items() for word in _words(key)}


def order_by_time(levels: Sequence[str]) -> list[Place]:
    """Return the place of each level among frequencies, or among times ago; None if it has none.

    levels: lower-case words with single spaces, no two alike.
    """
    with_unit = sum(_unit(level) is not None for level in levels)
    if with_unit < max(_LEAST_UNITS, len(levels) - 3) or _strange(levels):
        return [None] * len(levels)
    place = _since if _are_ago(levels) else _rate
    return [place(level) for level in levels]


def order_by_length(levels: Sequence[str]) -> list[Place]:
    """Return the place of each level among lengths of time in several units; None if it has none.

    Their numbers alone would put "1 month" before "7 days".
    """
    units = {unit for level in levels if (unit := _length_unit(level)) is not None}
    if len(units) < _LEAST_UNITS or _strange(levels):
        return [None] * len(levels)
    if _are_ago(levels):
        return [_since(level) for level in levels]
    return [0.0 if _find("never").fullmatch(level) else _since(level) for level in levels]


def _are_ago(levels: Sequence[str]) -> bool:
    return sum(_find("ago").search(level) is not None for level in levels) >= _LEAST_UNITS


def _strange(levels: Sequence[str]) -> bool:
    """Return whether a level has a word of its own: "daily newspaper", "weekly magazine"."""
    found: Counter[str] = Counter()
    for level in levels:
        if level not in _days_ago() and not any(_find(key).fullmatch(level) for key in _ALONE):
            rest = level
            for key in _READ:
                rest = _find(key).sub(" ", rest)
            rest = _DIGITS.sub(" ", rest)
            found.update({word for word in rest.split() if len(word) >= _LONG_WORD})
    return any(rows == 1 and word not in _words("fillers") for word, rows in found.items())


def _rate(level: str) -> Place:
    """Return occasions in 1,000 hours."""
    if _find("never").fullmatch(level):
        return 0.0
    if _find("rarely").fullmatch(level):
        return 1e-6
    unit = _unit(level)
    if unit is None:
        return None
    count = _count(level)
    rate = 1000 / (unit * count) if _find("every").search(level) else 1000 * count / unit
    return rate * _shift(level)


def _since(level: str) -> Place:
    """Return hours."""
    if (days := _days_ago().get(level)) is not None:
        return 24 * days
    if _find("never").fullmatch(level):
        return 2 * _ALWAYS * 1e3
    if _find("longer").fullmatch(level):
        return _ALWAYS * 1e3
    hours = _hours(level)
    return None if hours is None else hours * _shift(level)


def _hours(level: str) -> float | None:
    """Return a length of time; that of "6 months to 1 year" is in the middle."""
    units = _units(level)
    lengths = []
    for number in _NUMBER.finditer(level):
        behind = [unit for unit in units if unit[0] >= number.end()]
        if behind:
            lengths.append(float(number[0].replace(",", ".")) * behind[0][1])
    if not lengths:
        unit = _unit(level)
        return None if unit is None else unit * _count(level)
    return sum(lengths[:2]) / len(lengths[:2])


def _length_unit(level: str) -> float | None:
    """Return the unit of a length such as "1-3 months", None for "3 days a week" and others."""
    numbers = list(_NUMBER.finditer(level))
    if not numbers or _find("every").search(level) or _find("times").search(level):
        return None
    end = numbers[-1].end()
    behind = [unit for unit in _units(level) if unit[0] >= end]
    direct = len(behind) == 1 and not level[end : behind[0][0]].strip(" +-")
    return behind[0][1] if direct else None


def _units(level: str) -> list[tuple[int, float]]:
    """Return where the words of units begin, and their hours."""
    found: dict[int, float] = {}
    for key, hours in _HOURS.items():
        for word in _find(key).finditer(level):
            found[word.start()] = max(hours, found.get(word.start(), 0.0))
    return sorted(found.items())


def _unit(level: str) -> float | None:
    found = [hours for key, hours in _HOURS.items() if _find(key).search(level)]
    return max(found) if found else None


def _count(level: str) -> float:
    if number := _RANGE.search(level):
        return (float(number[1]) + float(number[2] or number[1])) / 2
    if _find("several").search(level):
        return 3.1
    return next((float(n) for key, n in reversed(_COUNTS.items()) if _find(key).search(level)), 1.0)


def _shift(level: str) -> float:
    """Return a factor that puts "less than" below and "more than" above the same number."""
    if _find("less").search(level):
        return 0.8
    return 1.2 if _find("more").search(level) else 1.0
