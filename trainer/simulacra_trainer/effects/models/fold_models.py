"""Nuisance predictions of one fold: propensities, outcomes in each arm or at doses, and terms.

The smaller arm's outcome model knows what the larger arm's predicts for a row, as the X-learner's
does (Kuenzel et al., PNAS 116, 2019): most of an outcome is the same in both arms, and alone the
smaller arm knows it least where its own rows are rare, which biases the effect. It does not borrow
where the arms are too unlike for a line through its own rows to reach the others
(docs/explanation/methods-effects.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logit

from simulacra_intake.rows_of_persons import Ints
from simulacra_trainer.effects.models.base_choice import Bases
from simulacra_trainer.effects.models.contrast import Arm, Contrast
from simulacra_trainer.effects.models.features import Features, Floats
from simulacra_trainer.effects.models.nuisance import fit_nuisance

LEAST_SHARE = 1e-3
"""Predicted shares are at least this far from 0 and 1 where their log odds are used."""
MAX_REACH = 1.0
"""Distance of the arms' mean lent predictions, in standard deviations of the smaller arm's, beyond
which it borrows nothing. The slope's variance at a distance of d deviations is d^2 times that of
the arm's mean, so up to 1 it adds no more than the interval knows; beyond, it would hide."""


@dataclass(frozen=True)
class Fold:
    """The rows that models learn from, and those that they predict.

    Attributes:
        contrast: n rows.
        features: adjustment columns of these rows.
        learn, held: int64, positions among the n rows, in ascending order.
        bases: of the nuisance models, shared by all folds.
    """

    contrast: Contrast
    features: Features
    learn: Ints
    held: Ints
    rng: np.random.Generator
    bases: Bases

    def expected(self, target: Floats, target_name: str) -> Floats:
        """Return a target, float64 [n], of the held rows as the columns alone expect it."""
        train, test = self.features.rows(self.learn), self.features.rows(self.held)
        model = fit_nuisance(train, target[self.learn], self.rng, self.bases, target_name)
        return model.predict(test)


def folds_by_arm(contrast: Contrast, rng: np.random.Generator, folds: int) -> Ints:
    """Return the fold of each row, int64 [n], stratified by arm; rows of a unit stay together."""
    if contrast.units is not None:
        return folds_of_units(contrast, rng, folds)
    fold = np.empty(contrast.outcome.size, np.int64)
    stratum = contrast.value.rows + 2 * contrast.baseline.rows
    for s in range(4):
        rows = np.flatnonzero(stratum == s)
        fold[rows] = rng.permutation(rows.size) % folds
    return fold


def folds_of_units(contrast: Contrast, rng: np.random.Generator, folds: int) -> Ints:
    """Return the fold of each row, int64 [n]; rows of a person or cluster stay together."""
    if (units := contrast.units) is None:
        return rng.permutation(contrast.outcome.size) % folds
    return (rng.permutation(int(units.max()) + 1) % folds)[units]


def cross_fits(
    contrast: Contrast, features: Features, fold_of: Ints, rng: np.random.Generator, bases: Bases
) -> Iterator[Fold]:
    """Yield the folds, int64 [n], in turn: each is held while models learn from the others."""
    for k in range(int(fold_of.max(initial=-1)) + 1):
        learn, held = np.flatnonzero(fold_of != k), np.flatnonzero(fold_of == k)
        if held.size:
            yield Fold(contrast, features, learn, held, rng, bases)


def propensities(fold: Fold) -> Floats:
    """Return the probability of each arm for the held rows, float64 [2, held]."""
    contrast = fold.contrast
    value = propensity(fold, contrast.value, "arm 0")
    if np.all(contrast.value.rows | contrast.baseline.rows):
        return np.array([value, 1.0 - value])
    return np.array([value, propensity(fold, contrast.baseline, "arm 1")])


def propensity(fold: Fold, arm: Arm, target_name: str) -> Floats:
    """Return the probability of an arm for the held rows, float64 [held]."""
    return fold.expected(arm.rows.astype(np.float64), target_name)


def arm_outcomes(fold: Fold) -> tuple[Floats, Floats]:
    """Return the held rows' outcomes that the arms' models expect, as of `outcomes_near`.

    Returns:
        float64 [2, held] each.
    """
    contrast, held = fold.contrast, fold.held
    arms, every = (contrast.value, contrast.baseline), np.arange(contrast.outcome.size)
    target, own = np.zeros((2, held.size)), np.zeros((2, held.size))
    a = int(arms[1].rows.sum() > arms[0].rows.sum())
    b = 1 - a
    lender = outcomes_near(replace(fold, held=every), arms[a], f"outcome {a}")
    target[a], own[a] = lender[0][held], lender[1][held]
    lent = _calibrate(lender[0], contrast.outcome)
    if _reach(lent, fold, arms[b], arms[a]) <= MAX_REACH:
        fold = replace(fold, features=fold.features.with_always(lent))
    target[b], own[b] = outcomes_near(fold, arms[b], f"outcome {b}")
    return target, own


def _calibrate(predicted: Floats, outcome: Floats) -> Floats:
    """Return standardized predictions, of a share its log odds, for a regression to start from."""
    if np.isin(outcome, (0.0, 1.0)).all():
        predicted = logit(np.clip(predicted, LEAST_SHARE, 1.0 - LEAST_SHARE))
    return (predicted - predicted.mean()) / max(float(predicted.std()), 1e-12)


def _reach(lent: Floats, fold: Fold, to: Arm, of: Arm) -> float:
    """Return how far lent predictions of one arm's learning rows lie from those of another's.

    The effect averages the predictions for the other arm by survey weight, so its mean is weighted.
    The regression of the own arm is not: its slope turns about the mean of its rows.

    Returns:
        distance of the means, in standard deviations of the arm that they are lent to.
    """
    own, other = (fold.learn[arm.rows[fold.learn]] for arm in (to, of))
    weights = fold.contrast.weights
    counts = None if weights is None or not weights[other].any() else weights[other]
    distance = np.average(lent[other], weights=counts) - lent[own].mean()
    return abs(float(distance)) / max(float(lent[own].std()), 1e-12)


def outcomes_near(fold: Fold, arm: Arm, target_name: str) -> tuple[Floats, Floats]:
    """Return the held rows' expected outcomes at the arm's value and at their own treatment."""
    own, held = fold.learn[arm.rows[fold.learn]], fold.held
    train, test = fold.features.rows(own), fold.features.rows(held)
    outcome = fold.contrast.outcome[own]
    if arm.distance is None:
        mu = fit_nuisance(train, outcome, fold.rng, fold.bases, target_name).predict(test)
        return mu, mu
    near = train.with_always(arm.distance[own])
    model = fit_nuisance(near, outcome, fold.rng, fold.bases, target_name)
    target = model.predict(test.with_always(np.zeros(held.size)))
    distance = np.where(arm.rows[held], arm.distance[held], 0.0)
    return target, model.predict(test.with_always(distance))


def dosed_outcomes(fold: Fold, dosed: Features) -> tuple[Floats, Floats]:
    """Return the held rows' outcomes that a model of all rows expects at K doses and at their own.

    dosed: of (K + 1) n rows, as of `Estimator.dosed`.

    Returns:
        float64 [K, held] and [held].
    """
    contrast, learn = fold.contrast, fold.learn
    outcome = contrast.outcome[learn]
    model = fit_nuisance(dosed.rows(learn), outcome, fold.rng, fold.bases, "outcome of all rows")
    starts = range(0, dosed.at.size, contrast.outcome.size)
    found = [model.predict(dosed.rows(fold.held + start)) for start in starts]
    return np.array(found[1:]), found[0]


def expected_terms(fold: Fold, terms: Floats) -> Floats:
    """Return what each term of the treatment is expected to be in the held rows, [k, held].

    terms: float64 [k, n].
    """
    return np.array([fold.expected(term, f"term {k}") for k, term in enumerate(terms)])
