"""Names of persons that no list has, found by their context: e-mail addresses, first names."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from simulacra_intake.personal_data import vocabulary
from simulacra_intake.personal_data.numbers import FEW_WORDS, most
from simulacra_intake.personal_data.patterns import LONGEST, is_name
from simulacra_intake.persons.cells import Cells
from simulacra_schema.table import PersonalData

ROWS = 500
"""Rows that are compared, spread over the table."""
FEWEST_ROWS = 5
MATCHED = 0.5
"""Share of the rows whose e-mail address has a part of the word that shows a name."""
FEWEST_LETTERS = 3
_NO_NAMES = (
    vocabulary.WORKPLACE | vocabulary.KNOWN_TO_OTHERS["area"] | vocabulary.KNOWN_TO_OTHERS["job"]
)
"""What e-mail addresses are made of too: "berlin@shop.example", "sales.anna@firm.example"."""
_LETTERS = re.compile(r"[a-z]+")


def names_by_context(
    cells: Sequence[Cells], data: Mapping[str, PersonalData]
) -> dict[str, PersonalData]:
    """Return the kinds of further columns with names of persons.

    Words are names if the e-mail address of the same row is made of them, and last names if their
    column is called "name" beside one of first names. Places and departments, which addresses
    are made of too, are no names where their column is called so and nothing else.

    data: kinds found in each column alone.
    """
    emails = [each for each in cells if data.get(each.name) == "email"]
    first_names = "first_name" in data.values()
    found: dict[str, PersonalData] = {}
    for each in cells:
        few = not each.is_text or each.name in data or len(each.words) < FEW_WORDS
        if few or not most(each.words[:: max(len(each.words) // ROWS, 1)], is_name):
            continue
        if first_names and vocabulary.is_one_of(each.name, vocabulary.NAME):
            found[each.name] = "last_name"
        elif not vocabulary.consists_of(each.name, _NO_NAMES) and any(
            _are_of(each, email) for email in emails
        ):
            spaced = sum(" " in word for word in each.words) > len(each.words) / 2
            found[each.name] = "name" if spaced else "last_name"
    return found


def _are_of(names: Cells, emails: Cells) -> bool:
    """Return whether most rows with both have a part of the name in their e-mail address."""
    rows = np.flatnonzero((names.codes >= 0) & (emails.codes >= 0))
    rows = rows[:: max(rows.size // ROWS, 1)]
    pairs = {(int(names.codes[row]), int(emails.codes[row])) for row in rows}
    if len(pairs) < FEWEST_ROWS:
        return False
    matched = sum(_shares(names.words[one], emails.words[other]) for one, other in pairs)
    return matched >= MATCHED * len(pairs)


def _shares(name: str, email: str) -> bool:
    local = "".join(_LETTERS.findall(vocabulary.plain(email[:LONGEST].rpartition("@")[0])))
    parts = _LETTERS.findall(vocabulary.plain(name[:LONGEST]))
    return any(part in local for part in parts if len(part) >= FEWEST_LETTERS)
