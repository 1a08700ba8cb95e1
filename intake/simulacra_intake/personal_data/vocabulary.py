"""Words in column names that say what a column holds, in 26 languages.

A word matches a whole part of a name ("tel" in "tel_home"), and from five letters on also the
inside of a compound ("telefon" in "Telefonnummer"). Chinese, Japanese and Korean write no spaces:
their words of two letters match inside too ("氏名" in "回答者氏名").
"""

import itertools
import re
import string
import tomllib
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

COMPOUND_LETTERS = 5
SHORT_NAME = 3
"""Words of a column name that is no question, such as "What is the last thing you bought?"."""
_NO_COMPOUND = frozenset({"conta"})
"""Words that other words begin with: "contact"."""
_UNSPACED = re.compile(r"[\u1100-\u11ff\u3040-\u30ff\u4e00-\u9fff]{2,}")
"""Hangul (decomposed), kana and Chinese characters."""
_NO_ACCENT = str.maketrans(
    {"ß": "ss", "ł": "l", "ø": "o", "æ": "ae", "œ": "oe", "ı": "i", "đ": "d", "ð": "d", "þ": "th"}
)
"""Letters that Unicode does not decompose."""
_SQUASHED = re.compile(r"[\W_]+")
_PERSONS_NUMBER = re.compile(
    r"(?P<person>[a-z]{3,}?)(?:en|s|n)?(?:nummer|nr|numer|number|no|num|nro|szam|cislo|id|kod)"
)
_OF = frozenset(
    ("of", "de", "del", "della", "des", "di", "do", "da", "du", "der", "van", "von", "av", "af")
)
_FOR = _OF | {"for", "fur", "pour", "para", "por", "per", "til", "till", "voor", "na", "pro"}
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def plain(text: str) -> str:
    """Return a text in lower case and without accents."""
    split = unicodedata.normalize("NFKD", text.lower().translate(_NO_ACCENT))
    return "".join(letter for letter in split if not unicodedata.combining(letter))


_WORDS = {
    key: frozenset(map(plain, words.split()))
    for key, words in tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8")).items()
}
NAME = _WORDS["full_name"]
OF_MANY = _WORDS["of_many"]
ROLE = _WORDS["role"] | OF_MANY
FULL_NAME = NAME | ROLE
INITIALS = _WORDS["initials"]
USER = _WORDS["user"]
FIRST_NAME = _WORDS["first_name"]
LAST_NAME = _WORDS["last_name"]
STREET = _WORDS["street"]
PHONE = _WORDS["phone"]
CONTACT = _WORDS["contact"]
BANK_ACCOUNT = _WORDS["bank_account"]
BANK_BRANCH = _WORDS["bank_branch"]
PLATE = _WORDS["plate"]
USER_NAME = _WORDS["user_name"]
HANDLE = _WORDS["handle"]
NATIONAL_ID = _WORDS["national_id"]
LATITUDE = _WORDS["latitude"]
LONGITUDE = _WORDS["longitude"]
PERSON = _WORDS["person"]
KNOWN_TO_OTHERS = {kind: _WORDS[kind] for kind in ("birth", "age", "sex", "area", "job")}
WEIGHT = _WORDS["weight"]
REPLICATE = _WORDS["replicate"]
SAMPLING_POINT = _WORDS["sampling_point"]
STRATUM = _WORDS["stratum"]
TIME = _WORDS["time"]
SORTING = _WORDS["sorting"]
WORKPLACE = _WORDS["workplace"]
THING = _WORDS["thing"]
GROUP = _WORDS["group"]
AMOUNT = _WORDS["amount"]
_TIMES = TIME | KNOWN_TO_OTHERS["birth"] | KNOWN_TO_OTHERS["age"]
_TIME_ENDS = tuple(word for word in TIME if len(word) == COMPOUND_LETTERS - 1 and word.isascii())
IDENTIFIER = _WORDS["identifier"]
NUMBER = _WORDS["number"]
STRICT_IDENTIFIER = _WORDS["strict_identifier"]
IDENTIFIER_WITHOUT_SPACES = frozenset(filter(_UNSPACED.fullmatch, STRICT_IDENTIFIER))
"""Those in Chinese, Japanese and Korean."""


_LONG_SORTING = tuple(
    word for word in SORTING if len(word) >= COMPOUND_LETTERS or not word.isascii()
)
_OF_WHAT = PERSON | CONTACT | ROLE | THING | WORKPLACE | KNOWN_TO_OTHERS["area"]
_KIND_OF = re.compile(
    rf"(?:{'|'.join(sorted(_OF_WHAT))})(?:en|s|n)?(?:{'|'.join(sorted(SORTING))})"
)
"""A shorter word ends a compound behind a known one: "Kundentyp", but "Start" is no "Art"."""


def name_parts(name: str) -> tuple[str, ...]:
    """Return the parts of a column name: lower case, without accents, then all of it in one."""
    parts = [part for part in _SQUASHED.split(plain(_CAMEL.sub(" ", name))) if part]
    return (*parts, "".join(parts))


def is_persons_number(name: str) -> bool:
    """Return whether a column name says "number of a person": "Nº cliente", "vevőszám".

    The person is in the singular: "Número de clientes" counts them.
    """
    parts = name_parts(name)[:-1]
    if any(word in NUMBER for word in parts) and any(word in PERSON for word in parts):
        return "of" not in parts
    compounds = (_PERSONS_NUMBER.fullmatch(part) for part in parts)
    return any(found is not None and found["person"] in PERSON for found in compounds)


def is_group(name: str) -> bool:
    """Return whether a word of a column name is that of groups of persons, and none a person's."""
    return not GROUP.isdisjoint(name_parts(name)) and not name_contains(name, PERSON)


def has_identifier(name: str) -> bool:
    """Return whether a word of a column name is that of identifiers and nothing else."""
    return not STRICT_IDENTIFIER.isdisjoint(name_parts(name)[:-1])


def ends_in_identifier(name: str) -> bool:
    """Return whether the last word of a column name is that of identifiers and nothing else.

    "Nr. of inhabitants" counts them.
    """
    return not STRICT_IDENTIFIER.isdisjoint(name_parts(name)[-2:-1])


def ends_in_role(name: str) -> bool:
    """Return whether a column name says what persons do, whatever they do it for.

    The role is the last word ("store manager", "interviewer name"), or stands before "of"
    ("responsable de tienda").
    """
    parts = name_parts(name)[:-1]
    if parts and parts[-1] in NAME:
        parts = parts[:-1]
    if not parts:
        return False
    return parts[-1] in ROLE or (len(parts) > 2 and parts[0] in ROLE and parts[1] in _OF)


def is_sorting(name: str) -> bool:
    """Return whether a column name says what persons are sorted by: "Reason for contact".

    The word for it is the last one ("customer segment", "Kontaktgrund") or the first of several
    ("motivo de contacto", "typ klienta"), but not before a role ("category manager") and not
    beside a word for names ("name and position").
    """
    parts = [part for part in name_parts(name)[:-1] if not part.isdigit()]
    if not parts or not NAME.isdisjoint(parts):
        return False
    first, last = parts[0], parts[-1]
    if last in SORTING or any(map(last.endswith, _LONG_SORTING)) or _KIND_OF.fullmatch(last):
        return True
    if last in WORKPLACE | KNOWN_TO_OTHERS["job"]:
        return not ends_in_role(name)
    if first not in SORTING or len(parts) < 2:
        return False
    return parts[1] in _FOR or last not in ROLE - CONTACT


def consists_of(name: str, words: Collection[str]) -> bool:
    """Return whether all words of a column name, before a last "name", are of these."""
    parts = name_parts(name)[:-1]
    if parts and parts[-1] in NAME:
        parts = parts[:-1]
    return bool(parts) and all(part in words for part in parts)


def is_short(name: str) -> bool:
    """Return whether a column name or label is too short to be a question."""
    return sum(not part.isdigit() for part in name_parts(name)[:-1]) <= SHORT_NAME


def is_of_persons(name: str) -> bool:
    """Return whether all words of a column name say a person or a name, or are abbreviations."""
    known = PERSON | ROLE | NAME | FIRST_NAME | LAST_NAME
    return all(len(part) < COMPOUND_LETTERS or part in known for part in name_parts(name)[:-1])


def is_one_of(name: str, words: Collection[str]) -> bool:
    """Return whether a column name as a whole is one of the words."""
    return name_parts(name)[-1] in words


def name_contains(name: str, words: Iterable[str]) -> bool:
    """Return whether a column name has one of the words."""
    parts = name_parts(name)
    return any(
        word in parts
        or (
            word in parts[-1] and (_is_long(word) or _UNSPACED.fullmatch(word)) and _in(parts, word)
        )
        for word in words
    )


def _in(parts: Sequence[str], word: str) -> bool:
    """Return whether a word is inside a part or is several: no "phone" is in "shop honestly"."""
    if any(word in part for part in parts[:-1]):
        return True
    ends = {0, *itertools.accumulate(map(len, parts[:-1]))}
    starts = (match.start() for match in re.finditer(re.escape(word), parts[-1]))
    return any(start in ends and start + len(word) in ends for start in starts)


def _is_long(word: str) -> bool:
    return len(word) >= COMPOUND_LETTERS and word not in _NO_COMPOUND


def name_contains_time(name: str) -> bool:
    """Return whether a column name says a time or an age: "startdate", but not "candidate"."""
    parts = (part.rstrip(string.digits) for part in name_parts(name)[:-1])
    ends = (part.endswith(_TIME_ENDS) and part not in PERSON | ROLE for part in parts)
    return name_contains(name, _TIMES) or any(ends)


def says_measurement(name: str) -> bool:
    """Return whether whole numbers under a column name are measurements, however they look."""
    return name_contains(name, AMOUNT) or name_contains_time(name)
