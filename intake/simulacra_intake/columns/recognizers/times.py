"""Times of day and durations written as text: seconds, and the form that writes them again."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.columns.build import CleanColumn, integer_column, note_lost
from simulacra_intake.columns.distinct_values import Words
from simulacra_intake.columns.parse.numerals import ENOUGH
from simulacra_intake.columns.recognizers.numbers import read_numbers
from simulacra_intake.columns.text_column import Proposal, Recognizer, TextColumn
from simulacra_schema.table import CellForm

DAY = 86_400
_PROBE = 200
_MANY_CLOCKS, _MANY_HOURS = 30, 6
_CLOCK = re.compile(
    r"(?P<lead>(?:(?:klo|klockan|kl|um|ore|alle|à|a las)\.? ?)?)"
    r"(?P<h>\d{1,3})(?P<sign>[:.]| ?h ?)(?P<m>[0-5]\d)"
    r"(?::(?P<s>[0-5]\d)(?P<f>\.0{1,9})?)?(?P<tail> ?(?:Uhr|h|hrs|[AaPp]\.?[Mm]\.?)?)"
)
_WORDS = re.compile(
    r"(?:(?P<h>\d{1,4})(?P<hw> ?(?:h|hrs?|hours?|std\.?|stunden?|stdn?|uur|u|t|timer?|tim|godz\.?"
    r"|hod\.?|heures?|horas?|ore|óra|saat|sa\.?|tuntia"
    r"|ч\.?|час\w{0,2}|ώρες)))?(?P<gap>[ ,]*)"
    r"(?:(?P<m>\d{1,4})(?P<mw> ?(?:m|mins?|min\.|minutes?|minuten?|minuti|minutos|mn|perc|dk\.?"
    r"|dakika|minuuttia|minutter|minuter|minut\w?|мин\.?|λεπτά)))?",
    re.I,
)
_DURATION_NAME = re.compile(
    r"dauer|durat|durée|duree|duraci|czas trwania|varighet|varighed|kesto|doba trv|süre|elapsed"
    r"|length|duur",
    re.I,
)


@dataclass(frozen=True)
class _Times:
    """The time or duration of each word.

    Attributes:
        values: int64, in minutes or seconds; null where a word is none.
        unit: "min" if all seconds are 0, else "s".
        duration: a length of time, not a time of day.
        form: how the cells are written.
    """

    values: pa.Array
    unit: str
    duration: bool
    form: CellForm


def _parse(name: str, words: Words, duration: bool | None = None) -> _Times | None:
    """Return a text column's times of day or durations if ENOUGH values are some, else None.

    duration: whether they are lengths of time, where the user says so.
    """
    levels = words.levels
    probe = pc.match_substring_regex(
        levels.slice(0, _PROBE), r"^(?:\pL[\pL .]{1,7} ?)?[0-9]{1,4} ?[:.\pL]"
    )
    if not len(levels) or pc.mean(probe.cast(pa.float64())).as_py() < 0.5:
        return None
    texts = levels.to_pylist()
    weights = words.counts * ~words.no_values()
    for read in (_clocks, _in_words):
        found = [read(text) for text in texts]
        known = np.array([one is not None for one in found])
        if weights.sum() and weights[known].sum() >= ENOUGH * weights.sum():
            return _parsed(name, texts, found, read, duration)
    return None


Parts = tuple[int, re.Match[str]]


def _clocks(text: str) -> Parts | None:
    found = _CLOCK.fullmatch(text)
    if not found:
        return None
    hour = int(found["h"])
    half = found["tail"].strip(" .").lower().replace(".", "")
    if half in ("am", "pm"):
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * (half == "pm")
    return 3600 * hour + 60 * int(found["m"]) + int(found["s"] or 0), found


def _in_words(text: str) -> Parts | None:
    found = _WORDS.fullmatch(text)
    if not found or not (found["h"] or found["m"]):
        return None
    return 3600 * int(found["h"] or 0) + 60 * int(found["m"] or 0), found


def _parsed(
    name: str,
    texts: list[str],
    found: list[Parts | None],
    read: Callable[[str], Parts | None],
    stated: bool | None,
) -> _Times | None:
    matches = [one[1] for one in found if one]
    seconds = pa.array([one[0] if one else None for one in found], pa.int64())
    if read is _in_words:
        full = next((one for one in matches if one["h"] and one["m"]), None)
        if full is None:  # "45 min": a number with a unit
            return None
        pattern = f"%h{full['hw']}{full['gap']}%m{full['mw']}"
        duration = True
    else:
        signs = {one["sign"] for one in matches}
        if len(signs) > 1:
            return None
        sign = signs.pop()
        padded = any(one["h"].startswith("0") and len(one["h"]) == 2 for one in matches)
        tailed = any(one["tail"].strip() or one["lead"] for one in matches)
        if sign == "." and not (padded or tailed or _are_clocks(texts, found)):
            return None
        duration = _is_duration(name, matches) if stated is None else stated
        if not duration and pc.max(seconds).as_py() >= DAY:
            return None
        pattern = _pattern(matches, sign, padded)
    whole = all(one is None or one[0] % 60 == 0 for one in found)
    values = pc.divide(seconds, 60) if whole else seconds
    return _Times(values, "min" if whole else "s", duration, CellForm(text_format=pattern))


def _are_clocks(texts: list[str], found: list[Parts | None]) -> bool:
    """Return whether "14.30" is a time: amounts would go beyond .59."""
    hours = {one[0] // 3600 for one in found if one}
    all_clocks = None not in found and len(texts) >= _MANY_CLOCKS
    return all_clocks and max(hours) < 24 and len(hours) >= _MANY_HOURS


def _is_duration(name: str, matches: list[re.Match[str]]) -> bool:
    """Return whether clocks are lengths: named so, beyond a day, or short hours with seconds."""
    hours = [int(one["h"]) for one in matches]
    short = all(one["s"] and len(one["h"]) == 1 for one in matches)
    return bool(_DURATION_NAME.search(name)) or max(hours) >= 24 or short


def _pattern(matches: list[re.Match[str]], sign: str, padded: bool) -> str:
    one = matches[0]
    tail, hour = one["tail"], "%H" if padded else "%h"
    if (half := tail.strip()).lower().startswith(("a", "p")):
        written = "%p" if half.isupper() else "%P"
        tail = tail.replace(half, written)
        hour = "%I" if padded else "%l"
    seconds = f":%S{one['f'] or ''}" if one["s"] else ""
    return f"{one['lead']}{hour}{sign}%M{seconds}{tail}"


def _propose(column: TextColumn) -> Proposal | None:
    if found := _times(column):
        return Proposal(found)
    if column.asked == "time":
        return column.unlike(("type",), "More than 1 % of the cells are no times.")
    if column.asked and (found := read_numbers(column)):
        return Proposal(found)
    return column.unlike(("kind", "type"), "The cells are no lengths of time.")


def _times(column: TextColumn) -> CleanColumn | None:
    words, storage = column.words, column.storage
    duration = column.asked == "duration" if column.asked else None
    parsed = _parse(column.name, words, duration)
    if parsed is None:
        return None
    values = words.rows(parsed.values)
    if column.origin.csv:
        storage = "duration[s]" if parsed.duration else "time32[s]"
    result = integer_column(column.name, values, storage)
    result.update(form=parsed.form, unit=parsed.unit)
    what = "durations" if parsed.duration else "times of day"
    unit = "minutes" if parsed.unit == "min" else "seconds"
    result.note(f"text that holds {what} was read as {unit}", words.present)
    note_lost(result, words, values, "time")
    return result


TIMES = Recognizer("times", _propose, ("duration", "time"))
