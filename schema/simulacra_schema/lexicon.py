"""Words of 30 languages, read from one data file each, words/<language>.toml, when first asked for.

A text holds words with commas between them. A scale is a list of levels, the lowest first; each is
a text of its spellings. Sections, all of which a language may leave out:

    months, weekdays  names as CLDR has them, long (as in a date) and short, Monday first
    seasons           a scale, winter last
    scales            levels in order: frequencies, amounts, marks, sizes
    degrees           how strongly, for or against; opposites are pairs bad|good
    approximately     words beside a number that is not exact
    booleans          scales of two levels, "no" first
    no_answer         words for it; refusals are a pattern of wanting, and words of telling
    waves             names of the column that tells the waves of a survey apart
    order             words of columns, by when they came in the usual order
    prices            words of columns with the answers to price questions
    times             how often and how long ago; each word may be a pattern
"""

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = (
    *("en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "no", "fi", "pl", "cs", "sk", "hu"),
    *("ro", "hr", "sl", "tr", "ca", "et", "ru", "uk", "el", "bg", "ar", "he", "ja", "ko", "zh"),
)
"""In the order in which they are tried: of several that have the words of a column, the first."""
_SHORT = 3
"""Letters of a month's short name where the file has none."""


@cache
def words_of(language: str) -> dict[str, Any]:
    """Return the sections of a language."""
    if language not in LANGUAGES:
        raise KeyError(language)
    path = Path(__file__).parent / "words" / f"{language}.toml"
    return tomllib.loads(path.read_text("utf-8"))


def in_languages(section: str) -> Iterator[tuple[str, Any]]:
    """Yield the languages that have a section, with it."""
    return ((one, words_of(one)[section]) for one in LANGUAGES if section in words_of(one))


def words_in(text: str) -> tuple[str, ...]:
    """Return the words of a text."""
    return tuple(" ".join(word.split()) for word in text.split(","))


@cache
def calendar_names(section: str, language: str, length: str) -> tuple[str, ...]:
    """Return the names of "months" or "weekdays" in a language; length: "long" or "short"."""
    texts = words_of(language)[section]
    names = words_in(texts.get(length, texts["long"]))
    return names if length in texts else tuple(name[:_SHORT] for name in names)


@cache
def calendar_languages() -> tuple[str, ...]:
    """Return the languages that have names of months and of days of the week."""
    return tuple(language for language, _ in in_languages("months"))


@cache
def scale_ranks(section: str) -> tuple[dict[str, int], ...]:
    """Return the rank of each spelling in the scales of a section, one table a scale."""
    return tuple(
        {word: rank for rank, level in enumerate(scale) for word in words_in(level)}
        for _, scales in in_languages(section)
        for scale in scales
    )
