"""A numeric treatment as nuisance models use it: at asked doses, and as a spline of few terms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
    distinct numbers it has fewer terms, at least one.
    """
    knots = np.unique(np.quantile(values, KNOTS))
    both = np.concatenate([values, doses])
    if knots.size > 1:
        span = REACH * (knots[-1] - knots[0])
        both = np.clip(both, knots[0] - span, knots[-1] + span)
    n = values.size
    center, scale = float(both[:n].mean()), max(float(both[:n].std()), 1e-300)
    both, knots = (both - center) / scale, (knots - center) / scale
    if knots.size < 3:
        return both[None, :n], both[None, n:]
    last, before = knots[-1], knots[-2]
    terms = [both]
    for knot in knots[:-2]:
        bend = _cube(both - knot)
        bend -= _cube(both - before) * (last - knot) / (last - before)
        bend += _cube(both - last) * (before - knot) / (last - before)
        terms.append(bend / (last - knots[0]) ** 2)
    found = np.array(terms)
    found -= found[:, :n].mean(axis=1, keepdims=True)
    found /= np.maximum(found[:, :n].std(axis=1, keepdims=True), 1e-300)
    correlations = found[:, :n] @ found[:, :n].T / n
    if float(np.linalg.eigvalsh(correlations)[0]) < LEAST_APART:
        return found[:1, :n], found[:1, n:]
    # Uncorrelated terms: models of nearly equal ones would each err by more than they differ.
    found = np.linalg.solve(np.linalg.cholesky(correlations), found)
    return found[:, :n], found[:, n:]


def _cube(x: Floats) -> Floats:
    cubed: Floats = np.maximum(x, 0.0) ** 3
    return cubed
