"""The column of the persons that several rows belong to, and keys of other things.

A column is a candidate if its values repeat like persons do in orders, diaries and panels, and its
name, its form or the personal data that it decides say that it stands for persons. Of several, the
one that decides most columns is the subject; the others are foreign keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from simulacra_crds.contract.schema import PersonalData
from simulacra_trainer.table.persons import vocabulary
from simulacra_trainer.table.persons.cells import Cells, Ints, large_numbers
from simulacra_trainer.table.persons.stated import NO_ROLES, StatedRoles

FEWEST_ROWS, MOST_ROWS = 1.2, 40.0
"""Rows of an average person."""
MIN_PERSONS = 30
MIN_NAMED_PERSONS = 10
"""Fewest persons that personal data show."""
LOOKED_AT = 50_000
ONE_PERSON: frozenset[PersonalData | None] = frozenset(
    {"name", "email", "phone", "iban", "card", "national_id"}
)
"""Kinds of personal data that tell one person from another."""


@dataclass(frozen=True)
class Subject:
    """The subject column, why it is that, and the foreign keys of the table."""

    name: str
    evidence: str
    foreign_keys: tuple[str, ...]


def find_subject(
    cells: Sequence[Cells],
    data: Mapping[str, PersonalData],
    codes: Sequence[Ints],
    stated: StatedRoles = NO_ROLES,
) -> Subject | None:
    """Return the subject of a table, None where each row is its own person.

    Args:
        cells: columns that may hold persons.
        data: kinds of personal data found, by column.
        codes: of all columns of the table, int64 [LOOKED_AT] each, their first rows.
        stated: roles that the user states.
    """
    personal = [c.codes for c in cells if data.get(c.name) in ONE_PERSON]
    candidates = {
        c.name: (c, why)
        for c in cells
        if c.name not in stated.ordinary
        and stated.roles.get(c.name) in (None, "personal_data")
        and (why := _evidence(c, data, personal))
    }
    if (subject := stated.subject()) is not None:
        others = tuple(name for name in candidates if name not in data)
        return Subject(subject, "stated in the description", others)
    if not candidates:
        return None

    def rank(cells: Cells) -> tuple[int, bool, int]:
        head = cells.head(LOOKED_AT)
        decided = sum(head.decides(other) for other in codes)
        named = vocabulary.says(cells.name, vocabulary.IDENTIFIER | vocabulary.PERSON)
        return decided, named, len(cells.words)

    name = max(candidates, key=lambda each: rank(candidates[each][0]))
    others = tuple(other for other in candidates if other != name and other not in data)
    return Subject(name, candidates[name][1], others)


def _evidence(
    cells: Cells, data: Mapping[str, PersonalData], personal: Sequence[Ints]
) -> str | None:
    """Return why a column stands for persons, None if it does not."""
    kind = data.get(cells.name)
    fewest = MIN_NAMED_PERSONS if kind in ONE_PERSON else MIN_PERSONS
    if not FEWEST_ROWS <= cells.rows_a_value < MOST_ROWS or len(cells.words) < fewest:
        return None
    if kind is not None:
        return f"{kind} that repeats" if kind in ONE_PERSON else None
    if vocabulary.says(cells.name, vocabulary.THING):
        return None
    is_long = not cells.is_text and bool(large_numbers(cells.words))
    if not (cells.is_coded or is_long or _is_named_id(cells.name)):
        return None
    if any(cells.decides(codes) for codes in personal):
        return "decides personal data"
    if vocabulary.says(cells.name, vocabulary.PERSON):
        return "named like a person's id"
    if _parts(cells.name) & vocabulary.STRICT_IDENTIFIER:
        return "an id that repeats"
    return None


def _is_named_id(name: str) -> bool:
    """Return whether whole numbers under this name are ids, not counts or amounts."""
    is_person = vocabulary.says(name, vocabulary.PERSON)
    if vocabulary.is_one_of(name, vocabulary.PERSON):
        return True
    if is_person and vocabulary.says(name, vocabulary.IDENTIFIER):
        return True
    return bool(_parts(name) & vocabulary.STRICT_IDENTIFIER)


def _parts(name: str) -> set[str]:
    return set(vocabulary.name_parts(name)[:-1])
