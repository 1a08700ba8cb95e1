"""NA as a code: Namibia among countries, Naples among provinces, North America among regions.

R writes NA for a missing value, so what else the column and the file hold decides.
"""

import re
from collections.abc import Sequence

import phonenumbers

NA = "NA"
FEWEST_CODES = 3
"""Distinct codes of two letters that show that NA is one of them."""
FEWEST_PARTS = 2
"""Parts of the world, or countries beside Namibia, that show that NA is another."""
MOST = 0.9
_COUNTRIES = frozenset(phonenumbers.SUPPORTED_REGIONS) | {"AQ", "EU", "UK", "XK"}
_NEIGHBORS = frozenset({"AO", "BW", "LS", "SZ", "ZA", "ZM", "ZW"})
_PARTS = frozenset(
    ("AF", "AMER", "AMERICAS", "AN", "ANZ", "APAC", "APJ", "AS", "ASEAN", "ASIA", "ASIAPAC", "CALA",
     "CEE", "CIS", "DACH", "EMEA", "EU", "EUR", "EUROPE", "GCC", "JAPAC", "LA", "LAC", "LATAM",
     "MEA", "MENA", "NORDICS", "OC", "ROW", "SA", "SAM", "SEA", "SSA", "WE")
)  # fmt: skip
"""Parts of the world and sales regions, in capitals."""
_TWO_LETTERS = re.compile("[A-Z]{2}")


def is_na_a_code(others: Sequence[str], *, blank: bool, writes_na: bool) -> bool:
    """Return whether NA is a code in a column, not a missing value.

    blank: whether cells of the column are blank, so that NA is not how it leaves them out;
    writes_na: columns of the file write NA for a missing value.
    """
    if not others:
        return False
    parts = sum(word.upper() in _PARTS for word in others)
    if parts >= max(FEWEST_PARTS, MOST * len(others)):
        return True
    if len(others) < FEWEST_CODES or not all(map(_TWO_LETTERS.fullmatch, others)):
        return False
    if blank or len(_NEIGHBORS.intersection(others)) >= FEWEST_PARTS:
        return True
    return not writes_na and len(_COUNTRIES.intersection(others)) >= MOST * len(others)


def shows_missing(words: Sequence[str]) -> bool:
    """Return whether distinct words have an NA among what are no codes, or nothing else."""
    others = [word for word in words if word != NA]
    if len(others) == len(words) or (others and all(map(_TWO_LETTERS.fullmatch, others))):
        return False
    return not is_na_a_code(others, blank=False, writes_na=True)
