"""The column of the persons that several rows belong to, and keys of other things.

A column is a candidate if its values repeat like persons do in orders, diaries and panels, and its
name, its form, the order of the file or the personal data that it decides say that it stands for
persons. Of several, the one that decides most columns is the subject; the others are foreign keys.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from simulacra_intake.columns.recognizers.postcodes import is_postcode_name
from simulacra_intake.columns.row_numbers import are_dates, are_moments
from simulacra_intake.personal_data import vocabulary
from simulacra_intake.persons.agreement import (
    LARGE_GROUP,
    NAMED_GROUP,
    kept_attributes_agree,
    numbers_groups,
    restart,
    rows_agree,
)
from simulacra_intake.persons.cells import Cells, Ints, large_numbers
from simulacra_intake.persons.stated import StatedRoles
from simulacra_schema.table import PersonalData

FEWEST_ROWS, MOST_ROWS = 1.2, 40.0
"""Rows of an average person."""
MIN_PERSONS = 30
MIN_NAMED_PERSONS = 10
"""Fewest persons that personal data, or a name such as "participant", show."""
DIGITS_OF_A_DATE = 8
FEWEST_DIGITS = 6
"""Digits of whole numbers, all of one length, that may be ids whatever they are called."""
ROW_IS_PERSON = 0.99
"""Share of the rows with an e-mail or number of their own from which on a row is a person."""
MOST_OF_ONE = 0.2
"""Share of the rows of the most frequent value from which on a column holds answers, not persons:
twice the share that the fewest persons have each."""
LOOKED_AT = 50_000
ONE_PERSON: frozenset[PersonalData | None] = frozenset(
    {"name", "email", "phone", "iban", "card", "national_id"}
)
"""Kinds of personal data that tell one person from another."""
DEVICE: frozenset[PersonalData | None] = frozenset({"mac", "ip"})
"""Kinds that stand for a person where nothing better does."""
GROUPS = "numbers rows that stand together and have something in common"
DECIDES = "decides what is one person's"
ID = "an id that repeats"
_ENDS_AS_ID = re.compile(r"[a-z]{2,}(?:nr|nbr|num|uid|uuid|guid)|[a-z]{3,}(?:id|ids)")
_NO_ID = re.compile(
    r"(?:.*(?:covid|hybrid|grid|solid|fluid|android)|(?:un)?(?:paid|valid|void|rapid))"
)
_TOKEN = re.compile(r"[0-9a-f]{16,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
"""Random codes of devices, sessions and accounts."""


_IS_GROUP = "named like a group of persons, such as a sampling point"
_RESTARTS = "its numbers start again, and rows of one number agree no more than others"
_NO_AGREEMENT = "rows of one name agree no more than others"
_ANSWER = "rows of one value agree no more than others"
_DIFFERENT = "sexes or ages differ within its groups of rows"


@dataclass(frozen=True)
class Keys:
    """The column of the persons, and columns of numbers that stand for something else.

    Attributes:
        subject: None where each row is its own person.
        is_sure: whether more than the order of the rows shows the subject.
        foreign: columns that are keys of something else.
        evidence: why, by column.
    """

    subject: str | None = None
    is_sure: bool = True
    foreign: tuple[str, ...] = ()
    evidence: Mapping[str, str] = field(default_factory=dict)


def find_subject(
    cells: Sequence[Cells],
    data: Mapping[str, PersonalData],
    codes: Mapping[str, Ints],
    values: Mapping[str, pa.Array],
    stated: StatedRoles,
) -> Keys:
    """Return the subject of a table and its foreign keys.

    codes: of all columns of the table by name, int64 [LOOKED_AT] each, their first rows; values:
    cleaned values of the columns that have some.
    """
    # Many persons have their accounts at one branch of a bank.
    data = {
        n: k for n, k in data.items() if not vocabulary.name_contains(n, vocabulary.BANK_BRANCH)
    }
    candidates, refused = _candidates(cells, data, codes, values, stated)
    numbers = tuple(name for name in refused if name not in data)
    name = stated.subject()
    if name is None and not candidates:
        return Keys(foreign=numbers, evidence=refused)

    def rank(cells: Cells) -> tuple[int, bool, int]:
        head = cells.head(LOOKED_AT)
        decided = sum(head.decides(other) for other in codes.values())
        named = vocabulary.name_contains(cells.name, vocabulary.IDENTIFIER | vocabulary.PERSON)
        return decided, named, len(cells.words)

    evidence = "stated in the description"
    if name is None:
        name = max(candidates, key=lambda each: rank(candidates[each][0]))
        evidence = candidates[name][1]
    subject = next((c for c in cells if c.name == name), None)
    own = [c.name for c in cells if subject and _are_own_numbers(c, subject)]
    others = dict.fromkeys((*candidates, *own, *numbers))
    foreign = (o for o in others if o != name and o not in data and o not in stated.ordinary)
    is_sure = evidence != GROUPS
    return Keys(name, is_sure, tuple(foreign), {**refused, name: evidence})


def _candidates(
    cells: Sequence[Cells],
    data: Mapping[str, PersonalData],
    codes: Mapping[str, Ints],
    values: Mapping[str, pa.Array],
    stated: StatedRoles,
) -> tuple[dict[str, tuple[Cells, str]], dict[str, str]]:
    """Return the columns that may stand for persons and why, and why others do not."""
    decisive = {c.name: c.codes for c in cells if data.get(c.name) in ONE_PERSON}
    decisive |= {name: code for name, code in codes.items() if _is_known_to_others(name, code)}
    row_is_person = any(
        (data.get(c.name) in ONE_PERSON - {"name"} or _is_persons_number(c))
        and len(c.words) >= ROW_IS_PERSON * len(c.indices)
        for c in cells
    )
    candidates = {
        c.name: (c, why)
        for c in cells
        if c.name not in stated.ordinary
        and stated.roles.get(c.name) in (None, "personal_data")
        and not (row_is_person and _may_be_of_others(c.name, data))
        and (why := _evidence(c, data, decisive, codes))
    }
    refused = {
        name: reason
        for name, (each, why) in candidates.items()
        if (reason := _no_persons(each, why, data, codes, values))
    }
    candidates = {name: each for name, each in candidates.items() if name not in refused}
    # A person's phone is written in several forms, and a family shares one.
    surer = {name: each for name, each in candidates.items() if data.get(name) != "phone"}
    candidates = surer or candidates
    if not candidates:
        devices = [c for c in cells if data.get(c.name) in DEVICE and c.name not in stated.ordinary]
        candidates = {
            c.name: (c, "an address of a device that repeats")
            for c in devices
            if FEWEST_ROWS <= c.rows_a_value < MOST_ROWS and len(c.words) >= MIN_PERSONS
        }
    return candidates, refused


def _evidence(
    cells: Cells,
    data: Mapping[str, PersonalData],
    decisive: Mapping[str, Ints],
    codes: Mapping[str, Ints],
) -> str | None:
    """Return why a column stands for persons, None if it does not.

    decisive: codes of columns that are one person's, by name: personal data, sex and birth.
    """
    kind = data.get(cells.name)
    if kind in (None, "name") and not _is_id(cells) and _has_usual_answer(cells):
        return None
    named = vocabulary.name_contains(cells.name, vocabulary.PERSON)
    fewest = MIN_NAMED_PERSONS if kind in ONE_PERSON or named else MIN_PERSONS
    if not FEWEST_ROWS <= cells.rows_a_value < MOST_ROWS or len(cells.words) < fewest:
        return None
    if kind is not None:
        return f"{kind} that repeats" if kind in ONE_PERSON else None
    if vocabulary.name_contains(cells.name, vocabulary.THING) or is_postcode_name(cells.name):
        return None
    if not (_is_id(cells) or _is_long(cells)):
        return GROUPS if numbers_groups(cells.head(LOOKED_AT), codes) else None
    others = (codes for name, codes in decisive.items() if name != cells.name)
    if any(cells.decides(codes[: len(cells.indices)]) for codes in others):
        return DECIDES
    if named:
        return "named like a person's id"
    if vocabulary.has_identifier(cells.name) or _ends_as_id(cells.name):
        return ID
    return "random codes that repeat" if all(map(_TOKEN.fullmatch, cells.words[:100])) else None


def _no_persons(
    cells: Cells,
    why: str,
    data: Mapping[str, PersonalData],
    codes: Mapping[str, Ints],
    values: Mapping[str, pa.Array],
) -> str | None:
    """Return why a candidate stands for no persons after all, None if it may.

    why: it is a candidate.
    """
    head = cells.head(LOOKED_AT)
    if cells.name in data:
        of_persons = vocabulary.name_contains(cells.name, vocabulary.PERSON | vocabulary.FULL_NAME)
        if data[cells.name] != "name" or of_persons:
            return None
        return _NO_AGREEMENT if rows_agree(head, codes, values) is False else None
    is_group = vocabulary.is_group(cells.name) and cells.rows_a_value >= NAMED_GROUP
    if why != DECIDES and is_group:
        return _IS_GROUP
    if why == GROUPS:
        is_large = cells.rows_a_value >= LARGE_GROUP
        different = is_large and kept_attributes_agree(head, codes, values) is False
        return _DIFFERENT if different else None
    is_number = why == ID and not cells.is_text  # which an answer may be, such as a choice of many
    if is_number and rows_agree(head, codes, values) is False:
        return _ANSWER
    restarts = why != DECIDES and restart(head, codes)
    return _RESTARTS if restarts and rows_agree(head, codes, values) is False else None


def _may_be_of_others(name: str, data: Mapping[str, PersonalData]) -> bool:
    """Return whether a person in a column may stand in the rows of others: "Manager Email"."""
    return data.get(name) == "name" or vocabulary.name_contains(name, vocabulary.OF_MANY)


def _is_known_to_others(name: str, codes: Ints) -> bool:
    """Return whether a column is the sex or birth of persons, and differs between them."""
    words = vocabulary.KNOWN_TO_OTHERS["sex"] | vocabulary.KNOWN_TO_OTHERS["birth"]
    return vocabulary.name_contains(name, words) and bool(np.ptp(codes)) if codes.size else False


def _is_persons_number(cells: Cells) -> bool:
    """Return whether a column is named as the number of a person: "Respondent ID", "kundnr"."""
    name = cells.name
    numbered = vocabulary.name_contains(
        name, vocabulary.IDENTIFIER
    ) or vocabulary.is_persons_number(name)
    return numbered and vocabulary.name_contains(name, vocabulary.PERSON)


def _is_id(cells: Cells) -> bool:
    """Return whether a column is one of ids by the form of its words or its name."""
    return cells.is_coded or _is_named_id(cells.name)


def _has_usual_answer(cells: Cells) -> bool:
    """Return whether one value is in a large share of the rows, as answers to a question are."""
    most = np.bincount(cells.codes[cells.codes >= 0], minlength=1).max()
    return bool(most >= MOST_OF_ONE * len(cells.indices))


def _is_long(cells: Cells) -> bool:
    """Return whether whole numbers are long and of one length, as ids are, and no amounts."""
    if cells.is_text or vocabulary.name_contains(cells.name, vocabulary.AMOUNT):
        return False
    if all(len(word) == DIGITS_OF_A_DATE for word in cells.words) and are_dates(
        np.array([int(word) for word in cells.words])
    ):
        return False
    lengths = {len(word) for word in cells.words}
    return bool(large_numbers(cells.words)) or (len(lengths) == 1 and min(lengths) >= FEWEST_DIGITS)


def _are_own_numbers(cells: Cells, subject: Cells) -> bool:
    """Return whether a column has long whole numbers that repeat, each of one person."""
    if cells.is_text or vocabulary.says_measurement(cells.name) or not large_numbers(cells.words):
        return False
    if len(cells.words) < MIN_NAMED_PERSONS or cells.rows_a_value < FEWEST_ROWS:
        return False
    numbers = [int(word) for word in cells.words]
    if all(abs(number) < 1 << 63 for number in numbers) and are_moments(np.array(numbers)):
        return False
    return cells.decides(subject.codes)


def _is_named_id(name: str) -> bool:
    """Return whether whole numbers under this name are ids, not counts or amounts."""
    is_person = vocabulary.name_contains(name, vocabulary.PERSON)
    if vocabulary.is_one_of(name, vocabulary.PERSON) or _ends_as_id(name):
        return True
    if vocabulary.is_persons_number(name):
        return True
    if is_person and vocabulary.name_contains(name, vocabulary.IDENTIFIER):
        return True
    return vocabulary.has_identifier(name)


def _ends_as_id(name: str) -> bool:
    """Return whether a part of the name ends as ids do: "kundnr", "respid"."""
    return any(_ENDS_AS_ID.fullmatch(part) and not _NO_ID.fullmatch(part) for part in _parts(name))


def _parts(name: str) -> set[str]:
    return set(vocabulary.name_parts(name)[:-1])
