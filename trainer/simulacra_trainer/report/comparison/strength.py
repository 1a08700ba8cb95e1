"""Strength of dependences in one figure each, among real rows and among generated ones.

Between two columns with an order it is the correlation of their codes, which are levels or tenths
of numbers; missing is left out. Else it is the correlation of scores that the seen rows give the
levels, on the first axis of their correspondence analysis (Benzécri, 1973); missing is a level.
Real rows are unseen ones, so that the noise of the scores weakens both figures alike. Counts over
many cells do not show when a model shrinks a trend: this does.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from simulacra_intake.survey_weights import Floats
from simulacra_schema.table import ColumnSchema
from simulacra_schema.verdicts import KEPT_FAIR, KEPT_GOOD

Bools = npt.NDArray[np.bool_]
Word = Literal["kept", "weakened", "lost", "not measured"]
FALSE_TRENDS = 0.05
"""Share of the trends found that may be chance (Benjamini and Hochberg, 1995)."""
LEAST_TREND = 0.05
"""Correlation from which on a trend is a relation: in many rows a trend of nothing is no chance."""
CHANCE = 1.64
"""Standard errors that chance exceeds once in twenty, on one side."""
FIRST_LEVEL = 1
"""Codes before it are missing."""


@dataclass(frozen=True)
class Strength:
    """The strength of one dependence, -1..1, and the standard error of the real one."""

    real: float
    generated: float
    error: float

    @property
    def share(self) -> float | None:
        """The share of the strength that the generated rows have; None if it is no chance."""
        if abs(self.real) <= CHANCE * self.error:
            return None
        gap = np.sign(self.real) * (self.real - self.generated)
        return 1.0 if gap <= CHANCE * self.error else self.generated / self.real


def has_order(column: ColumnSchema, codes: int) -> bool:
    """Return whether the codes of a column are in order: numbers, scales, two levels."""
    is_number = column.kind in ("integer", "numeric", "datetime")
    return is_number or column.ordered or codes <= FIRST_LEVEL + 2


def trends_of(counts: Floats) -> tuple[Floats, Floats]:
    """Return the trends of pairs, and how likely chance alone gives as strong ones.

    counts: of columns with an order, float64 [pairs, left, right].

    Returns:
        Correlations and probabilities, float64 [pairs] each.
    """
    inner = counts[:, FIRST_LEVEL:, FIRST_LEVEL:]
    found = _correlation(inner, *_places(inner))
    rows = inner.sum(axis=(1, 2))
    return found, 2.0 * ndtr(-np.abs(found) * np.sqrt(rows))


def no_chance(chances: Floats) -> Bools:
    """Return which of all tests are no chance, so that few of these are, bool [tests]."""
    order = np.argsort(chances)
    limits = FALSE_TRENDS * np.arange(1, chances.size + 1) / max(chances.size, 1)
    below = np.flatnonzero(chances[order] <= limits)
    found = np.zeros(chances.size, np.bool_)
    found[order[: below[-1] + 1 if below.size else 0]] = True
    return found


def strengths(seen: Floats, tables: list[Floats], ordered: bool) -> list[Floats]:
    """Return the strength in each table of counts, float64 [pairs] each.

    seen, tables: counts of the seen and of other rows, float64 [pairs, left, right]; ordered:
    whether both columns of each pair have an order.
    """
    if ordered:
        tables = [of[:, FIRST_LEVEL:, FIRST_LEVEL:] for of in tables]
        return [_correlation(of, *_places(of)) for of in tables]
    scores = _first_axis(seen)
    return [_correlation(of, *scores) for of in tables]


def _places(counts: Floats) -> tuple[Floats, Floats]:
    pairs, left, right = counts.shape
    return np.tile(np.arange(left), (pairs, 1)), np.tile(np.arange(right), (pairs, 1))


def _first_axis(counts: Floats) -> tuple[Floats, Floats]:
    """Return the scores of both columns' levels, float64 [pairs, left] and [pairs, right]."""
    total = np.maximum(counts.sum(axis=(1, 2), keepdims=True), 1.0)
    share = counts / total
    rows, columns = share.sum(axis=2), share.sum(axis=1)
    expected = rows[:, :, None] * columns[:, None, :]
    scaled = np.divide(
        share - expected, np.sqrt(expected), out=np.zeros_like(share), where=expected > 0
    )
    left, _, right = np.linalg.svd(scaled, full_matrices=False)
    scores = left[:, :, 0] / np.sqrt(np.maximum(rows, 1e-12))
    return scores * (rows > 0), right[:, 0, :] / np.sqrt(np.maximum(columns, 1e-12)) * (columns > 0)


def _correlation(counts: Floats, left: Floats, right: Floats) -> Floats:
    """Return the correlation of scores [pairs, left] and [pairs, right]; 0 if one is constant."""
    total = np.maximum(counts.sum(axis=(1, 2)), 1.0)
    rows, columns = counts.sum(axis=2), counts.sum(axis=1)
    u = left - (np.sum(rows * left, axis=1) / total)[:, None]
    v = right - (np.sum(columns * right, axis=1) / total)[:, None]
    both = np.einsum("pij,pi,pj->p", counts, u, v)
    size = np.sqrt(np.sum(rows * u**2, axis=1) * np.sum(columns * v**2, axis=1))
    return np.divide(both, size, out=np.zeros_like(both), where=size > 1e-12)


def word_of_share(share: float) -> Word:
    """Return whether a dependence of which this share is left is kept, weakened or lost."""
    return "kept" if share >= KEPT_GOOD else "weakened" if share >= KEPT_FAIR else "lost"
