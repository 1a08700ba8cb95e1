"""Words and signs of approximation around numbers: "ca. 120", "~45", "> 100", "50 or so"."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.columns.distinct_values import Words
from simulacra_schema.lexicon import in_languages, words_in

LEAST_PLAIN = 0.1
"""Share of the cells that are numbers without them: "CA 12" in all cells is a code."""
LEAST_NUMBERS = 10
"""Distinct numbers beside which "> 100" is one, too; beside fewer it is the end of a scale."""
_ABOUT = r"[~≈≃∼～±]|\+/-"
_BOUND = "[<>≤≥＜＞]=?"
_NO_SPACES = "\u2e80"
"""The first letter of scripts that have no spaces between words."""


@cache
def _forms() -> tuple[str, str, str]:
    """Return what stands before a number, behind it, and either, as patterns with a number."""
    texts = {word for _, text in in_languages("approximately") for word in words_in(text)}
    words = sorted(texts, key=len, reverse=True)
    tight = [re.escape(word) for word in words if word.endswith(".") or word[0] >= _NO_SPACES]
    spaced = [re.escape(word) for word in words if word not in tight]
    number = r"(?:[A-Z]{2,3} ?)?[^\pL0-9]{0,3}[0-9]"
    before = rf"(?:(?:{'|'.join([*tight, _ABOUT])})\s*|(?:{'|'.join(spaced)})\s+)"
    behind = rf"(?:\s*(?:{'|'.join(tight)})|\s+(?:{'|'.join(spaced)}))"
    return (
        rf"(?i)^{before}({number}.*)$",
        rf"(?i)^(.*[0-9].*?){behind}$",
        rf"^{_BOUND}\s*({number}.*)$",
    )


def without_approximations(words: Words) -> tuple[Words, int]:
    """Return the words without those of approximation, and the rows that have one.

    Where too few cells are plain, the words stay, and no row has one.
    """
    levels = words.levels
    before, behind, bound = _forms()
    exact = pc.replace_substring_regex(levels, before, r"\1")
    exact = pc.replace_substring_regex(exact, behind, r"\1")
    plain = _true(pc.and_(pc.equal(exact, levels), pc.match_substring_regex(levels, r"[0-9]")))
    bounded = pc.replace_substring_regex(exact, bound, r"\1")
    if (plain & _true(pc.equal(bounded, levels))).sum() >= LEAST_NUMBERS:
        exact = bounded
    found = _true(pc.not_equal(exact, levels))
    if not found.any() or words.counts[plain].sum() < LEAST_PLAIN * words.present:
        return words, 0
    return replace(words, levels=exact), int(words.counts[found].sum())


def _true(mask: pa.BooleanArray) -> npt.NDArray[np.bool_]:
    flags: npt.NDArray[np.bool_] = mask.to_numpy(zero_copy_only=False)
    return flags
