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
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from simulacra_schema.questions.effect import Population
from simulacra_trainer.effects.models.base_choice import Bases
from simulacra_trainer.effects.models.contrast import Contrast
from simulacra_trainer.effects.models.features import Features, Floats
from simulacra_trainer.effects.models.fold_models import (
    Fold,
    arm_outcomes,
    dosed_outcomes,
    folds_by_arm,
    propensities,
)
from simulacra_trainer.effects.scores import Scores

FOLDS = 5
CLIP = 0.02


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
    fold_of = folds_by_arm(contrast, rng, folds)
    propensity, target, own = np.ones((2, n)), np.zeros((2, n)), np.zeros((2, n))
    rival_target, rival_own = np.zeros((2, n)), np.zeros((2, n))
    for k in range(folds):
        learn, held = np.flatnonzero(fold_of != k), np.flatnonzero(fold_of == k)
        if not held.size:
            continue
        fold = Fold(contrast, features, learn, held, rng, bases)
        propensity[:, held] = propensities(fold)
        rival_target[:, held], rival_own[:, held] = arm_outcomes(fold)
        if dosed is not None:
            target[:, held], own[:, held] = dosed_outcomes(fold, dosed)
    if dosed is None:
        return _scores(contrast, propensity, rival_target, rival_own, population)
    rival = _scores(contrast, propensity, rival_target, rival_own, population).value
    return _scores(contrast, propensity, target, own, population, rival)


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
        units=contrast.units,
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
