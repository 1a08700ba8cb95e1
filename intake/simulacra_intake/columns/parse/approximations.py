"""Words and signs of approximation around numbers: "ca. 120", "~45", "> 100", "50 or so"."""

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow.compute as pc

from simulacra_intake.columns.distinct_values import Words
from simulacra_schema.lexicon import in_languages, words_in

LEAST_PLAIN = 0.1
"""Share of the cells that are numbers without them: "CA 12" in all cells is a code."""
LEAST_NUMBERS = 10
"""Distinct numbers beside which "> 100" is one, too; beside fewer it is the end of a scale."""
_ODD = r"[^0-9.,\s+-]"
_ABOUT = r"[~≈≃∼～±]|\+/-"
_BOUND = "[<>≤≥＜＞]=?"
_SHORT = 4
"""Letters from which on a word in capitals is no code."""
_NO_SPACES = "\u2e80"
"""The first letter of scripts that have no spaces between words."""


@cache
def _forms() -> tuple[str, str, str]:
    """Return patterns of a number with words before it, behind it, or a bound before it."""
    texts = {word for _, text in in_languages("approximately") for word in words_in(text)}
    words = sorted(texts, key=len, reverse=True)
    tight = [re.escape(word) for word in words if word.endswith(".") or word[0] >= _NO_SPACES]
    spaced = [_spelled(word) for word in words if re.escape(word) not in tight]
    number = r"(?:[A-Z]{2,3} ?)?[^\pL0-9]{0,3}[0-9]"
    before = rf"(?:(?:{'|'.join([*tight, _ABOUT])})\s*|(?:{'|'.join(spaced)})\s+)"
    behind = rf"(?:\s*(?:{'|'.join(tight)})|\s+(?:{'|'.join(spaced)}))"
    return (
        rf"(?i)^{before}({number}.*)$",
        rf"(?i)^(.*[0-9].*?){behind}$",
        rf"^{_BOUND}\s*({number}.*)$",
    )


def _spelled(word: str) -> str:
    """Return the pattern of a word; short ones in capitals are codes: CA 90210."""
    if len(word) >= _SHORT:
        return re.escape(word)
    return f"(?-i:[{word[0]}{word[0].upper()}]{re.escape(word[1:])})"


def without_approximations(words: Words) -> tuple[Words, int]:
    """Return the words without those of approximation, and the rows that have one.

    Where too few cells are plain, the words stay, and no row has one.
    """
    levels = words.levels
    numbers = np.asarray(pc.match_substring_regex(levels, "[0-9]"))
    are_few = 2 * numbers.sum() < max(numbers.size, 1)
    if are_few or not pc.any(pc.match_substring_regex(levels, _ODD)).as_py():
        return words, 0
    before, behind, bound = _forms()
    exact = pc.replace_substring_regex(levels, before, r"\1")
    exact = pc.replace_substring_regex(exact, behind, r"\1")
    bounded = pc.replace_substring_regex(exact, bound, r"\1")
    if np.sum(numbers & np.asarray(pc.equal(bounded, levels))) >= LEAST_NUMBERS:
        exact = bounded
    found = np.asarray(pc.not_equal(exact, levels))
    if words.counts[numbers & ~found].sum() < LEAST_PLAIN * words.present:
        return words, 0
    return replace(words, levels=exact), int(words.counts[found].sum())
