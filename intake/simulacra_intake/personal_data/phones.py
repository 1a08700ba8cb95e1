"""Phone numbers, by column name and form, or by the numbering plans of libphonenumber."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import phonenumbers

from simulacra_intake.personal_data import vocabulary
from simulacra_intake.personal_data.numbers import FEW_WORDS, MANY_WORDS, digits, most

FEWEST_TRUNK_DIGITS = 9
"""Digits of a phone number that begins with 0, + or a bracket."""
_DIALED = re.compile(r"\+?[\d\s()./\-]{6,24}(?:\s*(?:x|ext\.?)\s*\d{1,5})?", re.I)
_REGIONS = (
    "US", "GB", "FR", "ES", "IT", "PT", "BR", "NL", "BE", "PL", "CZ", "SE", "CH", "TR", "HU", "RO",
    "GR", "RU", "IN", "MX", "CL", "AU", "ZA", "JP",
)  # fmt: skip
"""Regions whose numbers have few lengths; those of Germany or Austria prove nothing."""


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
