"""Numbers from text: one decimal sign a column, with currency, units, signs and factors removed.

A column proves its decimal sign ("17,12", "1.234,5") or leaves it open ("33.000" beside "943"). An
open column follows the columns of the file that prove one, then the delimiter.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.arrow_values import are_numbers
from simulacra_intake.columns.distinct_values import Words
from simulacra_intake.columns.parse.affixes import Affixes, strip_affixes
from simulacra_schema.table import CellForm

ENOUGH = 0.99
"""Share of the values that must be numbers (or dates) for the rest to be set to missing."""
MAX_DECIMALS = 9
LAST_BITS = 4
"""Units in the last place by which numbers of arithmetic differ from what they stand for."""
MOST_VERSIONS = 50
PROBE = 1_000
"""Words that are looked at before all of them are."""

_VERSION = r"^[0-9]{1,2}\.(?:[0-9]|[12][0-9])$"
"""Parts of versions are counted, so they stay small; "7.50" is hours or money."""
_CODES = r"^[+-]?0[0-9]|^[0-9]{16,}$"
"""Zero-padded or longer than a double can hold: a code, not a quantity."""
_PLAIN = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?$"
_SPACE = " '’\\x{a0}\\x{202f}\\x{2009}"
_POINT = (
    rf"^[+-]?(?:[1-9][0-9]{{0,2}}(?:[,{_SPACE}][0-9]{{3}})+|[1-9][0-9]?(?:,[0-9]{{2}})+,[0-9]{{3}}"
    r"|[0-9]+)?(?:\.[0-9]*)?$"
)
_COMMA = rf"^[+-]?(?:[1-9][0-9]{{0,2}}(?:[.{_SPACE}][0-9]{{3}})+|[0-9]+)?(?:,[0-9]*)?$"
_OPEN = r"^[1-9][0-9]{0,2}\.[0-9]{3}$"


@dataclass(frozen=True)
class ParsedNumbers:
    """The number of each word, int64 or float64; null if the word is not a number.

    Attributes:
        values: of the words.
        notation: removed signs, in words ("" for plain digits).
        form: how the cells are written; None for plain digits.
        decimals: of all words, if they are the same.
        unclear: nothing shows which sign is the decimal sign.
    """

    values: pa.Array
    notation: str
    form: CellForm | None
    decimals: int | None
    unclear: bool = False


def parse_numbers(
    words: Words, decimal: str | None = None, *, certain: bool = False, sign: str | None = None
) -> ParsedNumbers | None:
    """Return the numbers of a text column if at least ENOUGH of its values are numbers, else None.

    decimal: the sign that an open column follows, "." or ","; certain: the user says that these are
    numbers, so they are no codes or versions; sign: the decimal sign that the user states; None to
    vote.
    """
    levels = words.levels
    candidates = words.counts * ~words.no_values()
    if not candidates.sum() or (not certain and _any(levels, _CODES)):
        return None
    if not certain and _are_versions(levels):
        return None
    decimal = sign or decimal
    enough = ENOUGH * candidates.sum()
    plain = _matches(levels, _PLAIN)
    # A word with a comma proves nothing here, but shows that the points may be groups.
    is_open = _any(levels, _OPEN) and _all_open(levels, plain)
    as_plain = not (is_open and decimal == ",") if sign is None else sign == "."
    if candidates[plain].sum() >= enough and as_plain:
        return _converted(levels, plain, None, [], decimal is None and is_open)
    affixes = strip_affixes(words, candidates, enough)
    if affixes is None or (not certain and _any(affixes.digits, _CODES)):
        return None
    vote = _vote(affixes.digits, candidates, decimal, proven=sign is not None)
    if candidates[vote.matched].sum() < enough:
        return None
    digits, group = _one_form(affixes.digits, vote.comma)
    notation = list(affixes.notation)
    if vote.comma and _any(affixes.digits, ","):
        notation.append("decimal commas")
    elif group:
        notation.append("grouped thousands")
    form = CellForm(
        decimal="," if vote.comma else ".",
        group=group,
        before=affixes.before,
        after=affixes.after,
        factor=affixes.factor,
        negative=affixes.negative,
    )
    return _converted(digits, vote.matched, (form, affixes), notation, vote.unclear)


def _are_versions(levels: pa.StringArray) -> bool:
    """Return whether "2.0" and "2.10" stand beside each other: a number has one form or none."""
    if (
        len(levels) > MOST_VERSIONS
        or not pc.all(pc.match_substring_regex(levels, _VERSION)).as_py()
    ):
        return False
    decimals = pc.unique(pc.utf8_length(pc.replace_substring_regex(levels, r"^[0-9]+\.", "")))
    return len(decimals) > 1 and _any(levels, r"\.[1-9]0$")


def proven_decimal(levels: pa.StringArray) -> str | None:
    """Return the decimal sign that a sample of words proves, or None."""
    sample = Words(
        levels=levels, counts=np.ones(len(levels), dtype=np.int64), codes=np.array([], np.int64)
    )
    candidates = sample.counts * ~sample.no_values()
    if not candidates.sum() or _any(levels, _CODES):
        return None
    affixes = strip_affixes(sample, candidates, 0.9 * candidates.sum())
    if affixes is None:
        return None
    vote = _vote(affixes.digits, candidates, None)
    proves = vote.proven and candidates[vote.matched].sum() >= 0.9 * candidates.sum()
    return ("," if vote.comma else ".") if proves else None


def count_decimals(values: npt.NDArray[np.float64], single: bool = False) -> int | None:
    """Return the number of decimals that all values need; None above MAX_DECIMALS.

    values: finite; single: compare in single precision (the upload stored float32).
    """
    digits = 0
    for part in (values[:1000], values):
        while digits <= MAX_DECIMALS:
            rounded = np.round(part, digits)
            # Results of arithmetic, such as 0.09139800000000001, differ in the last bits.
            same = (
                rounded.astype(np.float32) == part.astype(np.float32)
                if single
                else np.abs(rounded - part) <= LAST_BITS * np.spacing(np.abs(part))
            )
            if same.all():
                break
            digits += 1
    return digits if digits <= MAX_DECIMALS else None


@dataclass(frozen=True)
class _Vote:
    comma: bool
    proven: bool
    unclear: bool
    matched: npt.NDArray[np.bool_]


def _vote(
    digits: pa.StringArray,
    candidates: npt.NDArray[np.int64],
    decimal: str | None,
    proven: bool = False,
) -> _Vote:
    """Decide the decimal sign by the words that only one convention can write."""
    point, comma = _matches(digits, _POINT), _matches(digits, _COMMA)
    by_point, by_comma = candidates[point & ~comma].sum(), candidates[comma & ~point].sum()
    if (by_point or by_comma) and not proven:
        use_comma = bool(by_comma > by_point)
        return _Vote(use_comma, True, False, comma if use_comma else point)
    open_ = _any(digits, "[.,]")
    use_comma = decimal == ","
    return _Vote(use_comma, proven, open_ and decimal is None, comma if use_comma else point)


def _all_open(levels: pa.StringArray, plain: npt.NDArray[np.bool_]) -> bool:
    """Return whether every point among plain numbers may separate thousands."""
    with_point = levels.filter(pa.array(plain & _matches(levels, r"\.")))
    return bool(pc.all(pc.match_substring_regex(with_point, _OPEN)).as_py())


def _one_form(digits: pa.StringArray, comma: bool) -> tuple[pa.StringArray, str]:
    """Return digits with a decimal point and no groups, and the sign of the groups ("" if none)."""
    signs = rf"[.{_SPACE}]" if comma else rf"[,{_SPACE}]"
    found = pc.extract_regex(digits, rf"[0-9](?P<sign>{signs})[0-9]")
    groups = pc.drop_null(pc.struct_field(found, "sign"))
    plain = pc.replace_substring_regex(digits, signs, "")
    group = pc.mode(groups.dictionary_encode().indices)[0][0].as_py() if len(groups) else None
    sign = groups.dictionary_encode().dictionary[group].as_py() if group is not None else ""
    return (pc.replace_substring(plain, ",", ".") if comma else plain), sign


def _converted(
    digits: pa.StringArray,
    mask: npt.NDArray[np.bool_],
    affixed: tuple[CellForm, Affixes] | None,
    notation: list[str],
    unclear: bool,
) -> ParsedNumbers:
    kept = pc.if_else(pa.array(mask), digits, None)
    if affixed:
        kept = pc.if_else(affixed[1].negatives, pc.binary_join_element_wise("-", kept, ""), kept)
    decimals = _fixed_decimals(kept)
    whole = pc.all(pc.match_substring_regex(kept, r"^[+-]?[0-9]{1,18}(?:\.0*)?$")).as_py()
    bare = pc.replace_substring_regex(kept, r"^\+", "")
    if whole:
        values = pc.replace_substring_regex(bare, r"\.0*$", "").cast(pa.int64())
    else:
        values = bare.cast(pa.float64())
        values = pc.if_else(are_numbers(values), values, None)  # 1e999
    if affixed and affixed[1].scales is not None:
        values = _scaled(values, affixed[1].scales)
    form = affixed[0] if affixed else CellForm()
    if form.factor != 1 and decimals is None:  # "271k" of 271,451
        parts = pc.struct_field(pc.extract_regex(kept, r"\.(?P<part>[0-9]*)$"), "part")
        decimals = pc.max(pc.utf8_length(parts)).as_py() or 0
    form = form.model_copy(update={"decimals": decimals})
    return ParsedNumbers(
        values, " and ".join(notation), None if form == CellForm() else form, decimals, unclear
    )


def _scaled(values: pa.Array, factors: npt.NDArray[np.float64]) -> pa.Array:
    """Return the values times the factor of each word; whole ones as int64."""
    numbers = pc.multiply(values.cast(pa.float64()), pa.array(factors))
    numbers = pc.round(numbers, 6)
    whole = pc.all(pc.equal(numbers, pc.round(numbers))).as_py()
    return numbers.cast(pa.int64()) if whole else numbers


def _fixed_decimals(digits: pa.StringArray) -> int | None:
    first = next((d.as_py() for d in digits if d.is_valid), "")
    decimals = len(first.partition(".")[2])
    same = pc.all(pc.match_substring_regex(digits, rf"^[+-]?[0-9]+\.[0-9]{{{decimals}}}$")).as_py()
    return decimals if decimals and same else None


def _matches(levels: pa.StringArray, pattern: str) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = (
        pc.match_substring_regex(levels, pattern).fill_null(False).to_numpy(zero_copy_only=False)
    )
    return found.astype(bool)


def _any(levels: pa.StringArray, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(levels, pattern)).as_py())
