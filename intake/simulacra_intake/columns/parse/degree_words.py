"""Degree words of survey scales in 22 languages: how strongly, for or against.

A level such as "eher unzufrieden" is a degree ("eher"), a negation ("un-") and a stem
("zufrieden"). Levels form a scale if all have one stem and no two the same position.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from simulacra_schema.lexicon import in_languages, words_in

_PLACES = {"extremely": 3.5, "strongly": 3.0, "quite": 1.4, "mildly": 1.0, "slightly": 0.7}
_LITTLE, _NOT_AT_ALL, _PLAIN = -0.8, -4.0, 2.0
_DEGREES = (*_PLACES, "little", "not_at_all", "not", "yes")
_LONG = 5
"""Letters of a middle word that may stand before a stem; "nem" and "ani" say "neither"."""
_SOFTENED = 0.5
"""Place of "not very": a weaker "no" than "not"."""


@dataclass(frozen=True)
class _Language:
    phrases: tuple[tuple[re.Pattern[str], str], ...]
    middles: frozenset[str]
    either: re.Pattern[str] | None
    prefixes: tuple[str, ...]
    negatives: dict[str, str]


def order_by_degree(levels: Sequence[str]) -> list[float] | None:
    """Return the position of each level on a scale of degrees, or None if they form none.

    levels: lower-case words with single spaces, no two alike.
    """
    plain = [_simple(level) for level in levels]
    for language in _languages():
        found = [_place(level, language) for level in plain]
        if positions := _one_scale(found, language):
            return positions
    return None


def _simple(level: str) -> str:
    bare = re.sub(r"\((?:e|s|a|in|in\)nen)\)|/a\b|[.,;:!?()\"„“]", "", level.replace("’", "'"))
    return " ".join(bare.replace("/", " ").replace(" - ", " ").split())


def _place(level: str, language: _Language) -> tuple[float, str, bool]:
    """Return position, stem, and whether there is a degree or a negation."""
    if level in language.middles or (language.either and language.either.search(level)):
        return 0.0, "", True
    first = level.partition(" ")[0]
    if len(first) >= _LONG and first in language.middles:  # "moderately satisfied"
        return 0.0, "", True
    rest = level
    marks: list[tuple[int, str]] = []
    for pattern, mark in language.phrases:
        while found := pattern.search(rest):
            marks.append((found.start(), mark))
            rest = rest[: found.start()] + "\x00" * len(found[0]) + rest[found.end() :]
    stem = " ".join(rest.replace("\x00", " ").split())
    order = [mark for _, mark in sorted(marks)]
    negative = order.count("not") % 2 == 1
    for bad, good in language.negatives.items():
        if stem == bad:
            stem, negative = good, not negative
            order.append("opposite")
    degree = next((mark for mark in order if mark in _PLACES), None)
    if order.count("not") > 1 and "not_at_all" not in order:  # "not satisfied, not dissatisfied"
        return 0.0, "", True
    if "not_at_all" in order:
        return _NOT_AT_ALL, stem, True
    if "little" in order:
        return _LITTLE if not negative else -_PLAIN, stem, True
    size = _PLACES.get(degree or "", _PLAIN)
    if negative and degree in ("extremely", "strongly", "quite") and "not" in order:
        before = order.index("not") < order.index(degree)
        size = _SOFTENED if before else size
    return (-size if negative else size), stem, bool(order)


def _one_scale(found: Sequence[tuple[float, str, bool]], language: _Language) -> list[float] | None:
    """Return the positions if all levels have one stem, at most one is plain, none are alike."""
    stems = [stem for _, stem, _ in found if stem]
    base = min(stems, key=len) if stems else ""
    positions = []
    for place, stem, _ in found:
        if stem and not _same(stem, base):
            prefixes = (p for p in language.prefixes if _same(stem.removeprefix(p), base))
            prefix = next(prefixes, None)
            if prefix is None or not stem.startswith(prefix):
                return None
            place = -place
        positions.append(place)
    degrees = sum(place not in (_PLAIN, -_PLAIN, 0.0) for place in positions)
    unmarked = sum(not marked and bool(stem) for _, stem, marked in found if _same(stem, base))
    if sum(bool(stem) for stem in stems) == 1 and unmarked:  # a word that is no degree of another
        return None
    good = len(set(positions)) == len(positions) and degrees >= 2 and unmarked <= 1
    return positions if good else None


def _same(stem: str, base: str) -> bool:
    """Return whether two stems differ in their endings only."""
    if stem == base:
        return True
    shared = 0
    while shared < min(len(stem), len(base)) and stem[shared] == base[shared]:
        shared += 1
    return shared >= 4 and max(len(stem), len(base)) - shared <= 3


@cache
def _languages() -> tuple[_Language, ...]:
    return tuple(_language(words) for _, words in in_languages("degrees"))


def _language(words: Mapping[str, str]) -> _Language:
    lists = {key: words_in(text) for key, text in words.items()}
    phrases = [(phrase, mark) for mark in _DEGREES for phrase in lists.get(mark, ())]
    phrases.sort(key=lambda pair: -len(pair[0]))
    return _Language(
        phrases=tuple(
            (re.compile(rf"(?<![\w'-]){re.escape(phrase)}(?![\w-])"), mark)
            for phrase, mark in phrases
        ),
        middles=frozenset(lists["middle"]),
        either=_either(lists),
        prefixes=tuple(sorted(lists.get("negating_prefixes", ()), key=len, reverse=True)),
        negatives=dict(pair.split("|") for pair in lists["opposites"]),
    )


def _either(lists: Mapping[str, Sequence[str]]) -> re.Pattern[str] | None:
    """Return the form of "neither satisfied nor dissatisfied" in a language."""
    middles = lists["middle"]
    pattern = [rf"^{word}\b" for word in lists.get("neither", ())]
    pairs = [pair.split("|") for pair in lists.get("neither_nor", ())]
    pattern += [re.escape(middle) for middle in middles if " or " in middle]
    pairs += [words for m in middles if len(words := m.split()) == 2 and words[0] == words[1]][:1]
    pattern += [rf"^{first}\b.*\b{second}\b" for first, second in pairs]
    return re.compile("|".join(pattern)) if pattern else None
