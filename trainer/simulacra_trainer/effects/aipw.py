"""Cross-fitted augmented inverse propensity weighting: the doubly robust estimate of an average
causal effect.

Robins, Rotnitzky & Zhao, 1994; cross-fitting after Chernozhukov et al., Double/debiased machine
learning, 2018. Every row is scored by models that did not see it; the mean of the scores is the
effect, their spread its standard error.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulacra_trainer.effects.features import Features, Floats
from simulacra_trainer.effects.nuisance import fit_nuisance
from simulacra_trainer.effects.question import Arm, Question

FOLDS = 5
CLIP = 0.02
"""Smallest propensity (so 0.98 is the largest of two arms); in proportion less for arms below half
of the rows, such as a level among many."""
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Scores:
    """One score a row, float64 [n], and whether both arms are possible there: propensities inside
    the clip; weights float64 [n] where rows stand for different numbers of people.
    """

    value: Floats
    is_supported: npt.NDArray[np.bool_]
    weights: Floats | None = None


@dataclass(frozen=True)
class Interval:
    """A mean of scores with 95 % Wald interval, its rows, and their share with support."""

    effect: float
    low: float
    high: float
    rows: int
    support: float


def aipw_scores(question: Question, features: Features, seed: int) -> Scores:
    """Return the efficient scores of E[Y | do(value)] - E[Y | do(baseline)].

    In a window design the outcome model has the distance from the asked value as a further, linear
    column, so that the arm speaks for the value itself and not for the mean of the window.

    Args:
        question: n rows.
        features: adjustment columns of these rows.
        seed: decides folds and check rows.
    """
    n = question.outcome.size
    rng = np.random.default_rng(seed)
    fold = _folds(question, rng)
    both = (question.value, question.baseline)
    only_these = bool(np.all(question.value.rows | question.baseline.rows))
    score, supported = np.zeros(n), np.ones(n, np.bool_)
    for k in range(FOLDS):
        learn, judge = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        if not judge.size:
            continue
        reached: list[Floats] = []
        for arm in both:
            if only_these and reached:
                reached.append(1.0 - reached[0])
            else:
                model = fit_nuisance(features.rows(learn), arm.rows[learn].astype(np.float64), rng)
                reached.append(model.predict(features.rows(judge)))
        for arm, sign, propensity in zip(both, (1.0, -1.0), reached, strict=True):
            mu, at_row = _outcomes(question, features, arm, learn, judge, rng)
            least = CLIP * min(1.0, 2.0 * float(arm.rows.mean()))
            weight = arm.rows[judge] / np.clip(propensity, least, 1.0)
            score[judge] += sign * (mu + weight * (question.outcome[judge] - at_row))
            supported[judge] &= propensity >= least
    return Scores(score, supported, question.weights)


def summarize(scores: Scores, rows: npt.NDArray[np.bool_] | None = None) -> Interval:
    """Return the mean over all rows, or over some (bool [n]), with its interval.

    With survey weights: the weighted mean, and the linearised variance of a ratio (Binder, 1983).
    """
    chosen = slice(None) if rows is None else rows
    value, supported = scores.value[chosen], scores.is_supported[chosen]
    weights = np.ones(value.size) if scores.weights is None else scores.weights[chosen]
    weights = weights if weights.any() else np.ones(value.size)
    effect = float(np.average(value, weights=weights))
    spread = np.sum((weights * (value - effect)) ** 2) * value.size / max(value.size - 1, 1)
    half = Z95 * float(np.sqrt(spread) / weights.sum())
    return Interval(
        effect,
        effect - half,
        effect + half,
        value.size,
        float(np.average(supported, weights=weights)),
    )


def _folds(question: Question, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Deal the rows to folds so that each has its part of both arms."""
    fold = np.empty(question.outcome.size, np.int64)
    stratum = question.value.rows + 2 * question.baseline.rows
    for s in range(4):
        rows = np.flatnonzero(stratum == s)
        fold[rows] = rng.permutation(rows.size) % FOLDS
    return fold


def _outcomes(
    question: Question,
    features: Features,
    arm: Arm,
    learn: npt.NDArray[np.int64],
    judge: npt.NDArray[np.int64],
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Return the expectation of the judged rows under the arm's value and at their own."""
    own = learn[arm.rows[learn]]
    if arm.distance is None:
        mu = fit_nuisance(features.rows(own), question.outcome[own], rng).predict(
            features.rows(judge)
        )
        return mu, mu
    model = fit_nuisance(
        features.rows(own).with_always(arm.distance[own]), question.outcome[own], rng
    )
    target = model.predict(features.rows(judge).with_always(np.zeros(judge.size)))
    at_row = model.predict(
        features.rows(judge).with_always(np.where(arm.rows[judge], arm.distance[judge], 0.0))
    )
    return target, at_row
