"""A numeric treatment as nuisance models use it: at asked doses, and as a spline of few terms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from simulacra_trainer.effects.models.exact_arms import end_heaps
from simulacra_trainer.effects.models.features import Floats

KNOTS = (0.05, 0.35, 0.65, 0.95)
"""Quantiles of the treatment at which its spline changes (Harrell, 2015)."""
REACH = 2.0
"""Numbers count up to this many times the knots' range beyond them: a code of 99999 among ages must
not bend the curve."""
LEAST_APART = 1e-8
"""Smallest eigenvalue of the terms' correlations from which they can be separated."""


@dataclass(frozen=True)
class Doses:
    """The treatment of n rows beside two asked doses.

    Attributes:
        terms: of the observed treatment, float64 [k, n], linear first.
        asked: the terms at the value and at the baseline, float64 [k, 2].
        crossed: adjustment columns that the treatment's slope may differ by, float64 [n, d].
    """

    terms: Floats
    asked: Floats
    crossed: Floats

    @property
    def gaps(self) -> Floats:
        """What each term differs by between value and baseline, float64 [k]."""
        found: Floats = self.asked[:, 0] - self.asked[:, 1]
        return found


def spline_terms(values: Floats, doses: Floats) -> tuple[Floats, Floats]:
    """Return a restricted cubic spline of numbers and of doses, float64 [k, n] and [k, doses].

    Linear first and linear beyond the outer knots, uncorrelated and of unit variance. With few
    distinct numbers it has fewer terms, at least one. A heap at an end of the numbers has a term of
    its own: people without any children or with a top-coded income may be of another kind, and must
    not bend the curve of the others.
    """
    n, both = values.size, np.concatenate([values, doses])
    heaps = [(both == end).astype(np.float64) for end in end_heaps(values)]
    is_rest = ~np.any([heap[:n] > 0 for heap in heaps], axis=0) if heaps else np.ones(n, np.bool_)
    knots = np.unique(np.quantile(values[is_rest], KNOTS))
    if knots.size > 1:
        span = REACH * (knots[-1] - knots[0])
        both = np.clip(both, knots[0] - span, knots[-1] + span)
    center, scale = float(both[:n].mean()), max(float(both[:n].std()), 1e-300)
    both, knots = (both - center) / scale, (knots - center) / scale
    terms = [both, *_bends(both, knots), *heaps]
    if len(terms) == 1:
        return both[None, :n], both[None, n:]
    found = np.array(terms)
    found -= found[:, :n].mean(axis=1, keepdims=True)
    found /= np.maximum(found[:, :n].std(axis=1, keepdims=True), 1e-300)
    correlations = found[:, :n] @ found[:, :n].T / n
    if float(np.linalg.eigvalsh(correlations)[0]) < LEAST_APART:
        return found[:1, :n], found[:1, n:]
    # Uncorrelated terms: models of nearly equal ones would each err by more than they differ.
    found = np.linalg.solve(np.linalg.cholesky(correlations), found)
    return found[:, :n], found[:, n:]


def _bends(both: Floats, knots: Floats) -> Iterator[Floats]:
    """Yield the terms beyond the linear one, none with fewer than three knots."""
    if knots.size < 3:
        return
    last, before = knots[-1], knots[-2]
    for knot in knots[:-2]:
        bend = _cube(both - knot)
        bend -= _cube(both - before) * (last - knot) / (last - before)
        bend += _cube(both - last) * (before - knot) / (last - before)
        yield bend / (last - knots[0]) ** 2


def _cube(x: Floats) -> Floats:
    cubed: Floats = np.maximum(x, 0.0) ** 3
    return cubed
