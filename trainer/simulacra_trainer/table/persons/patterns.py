"""Personal data by content: e-mails, phones, addresses of machines, national and bank numbers.

A kind is found if at least `MOST` of the distinct words have its form and, where the form has one,
its checksum. National numbers and checksums are those of python-stdnum, phone numbers those of
libphonenumber.
"""

from __future__ import annotations

import importlib
import ipaddress
import re
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import phonenumbers

from simulacra_crds.contract.schema import PersonalData
from simulacra_trainer.table.persons import vocabulary
from simulacra_trainer.table.persons.forms import (
    kind_of_names,
    share_of_family_names,
    share_of_known_names,
)

MOST = 0.9
MANY_WORDS = 20
"""Distinct words from which on a form that chance can produce, or a list of names, counts."""
KNOWN_NAMES = 0.6
"""Share of full names with a usual first and last name that shows persons in any column."""
FEW_WORDS = 3
"""Distinct words that are enough where the column's name says what they are."""
_BARE = frozenset({"first", "last"})
"""Words that say "name" to a reader who sees many of them: "last" may be a last visit."""
MAX_WORDS = 1_000
"""Distinct words that are looked at, spread over the column."""

_ADDRESS = r"[^@\s,;<>()\"]+@[^@\s,;<>()\"]+\.[A-Za-z]{2,}"
_EMAIL = re.compile(rf"{_ADDRESS}|[^@<>()]{{0,80}}[<(]{_ADDRESS}[>)]")
"""An address, or a mailbox with a name (RFC 5322): "Ann Lee <ann@example.org>"."""
_URL = re.compile(r"(?:https?|ftp)://\S+|www\.\S+\.\S+", re.I)
_MAC = re.compile(r"(?:[0-9A-F]{2}[:-]){5}[0-9A-F]{2}", re.I)
_IBAN = re.compile(r"[A-Z]{2}\d{2} ?[A-Z0-9 ]{10,32}")
_ACCOUNT = re.compile(r"[A-Z\d][A-Z\d ./\-]{5,40}", re.I)
FEWEST_ACCOUNT_DIGITS = 6
_CARD = re.compile(r"(?:\d[ -]?){12,18}\d")
FEWEST_TRUNK_DIGITS = 9
"""Digits of a phone number that begins with 0, + or a bracket."""
_DIALED = re.compile(r"\+?[\d\s()./\-]{6,24}(?:\s*(?:x|ext\.?)\s*\d{1,5})?", re.I)
_ID_FORM = re.compile(
    r"(?=(?:[^\d]*\d){2})(?=(?:[^A-Z\d]*[A-Z\d]){7})[A-Z\d][A-Z\d ./\-]{5,22}", re.I
)
_PART_OF_ID = re.compile(r"\b(?:last|letzte|derni|[uú]ltim|laatste|ostatni|sist|posledn)", re.I)
"""Part of a number, which is known to others where the whole is not: "SSN last 4"."""
_DAY = r"(?:0?[1-9]|[12][0-9]|3[01])"
DATE_OR_DECIMAL = (
    rf"(?:[0-9]+\.[0-9]{{1,3}}|[0-9]{{1,5}}\.[0-9]+|{_DAY}[ ./\-]{_DAY}[ ./\-][0-9]{{4}}"
    rf"|[0-9]{{4}}[./\-]{_DAY}[./\-]{_DAY})"
)
"""Cells under a name such as "passport expiry" or "NHS cost" that are no number of a person."""
_NO_ID = re.compile(rf"{DATE_OR_DECIMAL}|(?:.* )?[A-Z]{{4,}}(?: .*)?", re.I)
"""Also those with a word: "Ward 1234"."""
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

_REGIONS = (
    "US", "GB", "FR", "ES", "IT", "PT", "BR", "NL", "BE", "PL", "CZ", "SE", "CH", "TR", "HU", "RO",
    "GR", "RU", "IN", "MX", "CL", "AU", "ZA", "JP",
)  # fmt: skip
"""Regions whose numbers have few lengths; those of Germany or Austria prove nothing."""
CHECKED_IDS = (
    "ar.cuit", "be.nn", "bg.egn", "br.cpf", "ca.sin", "ch.ssn", "cl.rut", "cn.ric", "cz.rc",
    "de.idnr", "dk.cpr", "do.cedula", "ec.ci", "ee.ik", "es.nif", "fi.hetu", "fr.nir", "gb.nhs",
    "gr.amka", "hr.oib", "ie.pps", "il.idnr", "in_.aadhaar", "in_.pan", "is_.kennitala",
    "it.codicefiscale", "jp.in_", "kr.rrn", "lt.asmens", "mx.curp", "nl.bsn", "no.fodselsnummer",
    "pl.pesel", "ro.cnp", "se.personnummer", "si.emso", "th.pin", "tr.tckimlik", "za.idnr",
)  # fmt: skip
"""Modules of python-stdnum whose numbers have a checksum, are dates with a serial, or have
letters in a form of their own.
"""


def find_personal_data(name: str, words: Sequence[str]) -> PersonalData | None:
    """Return the kind of personal data in a column, or None.

    Args:
        name: of the column.
        words: its distinct words.
    """
    if not words:
        return None
    some = words[:: max(len(words) // MAX_WORDS, 1)]
    for kind, is_one in _BY_FORM:
        if _most(some, is_one):
            return kind
    if len(some) < FEW_WORDS:
        return None
    if _most(some, lambda word: _TITLED.fullmatch(word) is not None):
        return "name"
    many = len(some) >= MANY_WORDS
    if _is_national_id(name, some):
        return "national_id"
    if many and _most(some, _is_card):
        return "card"
    if vocabulary.says(name, vocabulary.BANK_ACCOUNT) and _most(some, _is_account):
        return "iban"
    if _is_phone(name, some):
        return "phone"
    if (named := _by_name(name, some)) is not None:
        return named
    if not many:
        return None
    known = _most(some, _is_full_name) and share_of_known_names(some) >= KNOWN_NAMES
    return "name" if known else None


def has_email(word: str) -> bool:
    """Return whether a word is an e-mail address."""
    return "@" in word and _EMAIL.fullmatch(word) is not None


def is_full_names(words: Sequence[str]) -> bool:
    """Return whether most words look like the full names of persons."""
    return _most(words[:: max(len(words) // MAX_WORDS, 1)], _is_full_name)


def has_valid_checksum(kind: PersonalData, word: str) -> bool:
    """Return whether an invented number could be a real one of its kind."""
    if kind == "national_id":
        return any(_stdnum(module).is_valid(word) for module in CHECKED_IDS if module != "in_.pan")
    if kind == "iban":
        return _is_iban(word)
    return kind == "card" and _is_card(word)


def _by_name(name: str, words: Sequence[str]) -> PersonalData | None:
    """Return the kind that both the column's name and the form of its words say.

    Few words must be known names too, or the column's name must say nothing else.
    """
    many = len(words) >= MANY_WORDS
    if many and vocabulary.says(name, vocabulary.STREET) and _most(words, _has_street_form):
        return "street"
    if vocabulary.says(name, vocabulary.THING):
        return None
    of_people = vocabulary.says(name, vocabulary.FULL_NAME | vocabulary.PERSON)
    if of_people and _most(words, _is_full_name):
        known = max(share_of_known_names(words), share_of_family_names(words))
        return "name" if many or known >= KNOWN_NAMES else None
    if not _most(words, _is_one_name):
        return None
    bare = frozenset() if many else _BARE
    if vocabulary.says(name, vocabulary.FIRST_NAME - bare):
        return "first_name"
    if vocabulary.says(name, vocabulary.LAST_NAME - bare):
        return "last_name"
    return kind_of_names(words, KNOWN_NAMES) if of_people else None


def _most(words: Sequence[str], is_one: Callable[[str], bool]) -> bool:
    allowed = len(words) - MOST * len(words)
    missed = 0
    for word in words:
        missed += not is_one(word)
        if missed > allowed:
            return False
    return True


def _is_ip(word: str) -> bool:
    if word.count(".") != 3 and ":" not in word:
        return False
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True


def _is_iban(word: str) -> bool:
    return _IBAN.fullmatch(word) is not None and bool(
        _stdnum("iban").is_valid(word, check_country=False)
    )


def _is_account(word: str) -> bool:
    """Return whether a word may be an account at a bank, as countries number them."""
    return _ACCOUNT.fullmatch(word) is not None and len(_digits(word)) >= FEWEST_ACCOUNT_DIGITS


def _is_card(word: str) -> bool:
    return _CARD.fullmatch(word) is not None and bool(_stdnum("luhn").is_valid(_digits(word)))


def _is_national_id(name: str, words: Sequence[str]) -> bool:
    named = vocabulary.says(name, vocabulary.NATIONAL_ID)
    if named and _PART_OF_ID.search(name) and _most(words, str.isdecimal):
        return len(words[0]) >= FEW_WORDS
    if not 6 <= len(words[0]) <= 24:
        return False
    if named and _most(words, _has_id_form):
        return True
    many = len(words) >= MANY_WORDS
    return many and any(_most(words, _stdnum(module).is_valid) for module in CHECKED_IDS)


def _has_id_form(word: str) -> bool:
    return _ID_FORM.fullmatch(word) is not None and _NO_ID.fullmatch(word) is None


def _is_phone(name: str, words: Sequence[str]) -> bool:
    named = vocabulary.says(name, vocabulary.PHONE)
    if named and _most(words, lambda w: bool(_DIALED.fullmatch(w)) and len(_digits(w)) >= 6):
        return True
    if vocabulary.says(name, vocabulary.CONTACT) and _most(words, _is_dialed_from_here):
        return True
    if len(words) < MANY_WORDS:
        return False
    return _most(words, _is_international) or _are_dialed_somewhere(
        words[:: len(words) // MANY_WORDS]
    )


def _is_dialed_from_here(word: str) -> bool:
    return (
        word.startswith(("0", "+", "("))
        and _DIALED.fullmatch(word) is not None
        and len(_digits(word)) >= FEWEST_TRUNK_DIGITS
    )


def _is_international(word: str) -> bool:
    if not word.startswith(("+", "00")) or _DIALED.fullmatch(word) is None:
        return False
    try:
        number = phonenumbers.parse("+" + _digits(word).lstrip("0"), None)
    except phonenumbers.NumberParseException:
        return False
    return bool(phonenumbers.is_possible_number(number))


def _are_dialed_somewhere(words: Sequence[str]) -> bool:
    """Return whether words with several signs are valid numbers of one region.

    Signs as in "(520) 563-5464" tell them from other codes, and several forms from dates.
    """
    signed = sum(bool(re.search(r"\d[ ./)\-]+\d", word)) for word in words)
    forms = {re.sub(r"\d", "#", word) for word in words}
    bracketed = any("(" in form for form in forms)
    if signed < len(words) / 2 or not (bracketed or len(forms) >= FEW_WORDS):
        return False
    return _most(words, lambda word: _DIALED.fullmatch(word) is not None) and any(
        _most(words, partial(_is_dialed_in, region=region)) for region in _REGIONS
    )


def _is_dialed_in(word: str, region: str) -> bool:
    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(word, region)))
    except phonenumbers.NumberParseException:
        return False


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


def _digits(word: str) -> str:
    return "".join(letter for letter in word if letter.isdigit())


@cache
def _stdnum(module: str) -> Any:
    return importlib.import_module(f"stdnum.{module}")


_BY_FORM: tuple[tuple[PersonalData, Callable[[str], bool]], ...] = (
    ("email", has_email),
    ("url", lambda word: _URL.fullmatch(word) is not None),
    ("ip", _is_ip),
    ("mac", lambda word: _MAC.fullmatch(word) is not None),
    ("iban", _is_iban),
)
