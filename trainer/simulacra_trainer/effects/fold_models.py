"""Nuisance predictions of one fold: propensities, and outcomes in each arm.

The smaller arm's outcome model knows what the larger arm's predicts for a row, as the X-learner's
does (Kuenzel et al., PNAS 116, 2019): most of an outcome is the same in both arms, and alone the
smaller arm knows it least where its own rows are rare, which biases the effect.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import logit

from simulacra_trainer.effects.contrast import Arm, Contrast
from simulacra_trainer.effects.features import Features, Floats
from simulacra_trainer.effects.nuisance import Bases, fit_nuisance
from simulacra_trainer.persons import Ints

LEAST_SHARE = 1e-3
"""Predicted shares are at least this far from 0 and 1 where their log odds are used."""


def folds_by_arm(contrast: Contrast, rng: np.random.Generator, folds: int) -> npt.NDArray[np.int64]:
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


def propensities(
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


def arm_outcomes(
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
