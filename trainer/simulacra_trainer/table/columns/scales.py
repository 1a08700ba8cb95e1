"""Levels with an obvious order: numbered answers, bands, survey word scales."""

from __future__ import annotations

import re
from collections.abc import Sequence

MIN_LEVELS = 3
MAX_LEVELS = 60
MAX_LENGTH = 100
"""Characters: the patterns below backtrack, and a cell may be long."""

_SCALES = """
strongly disagree | disagree | somewhat disagree, slightly disagree |
  neither agree nor disagree, neutral, neither, undecided | somewhat agree, slightly agree |
  agree | strongly agree
very dissatisfied | dissatisfied | somewhat dissatisfied |
  neither satisfied nor dissatisfied, neutral, neither | somewhat satisfied | satisfied |
  very satisfied
very unlikely | unlikely | somewhat unlikely | neutral, neither likely nor unlikely |
  somewhat likely | likely | very likely
not at all important | not important, unimportant | slightly important | somewhat important |
  moderately important | important | very important | extremely important
not at all | not very much, a little, slightly | somewhat | moderately |
  quite a bit, very much | extremely
never | rarely | seldom | occasionally | sometimes | often | frequently | usually, mostly |
  always
never | less than monthly | yearly, annually | quarterly | monthly | weekly | daily
very poor, terrible | poor, bad | below average | fair, average, ok, neutral | above average |
  good | very good | excellent
none | very low | low | medium, moderate, middle, normal | high | very high
very bad | bad | fair, neutral | good | very good
not too happy, unhappy | pretty happy, happy | very happy
extra small, xs | small, s | medium, m | large, l | extra large, xl | xxl | xxxl
worst | worse | same, the same | better | best
beginner | intermediate | advanced | expert
bronze | silver | gold | platinum | diamond
first, 1st | second, 2nd | third, 3rd | fourth, 4th | fifth, 5th | sixth, 6th
january, jan | february, feb | march, mar | april, apr | may | june, jun | july, jul |
  august, aug | september, sep, sept | october, oct | november, nov | december, dec
monday, mon | tuesday, tue, tues | wednesday, wed | thursday, thu, thur, thurs | friday, fri |
  saturday, sat | sunday, sun
no schooling, no formal education, none | preschool |
  primary, primary school, elementary, elementary school |
  secondary, lower secondary, middle school | less than high school | some high school |
  high school, upper secondary, high school graduate | some college |
  associate, associate degree |
  bachelor, bachelors, bachelor's, bachelor's degree, college graduate, undergraduate |
  master, masters, master's, master's degree, graduate, postgraduate |
  doctorate, phd, doctoral degree
"""
"""One word scale a line (indented lines continue it): levels by |, spellings by commas."""
_RANKS: tuple[dict[str, int], ...] = tuple(
    {word.strip(): rank for rank, words in enumerate(scale.split("|")) for word in words.split(",")}
    for scale in re.split(r"\n(?! )", _SCALES.strip())
)
_NUMBERED = re.compile(r"^\(?(-?\d{1,3})(?:\s*(?:[-–.:)=]|\s)\s*[^\W\d]|$)")
_NUMBER = r"[$€£]?\s?(\d[\d.,\s]*?)\s?(k|m)?\s?[%$€£]?"
_BAND = re.compile(rf"^{_NUMBER}\s*(?:-|–|—|to|bis|until)\s*{_NUMBER}\s*(?:years?|yrs?)?$", re.I)
_BELOW = re.compile(
    rf"^(?:<=?|under|below|less than|up to|lt)\s*{_NUMBER}\s*(?:years?|yrs?)?$", re.I
)
_ABOVE = re.compile(rf"^(?:>=?|over|above|more than|gt)\s*{_NUMBER}\s*(?:years?|yrs?)?$", re.I)
_PLAIN = re.compile(rf"^{_NUMBER}$")
_OPEN = re.compile(
    rf"^{_NUMBER}\s*(?:\+|(?:years? )?(?:and|or) (?:over|more|older|above|up))$", re.I
)


def order_levels(levels: Sequence[str]) -> list[str] | None:
    """Return the levels in their obvious order, or None when not all of them show one.

    Numbered ("1 - low"), bands ("18-24", "65+", "under 18"), or one of the word scales; MIN_LEVELS
    at least, and no two levels in the same place. A level outside the scale ("Refused") means None:
    guessing its place would be wrong.
    """
    if not MIN_LEVELS <= len(levels) <= MAX_LEVELS or max(map(len, levels)) > MAX_LENGTH:
        return None
    plain = [" ".join(level.lower().replace("_", " ").split()) for level in levels]
    words: list[list[float | None]] = [[scale.get(level) for level in plain] for scale in _RANKS]
    for ranks in (_numbered(plain), _bands(plain), *words):
        known = [rank for rank in ranks if rank is not None]
        if len(known) == len(levels) == len(set(known)):
            return [level for _, level in sorted(zip(known, levels, strict=True))]
    return None


def _numbered(levels: Sequence[str]) -> list[float | None]:
    """Numbers with words ("1 - low"), with bare numbers among them; bare ones are codes."""
    if all(level.isdigit() for level in levels):
        return [None] * len(levels)
    found = [_NUMBERED.match(level) for level in levels]
    return [float(match[1]) if match else None for match in found]


def _bands(levels: Sequence[str]) -> list[float | None]:
    """Bands, open ends, and plain numbers between them, as in 1, 2, 3, 4 or more."""
    banded = any(
        pattern.match(level) for level in levels for pattern in (_BAND, _BELOW, _ABOVE, _OPEN)
    )
    return [_band(level) for level in levels] if banded else [None] * len(levels)


def _band(level: str) -> float | None:
    """Return where a band lies: its lower bound; open ends sort just outside their bound."""
    for pattern, shift in (
        (_BELOW, -0.5),
        (_ABOVE, 0.5),
        (_OPEN, 0.0),
        (_BAND, 0.0),
        (_PLAIN, 0.0),
    ):
        match = pattern.match(level)
        if match:
            return _number(match[1], match[2]) + shift
    return None


def _number(digits: str, scale: str | None) -> float:
    grouped = re.sub(r"[\s,](?=\d{3}\b)", "", digits).replace(",", ".").replace(" ", "").rstrip(".")
    try:
        value = float(grouped)
    except ValueError:  # "1.000.000"
        value = float(re.sub(r"\D", "", digits))
    return value * {"k": 1e3, "m": 1e6}.get((scale or "").lower(), 1)
