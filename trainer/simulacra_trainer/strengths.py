"""Search of the weakest strength of a model that passes a privacy test."""

from collections.abc import Callable
from typing import Protocol, TypeVar

TOLERANCE = 0.01


class Tested(Protocol):
    """What a test says of a strength."""

    @property
    def passes(self) -> bool:
        """Whether the strength is within all bars."""

    @property
    def share(self) -> float:
        """DCR share, which falls with the strength."""


T = TypeVar("T", bound=Tested)


def search_strength(strengths: int, start: int, test: Callable[[int], T]) -> T:
    """Return the test of the weakest strength that passes, by bisection.

    Above the start it is sought in steps of 1, 2, 4, ..., because it is mostly near.

    If none passes, it is the weakest of those with about the lowest share: a strength that does not
    lower the share would cost fidelity for nothing, and the report says that the bar is missed.

    strengths: how many there are, numbered from 0, weakest first; start: which to try first.
    """
    tried: dict[int, T] = {}

    def passes(i: int) -> bool:
        tried[i] = test(i)
        return tried[i].passes

    low, high, step = (-1, start, strengths) if passes(start) else (start, strengths - 1, 1)
    while high - low > 1:
        middle = min(low + step, (low + high + 1) // 2)
        if passes(middle):
            high, step = middle, strengths
        else:
            low, step = middle, 2 * step
    if high not in tried:
        passes(high)
    if tried[high].passes:
        return tried[high]
    enough = min(one.share for one in tried.values()) + TOLERANCE
    return tried[min(i for i, one in tried.items() if one.share <= enough)]
