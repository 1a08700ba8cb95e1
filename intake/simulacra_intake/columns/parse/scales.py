"""Order of levels that form a scale: numbered answers, bands, survey word scales."""

import itertools
import re
from collections.abc import Iterator, Sequence
from functools import cache

from simulacra_intake.columns.parse.degree_words import order_by_degree
from simulacra_intake.columns.parse.frequencies import order_by_length, order_by_time
from simulacra_schema.lexicon import calendar_languages, calendar_names, scale_ranks

MIN_LEVELS = 3
MAX_LEVELS = 60
MAX_DEGREES = 12
MAX_LENGTH = 100
"""Characters of a level; the patterns below backtrack on long text."""

_NUMBERED = re.compile(r"^\(?(-?\d{1,3})(?:\s*(?:[-–.:)=]|\s)\s*[^\W\d]|$)")
_NUMBER = r"[$€£]?\s?(\d[\d.,\s]*?)\s?(k|m)?\s?[%$€£]?"
_BAND = re.compile(rf"^{_NUMBER}\s*(?:-|–|—|to|bis|until)\s*{_NUMBER}\s*(?:years?|yrs?)?$", re.I)
_BELOW = re.compile(
    rf"^(?:<=?|under|below|less than|up to|lt)\s*{_NUMBER}\s*(?:years?|yrs?)?$", re.I
)
_ABOVE = re.compile(rf"^(?:>=?|over|above|more than|gt)\s*{_NUMBER}\s*(?:years?|yrs?)?$", re.I)
_NONE = re.compile(
    r"(?:none|no|zero|kein\w*|gar kein\w*|aucune?|ningun[oa]|ningún|nessun[oa]?|nenhuma?|geen"
    r"|ingen|inga|inget|intet|ei yhtään|żad\w+|brak|žádn\w+|nincs|egy sem|hiç|yok|нет|ни одного)"
    r"(?: \w+)?"
)
"""No one of what the other levels count."""
_CODE = re.compile(r"[^\W\d_]\d|\d[^\W\d_]*-?[^\W\d_]\d")
_BETWEEN = re.compile(r"\d+-?[^\W\d_]+-?\d+")
"""Letters between digits, as on a number plate: "12-AB-34"."""
_ANY_NUMBER = re.compile(r"(\d[\d.,]*(?:[ '’]\d{3}(?!\d))*)(?:\s?(k|m)\b)?")
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:[.,\s'’]\d{3})+")
"""Thousands in one of the forms of a country: bands have no three decimals."""
_DECADE = re.compile(
    r"(?:[^\W\d]+ )?(?P<n>[1-9]0)(?P<unit>['’]?s|er|대|代|-?an|-?tal)(?P<open> ?[^\d]*)"
)
"""Ages by decades: "20s", "30대", "60代以上"."""
_MARK = re.compile(r"[a-f][+-]?")
_PLAIN = re.compile(rf"^{_NUMBER}$")
_OPEN = re.compile(
    rf"^{_NUMBER}\s*(?:\+|(?:years? )?(?:and|or) (?:over|more|older|above|up))$", re.I
)


def order_levels(levels: Sequence[str]) -> list[str] | None:
    """Return the levels in their obvious order, or None when not all of them show one.

    Numbered ("1 - low"), bands ("18-24", "65+", "under 18"), one of the word scales, or degrees of
    one word; MIN_LEVELS at least, and no two levels in the same place. A level outside the scale
    means None: guessing its place would be wrong.
    """
    if not MIN_LEVELS <= len(levels) <= MAX_LEVELS or max(map(len, levels)) > MAX_LENGTH:
        return None
    lowered = [level.lower().replace("i̇", "i") for level in levels]  # Turkish "İyi"
    plain = [" ".join(level.replace("_", " ").split()) for level in lowered]
    for ranks in _ranks(plain):
        known = [rank for rank in ranks if rank is not None]
        if len(known) == len(levels) == len(set(known)):
            return [level for _, level in sorted(zip(known, levels, strict=True))]
    return None


def _ranks(plain: list[str]) -> Iterator[Sequence[float | None]]:
    """Yield the rank of each level on one kind of scale after the other; None if it has none."""
    few = len(plain) <= MAX_DEGREES
    if few:
        yield order_by_length(plain)
    for order in (_numbered, _marks, _bands, _spans, _decades):
        yield order(plain)
    bare = _without_common(plain)
    for each in [plain] if bare == plain else [plain, bare]:
        yield from ([scale.get(level) for level in each] for scale in _word_scales())
    if few:
        yield order_by_degree(plain) or []
        yield order_by_time(plain)


@cache
def _word_scales() -> tuple[dict[str, int], ...]:
    """Return the rank of each spelling, one table a scale; names of months at the end."""
    months = (
        calendar_names("months", language, length)
        for language in calendar_languages()
        for length in ("long", "short")
    )
    ranks = ({name.lower(): rank for rank, name in enumerate(names)} for names in months)
    return (*scale_ranks("scales"), *ranks)


def _without_common(levels: list[str]) -> list[str]:
    """Return the levels without the words that all of them end in: "low risk", "high risk"."""
    split = [level.split() for level in levels]
    shared = 0
    while min(map(len, split)) > shared + 1 and len({one[-1 - shared] for one in split}) == 1:
        shared += 1
    return [" ".join(one[: len(one) - shared]) for one in split]


def _numbered(levels: Sequence[str]) -> list[float | None]:
    """Numbers with words ("1 - low"), with bare numbers among them; bare ones are codes."""
    if all(level.isdigit() or _BETWEEN.fullmatch(level) for level in levels):
        return [None] * len(levels)
    found = [_NUMBERED.match(level) for level in levels]
    return [float(match[1]) if match else None for match in found]


def _marks(levels: list[str]) -> list[float | None]:
    """Return ranks of school marks A to F: with a plus or minus, or the American five."""
    are_marks = all(map(_MARK.fullmatch, levels))
    shown = any(len(level) == 2 for level in levels) or set(levels) == set("abcdf")
    if not (are_marks and shown):
        return [None] * len(levels)
    return [ord("f") - ord(m[0]) + {"+": 0.3, "-": -0.3}.get(m[1:], 0) for m in levels]


def _bands(levels: Sequence[str]) -> list[float | None]:
    """Bands, open ends, and plain numbers between them, as in 1, 2, 3, 4 or more."""
    banded = any(
        pattern.match(level) for level in levels for pattern in (_BAND, _BELOW, _ABOVE, _OPEN)
    )
    return [_band(level) for level in levels] if banded else [None] * len(levels)


def _goes_up(band: re.Match[str]) -> bool:
    """Return whether a band ends above its start: "120354-1234" is a number of a person."""
    low, high = _number(band[1], band[2] or band[4]), _number(band[3], band[4])
    return low < high


def _spans(levels: Sequence[str]) -> list[float | None]:
    """Bands in any language: two numbers a level, one number below all or above all of them.

    "bis 17 Jahre", "18 bis 29 Jahre", "50 ans et plus": words do not matter, the order of the
    numbers does.
    """
    if any(_CODE.search(level) for level in levels):
        return [None] * len(levels)
    found = [[_number(*pair) for pair in _ANY_NUMBER.findall(level)] for level in levels]
    spans = sorted(numbers for numbers in found if len(numbers) == 2)
    if not spans or any(low >= high for low, high in spans):
        return [None] * len(levels)
    if any(first[1] > second[0] for first, second in itertools.pairwise(spans)):
        return [None] * len(levels)
    low, high = spans[0][0], spans[-1][1]
    ranks: list[float | None] = []
    for level, numbers in zip(levels, found, strict=True):
        if len(numbers) == 2:
            ranks.append(numbers[0])
        elif not numbers and low > 0 and _NONE.fullmatch(level):
            ranks.append(-1.0)
        elif len(numbers) == 1 and (numbers[0] <= low or numbers[0] >= high):
            ranks.append(numbers[0] - 0.5 if numbers[0] <= low else numbers[0] + 0.5)
        else:
            ranks.append(None)
    return ranks


def _decades(levels: Sequence[str]) -> list[float | None]:
    """Return the decades of ages, of which the first and the last may be open."""
    found = [_DECADE.fullmatch(level) for level in levels]
    units = {one["unit"] for one in found if one}
    opened = sum(bool(one["open"].strip()) for one in found if one)
    if not all(found) or len(units) > 1 or opened > MIN_LEVELS - 1:
        return [None] * len(levels)
    return [float(one["n"]) for one in found if one]


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
            if pattern is _BAND and not _goes_up(match):
                return None
            return _number(match[1], match[2]) + shift
    return None


def _number(digits: str, scale: str | None) -> float:
    if _GROUPED.fullmatch(digits.strip()):
        digits = re.sub(r"\D", "", digits)
    grouped = re.sub(r"[\s,](?=\d{3}\b)", "", digits).replace(",", ".").replace(" ", "").rstrip(".")
    try:
        value = float(grouped)
    except ValueError:  # "1.000.000"
        value = float(re.sub(r"\D", "", digits))
    return value * {"k": 1e3, "m": 1e6}.get((scale or "").lower(), 1)
