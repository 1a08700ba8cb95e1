"""A text column as distinct words: trimmed, without missing tokens, with their counts and rows.

Later steps (is it a number, a date, a scale?) look at the distinct words only.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.columns.na_codes import NA, is_na_a_code
from simulacra_intake.columns.specials import are_special

_MISSING_WORDS = {"", "na", "n/a", "n.a.", "n.a", "nan", "-nan", "nat", "null", "(null)", "nil"}
_MISSING_SIGNS = {"?", ".", "-", "--", "---", "–", "—", "\\n", "<na>", "<null>", "#n/a", "#na"}
_SPREADSHEET_ERROR = (
    r"^(?:#[¡¿]?[\p{Lu}/0_]{2,}[!?]|#N/[DBV]!?|#NV|#I/T|#Н/Д|#YOK|#HIÁNYZIK|Err:5[0-9]{2})$"
)
"""Of Excel and LibreOffice in any language: #REF!, #¡DIV/0!, #WERT!, #ИМЯ?, #N/D, #NV."""
_SPREADSHEET_ERRORS = {"#null!", "#value!", "#ref!", "#div/0!", "#num!", "#name?"}
MISSING_TOKENS = _MISSING_WORDS | _MISSING_SIGNS | _SPREADSHEET_ERRORS
"""Lower-case words that mean "no value" in any text column. "Unknown" is an answer."""
_OTHER_DIGITS = "[٠-٩۰-۹०-९０-９]"
_ASCII = str.maketrans(
    "٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹०१२३४५६७८९０１２３４５６７８９．，％￥－٫٬٪", "0123456789" * 4 + ".,%¥-.'%"
)
SOFT_MISSING_TOKENS = frozenset({"none", "missing", "not available", "unknown", "*", "x"})
"""Missing only where all other words are numbers or dates; levels among words."""


@dataclass(frozen=True)
class Words:
    """Distinct non-missing words of a text column.

    Attributes:
        levels: the words, string array, shape [k].
        counts: rows of each word, shape [k].
        codes: index into levels of each row, -1 where missing, shape [rows].
        trimmed: rows whose surrounding white space was removed.
        tokens: rows whose missing token was set to missing.
    """

    levels: pa.StringArray
    counts: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int64]
    trimmed: int = 0
    tokens: int = 0

    @property
    def present(self) -> int:
        """Rows that are not missing."""
        return int(self.counts.sum())

    def share(self, mask: pa.BooleanArray) -> float:
        """Return the share of present rows whose word is in the mask."""
        return float(self.counts[_true(mask)].sum() / max(self.present, 1))

    def soft(self) -> pa.BooleanArray:
        """Mark the words that mean "no value" among numbers and dates."""
        return pc.is_in(pc.utf8_lower(self.levels), value_set=pa.array(sorted(SOFT_MISSING_TOKENS)))

    def no_values(self) -> npt.NDArray[np.bool_]:
        """Mark the words that are no numbers: soft missing words and special answers."""
        return _true(pc.or_(self.soft(), are_special(self.levels)))

    def without(self, mask: npt.NDArray[np.bool_]) -> Words:
        """Return the column with the rows of some words missing."""
        place = np.append(np.where(mask, -1, np.arange(len(self.levels))), -1)
        return replace(self, counts=np.where(mask, 0, self.counts), codes=place[self.codes])

    def only(self, mask: npt.NDArray[np.bool_]) -> Words:
        """Return the column with these words only; the rows of others are missing."""
        place = np.append(np.where(mask, np.cumsum(mask) - 1, -1), -1)
        levels = self.levels.filter(pa.array(mask))
        return replace(self, levels=levels, counts=self.counts[mask], codes=place[self.codes])

    def in_ascii(self) -> Words:
        """Return the words with ASCII digits instead of Arabic, Indian and full-width ones."""
        if not pc.any(pc.match_substring_regex(self.levels, _OTHER_DIGITS)).as_py():
            return self
        plain = [word.translate(_ASCII) for word in self.levels.to_pylist()]
        return replace(self, levels=pa.array(plain))

    def rows(self, values: pa.Array) -> pa.Array:
        """Return the values of the words as one value per row; null where missing."""
        return values.take(pa.array(self.codes, mask=self.codes < 0))

    def by_appearance(self) -> Words:
        """Return the column with its words in the order of their first rows."""
        known, first = np.unique(self.codes, return_index=True)
        order = known[np.argsort(first)]
        order = order[order >= 0]
        levels = self.levels.take(pa.array(order))
        codes = self.restricted(order).astype(np.int64)
        return replace(self, levels=levels, counts=self.counts[order], codes=codes)

    def restricted(self, order: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """Return codes [rows] as positions into levels, -1 where missing."""
        place = np.full(len(self.levels) + 1, -1, dtype=np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        return place[self.codes]


def split_words(
    column: pa.ChunkedArray, tokens: Collection[str] = MISSING_TOKENS, *, writes_na: bool = True
) -> Words:
    """Return the distinct words of a string column, in their most frequent spelling.

    tokens: lower-case words that mean "no value"; writes_na: columns of the file write NA for it.
    """
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    encoded = encoded.unify_dictionaries().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):  # an empty column keeps its chunks
        encoded = (
            pa.concat_arrays(encoded.chunks) if encoded.num_chunks else pa.array([], encoded.type)
        )
    raw = encoded.dictionary.cast(pa.string())
    codes = encoded.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    codes = np.where(codes >= 0, codes, -1)
    raw_counts = np.bincount(codes[codes >= 0], minlength=len(raw))
    trimmed = pc.utf8_trim_whitespace(raw)
    changed = _true(pc.not_equal(trimmed, raw))
    no_value = pa.array(sorted(tokens), pa.string())
    missing = _true(pc.is_in(pc.utf8_lower(trimmed), value_set=no_value))
    if len(tokens) > 1:
        errors = _true(pc.match_substring_regex(trimmed, _SPREADSHEET_ERROR))
        # Beside hashtags, "#METOO!" is one.
        has_tags = (_true(pc.starts_with(trimmed, "#")) & ~missing & ~errors).any()
        missing |= errors & ~has_tags
    missing |= _true(pc.is_null(raw))
    used = raw_counts > 0
    blank = bool((codes < 0).any() or _true(pc.equal(trimmed, ""))[used].any())
    is_na = _true(pc.equal(trimmed, NA))
    if (is_na & used).any():
        others = trimmed.filter(pa.array(used & ~missing)).to_pylist()
        if is_na_a_code(others, blank=blank, writes_na=writes_na):
            missing &= ~is_na
    levels = trimmed.filter(pa.array(used & ~missing)).unique()
    place = pc.index_in(trimmed, value_set=levels).fill_null(-1).to_numpy(zero_copy_only=False)
    place = np.append(np.where(missing, -1, place), -1).astype(np.int64)
    merged = place[codes]
    return Words(
        levels=levels,
        counts=np.bincount(merged[merged >= 0], minlength=len(levels)),
        codes=merged,
        trimmed=int(raw_counts[changed & ~missing].sum()),
        tokens=int(raw_counts[missing & ~_true(pc.is_null(raw))].sum()),
    )


def _true(mask: pa.BooleanArray) -> npt.NDArray[np.bool_]:
    flags: npt.NDArray[np.bool_] = pc.fill_null(mask, False).to_numpy(zero_copy_only=False)
    return flags
