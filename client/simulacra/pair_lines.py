"""Pairs of columns and what is stated of them, as lines: `x*y`, `x=Yes*y=No:positive`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from simulacra.models import Json

SIGNS = ("positive", "negative")
_WORD = r'"(?:[^"]|"")+"|[^*="]+'
_PAIR = re.compile(rf"({_WORD})(?:=({_WORD}))?\*({_WORD})(?:=({_WORD}))?")
Pairs = Iterable[str | Mapping[str, object]]


def pair_of(line: str | Mapping[str, object], *, signed: bool = False) -> Json:
    """Return a pair as the service has it: x, y, the levels it is about, and its sign.

    Args:
        line: `x*y` or `x=Yes*y=No`; of a sign `x*y:positive`. A name with a star or an equals sign
            stands in double quotes, one of these twice. A mapping stays as it is.
        signed: a sign follows the pair.

    Raises:
        ValueError: the line is none of these.
    """
    if not isinstance(line, str):
        return dict(line)
    pair, sign = line, None
    if signed:
        pair, _, sign = line.rpartition(":")
        if sign not in SIGNS:
            raise ValueError(f'"{line}": end it with :positive or :negative.')
    sides = _PAIR.fullmatch(pair)
    if sides is None or (sides[2] is None) != (sides[4] is None):
        raise ValueError(f'"{line}": write x*y, or x=Yes*y=No for two of their levels.')
    x, x_level, y, y_level = (side and _plain(side) for side in sides.groups())
    found: Json = {"x": x, "y": y}
    if x_level is not None:
        found["levels"] = [x_level, y_level]
    return found | ({"sign": sign} if sign else {})


def _plain(word: str) -> str:
    quoted = len(word) > 1 and word[0] == word[-1] == '"'
    return word[1:-1].replace('""', '"') if quoted else word


def stated_pairs(
    pairs: Pairs | None, independent: Pairs | None, sign: Pairs | None, impossible: Pairs | None
) -> Json:
    """Return the statements that are there, by field."""
    fields = {"pairs": pairs, "independent": independent, "sign": sign, "impossible": impossible}
    found = {
        name: [pair_of(line, signed=name == "sign") for line in lines or ()]
        for name, lines in fields.items()
    }
    return {name: lines for name, lines in found.items() if lines}
