"""Cross-fitted augmented inverse propensity weighting (AIPW), a doubly robust effect estimate.

For each row, one nuisance model predicts the outcome in each arm and another the propensity: the
probability of each arm given the adjustment columns. A row's score is the difference of the two
predicted outcomes, plus the residual of its own outcome divided by its propensity. The mean of the
scores is the effect, their spread gives the standard error. The estimate is consistent if either
model is right (Robins, Rotnitzky & Zhao, 1994). Every row is scored by models that were fit without
it (cross-fitting; Chernozhukov et al., Double/debiased machine learning, 2018).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulacra_trainer.effects.contrast import Arm, Contrast
from simulacra_trainer.effects.features import Features, Floats
from simulacra_trainer.effects.nuisance import fit_nuisance
from simulacra_trainer.persons import Ints

FOLDS = 5
CLIP = 0.02
"""Smallest propensity of an arm with half of the rows; proportionally smaller for smaller arms."""
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Scores:
    """Scores of the rows.

    Attributes:
        value: float64 [n].
        is_supported: bool [n], whether both propensities exceed the clip.
        weights: survey weights, float64 [n]; None if there are none.
        persons: of each row, int64 [n]; None where each row is its own person.
    """

    value: Floats
    is_supported: npt.NDArray[np.bool_]
    weights: Floats | None = None
    persons: Ints | None = None


@dataclass(frozen=True)
class Interval:
    """Mean score with 95 % Wald interval, number of rows, and share of supported rows."""

    effect: float
    low: float
    high: float
    rows: int
    support: float


def aipw_scores(contrast: Contrast, features: Features, seed: int) -> Scores:
    """Return the efficient scores of E[Y | do(value)] - E[Y | do(baseline)].

    In a window design the outcome model has the distance from the arm's value as a further linear
    column, so that it estimates the value itself and not the mean of the window.

    Args:
        contrast: n rows.
        features: adjustment columns of these rows.
        seed: of folds and validation rows.
    """
    n = contrast.outcome.size
    rng = np.random.default_rng(seed)
    fold = _folds(contrast, rng)
    both = (contrast.value, contrast.baseline)
    has_two_arms = bool(np.all(contrast.value.rows | contrast.baseline.rows))
    score, supported = np.zeros(n), np.ones(n, np.bool_)
    for k in range(FOLDS):
        learn, held = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        if not held.size:
            continue
        propensities: list[Floats] = []
        for arm in both:
            if has_two_arms and propensities:
                propensities.append(1.0 - propensities[0])
            else:
                model = fit_nuisance(features.rows(learn), arm.rows[learn].astype(np.float64), rng)
                propensities.append(model.predict(features.rows(held)))
        for arm, sign, propensity in zip(both, (1.0, -1.0), propensities, strict=True):
            mu, at_row = _outcomes(contrast, features, arm, learn, held, rng)
            least = CLIP * min(1.0, 2.0 * float(arm.rows.mean()))
            weight = arm.rows[held] / np.clip(propensity, least, 1.0)
            score[held] += sign * (mu + weight * (contrast.outcome[held] - at_row))
            supported[held] &= propensity >= least
    return Scores(score, supported, contrast.weights, contrast.persons)


def summarize(scores: Scores, rows: npt.NDArray[np.bool_] | None = None) -> Interval:
    """Return the mean score over all rows, or over some (bool [n]), with its interval.

    With survey weights: the weighted mean, and the linearized variance of a ratio (Binder, 1983).
    With several rows a person, the variance is that of the persons' sums (Liang & Zeger, 1986).
    """
    chosen = slice(None) if rows is None else rows
    value, supported = scores.value[chosen], scores.is_supported[chosen]
    weights = np.ones(value.size) if scores.weights is None else scores.weights[chosen]
    weights = weights if weights.any() else np.ones(value.size)
    effect = float(np.average(value, weights=weights))
    shares: Floats = weights * (value - effect)
    if scores.persons is not None:
        persons = scores.persons[chosen]
        shares = np.bincount(persons, weights=shares)[np.unique(persons)].astype(np.float64)
    spread = np.sum(shares**2) * shares.size / max(shares.size - 1, 1)
    half = Z95 * float(np.sqrt(spread) / weights.sum())
    support = float(np.average(supported, weights=weights))
    return Interval(effect, effect - half, effect + half, value.size, support)


def _folds(contrast: Contrast, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return the fold of each row, int64 [n], stratified by arm; a person's rows stay together."""
    if contrast.persons is not None:
        return (rng.permutation(int(contrast.persons.max()) + 1) % FOLDS)[contrast.persons]
    fold = np.empty(contrast.outcome.size, np.int64)
    stratum = contrast.value.rows + 2 * contrast.baseline.rows
    for s in range(4):
        rows = np.flatnonzero(stratum == s)
        fold[rows] = rng.permutation(rows.size) % FOLDS
    return fold


def _outcomes(
    contrast: Contrast,
    features: Features,
    arm: Arm,
    learn: npt.NDArray[np.int64],
    held: npt.NDArray[np.int64],
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Return the test rows' expected outcomes at the arm's value and at their own treatment."""
    own = learn[arm.rows[learn]]
    train, test = features.rows(own), features.rows(held)
    if arm.distance is None:
        mu = fit_nuisance(train, contrast.outcome[own], rng).predict(test)
        return mu, mu
    model = fit_nuisance(train.with_always(arm.distance[own]), contrast.outcome[own], rng)
    target = model.predict(test.with_always(np.zeros(held.size)))
    distance = np.where(arm.rows[held], arm.distance[held], 0.0)
    return target, model.predict(test.with_always(distance))
