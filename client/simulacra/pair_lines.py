"""Pairs of columns and what is stated of them, as lines: `x*y`, `x=Yes*y=No:positive`."""

import re
from collections.abc import Iterable, Mapping

from simulacra.models import Json
from simulacra.rule_lines import unquoted

SIGNS = ("positive", "negative")
_WORD = r'\s*("(?:[^"]|"")+"|[^*="\s][^*="]*)\s*'
_PAIR = re.compile(rf"{_WORD}(?:={_WORD})?\*{_WORD}(?:={_WORD})?")
Pairs = str | Mapping[str, object] | Iterable[str | Mapping[str, object]]
"""One pair or several; a pair is a line, or a mapping as the service has it."""


def pair_of(line: str | Mapping[str, object], *, signed: bool = False) -> Json:
    """Return a pair as the service has it: first, second, the levels it is about, and its sign.

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
        sign = sign.strip()
        if sign not in SIGNS:
            raise ValueError(f'"{line}": end it with :positive or :negative.')
    sides = _PAIR.fullmatch(pair)
    if sides is None or (sides[2] is None) != (sides[4] is None):
        raise ValueError(f'"{line}": write x*y, or x=Yes*y=No for two of their levels.')
    x, x_level, y, y_level = (side and unquoted(side) for side in sides.groups())
    found: Json = {"first": x, "second": y}
    if x_level is not None:
        found["levels"] = [x_level, y_level]
    return found | ({"sign": sign} if sign else {})


def stated_pairs(
    pairs: Pairs | None, independent: Pairs | None, sign: Pairs | None, impossible: Pairs | None
) -> Json:
    """Return the statements that are there, by field."""
    fields = {"pairs": pairs, "independent": independent, "sign": sign, "impossible": impossible}
    found: Json = {}
    for name, given in fields.items():
        lines = [given] if isinstance(given, str | Mapping) else given or ()
        if of := [pair_of(line, signed=name == "sign") for line in lines]:
            _check_levels(name, of)
            found[name] = of
    return found


def _check_levels(name: str, pairs: Iterable[Json]) -> None:
    for one in pairs:
        said = f"{name} {one.get('first')}*{one.get('second')}"
        if name in ("pairs", "independent") and "levels" in one:
            raise ValueError(f"{said}: write x*y without levels; it is about all of them.")
        if name == "impossible" and "levels" not in one:
            raise ValueError(f"{said}: name the two answers that never meet, x=Yes*y=No.")
