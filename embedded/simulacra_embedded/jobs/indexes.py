"""Sets of completion indexes as Kubernetes writes them: `0-2,5`."""

from __future__ import annotations

from collections.abc import Iterable


def parse(text: str) -> set[int]:
    """Return the indexes of a `completedIndexes` string.

    Raises:
        ValueError: A part is neither `n` nor `n-m`.
    """
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def render(indexes: Iterable[int]) -> str:
    """Return the shortest string: runs of two are `a,b`, longer ones `a-c`."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    parts = [f"{a}" if a == b else f"{a},{b}" if b == a + 1 else f"{a}-{b}" for a, b in runs]
    return ",".join(parts)
