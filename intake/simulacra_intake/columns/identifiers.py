"""Columns that identify rows or hold free text, which are never learned."""

import re
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.columns.distinct_values import Words
from simulacra_intake.personal_data import vocabulary
from simulacra_intake.personal_data.numbers import DATE_OR_DECIMAL
from simulacra_intake.personal_data.patterns import find_personal_data

NEARLY_UNIQUE = 0.95
"""Distinct words per row above which a text column identifies its rows."""
MOSTLY_SINGLE = 0.5
"""Share of rows with a unique word above which a text column is not learned."""
MANY_LEVELS = 30
FEWEST_DIALED = 7
"""Digits of a phone number."""
ALMOST_ALL = 0.9
LONG_TEXT_WORDS = 5.0
LONG_TEXT_LENGTH = 40.0

_NAMED_ID = re.compile(
    r"(?:^|[\s_.\-])(?:id|ids|uuid|guid|key|index|idx|rowid|row|rownum|nr|no|num|number|code|"
    r"account|phone|ssn|respondent|caseid|serial|ref|reference|referenz|referencia|referentie|"
    r"referens|riferimento|codigo|codice|kod|azonosito|sorszam|cislo|matr|matricola|matricule|folio|"
    r"expediente|ean|gtin|upc|isbn|barcode|imei|vin)$|[a-z](?:ID|Id)$"
    r"|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af](?:id|ID|no|No|NO)\.?$|^__index_level_\d+__$|^\(index\)$"
)
_DIALED = r"^\+?[0-9(][0-9\s()/.\-]*$"
_GROUPED = r"^[0-9]{3}(?: [0-9]{3}){2,3}$"
"""Digits that are amounts with grouped thousands unless their checksums are those of persons."""
_ID_SHAPE = r"^[A-Za-z0-9_\-:.@/+#]*[0-9@][A-Za-z0-9_\-:.@/+#]*$"


def are_dialed(name: str, words: Words) -> bool:
    """Return whether digits are phone numbers or national numbers, which are never amounts.

    They are named so, or begin with "+" as international numbers do: "600 100 200" would be an
    amount with grouped thousands, and its spaces lost.
    """
    phone = vocabulary.name_contains(name, vocabulary.PHONE)
    named = phone or vocabulary.name_contains(name, vocabulary.NATIONAL_ID)
    digits = pc.utf8_length(pc.replace_substring_regex(words.levels, "[^0-9]", ""))
    long = pc.and_(
        pc.match_substring_regex(words.levels, _DIALED), pc.greater_equal(digits, FEWEST_DIALED)
    )
    if words.share(long) < ALMOST_ALL:
        return False
    grouped = words.share(pc.match_substring_regex(words.levels, _GROUPED)) == 1
    if grouped and not named:
        return find_personal_data(name, words.levels.to_pylist()) == "national_id"
    other = pc.match_substring_regex(words.levels, f"^{DATE_OR_DECIMAL}$")
    if not phone and words.share(other) >= ALMOST_ALL:
        return False
    return named or words.share(pc.starts_with(words.levels, "+")) >= ALMOST_ALL


def is_named_id(name: str) -> bool:
    """Return whether the name of a column is that of an identifier."""
    plain = " ".join(vocabulary.name_parts(name)[:-1])
    named = any(_NAMED_ID.search(each) for each in (name, name.lower(), plain))
    named = named or vocabulary.name_contains(name, vocabulary.IDENTIFIER_WITHOUT_SPACES)
    return named or vocabulary.is_persons_number(name)


def unlearned_kind(name: str, words: Words) -> Literal["identifier", "text"] | None:
    """Return why words are not learned (identifiers or free text), None for levels."""
    levels, present = words.levels, words.present
    single = int((words.counts == 1).sum())
    if len(levels) >= NEARLY_UNIQUE * present or single > MOSTLY_SINGLE * present:
        shaped = pc.mean(pc.match_substring_regex(levels, _ID_SHAPE).cast(pa.float64())).as_py()
        return "identifier" if shaped >= 0.9 or is_named_id(name) else "text"
    if len(levels) > max(MANY_LEVELS, 0.2 * present):
        lengths = pc.utf8_length(levels).to_numpy(zero_copy_only=False)
        spaces = pc.count_substring(levels, " ").to_numpy(zero_copy_only=False)
        long = np.average(lengths, weights=words.counts) >= LONG_TEXT_LENGTH
        if long and np.average(spaces + 1, weights=words.counts) >= LONG_TEXT_WORDS:
            return "text"
    return None
