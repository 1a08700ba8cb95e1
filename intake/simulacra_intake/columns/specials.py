"""Special answers: words such as "Refused" and codes such as 99, which are no quantities."""

import re
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_schema.lexicon import in_languages, words_in
from simulacra_schema.table import SpecialValue

MOST_SHARE = 0.35
"""Share of the rows that special codes stay below."""
MOST_OTHER_WORDS = 3
_LEAST_ROWS, _LEAST_SHARE = 3, 0.005
_ENDS = 20
_RUN = 5
"""Negative values right below 0 that are values: -5 to -1."""
_DENSE = 0.8
"""Share of a run from -1 down that occurs; codes such as -1, -2, -8 and -9 leave a gap."""
_CONTINUOUS = 15
"""Distinct values from which on negative ones beside 0 are values, not codes."""

_WRAP = r"^[\s(\[<*-]+|[\s)\]>*.!]+$"


@cache
def special_words() -> frozenset[str]:
    """Return the words that mean "no answer" in any language."""
    sections = (section for _, section in in_languages("no_answer"))
    return frozenset(word for one in sections for word in words_in(one["words"]))


@cache
def _refusals() -> str:
    """Return the form of refusals put together of wanting and telling: "I'd rather not say"."""
    sections = (section for _, section in in_languages("no_answer") if "wanting" in section)
    return "|".join(
        f"(?:{one['wanting']}) (?:{'|'.join(words_in(one['telling']))})" for one in sections
    )


@cache
def _joined() -> str:
    """Return the form of several: "don't know / refused", "n/a (not asked)"."""
    one = "|".join([*map(re.escape, sorted(special_words())), _refusals()])
    return rf"^(?:n/?a|{one})(?: ?[/(] ?(?:{one}))+$"


def are_special(words: pa.StringArray) -> pa.BooleanArray:
    """Mark the words that mean "no answer" in any language."""
    plain = pc.replace_substring(pc.utf8_lower(words), "’", "'")
    bare = pc.replace_substring_regex(plain, _WRAP, "")
    known = pa.array(sorted(special_words()))
    spelled = pc.or_(pc.is_in(plain, value_set=known), pc.is_in(bare, value_set=known))
    for sign, form in ((" ", f"^(?:{_refusals()})$"), ("[/(]", _joined())):
        has_sign = pc.match_substring_regex(bare, sign)
        if pc.any(has_sign).as_py():
            found = pc.match_substring_regex(pc.if_else(has_sign, bare, ""), form)
            spelled = pc.or_(spelled, found)
    # Without points and spaces: "N. S. / N. C." is "ns/nc".
    pressed = pc.replace_substring_regex(plain, r"[.\s()\[\]<>]+", "")
    dotted = pc.is_in(pressed, value_set=pc.replace_substring_regex(known, "[. ]", ""))
    return pc.or_(spelled, dotted)


def are_lone_codes(words: pa.StringArray) -> npt.NDArray[np.bool_]:
    """Mark customary codes, also 7 to 9, where no other word has a digit: labels have none left."""
    with_digits = pc.match_substring_regex(words, "[0-9]")
    codes = pc.match_substring_regex(words, "^-?[0-9]{1,3}$").to_numpy(zero_copy_only=False)
    marked = with_digits.to_numpy(zero_copy_only=False)
    found = words.filter(with_digits).to_pylist()
    lone = np.array_equal(codes, marked) and all(
        word in ("7", "8", "9") or _is_code(int(word)) for word in found
    )
    return marked if lone else np.zeros(len(words), np.bool_)


def special_codes(counts: Mapping[float, int], rows: int) -> list[float]:
    """Return the values that are codes for "no answer", not quantities.

    counts: rows of each distinct value; rows: with a value.

    Only customary codes count (97 to 99, 997 to 999 and so on, 77, 88, -1 to -9, -77 to -99, -777,
    -888, -997 to -999 and so on), and only if they lie beyond the rest by more than twice its
    range, or are negative where nothing else is.
    """
    above = {value for value in counts if value > 0 and _is_code(value)}
    below = {value for value in counts if value < 0 and _is_code(value)}
    rest = [value for value in counts if value not in above and value not in below]
    if len(rest) < 3:
        return []
    least = 2 if all(value == int(value) for value in counts) else max(5, 0.01 * rows)
    found = _beyond(above, rest)
    if below and min(rest) >= 0 and not _continues(below, rest):
        found += below
    found = [] if any(counts[value] < least for value in found) else found
    # Filters leave "not asked" to most rows; without a 0 it goes on below nothing.
    routed = [value for value in found if value < 0 and min(rest) - max(below) > 1]
    others = sum(counts[value] for value in found) - sum(counts[value] for value in routed)
    rows -= sum(counts[value] for value in routed)
    return sorted(found) if others < MOST_SHARE * rows else []


def other_words(counts: Mapping[str, int], rows: int) -> list[str]:
    """Return words among numbers that are frequent enough to be special answers, else none."""
    few = len(counts) <= MOST_OTHER_WORDS and sum(counts.values()) < MOST_SHARE * rows
    frequent = all(
        count >= max(_LEAST_ROWS, _LEAST_SHARE * rows) and word.replace(" ", "").isalpha()
        for word, count in counts.items()
    )
    return list(counts) if few and frequent else []


def _is_code(value: float) -> bool:
    if value != int(value):
        return False
    digits = str(abs(int(value)))
    if value < 0 and len(digits) <= 2:
        return len(digits) == 1 or (digits[0] in "789" and int(digits) >= 77)
    nines = len(digits) >= 2 and set(digits[:-1]) == {"9"} and digits[-1] in "6789"
    return nines or digits in ("77", "88", "777", "888")


def _beyond(codes: set[float], rest: Sequence[float]) -> list[float]:
    """Return the codes above the rest by more than twice its range; 88 may be an age below 999."""
    low, high = min(rest), max(rest)
    left = sorted(codes)
    while left and left[0] - high <= 2 * (high - low):
        low, high = min(low, left[0]), max(high, left[0])
        left = left[1:]
    return left


def _continues(codes: set[float], rest: list[float]) -> bool:
    """Return whether negative values go on below the rest, as temperatures and -2 to 2 do."""
    run = max(codes) == -1 and len(codes) >= _DENSE * -min(codes)
    mirrored = run and max(rest) <= -min(codes)
    beside = min(rest) - max(codes) <= 1
    many = len(rest) > _CONTINUOUS or (run and len(codes) >= _RUN)
    return mirrored or (beside and many)


def take_codes(values: pa.Array) -> tuple[pa.Array, list[SpecialValue]]:
    """Return numbers with special codes as null, and the codes."""
    limits = pc.min_max(values).as_py()
    if not any(limit is not None and _is_code(limit) for limit in limits.values()):
        return values, []
    table = pc.value_counts(values.drop_null())
    distinct, rows = (table.field(name).to_numpy() for name in ("values", "counts"))
    kept = np.isin(distinct, _FAMILY)
    rest = np.flatnonzero(~kept)
    rest = rest[np.argsort(distinct[rest])]
    kept[[*rest[:_ENDS], *rest[-_ENDS:]]] = True  # the middle decides nothing
    kept[rest[distinct[rest] != np.floor(distinct[rest])][:1]] = True
    counts = dict(zip(distinct[kept].tolist(), rows[kept].tolist(), strict=True))
    codes = special_codes(counts, len(values) - values.null_count)
    return without_codes(values, codes) if codes else (values, [])


def without_codes(values: pa.Array, codes: Sequence[float]) -> tuple[pa.Array, list[SpecialValue]]:
    """Return numbers with these codes as null, and the codes with their shares of the rows."""
    marked = pc.is_in(values, value_set=pa.array(codes, values.type))
    rows = [pc.sum(pc.equal(values, code)).as_py() for code in codes]
    specials = [
        SpecialValue(value=str(int(code)), share=count / len(values))
        for code, count in zip(codes, rows, strict=True)
    ]
    return pc.if_else(marked, pa.scalar(None, values.type), values), specials


def codes_taken(before: pa.Array, after: pa.Array) -> pa.Array:
    """Return the codes that `take_codes` took out of some numbers, string [rows]."""
    taken = pc.and_(before.is_valid(), after.is_null())
    return pc.if_else(taken, before, None).cast(pa.int64()).cast(pa.string())


_FAMILY = np.array(
    [code for k in range(1, 15) for d in range(6, 10) if _is_code(code := 10**k - 10 + d)]
    + [code for code in (*range(-99, 0), 77, 88, 777, 888, -777, -888) if _is_code(code)]
    + [-code for k in range(3, 15) for d in range(6, 10) if _is_code(code := 10**k - 10 + d)]
)
"""All customary codes."""
