"""Cross-fitted augmented inverse propensity weighting (AIPW), a doubly robust effect estimate.

For each row, one nuisance model predicts the outcome in each arm and another the propensity: the
probability of each arm given the adjustment columns. A row's score is the difference of the two
predicted outcomes, plus the weighted residual of its own outcome. The mean of the scores is the
effect, their spread gives the standard error. The estimate is consistent if either model is right
(Robins, Rotnitzky & Zhao, 1994). Every row is scored by models that were fit without it
(cross-fitting; Chernozhukov et al., Double/debiased machine learning, 2018).

The weights of each arm are normalized (Hajek, 1971), and each arm's predictions are shifted by the
weighted mean residual before the scores are taken, a targeted update (van der Laan & Rubin, 2006).
So no single row can dominate. Folds are drawn three times; the median counts, and the spread of
the three enters the standard error (Chernozhukov et al., 2018, section 3.4).

The smaller arm's outcome model knows what the larger arm's predicts for a row, as the X-learner's
does (Kuenzel et al., PNAS 116, 2019): most of an outcome is the same in both arms, and alone the
smaller arm knows it least where its own rows are rare, which biases the effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import logit

from simulacra_crds.kinds.effect_estimate import Population
from simulacra_trainer.effects.contrast import Arm, Contrast, Flags
from simulacra_trainer.effects.features import Features, Floats
from simulacra_trainer.effects.nuisance import Bases, fit_nuisance
from simulacra_trainer.effects.simultaneous import student_width
from simulacra_trainer.evidence import Z95
from simulacra_trainer.persons import Ints

FOLDS = 5
CLIP = 0.02
LEAST_SHARE = 1e-3
"""Predicted shares are at least this far from 0 and 1 where their log odds are used."""
Pair = tuple[Floats, Floats]
"""Of the arm of the treatment value, then of the baseline."""


@dataclass(frozen=True)
class Scores:
    """Scores of the rows from one cross-fit; the effect is sum(value) / sum(tilt).

    Attributes:
        value: float64 [n].
        tilt: weight of each row in the population, float64 [n]; 1 for all rows.
        is_supported: bool [n], whether both propensities exceed the clip.
        propensities: of both arms, clipped.
        arm_weights: of both arms, survey weights included; 0 outside the arm.
        representer: float64 [n], weight of each row's residual in the effect (Riesz representer).
        residual: float64 [n], outcome minus its prediction; 0 outside both arms.
        rival: values from a model of the windows alone; None unless the design has windows.
        weights: survey weights, float64 [n]; None if there are none.
        persons: of each row, int64 [n]; None where each row is its own person.
    """

    value: Floats
    tilt: Floats
    is_supported: Flags
    propensities: Pair
    arm_weights: Pair
    representer: Floats
    residual: Floats
    rival: Floats | None
    weights: Floats | None = None
    persons: Ints | None = None

    def effective_persons(self, rows: Flags | None = None) -> float:
        """Return the persons that the smaller arm's weights are worth (Kish, 1965).

        A person's rows count as one, with the sum of their weights: they may all be alike.

        rows: bool [n], only these; None for all.
        """
        chosen = slice(None) if rows is None else rows
        persons = None if self.persons is None else self.persons[chosen]
        return min(kish(by_person(weights[chosen], persons)) for weights in self.arm_weights)

    def effective(self) -> tuple[float, float]:
        """Return the rows that each arm's weights are worth (Kish, 1965)."""
        value, baseline = (kish(weights) for weights in self.arm_weights)
        return value, baseline


@dataclass(frozen=True)
class Interval:
    """Effect, standard error, 95 % interval, rows, and share of supported rows.

    critical: half-width in standard errors: Student's quantile for few effective persons; larger
        where several intervals hold together.
    """

    effect: float
    error: float
    rows: int
    support: float
    critical: float = Z95

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return self.effect - self.critical * self.error

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return self.effect + self.critical * self.error


@dataclass(frozen=True)
class Part:
    """An effect of one cross-fit, and what its error comes from.

    Attributes:
        effect: over some rows.
        influence: float64 [rows or persons], 0 outside; their squares add up to the variance.
        rival: distance to the rival estimate; 0 without one.
    """

    effect: float
    influence: Floats
    rival: float = 0.0

    @property
    def variance(self) -> float:
        """Variance of the effect within the cross-fit."""
        return float(np.sum(self.influence**2)) + self.rival**2

    def minus(self, other: Part) -> Part:
        """Return the difference of two effects of the same cross-fit."""
        influence = self.influence - other.influence
        return Part(self.effect - other.effect, influence, self.rival - other.rival)


def aipw_scores(
    contrast: Contrast,
    features: Features,
    dosed: Features | None,
    population: Population,
    seed: int,
    bases: Bases,
    folds: int = FOLDS,
) -> Scores:
    """Return the efficient scores of E[Y | do(value)] - E[Y | do(baseline)].

    In a window design the outcome model learns from all rows, with the treatment as a column, and
    only the residual is weighted within the windows. A model of the windows alone, with the
    distance from the arm's value as a linear column, gives a rival estimate.

    Args:
        contrast: n rows.
        features: adjustment columns of these rows.
        dosed: of 3n rows: adjustment columns and the treatment as observed, at the value, and at
            the baseline; None unless the design has windows.
        population: whose effect.
        seed: of folds and validation rows.
        bases: of the nuisance models, shared by the cross-fits of these columns.
        folds: number of folds.
    """
    n = contrast.outcome.size
    rng = np.random.default_rng(seed)
    fold = _folds(contrast, rng, folds)
    propensity, target, own = np.ones((2, n)), np.zeros((2, n)), np.zeros((2, n))
    rival_target, rival_own = np.zeros((2, n)), np.zeros((2, n))
    for k in range(folds):
        learn, held = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        if not held.size:
            continue
        propensity[:, held] = _propensities(contrast, features, learn, held, rng, bases)
        found = _outcomes(contrast, features, learn, held, rng, bases)
        rival_target[:, held], rival_own[:, held] = found
        if dosed is not None:
            model = fit_nuisance(
                dosed.rows(learn), contrast.outcome[learn], rng, bases, "outcome of all rows"
            )
            own[:, held] = model.predict(dosed.rows(held))
            for a in range(2):
                target[a, held] = model.predict(dosed.rows(held + (a + 1) * n))
    if dosed is None:
        return _scores(contrast, propensity, rival_target, rival_own, population)
    rival = _scores(contrast, propensity, rival_target, rival_own, population).value
    return _scores(contrast, propensity, target, own, population, rival)


def summarize(runs: Sequence[Scores], rows: Flags | None = None) -> Interval:
    """Return the effect over all rows, or over some (bool [n]), from several cross-fits."""
    effect, error = combine([part_of(scores, rows) for scores in runs])
    worth = np.median([scores.effective_persons(rows) for scores in runs])
    critical = float(student_width(Z95, np.array(worth)))
    chosen = slice(None) if rows is None else rows
    shares = [
        float(np.average(scores.is_supported[chosen], weights=_weights_in(scores, chosen)))
        for scores in runs
    ]
    found = int(np.sum(runs[0].tilt[chosen] > 0))
    return Interval(effect, error, found, float(np.median(shares)), critical)


def combine(parts: Sequence[Part]) -> tuple[float, float]:
    """Return the median effect of the cross-fits and its error.

    The variance is median(se^2 + (effect_k - median)^2).
    """
    effect = float(np.median([part.effect for part in parts]))
    variance = np.median([part.variance + (part.effect - effect) ** 2 for part in parts])
    return effect, float(np.sqrt(variance))


def part_of(scores: Scores, rows: Flags | None = None) -> Part:
    """Return the effect of one cross-fit over all rows, or over some (bool [n]).

    With survey weights: the weighted ratio, and its linearized variance (Binder, 1983). With
    several rows a person, the variance is that of the persons' sums (Liang & Zeger, 1986). In a
    window design the distance to the rival estimate is a second part of the error.
    """
    weights = _weights_inside(scores, rows)
    total = max(float(np.sum(weights * scores.tilt)), 1e-300)
    effect = float(np.sum(weights * scores.value)) / total
    influence = by_person(row_influence(scores, rows), scores.persons)
    if scores.rival is None:
        return Part(effect, influence)
    return Part(effect, influence, float(np.sum(weights * scores.rival)) / total - effect)


def row_influence(scores: Scores, rows: Flags | None = None) -> Floats:
    """Return the influence of each row on the effect of one cross-fit, float64 [n]; 0 outside.

    The effect's variance is the sum of their squares, summed by person first.
    """
    weights = _weights_inside(scores, rows)
    total = max(float(np.sum(weights * scores.tilt)), 1e-300)
    effect = float(np.sum(weights * scores.value)) / total
    inside = np.ones(scores.value.size, np.bool_) if rows is None else rows
    units = int(inside.sum())
    if scores.persons is not None:
        units = np.unique(scores.persons[inside]).size
    scale = np.sqrt(units / max(units - 1, 1)) / total
    values: Floats = weights * (scores.value - effect * scores.tilt) * scale
    return values


def kish(weights: Floats) -> float:
    """Return the number of equally weighted rows with the same precision."""
    square = float(np.sum(weights**2))
    return float(np.sum(weights)) ** 2 / square if square > 0 else 0.0


def by_person(values: Floats, persons: Ints | None) -> Floats:
    """Return the sums of values, float64 [n], by person; the values where each row is its own."""
    if persons is None:
        return values
    return np.bincount(persons, weights=values).astype(np.float64)


def _weights_inside(scores: Scores, rows: Flags | None) -> Floats:
    """Return the survey weights of all rows, float64 [n]; 0 outside some (bool [n])."""
    if rows is None:
        return _weights_in(scores, slice(None))
    weights = np.zeros(scores.value.size)
    weights[rows] = _weights_in(scores, rows)
    return weights


def _weights_in(scores: Scores, rows: Flags | slice) -> Floats:
    """Return the survey weights of some rows; equal ones where all are 0."""
    tilt = scores.tilt[rows]
    if scores.weights is None or not (scores.weights[rows] * tilt).any():
        return np.ones(tilt.size)
    return scores.weights[rows]


def _scores(
    contrast: Contrast,
    propensity: Floats,
    target: Floats,
    own: Floats,
    population: Population,
    rival: Floats | None = None,
) -> Scores:
    """Return the scores from predictions, float64 [2, n]: at the arms' values, at the rows' own."""
    n = contrast.outcome.size
    arms = np.array([contrast.value.rows, contrast.baseline.rows])
    least = np.array([_clip(n, float(rows.mean())) for rows in arms])[:, None]
    clipped = np.clip(propensity, least, 1.0)
    survey = np.ones(n) if contrast.weights is None else contrast.weights
    tilt, weights = _weights(population, arms, clipped)
    mass = float(np.sum(survey * tilt)) / n
    signs = np.array([[1.0], [-1.0]])
    residual = np.where(arms, contrast.outcome - own, 0.0)
    totals = np.maximum((survey * weights).sum(axis=1, keepdims=True), 1e-300)
    update = (survey * weights * residual).sum(axis=1, keepdims=True) / totals
    residual = np.where(arms, residual - update, 0.0)
    normalized = weights * (n * mass / totals)
    difference = (signs * (target + update)).sum(axis=0)
    return Scores(
        value=tilt * difference + (signs * normalized * residual).sum(axis=0),
        tilt=tilt,
        is_supported=np.all(propensity >= least, axis=0),
        propensities=(clipped[0], clipped[1]),
        arm_weights=(survey * weights[0], survey * weights[1]),
        representer=(signs * normalized).sum(axis=0) / max(mass, 1e-300),
        residual=residual.sum(axis=0),
        rival=rival,
        weights=contrast.weights,
        persons=contrast.persons,
    )


def _weights(
    population: Population, arms: npt.NDArray[np.bool_], propensity: Floats
) -> tuple[Floats, Floats]:
    """Return the tilt, float64 [n], and the arms' weights, float64 [2, n], of a population.

    The weights of the treated are the odds, those of the overlap the other arm's propensity (Li,
    Morgan & Zaslavsky, 2018).
    """
    if population == "treated":
        tilt = arms[0].astype(np.float64)
        return tilt, np.array([tilt, arms[1] * propensity[0] / propensity[1]])
    if population == "overlap":
        return propensity[0] * propensity[1], arms * propensity[::-1]
    return np.ones(arms.shape[1]), arms / propensity


def _clip(rows: int, share: float) -> float:
    """Return the smallest propensity of an arm with this share of the rows.

    5 / (sqrt(n) ln n) (Gruber et al., 2022), and never more than half of a rare arm's share.
    """
    return min(max(5.0 / (np.sqrt(rows) * np.log(max(rows, 3))), CLIP), share / 2.0)


def _folds(contrast: Contrast, rng: np.random.Generator, folds: int) -> npt.NDArray[np.int64]:
    """Return the fold of each row, int64 [n], stratified by arm; a person's rows stay together."""
    if contrast.persons is not None:
        return folds_of_persons(contrast.persons, rng, folds)
    fold = np.empty(contrast.outcome.size, np.int64)
    stratum = contrast.value.rows + 2 * contrast.baseline.rows
    for s in range(4):
        rows = np.flatnonzero(stratum == s)
        fold[rows] = rng.permutation(rows.size) % folds
    return fold


def folds_of_persons(persons: Ints, rng: np.random.Generator, folds: int) -> Ints:
    """Return the fold of each row, int64 [n]; a person's rows stay together."""
    return (rng.permutation(int(persons.max()) + 1) % folds)[persons]


def _propensities(
    contrast: Contrast,
    features: Features,
    learn: npt.NDArray[np.int64],
    held: npt.NDArray[np.int64],
    rng: np.random.Generator,
    bases: Bases,
) -> Floats:
    """Return the probability of each arm for the held rows, float64 [2, held]."""
    found: list[Floats] = []
    has_two_arms = bool(np.all(contrast.value.rows | contrast.baseline.rows))
    for a, arm in enumerate((contrast.value, contrast.baseline)):
        if has_two_arms and found:
            found.append(1.0 - found[0])
        else:
            is_in = arm.rows[learn].astype(np.float64)
            model = fit_nuisance(features.rows(learn), is_in, rng, bases, f"arm {a}")
            found.append(model.predict(features.rows(held)))
    return np.array(found)


def _outcomes(
    contrast: Contrast,
    features: Features,
    learn: npt.NDArray[np.int64],
    held: npt.NDArray[np.int64],
    rng: np.random.Generator,
    bases: Bases,
) -> tuple[Floats, Floats]:
    """Return the held rows' outcomes that the arms' models expect, float64 [2, held] each.

    As of `outcomes_near`. In a window design the model of all rows is the one that shares what the
    arms have in common; here each arm stays alone.
    """
    arms, every = (contrast.value, contrast.baseline), np.arange(contrast.outcome.size)
    target, own = np.zeros((2, held.size)), np.zeros((2, held.size))
    a = int(arms[1].rows.sum() > arms[0].rows.sum())
    b = 1 - a
    lender = outcomes_near(contrast, features, arms[a], learn, every, rng, bases, f"outcome {a}")
    target[a], own[a] = lender[0][held], lender[1][held]
    if contrast.design == "levels":
        features = features.with_always(_lent(lender[0], contrast.outcome))
    target[b], own[b] = outcomes_near(
        contrast, features, arms[b], learn, held, rng, bases, f"outcome {b}"
    )
    return target, own


def _lent(predicted: Floats, outcome: Floats) -> Floats:
    """Return standardized predictions, of a share its log odds, for a regression to start from."""
    if np.isin(outcome, (0.0, 1.0)).all():
        predicted = logit(np.clip(predicted, LEAST_SHARE, 1.0 - LEAST_SHARE))
    lent: Floats = (predicted - predicted.mean()) / max(float(predicted.std()), 1e-12)
    return lent


def outcomes_near(
    contrast: Contrast,
    features: Features,
    arm: Arm,
    learn: npt.NDArray[np.int64],
    held: npt.NDArray[np.int64],
    rng: np.random.Generator,
    bases: Bases,
    target_name: str,
) -> tuple[Floats, Floats]:
    """Return the held rows' expected outcomes at the arm's value and at their own treatment."""
    own = learn[arm.rows[learn]]
    train, test = features.rows(own), features.rows(held)
    if arm.distance is None:
        mu = fit_nuisance(train, contrast.outcome[own], rng, bases, target_name).predict(test)
        return mu, mu
    near = train.with_always(arm.distance[own])
    model = fit_nuisance(near, contrast.outcome[own], rng, bases, target_name)
    target = model.predict(test.with_always(np.zeros(held.size)))
    distance = np.where(arm.rows[held], arm.distance[held], 0.0)
    return target, model.predict(test.with_always(distance))
