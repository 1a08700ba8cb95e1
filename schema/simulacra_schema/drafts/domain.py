"""What a column of a draft can hold, and why there is no draft."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from simulacra_schema.conditions import ConditionSet
from simulacra_schema.drafts.rules import Value
from simulacra_schema.faults import Fault, Wrong
from simulacra_schema.quota_checks import Values
from simulacra_schema.table import ColumnSchema

T = TypeVar("T")
ROUNDING = 1e-9


class DraftRefused(ValueError):
    """Conditions or rules cannot be met; errors: each with its pointer in the request."""

    def __init__(self, errors: Sequence[Fault]) -> None:
        super().__init__(" ".join(one.detail for one in errors[:5]))
        self.errors = tuple(errors)


@dataclass(frozen=True)
class Domain:
    """What a column can hold: levels with their natural shares, or the steps of a range."""

    levels: dict[str, float]
    first: int
    last: int
    step: float
    asked_if: dict[str, Values]

    def number(self, at: int) -> float:
        """Return the number at a step of the range."""
        return at * self.step if self.step >= 1 else round(at * self.step, 9)

    def some(self, values: Values, rng: random.Random, *, inside: bool) -> Value:
        """Return a random value inside or outside of the values, None if there is none."""
        if isinstance(values, frozenset):
            return pick([one for one in self.levels if (one in values) == inside], rng)
        low = max(self.first, _up(values[0] / self.step))
        high = min(self.last, _down(values[1] / self.step))
        below, above = min(self.last, low - 1), max(self.first, high + 1)
        parts = [(low, high)] if inside else [(self.first, below), (above, self.last)]
        part = pick([one for one in parts if one[0] <= one[1]], rng)
        return None if part is None else self.number(rng.randint(*part))

    def reaches(self, low: float, high: float) -> bool:
        """Return whether a number of the range lies between two others."""
        return _up(low / self.step) <= self.last and _down(high / self.step) >= self.first

    def nearest(self, number: float) -> float:
        """Return the number of the range that is nearest."""
        return self.number(min(max(round(number / self.step), self.first), self.last))

    def spread(self, rows: int, rng: random.Random, stated: dict[str, float]) -> list[Value]:
        """Return values in random order; levels as often as stated, the rest by natural shares."""
        if not self.levels:
            return [self.number(rng.randint(self.first, self.last)) for _ in range(rows)]
        open_levels = {one: share for one, share in self.levels.items() if one not in stated}
        rest = max(1 - sum(stated.values()), 0.0) / (sum(open_levels.values()) or 1)
        shares = {**stated, **{one: rest * share for one, share in open_levels.items()}}
        total = sum(shares.values()) or 1
        found: list[Value] = []
        reached = 0.0
        for level, share in shares.items():
            reached += share / total
            found += [level] * (round(reached * rows) - len(found))
        rng.shuffle(found)
        return found


def _up(number: float) -> int:
    return -(10**18) if number == -math.inf else math.ceil(number - ROUNDING)


def _down(number: float) -> int:
    return 10**18 if number == math.inf else math.floor(number + ROUNDING)


def pick(found: Sequence[T], rng: random.Random) -> T | None:
    """Return a random one, None if there is none."""
    return rng.choice(found) if found else None


def domain_of(
    column: ColumnSchema, wanted: ConditionSet, step: float, asked_if: dict[str, Values]
) -> Domain:
    """Return what a column can hold under the ranges; DraftRefused if that is nothing."""
    levels = {one.value: one.share for one in column.levels}
    if levels:
        return Domain(levels, 0, 0, step, asked_if)
    scale = 1e6 if column.kind == "datetime" else 1  # the schema has seconds
    assert column.minimum is not None
    assert column.maximum is not None
    low, high = column.minimum * scale, column.maximum * scale
    if column.name in wanted.numeric:
        ends = wanted.numeric[column.name].ends()
        low, high = max(low, ends[0]), min(high, ends[1])
    first, last = _up(low / step), _down(high / step)
    if column.kind != "datetime" and step > 1:  # of which ROUNDING is much
        first, last = first + (first * step < low), last - (last * step > high)
    if first > last:
        of = f" is a multiple of {step:.12g} and" if step > 1 else ""
        detail = f"No value of it{of} lies in the range; widen it."
        wrong = Wrong("no value in the range", detail)
        raise DraftRefused([wrong.at("conditions", "numeric", column.name)])
    return Domain({}, first, last, step, asked_if)
