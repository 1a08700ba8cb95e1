"""Numbers that persons and their machines are known by: phones, accounts, cards, papers, plates.

National numbers and checksums are those of python-stdnum, phone numbers are known by column name
and form, or by the numbering plans of libphonenumber.
"""

import importlib
import ipaddress
import re
from collections.abc import Callable, Sequence
from functools import cache, partial
from statistics import median_low
from typing import Any

import phonenumbers

from simulacra_intake.personal_data import vocabulary
from simulacra_schema.table import PersonalData

MOST = 0.9
"""Share of the distinct words that must have the form of a kind."""
MANY_WORDS = 20
"""Distinct words from which on a form that chance can produce, or a list of names, counts."""
FEW_WORDS = 3
"""Distinct words that are enough where the column's name says what they are."""

MAC = re.compile(r"(?:[0-9A-F]{2}[:-]){5}[0-9A-F]{2}", re.I)
_IBAN = re.compile(r"[A-Z]{2}\d{2} ?[A-Z0-9 ]{10,32}")
_ACCOUNT = re.compile(r"[A-Z\d][A-Z\d ./\-]{5,40}", re.I)
FEWEST_ACCOUNT_DIGITS = 6
_BRANCH = re.compile(r"\d{2}([ \-]?)\d{2}\1\d{2}|\d{8,9}")
"""Sort code (United Kingdom), Bankleitzahl (Germany), routing number (United States)."""
_CARD = re.compile(r"(?:\d[ -]?){12,18}\d")
_ID_FORM = re.compile(
    r"(?=(?:[^\d]*\d){2})(?=(?:[^A-Z\d]*[A-Z\d]){7})[A-Z\d][A-Z\d ./\-]{5,22}", re.I
)
_PART_OF_ID = re.compile(
    r"(?:last|letzt|derni|[uú]ltim|laatste|ostatni|sist|posledn)[^\W\d_]*[\W_]*"
    r"(?:(?P<count>\d)|four|vier|quatre|quattro|quatro|cuatro|fire|fyra|cztery)",
    re.I,
)
"""Last digits of a number, which others know where the whole is not told: "SSN last 4".

Numbers of other lengths are none: "NHS visits in the last 4 weeks".
"""
LAST_DIGITS = 4
"""Last digits where the name says their number in a word."""
FEWEST_LAST_DIGITS = 3
_PLATE = re.compile(r"[^\W_][\w \-.·•]{2,11}")
FEWEST_PLATE_LETTERS, MOST_PLATE_SIGNS = 2, 9
_DAY = r"(?:0?[1-9]|[12][0-9]|3[01])"
DATE_OR_DECIMAL = (
    rf"(?:[0-9]+\.[0-9]{{1,3}}|[0-9]{{1,5}}\.[0-9]+|{_DAY}[ ./\-]{_DAY}[ ./\-][0-9]{{4}}"
    rf"|[0-9]{{4}}[./\-]{_DAY}[./\-]{_DAY})"
)
"""Cells under a name such as "passport expiry" or "NHS cost" that are no number of a person."""
_DATE_OR_DECIMAL = re.compile(DATE_OR_DECIMAL)
_NO_ID = re.compile(rf"{DATE_OR_DECIMAL}|(?:.* )?[A-Z]{{4,}}(?: .*)?", re.I)
"""Also those with a word: "Ward 1234"."""

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
FEWEST_TRUNK_DIGITS = 9
"""Digits of a phone number that begins with 0, + or a bracket."""
_DIALED = re.compile(r"\+?[\d\s()./\-]{6,24}(?:\s*(?:x|ext\.?)\s*\d{1,5})?", re.I)
_REGIONS = (
    "US", "GB", "FR", "ES", "IT", "PT", "BR", "NL", "BE", "PL", "CZ", "SE", "CH", "TR", "HU", "RO",
    "GR", "RU", "IN", "MX", "CL", "AU", "ZA", "JP",
)  # fmt: skip
"""Regions whose numbers have few lengths; those of Germany or Austria prove nothing."""


def is_short_number(name: str) -> bool:
    """Return whether a column name says that few digits are of a person: "SSN last 4"."""
    part = (
        vocabulary.name_contains(name, vocabulary.NATIONAL_ID)
        and _PART_OF_ID.search(name) is not None
    )
    return part or vocabulary.name_contains(name, vocabulary.BANK_BRANCH)


def has_valid_checksum(kind: PersonalData, word: str) -> bool:
    """Return whether an invented number could be a real one of its kind."""
    if kind == "national_id":
        return any(_is_valid(module, word) for module in CHECKED_IDS if module != "in_.pan")
    if kind == "iban":
        return is_iban(word)
    return kind == "card" and is_card(word)


def most(words: Sequence[str], is_one: Callable[[str], bool]) -> bool:
    """Return whether nearly all words are of a kind."""
    allowed = len(words) - MOST * len(words)
    missed = 0
    for word in words:
        missed += not is_one(word)
        if missed > allowed:
            return False
    return True


def is_ip(word: str) -> bool:
    """Return whether a word is an address of a machine (IPv4, IPv6)."""
    if word.count(".") != 3 and ":" not in word:
        return False
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True


def is_iban(word: str) -> bool:
    """Return whether a word is an IBAN with the right checksum (ISO 13616)."""
    return _IBAN.fullmatch(word) is not None and bool(
        _stdnum("iban").is_valid(word, check_country=False)
    )


def is_account(name: str, words: Sequence[str]) -> bool:
    """Return whether words are accounts at banks, or codes of their branches, by name and form."""
    if vocabulary.name_contains(name, vocabulary.BANK_BRANCH):
        return most(words, lambda word: _BRANCH.fullmatch(word) is not None)
    return vocabulary.name_contains(name, vocabulary.BANK_ACCOUNT) and most(
        words, _has_account_form
    )


def _has_account_form(word: str) -> bool:
    return (
        _ACCOUNT.fullmatch(word) is not None
        and len(digits(word)) >= FEWEST_ACCOUNT_DIGITS
        and _DATE_OR_DECIMAL.fullmatch(word) is None
    )


def is_card(word: str) -> bool:
    """Return whether a word is the number of a card with the right checksum (Luhn)."""
    return _CARD.fullmatch(word) is not None and bool(_stdnum("luhn").is_valid(digits(word)))


def is_national_id(name: str, words: Sequence[str]) -> bool:
    """Return whether words are numbers of papers or plates, by name and form or by checksum."""
    named = vocabulary.name_contains(name, vocabulary.NATIONAL_ID)
    usual = median_low(map(len, words))
    if named and (part := _PART_OF_ID.search(name)) and most(words, str.isdecimal):
        return usual == max(int(part["count"] or LAST_DIGITS), FEWEST_LAST_DIGITS)
    if vocabulary.name_contains(name, vocabulary.PLATE) and most(words, _has_plate_form):
        return True
    if not 6 <= usual <= 24:
        return False
    if named and most(words, _has_id_form):
        return True
    many = len(words) >= MANY_WORDS
    return many and any(most(words, partial(_is_valid, module)) for module in CHECKED_IDS)


def _has_plate_form(word: str) -> bool:
    """Return whether a word has capital letters and digits as number plates do: "M-A 12"."""
    if _PLATE.fullmatch(word) is None or not word.isupper():
        return False
    letters, numerals = sum(map(str.isalpha, word)), len(digits(word))
    return letters >= FEWEST_PLATE_LETTERS and 0 < numerals <= MOST_PLATE_SIGNS - letters


def _has_id_form(word: str) -> bool:
    return _ID_FORM.fullmatch(word) is not None and _NO_ID.fullmatch(word) is None


def digits(word: str) -> str:
    """Return the digits of a word."""
    return "".join(letter for letter in word if letter.isdigit())


def _is_valid(module: str, word: str) -> bool:
    try:
        return bool(_stdnum(module).is_valid(word))
    except LookupError:  # stdnum's list of Chinese counties has entries without a name
        return False


@cache
def _stdnum(module: str) -> Any:
    return importlib.import_module(f"stdnum.{module}")


def is_phone(name: str, words: Sequence[str]) -> bool:
    """Return whether words are phone numbers, by name and form or by the plan of a region."""
    named = vocabulary.name_contains(name, vocabulary.PHONE) and not vocabulary.name_contains(
        name, vocabulary.AMOUNT
    )
    if named and most(words, lambda w: bool(_DIALED.fullmatch(w)) and len(digits(w)) >= 6):
        return True
    if vocabulary.name_contains(name, vocabulary.CONTACT) and most(words, _is_dialed_from_here):
        return True
    if len(words) < MANY_WORDS:
        return False
    return most(words, _is_international) or _are_dialed_somewhere(
        words[:: len(words) // MANY_WORDS]
    )


def _is_dialed_from_here(word: str) -> bool:
    return (
        word.startswith(("0", "+", "("))
        and _DIALED.fullmatch(word) is not None
        and len(digits(word)) >= FEWEST_TRUNK_DIGITS
    )


def _is_international(word: str) -> bool:
    if not word.startswith(("+", "00")) or _DIALED.fullmatch(word) is None:
        return False
    try:
        number = phonenumbers.parse("+" + digits(word).lstrip("0"), None)
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
    return most(words, lambda word: _DIALED.fullmatch(word) is not None) and any(
        most(words, partial(_is_dialed_in, region=region)) for region in _REGIONS
    )


def _is_dialed_in(word: str, region: str) -> bool:
    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(word, region)))
    except phonenumbers.NumberParseException:
        return False
