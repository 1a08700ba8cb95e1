"""How alike two questions are: by name, by levels and shares, and by what they go with."""

import difflib
import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import zip_longest

import numpy as np
import numpy.typing as npt

from simulacra_intake.matching.questions import Floats, Question

Bools = npt.NDArray[np.bool_]
_MARK = re.compile(r"(q|v|w|wave|t|f|frage|item)?\d+[a-z]?")
"""Question numbers and marks of waves: Q12a, w2, 2019."""
FEWEST_ROWS = 30
"""Rows of a table below which nothing is read from it."""


def like_by_name(earlier: Sequence[Question], newest: Sequence[Question]) -> Floats:
    """Return how alike names or labels are, 0..1, float64 [earlier, newest]."""
    return np.array([[_names(a, b) for b in newest] for a in earlier])


def _names(a: Question, b: Question) -> float:
    names = 1.0 if a.name == b.name else _near(_stem(a.name), _stem(b.name))
    if not (a.label and b.label):
        return names
    labels = _ratio(a.label.casefold(), b.label.casefold())
    return (names + labels) / 2.0 if a.name == b.name else max(names, labels)


def _near(x: str, y: str) -> float:
    if not x or not y:
        return 0.0 if x or y else 0.3
    return 0.95 * _ratio(x, y)


def _ratio(x: str, y: str) -> float:
    return difflib.SequenceMatcher(None, x, y).ratio()


@lru_cache(4096)
def _stem(name: str) -> str:
    """Return the words of a name without question numbers and marks of waves."""
    apart = re.sub(r"([a-z])([A-Z])", r"\1 \2", name).casefold()
    words = re.split(r"[\W_]+", apart)
    return " ".join(word for word in words if word and not _MARK.fullmatch(word))


def like_by_values(earlier: Sequence[Question], newest: Sequence[Question]) -> Floats:
    """Return how alike levels and shares, or numbers, are, 0..1, float64 [earlier, newest]."""
    return np.array([[_values(a, b) for b in newest] for a in earlier])


def alone_alike(earlier: Sequence[Question], newest: Sequence[Question]) -> Bools:
    """Return pairs whose levels no other question has, bool [earlier, newest]; 3 levels or more."""
    alike = np.array([[len(a.keys) > 2 and a.is_like(b) for b in newest] for a in earlier])
    return alike & (alike.sum(0) == 1) & (alike.sum(1, keepdims=True) == 1)


def _values(a: Question, b: Question) -> float:
    if bool(a.quantiles) != bool(b.quantiles):
        return 0.0
    if a.quantiles:
        x, y = np.array(a.quantiles), np.array(b.quantiles)
        span = max(float(np.ptp([*x, *y])), 1e-9)
        return max(0.0, 1.0 - 4.0 * float(np.mean(np.abs(x - y))) / span)
    mine, other = dict(zip(a.keys, a.shares, strict=True)), dict(zip(b.keys, b.shares, strict=True))
    every = mine.keys() | other.keys()
    shared = mine.keys() & other.keys()
    near = _near_levels(sorted(mine.keys() - shared), sorted(other.keys() - shared))
    text = min(1.0, (len(shared) + 0.8 * near) / max(len(every) - 0.8 * near, 1.0))
    away = 0.5 * sum(abs(mine.get(key, 0.0) - other.get(key, 0.0)) for key in every)
    ranked = (sorted(of, reverse=True) for of in (a.shares, b.shares))
    shape = 1.0 - 0.5 * sum(abs(x - y) for x, y in zip_longest(*ranked, fillvalue=0.0))
    return 0.55 * text + 0.25 * text * (1.0 - away) + 0.2 * shape


def _near_levels(left: Sequence[str], right: Sequence[str]) -> int:
    """Return how many of these levels are nearly spelled as one of the others."""
    if len(left) * len(right) > 400:
        return 0
    return sum(bool(difflib.get_close_matches(one, right, 1, 0.7)) for one in left)


Places = tuple[list[int] | slice, list[int] | slice]


def shared_levels(a: Question, b: Question) -> Places:
    """Return the places, in each of two questions, of the answers that both have, in a's order.

    Of numbers these are all groups.
    """
    if a.quantiles:
        return slice(None), slice(None)
    both = [(at, b.keys.index(key)) for at, key in enumerate(a.keys) if key in b.keys]
    return [at for at, _ in both], [at for _, at in both]


def association(table: Floats) -> float:
    """Return `cramers_v`, 0 of a table of few rows."""
    return cramers_v(table) if table.sum() >= FEWEST_ROWS else 0.0


def cramers_v(table: Floats) -> float:
    """Return Cramer's V of a table of some counts, less what chance alone gives."""
    n = float(table.sum())
    expected = table.sum(1, keepdims=True) @ table.sum(0, keepdims=True) / n
    chi = float(np.sum((table - expected) ** 2 / np.maximum(expected, 1e-9)))
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    least = max(min(table.shape) - 1, 1)
    return float(np.sqrt(max(chi - freedom, 0.0) / n / least))


def rank_correlation(table: Floats) -> float:
    """Return Spearman's correlation of two answers in order, from their table of counts."""
    n = float(table.sum())
    if n < FEWEST_ROWS:
        return 0.0
    x, y = (_ranks(table.sum(axis)) for axis in (1, 0))
    spread = np.sqrt((table.sum(1) @ x**2) * (table.sum(0) @ y**2))
    return float(x @ table @ y / spread) if spread > 0 else 0.0


def _ranks(counts: Floats) -> Floats:
    """Return the middle rank of each answer, of mean 0."""
    middle = np.cumsum(counts) - counts / 2.0
    return middle - float(counts @ middle) / float(counts.sum())
