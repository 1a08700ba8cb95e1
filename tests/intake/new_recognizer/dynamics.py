"""Loudness as musicians write it, from pp to ff: a made-up recognizer."""

from __future__ import annotations

import numpy as np

from simulacra_intake.columns.text_column import Proposal, Recognizer, TextColumn

SOFT_TO_LOUD = ("pp", "p", "mp", "mf", "f", "ff")


def _propose(column: TextColumn) -> Proposal | None:
    levels = column.words.levels.to_pylist()
    if len(levels) < 3 or not set(levels) <= set(SOFT_TO_LOUD):
        return None
    order = np.argsort([SOFT_TO_LOUD.index(level) for level in levels])
    return Proposal(column.levels("ordinal", order))


DYNAMICS = Recognizer("loudness", _propose)
