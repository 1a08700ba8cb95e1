"""Form of names and streets in a column, so that invented ones look alike."""

import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from simulacra_schema.table import PersonalData

LOCALES = (
    "en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "pt_PT", "pt_BR", "nl_NL", "sv_SE",
    "da_DK", "no_NO", "fi_FI", "pl_PL", "cs_CZ", "tr_TR", "hu_HU", "ro_RO", "el_GR", "ru_RU",
    "uk_UA", "bg_BG", "ja_JP", "ko_KR", "zh_CN", "ar_AA", "he_IL",
)  # fmt: skip
"""Locales of Faker whose names are tried; the first wins a tie."""
KNOWN_LOCALES = (
    "de_AT", "de_CH", "en_IN", "en_KE", "en_NG", "en_PK", "es_AR", "es_CO", "es_MX", "et_EE",
    "fr_BE", "fr_CA", "fr_CH", "hr_HR", "id_ID", "lt_LT", "lv_LV", "nl_BE", "sk_SK",
    "sl_SI", "zu_ZA",
)  # fmt: skip
"""Further locales whose names are known, and not invented."""
FEWEST_KNOWN = 0.2
"""Share of the words that a locale must know, else the names are English."""
LAST_FIRST, FIRST_LAST = "{last}, {first}", "{first} {last}"
FAMILY_FIRST = frozenset({"ja_JP", "ko_KR", "zh_CN"})
"""Locales that write the family name first, often without a space."""
NUMBER_FIRST, NUMBER_LAST = "{number} {street}", "{street} {number}"
WORDS = 500
FEWEST_FAMILY_LETTERS = 4
"""Letters of a family name that a login ends in."""
INITIAL = "{first[0]}."
"""Form of initials, which many persons share: they may be those of the upload."""
MOST_INITIALS = 4
"""Letters of initials without points."""
UNKNOWN_NATS = math.log(1e-5)


@dataclass(frozen=True)
class Form:
    """How invented words are composed, and the locale of their names."""

    text_format: str
    locale: str


@dataclass(frozen=True)
class Names:
    """Names of one locale that are single words."""

    first: tuple[str, ...]
    last: tuple[str, ...]


def form_of_people(kind: PersonalData | None, words: Sequence[str]) -> Form | None:
    """Return the form of invented words of a kind; None where they follow masks."""
    some = words[:: max(len(words) // WORDS, 1)]
    if kind == "name":
        if sum(map(_is_user_name, some)) > len(some) / 2:
            return None
        locale = _locale(some)
        if locale in FAMILY_FIRST:
            spaced = sum(" " in word for word in some) > len(some) / 2
            return Form("{last} {first}" if spaced else "{last}{first}", locale)
        swapped = sum("," in word for word in some) > len(some) / 2
        return Form(LAST_FIRST if swapped else FIRST_LAST, locale)
    if kind == "first_name":
        initials = sum(word[-1:] == "." or _are_capitals(word) for word in some) > len(some) / 2
        return Form(INITIAL if initials else "{first}", _locale(some))
    if kind == "last_name":
        return Form("{last}", _locale(some))
    if kind == "street":
        leading = sum(word[:1].isdigit() for word in some) > len(some) / 2
        return Form(NUMBER_FIRST if leading else NUMBER_LAST, _locale(some))
    if kind in ("email", "url", "ip", "mac"):
        return Form("", _locale(some))
    return None


def _are_capitals(word: str) -> bool:
    return word.isupper() and len(word) <= MOST_INITIALS and word.isascii()


def _is_user_name(word: str) -> bool:
    """Return whether a name is that of an account: "akowalski", "@anna", "Tom77"."""
    marked = any(letter in "@_" or letter.isdigit() for letter in word)
    return " " not in word and (marked or word.islower())


@cache
def names_of(locale: str) -> Names:
    """Return Faker's names of a locale."""
    provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
    last = getattr(provider, "unisex_last_names", None) or provider.last_names
    return Names(_single(provider.first_names), _single(last))


@cache
def _known() -> tuple[frozenset[str], frozenset[str]]:
    """Return the first and the last names of all locales, in lower case."""
    names = [names_of(locale) for locale in (*LOCALES, *KNOWN_LOCALES)]
    first = frozenset(name.casefold() for each in names for name in each.first)
    return first, frozenset(name.casefold() for each in names for name in each.last)


def kind_of_names(words: Sequence[str], least: float) -> PersonalData | None:
    """Return whether single words are first or last names, None if fewer than this share are."""
    some = words[:: max(len(words) // WORDS, 1)]
    shares = [
        sum(any(part in pool for part in word.casefold().split()) for word in some) / len(some)
        for pool in _known()
    ]
    if max(shares) < least:
        return None
    return "first_name" if shares[0] >= shares[1] else "last_name"


def share_of_known_names(words: Sequence[str]) -> float:
    """Return the share of words with a first name and, in another part, a last name."""
    some = words[:: max(len(words) // WORDS, 1)]
    first, last = _known()
    known = 0
    for word in some:
        parts = word.casefold().replace(",", " ").split()
        if len(parts) == 1 and not word.isascii():
            parts = [part for cut in (1, 2) for part in (word[:cut], word[cut:])]
        known += any(
            one in first and other in last
            for i, one in enumerate(parts)
            for j, other in enumerate(parts)
            if i != j
        )
    return known / max(len(some), 1)


def share_of_family_names(words: Sequence[str]) -> float:
    """Return the share of words that begin with a family name and have no spaces: "김민준"."""
    last = [name for locale in sorted(FAMILY_FIRST) for name in names_of(locale).last]
    return sum(word.startswith(tuple(last)) for word in words) / max(len(words), 1)


def share_of_family_logins(words: Sequence[str]) -> float:
    """Return the share of words that are up to two letters and a family name: "akowalski"."""
    _, last = _known()
    known = sum(
        any(len(word) - cut >= FEWEST_FAMILY_LETTERS and word[cut:] in last for cut in (1, 2))
        for word in words
    )
    return known / max(len(words), 1)


def _single(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({name for name in names if name.isalpha()}))


def _locale(words: Sequence[str]) -> str:
    """Return the locale under which the words are likeliest, if it knows enough of them."""
    parts = {part for word in words for part in word.replace(",", " ").split() if part.isalpha()}
    if parts and not any(part[0].isupper() or part[0].islower() for part in parts):
        parts |= {half for word in parts if len(word) < 5 for half in (word[:1], word[1:])} - {""}
    if not parts:
        return LOCALES[0]
    pools = {locale: {*names_of(locale).first, *names_of(locale).last} for locale in LOCALES}

    def likelihood(locale: str) -> float:
        pool = pools[locale]
        known = len(parts & pool)
        return -known * math.log(len(pool)) + (len(parts) - known) * UNKNOWN_NATS

    best = max(LOCALES, key=likelihood)
    return best if len(parts & pools[best]) >= FEWEST_KNOWN * len(parts) else LOCALES[0]
