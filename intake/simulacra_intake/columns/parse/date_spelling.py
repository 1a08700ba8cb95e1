"""What stands around the digits of dates, and how exactly they are written."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from simulacra_schema.cell_text import write_cells
from simulacra_schema.lexicon import calendar_languages, calendar_names
from simulacra_schema.table import CellForm

_BEFORE = r"^(?P<day>\pL[\pL\-]{1,14})(?P<sign>\.?,? )(?P<rest>.*[0-9].*)$"
_ZONES = (
    "CES?T|ME[SZ]?Z|WES?T|EES?T|[ECMP][SD]T|[BIJ]ST|AES?T|AEDT|"
    "(?:GMT|UTC)(?:[+\\-−][0-9]{1,2}(?::?[0-9]{2})?)?"
)
_BEHIND = (
    r"^(?P<rest>.*?[0-9]{2}(?: ?[AaPp][Mm])?)"
    rf"(?P<sign>\.| [гr]\.?| ?(?:Uhr|h|hrs|uur)| \(?(?:{_ZONES})\)?)$"
)
_BETWEEN = (
    r"^(?P<date>.*[0-9]\.?)(?P<between>(?P<sign>, ?|,? - "
    r"| (?:às|as|à|at|um|kl\.?|alle|alle ore|a las|o|ob|om|u)) ?)"
    r"(?P<time>[0-9]{1,2}:[0-9]{2}.*)$"
)
"""Words of CLDR between a date and a time of day: "05/04/2024 às 10:30"."""
_SAMPLE = 200
_MOST_BEFORE = 7
"""Days of a week."""
_SPELLINGS = (
    ("%d", ("%d", "%-d")),
    ("%m", ("%m", "%-m")),
    ("%b", ("%b", "%B")),
    ("%H", ("%H", "%-H")),
    ("%I", ("%I", "%-I")),
)


@dataclass(frozen=True)
class Affixes:
    """Text around the dates of a column.

    Attributes:
        levels: the words without it; null where a word does not have it.
        before: pattern of the text before, such as "%A, ".
        after: most frequent text behind, such as " GMT+1".
        languages: in which the words before are days of the week; empty without such words.
    """

    levels: pa.StringArray
    before: str
    after: str
    languages: tuple[str, ...]


def split_affixes(levels: pa.StringArray) -> Affixes | None:
    """Return words without the day of the week before and the zone behind, None if none has one."""
    before, after = "", ""
    languages: tuple[str, ...] = ()
    found = pc.extract_regex(levels, _BEFORE)
    if found.null_count < len(levels) / 2:
        days = {
            day.lower() for day in pc.unique(pc.struct_field(found, "day").drop_null()).to_pylist()
        }
        signs = pc.unique(pc.struct_field(found, "sign").drop_null()).to_pylist()
        spelled = list(_weekdays(days)) if len(days) <= _MOST_BEFORE and len(signs) == 1 else []
        if not spelled:
            return None
        languages = tuple(language for language, _ in spelled)
        before = spelled[0][1] + signs[0]
        levels = pc.struct_field(found, "rest")
    found = pc.extract_regex(levels, _BEHIND)
    if found.null_count < len(levels) / 2:
        signs = pc.value_counts(pc.struct_field(found, "sign").drop_null())
        after = max(signs.to_pylist(), key=lambda one: one["counts"])["values"]
        levels = pc.struct_field(found, "rest")
    return Affixes(levels, before, after, languages) if before or after else None


def join_times(levels: pa.StringArray) -> tuple[pa.StringArray, str] | None:
    """Return words with one space between date and time, and what stood there, else None."""
    found = pc.extract_regex(levels, _BETWEEN)
    if found.null_count > len(levels) / 2:
        return None
    if len(pc.unique(pc.struct_field(found, "sign").drop_null())) != 1:
        return None
    date, between, time = (pc.struct_field(found, name) for name in ("date", "between", "time"))
    return pc.binary_join_element_wise(date, time, " "), between.drop_null()[0].as_py()


def _weekdays(days: set[str]) -> Iterator[tuple[str, str]]:
    """Yield languages whose days of the week these words are, and their sign in a pattern."""
    for length, sign in (("long", "%A"), ("short", "%a")):
        for language in calendar_languages():
            names = calendar_names("weekdays", language, length)
            if days <= {name.lower() for name in names}:
                yield language, sign


def spelled_as(levels: pa.StringArray, values: pa.Array, pattern: str) -> str:
    """Return the variant of a strftime pattern that writes the words again, else the pattern.

    Variants differ in leading zeros and in the length of the names of months.
    """
    known = pc.and_(values.is_valid(), levels.is_valid())
    values, words = (one.filter(known).slice(0, _SAMPLE) for one in (values, levels))
    spellings = [variants for sign, variants in _SPELLINGS if sign in pattern]
    signs = [sign for sign, _ in _SPELLINGS if sign in pattern]
    for variants in itertools.product(*spellings):
        variant = pattern
        for sign, spelling in zip(signs, variants, strict=True):
            variant = variant.replace(sign, spelling)
        written = write_cells(values, CellForm(text_format=variant))
        if pc.all(pc.equal(pc.utf8_lower(written), pc.utf8_lower(words))).as_py():
            return variant
    return pattern
