"""Personal data by content and column name: contacts, names, numbers, streets.

A kind is found if at least `MOST` of the distinct words have its form and, where the form has one,
its checksum.
"""

import re
from collections.abc import Callable, Sequence

from simulacra_intake.personal_data import vocabulary
from simulacra_intake.personal_data.forms import (
    kind_of_names,
    share_of_family_logins,
    share_of_family_names,
    share_of_known_names,
)
from simulacra_intake.personal_data.numbers import (
    FEW_WORDS,
    MAC,
    MANY_WORDS,
    is_account,
    is_card,
    is_iban,
    is_ip,
    is_national_id,
    is_phone,
    most,
)
from simulacra_schema.table import PersonalData

KNOWN_NAMES = 0.6
"""Share of full names with a usual first and last name that shows persons in any column."""
FEW_FULL_NAMES, FEW_KNOWN_NAMES = 8, 0.75
"""The same of fewer words: of brands and of politicians about half are such names."""
MIXED_EMAILS = 1 / 3
"""Share of e-mail addresses from which on the other words are ways to reach persons too."""
_BARE = frozenset({"first", "last"})
"""Words that say "name" above many words, beside a word for persons or above known names."""
BARE_KNOWN = 0.4
"""Share of known names under them: of last names two thirds are, of goods and places a third."""
_NO_STREET = frozenset({"via"})
"""Words for streets that are others in a question: "ordered via our shop" has articles."""
MAX_WORDS = 1_000
"""Distinct words that are looked at, spread over the column."""
LONGEST = 200
"""Characters of a name, street or number; the patterns below backtrack on long text."""
LONGEST_INITIALS = 12
FEWEST_MARKED = 0.5
"""Share of user names with a digit or sign, or that end in a family name, that no list of ordinary
words has."""

_ADDRESS = r"[^@\s,;<>()\"]+@[^@\s,;<>()\"]+\.[A-Za-z]{2,}"
_EMAIL = re.compile(rf"{_ADDRESS}|[^@<>()]{{0,80}}[<(]{_ADDRESS}[>)]")
"""An address, or a mailbox with a name (RFC 5322): "Ann Lee <ann@example.org>"."""
_URL = re.compile(r"(?:https?|ftp)://\S+|www\.[^\s.]+\.\S+", re.I)
_LETTERS = r"[^\W\d_]"
_NAME_PART = rf"{_LETTERS}(?:{_LETTERS}|['’.\-])*"
_FULL_NAME = re.compile(rf"{_NAME_PART}(?:,? {_NAME_PART}){{1,4}}")
_UNSPACED_NAME = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{2,6}")
"""Family and given name in Chinese, Japanese or Korean."""
_PARTICLES = rf"(?:{_LETTERS}['’]?{_LETTERS}{{0,3}} ){{0,3}}"
"""Words before a family name: "van der", "de la", "el"."""
_TITLED = re.compile(
    r"(?:Dr|Dra|Prof|Mr|Mrs|Ms|Miss|Mme|Mlle|Herr|Frau|Hr|Fr|Sr|Sra|Srta|Sig|Sig\.ra|Dott|Dott\.ssa"
    rf"|Dhr|Mevr|Mgr|Ing|MUDr|Dipl\.-Ing)\.? {_NAME_PART}(?: {_NAME_PART}){{0,4}}"
)
"""A person with a title."""
_ONE_NAME = re.compile(rf"{_PARTICLES}{_NAME_PART}(?: {_PARTICLES}{_NAME_PART})?")
_STREET = re.compile(rf"\d+\S* .*{_LETTERS}.*|.*{_LETTERS}{{3}}.* \d+\S*.*")
_USER_NAME = re.compile(r"@?\w[\w.\-]{1,38}")
_INITIALS = re.compile(r"(?:[^\W\d_]{1,2}(?:\. ?|[ \-]|$)){1,5}")
_BARE_INITIALS = re.compile(r"[^\W\d_]{1,4}")
"""Without points, they are all capitals, or "Oui" would be one."""
_LOGIN = re.compile(r"[a-z]{3,20}")


def find_personal_data(name: str, words: Sequence[str]) -> PersonalData | None:
    """Return the kind of personal data in a column, or None.

    words: its distinct words.
    """
    if not words:
        return None
    some = words[:: max(len(words) // MAX_WORDS, 1)]
    for kind, is_one in _BY_FORM:
        if most(some, is_one):
            return kind
    if len(some) < FEW_WORDS:
        return None
    if sum(map(has_email, some)) >= max(FEW_WORDS, MIXED_EMAILS * len(some)):
        return "email"
    some = [word if len(word) <= LONGEST else "" for word in some]
    if most(some, lambda word: _TITLED.fullmatch(word) is not None):
        return "name"
    many = len(some) >= MANY_WORDS
    if is_national_id(name, some):
        return "national_id"
    if many and most(some, is_card):
        return "card"
    if is_account(name, some):
        return "iban"
    if is_phone(name, some):
        return "phone"
    if _are_user_names(name, some):
        return "name"
    if (named := _by_name(name, some)) is not None:
        return named
    few = len(some) < FEW_FULL_NAMES or (not many and _is_of_thing(name))
    if few or not most(some, _is_full_name):
        return None
    least = KNOWN_NAMES if many else FEW_KNOWN_NAMES
    return "name" if share_of_known_names(some) >= least else None


def has_email(word: str) -> bool:
    """Return whether a word is an e-mail address."""
    return "@" in word and _EMAIL.fullmatch(word) is not None


def _is_of_thing(name: str) -> bool:
    return vocabulary.name_contains(name, vocabulary.THING) and not vocabulary.ends_in_role(name)


def _by_name(name: str, words: Sequence[str]) -> PersonalData | None:
    """Return the kind that both the column's name and the form of its words say.

    Few words must be known names too, or the column's name must say nothing else.
    """
    many = len(words) >= MANY_WORDS
    if vocabulary.name_contains(name, vocabulary.INITIALS) and most(words, _are_initials):
        return "first_name"
    streets = vocabulary.STREET if vocabulary.is_short(name) else vocabulary.STREET - _NO_STREET
    if many and vocabulary.name_contains(name, streets) and most(words, _has_street_form):
        return "street"
    if _is_of_thing(name) or vocabulary.is_sorting(name):
        return None
    people = vocabulary.FULL_NAME | vocabulary.PERSON | vocabulary.USER_NAME
    of_people = vocabulary.name_contains(name, people)
    if of_people and most(words, _is_full_name):
        known = share_of_known_names(words)
        if vocabulary.name_contains(name, vocabulary.FULL_NAME):
            known = max(known, share_of_family_names(words))
        elif most(words, lambda word: _UNSPACED_NAME.fullmatch(word) is not None):
            many = many and vocabulary.is_one_of(name, vocabulary.PERSON)  # not "고객 등급", a tier
        return "name" if many or known >= KNOWN_NAMES else None
    if not most(words, _is_one_name):
        return None
    sure = vocabulary.is_of_persons(name) or kind_of_names(words, BARE_KNOWN) is not None
    bare = frozenset() if many and vocabulary.is_short(name) and sure else _BARE
    if vocabulary.name_contains(name, vocabulary.FIRST_NAME - bare):
        return "first_name"
    if vocabulary.name_contains(name, vocabulary.LAST_NAME - bare):
        return "last_name"
    return kind_of_names(words, KNOWN_NAMES) if of_people else None


def _are_user_names(name: str, words: Sequence[str]) -> bool:
    """Return whether words are user names or handles, by name and form.

    "login" and "twitter" may be answers too ("google", "daily"): such a name must be all there is,
    and its words many, or mostly with a digit or sign.
    """
    if vocabulary.name_contains(name, vocabulary.THING) or not most(words, _is_user_name):
        return False
    many = len(words) >= MANY_WORDS
    if vocabulary.is_one_of(name, vocabulary.USER | vocabulary.ROLE) and most(words, _is_login):
        return many or share_of_family_logins(words) >= FEWEST_MARKED
    named = vocabulary.name_contains(name, vocabulary.USER_NAME)
    if most(words, lambda word: word.startswith("@")):
        return many or named or vocabulary.name_contains(name, vocabulary.HANDLE)
    marked = sum(word[0].isalpha() and not word.isalpha() for word in words if word)
    sure = many or marked >= FEWEST_MARKED * len(words)
    if named:
        return sure or vocabulary.is_one_of(name, vocabulary.USER_NAME)
    return sure and vocabulary.is_one_of(name, vocabulary.HANDLE)


def _is_user_name(word: str) -> bool:
    return _USER_NAME.fullmatch(word) is not None and any(map(str.isalpha, word))


def _is_login(word: str) -> bool:
    return _LOGIN.fullmatch(word) is not None


def _are_initials(word: str) -> bool:
    if not word[:1].isupper() or len(word) > LONGEST_INITIALS:
        return False
    bare = word.isupper() and _BARE_INITIALS.fullmatch(word) is not None
    return bare or _INITIALS.fullmatch(word) is not None


def is_name(word: str) -> bool:
    """Return whether a word has the form of a name: one, or first and last."""
    return len(word) <= LONGEST and (_is_one_name(word) or _is_full_name(word))


def _is_full_name(word: str) -> bool:
    capitals = sum(_is_capital(part[0]) for part in word.replace(",", " ").split())
    if capitals == 1:
        return _UNSPACED_NAME.fullmatch(word) is not None
    return capitals >= 2 and _FULL_NAME.fullmatch(word) is not None


def _is_capital(letter: str) -> bool:
    """Return whether a letter is upper case, or of a script without cases."""
    return letter.isupper() or (letter.isalpha() and not letter.islower())


def _is_one_name(word: str) -> bool:
    capital = any(_is_capital(part[0]) for part in word.split())
    return capital and _ONE_NAME.fullmatch(word) is not None


def _has_street_form(word: str) -> bool:
    return _STREET.fullmatch(word) is not None


_BY_FORM: tuple[tuple[PersonalData, Callable[[str], bool]], ...] = (
    ("email", has_email),
    ("url", lambda word: _URL.fullmatch(word) is not None),
    ("ip", is_ip),
    ("mac", lambda word: MAC.fullmatch(word) is not None),
    ("iban", is_iban),
)
