"""Numbers from text with groups, decimal commas, currency, percent signs or parentheses."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_trainer.table.columns.distinct_values import Words

ENOUGH = 0.99
"""Share of the values that must be numbers (or dates) for the rest to be set to missing."""
MAX_DECIMALS = 9

_CURRENCY = r"(?:[$€£¥₹]|USD|EUR|GBP|CHF|JPY|INR|CAD|AUD)"
_CODES = r"^[+-]?0[0-9]|^[0-9]{16,}$"
"""Zero-padded or longer than a double can hold: a code, not a quantity."""
_PLAIN = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?$"
_POINT = r"^[+-]?(?:[0-9]{1,3}(?:[, '’\x{a0}\x{202f}][0-9]{3})+|[0-9]+)(?:\.[0-9]*)?$"
_COMMA = r"^[+-]?(?:[0-9]{1,3}(?:[. '’\x{a0}\x{202f}][0-9]{3})+|[0-9]+)(?:,[0-9]*)?$"
_GROUPED_POINT, _GROUPED_COMMA = r"[, '’\x{a0}\x{202f}]", r"[. '’\x{a0}\x{202f}]"


@dataclass(frozen=True)
class ParsedNumbers:
    """The number of each word, int64 or float64; null if the word is not a number.

    notation: removed signs, in words ("" for plain digits); text_format: format specification if
    all words have the same number of decimals.
    """

    values: pa.Array
    notation: str
    text_format: str | None


def parse_numbers(words: Words, prefer_comma: bool) -> ParsedNumbers | None:
    """Return the numbers of a text column if at least ENOUGH of its values are numbers, else None.

    Args:
        words: the column.
        prefer_comma: read an ambiguous "1,234" with a decimal comma (semicolon-separated files).
    """
    levels = words.levels
    candidates = words.counts * ~pc.fill_null(words.soft(), True).to_numpy(zero_copy_only=False)
    if not candidates.sum() or pc.any(pc.match_substring_regex(levels, _CODES)).as_py():
        return None
    enough = ENOUGH * candidates.sum()
    plain = _matches(levels, _PLAIN)
    if candidates[plain].sum() >= enough:
        return _converted(levels, plain, [])
    bare, notation = _strip_notation(words, levels)
    point, comma = _matches(bare, _POINT), _matches(bare, _COMMA)
    by_point, by_comma = candidates[point].sum(), candidates[comma].sum()
    if max(by_point, by_comma) < enough:
        return None
    use_comma = by_comma > by_point or (by_comma == by_point and prefer_comma and _has(bare, ","))
    if use_comma:
        digits = pc.replace_substring(
            pc.replace_substring_regex(bare, _GROUPED_COMMA, ""), ",", "."
        )
        return _converted(digits, comma, [*notation, "decimal commas"])
    digits = pc.replace_substring_regex(bare, _GROUPED_POINT, "")
    grouped = pc.any(pc.not_equal(digits, bare)).as_py()
    return _converted(digits, point, [*notation, "grouped thousands"] if grouped else notation)


def count_decimals(values: npt.NDArray[np.float64], single: bool = False) -> int | None:
    """Return the number of decimals that all values need; None above MAX_DECIMALS.

    Args:
        values: finite numbers, shape [n].
        single: compare in single precision (the upload stored float32).
    """
    digits = 0
    for part in (values[:1000], values):
        while digits <= MAX_DECIMALS:
            rounded = np.round(part, digits)
            same = (
                rounded.astype(np.float32) == part.astype(np.float32) if single else rounded == part
            )
            if same.all():
                break
            digits += 1
    return digits if digits <= MAX_DECIMALS else None


def _converted(
    digits: pa.StringArray, mask: npt.NDArray[np.bool_], notation: list[str]
) -> ParsedNumbers:
    kept = pc.if_else(pa.array(mask), digits, None)
    whole = pc.all(pc.match_substring_regex(kept, r"^[+-]?[0-9]{1,18}$")).as_py()
    values = pc.replace_substring_regex(kept, r"^\+", "").cast(
        pa.int64() if whole else pa.float64()
    )
    if not whole:
        values = pc.if_else(pc.is_finite(values), values, None)  # 1e999
    return ParsedNumbers(values, " and ".join(notation), None if whole else _fixed_decimals(kept))


def _fixed_decimals(digits: pa.StringArray) -> str | None:
    first = next((d.as_py() for d in digits if d.is_valid), "")
    decimals = len(first.partition(".")[2])
    same = pc.all(pc.match_substring_regex(digits, rf"^[+-]?[0-9]+\.[0-9]{{{decimals}}}$")).as_py()
    return f".{decimals}f" if decimals and same else None


def _strip_notation(words: Words, levels: pa.StringArray) -> tuple[pa.StringArray, list[str]]:
    """Remove one currency, percent signs of nearly all values, accounting parentheses."""
    notation: list[str] = []
    bare = pc.replace_substring_regex(levels, r"^\((.+)\)$", r"-\1")
    if _has(bare, "%"):
        with_percent = pc.ends_with(bare, "%")
        if words.share(with_percent) >= ENOUGH:
            bare = pc.utf8_rtrim_whitespace(pc.utf8_rtrim(bare, "%"))
            notation.append("percent signs")
    signs = pc.extract_regex(bare, f"(?P<sign>{_CURRENCY})")
    present = pc.unique(pc.struct_field(signs, "sign")).drop_null()
    if len(present) == 1:
        sign = re.escape(present[0].as_py())
        bare = pc.replace_substring_regex(bare, rf"^([+-]?) ?{sign} ?([+-]?)", r"\1\2")
        bare = pc.replace_substring_regex(bare, rf" ?{sign}$", "")
        notation.append("a currency sign")
    return bare, notation


def _matches(levels: pa.StringArray, pattern: str) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = pc.match_substring_regex(levels, pattern).to_numpy(
        zero_copy_only=False
    )
    return found.astype(bool)


def _has(levels: pa.StringArray, text: str) -> bool:
    return bool(pc.any(pc.match_substring(levels, text)).as_py())
