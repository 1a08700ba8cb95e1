"""The hint of errors about a word that nothing is called by."""

import difflib
from collections.abc import Sequence

NO_LEVEL = "The column has no such level of five persons or more."
MAX_WORDS = 10_000
MAX_LENGTH = 512
"""Bounds of what is compared, because the words may be a stranger's."""


def unknown_column(name: str, names: Sequence[str]) -> str:
    """Return the error of a name that a schema lacks, with the closest name if one is near."""
    hint = closest(name, names) or " See the dataset's schema for its columns."
    return f"The schema has no such column.{hint}"


def unknown_level(level: str, levels: Sequence[str]) -> str:
    """Return the error of a level that a column lacks, with the closest level if one is near.

    It is the same for a word of fewer than five persons and for one that nobody gave.
    """
    hint = closest(level, levels) or " See the dataset's schema for its levels."
    return f"{NO_LEVEL}{hint}"


def closest(word: str, words: Sequence[str]) -> str:
    """Return ' Did you mean "x"?' for the word most like this one, or an empty text."""
    known = {one.casefold(): one for one in words[:MAX_WORDS] if len(one) <= MAX_LENGTH}
    near = difflib.get_close_matches(word[:MAX_LENGTH].casefold(), list(known), n=1, cutoff=0.6)
    return f' Did you mean "{known[near[0]]}"?' if near else ""
