"""What verdicts are made of: levels, and figures that meet limits."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel

from simulacra_schema.base import VerdictLevel as Level
from simulacra_schema.worth import Figures

Code = Literal["likeness", "privacy", "worth"]


class Verdict(BaseModel):
    """A judgment of one property of generated rows.

    Attributes:
        code: what is judged.
        level: `unknown` where a figure that decides was not measured.
        sentence: the verdict in words.
        remedy: what would help, or how to use the rows all the same.
    """

    code: Code
    level: Level
    sentence: str
    remedy: str | None = None


def rounded(figures: Figures, name: str, digits: int = 2) -> float | None:
    """Return a figure as it meets its limit; None without."""
    value = figures.get(name)
    return None if value is None else round(value, digits)


def at_most(value: float | None, good: float, fair: float) -> Level:
    """Return the level of a figure that is better when lower."""
    if value is None:
        return "unknown"
    return "good" if value <= good else "fair" if value <= fair else "poor"


def worst(levels: Sequence[Level]) -> Level:
    """Return the worst level; what is known to be poor stays poor beside what is unknown."""
    return next(level for level in ("poor", "unknown", "fair", "good") if level in levels)
