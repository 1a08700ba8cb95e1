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

from dataclasses import dataclass, replace

import numpy as np

from simulacra_schema.questions.effect import Population
from simulacra_trainer.effects.models.base_choice import Bases
from simulacra_trainer.effects.models.contrast import Contrast, Flags
from simulacra_trainer.effects.models.features import Features, Floats
from simulacra_trainer.effects.models.fold_models import (
    arm_outcomes,
    cross_fits,
    expected_terms,
    folds_by_arm,
    propensities,
)
from simulacra_trainer.effects.scores import Scores
from simulacra_trainer.effects.slopes import Doses, sloped, straight

FOLDS = 5
CLIP = 0.02


@dataclass(frozen=True)
class Predictions:
    """What the models of one cross-fit, fit without a row, predict for it.

    Attributes:
        propensity: of each arm, float64 [2, n].
        target, own: outcome at the arms' values and at the row's own treatment, float64 [2, n]; of
            a numeric treatment own is given the adjustment columns alone.
        slopes: what the columns leave of a numeric treatment; None where rows with exactly the two
            values are compared.
    """

    propensity: Floats
    target: Floats
    own: Floats
    slopes: Doses | None = None


def predict(
    contrast: Contrast,
    features: Features,
    doses: Doses | None,
    seed: int,
    bases: Bases,
    folds: int = FOLDS,
) -> Predictions:
    """Return the out-of-fold predictions for all rows.

    For a numeric treatment the models learn from all rows what the adjustment columns alone expect
    of the outcome and of the treatment's terms (`slopes`).

    doses: of a numeric treatment; None where rows with exactly the two values are compared. bases:
    of the nuisance models, shared by the cross-fits of these columns.
    """
    n = contrast.outcome.size
    rng = np.random.default_rng(seed)
    fold_of = folds_by_arm(contrast, rng, folds)
    propensity, target, own = np.ones((2, n)), np.zeros((2, n)), np.zeros((2, n))
    left = np.zeros((0, n)) if doses is None else doses.terms.copy()
    for fold in cross_fits(contrast, features, fold_of, rng, bases):
        held = fold.held
        propensity[:, held] = propensities(fold)
        if doses is None:
            target[:, held], own[:, held] = arm_outcomes(fold)
        else:
            own[:, held] = fold.expected(contrast.outcome, "outcome of all rows")
            left[:, held] -= expected_terms(fold, doses.terms)
    if doses is None:
        return Predictions(propensity, target, own)
    target = own + straight(contrast.outcome - own[0], left, doses)
    return Predictions(propensity, target, own, replace(doses, terms=left))


def aipw_scores(
    contrast: Contrast,
    predictions: Predictions,
    population: Population,
    answered: Flags | None = None,
) -> Scores:
    """Return the efficient scores of E[Y | do(value)] - E[Y | do(baseline)].

    Args:
        contrast: n rows.
        predictions: for these rows.
        population: whose effect.
        answered: bool [n], rows of the population that the effect is for; None for all. The
            weights of these alone are normalized, and all others score 0.
    """
    n = contrast.outcome.size
    arms = np.array([contrast.value.rows, contrast.baseline.rows])
    least = np.array([_clip(n, float(rows.mean())) for rows in arms])[:, None]
    clipped = np.clip(predictions.propensity, least, 1.0)
    survey = contrast.survey
    inside = np.ones(n) if answered is None else answered.astype(np.float64)
    tilt, factors = _weights(population, arms, clipped)
    tilt, factors = tilt * inside, factors * inside
    weights = arms * factors
    mass = float(np.sum(survey * tilt)) / n
    signs = np.array([[1.0], [-1.0]])
    residual = np.where(arms, contrast.outcome - predictions.own, 0.0)
    totals = np.maximum((survey * weights).sum(axis=1, keepdims=True), 1e-300)
    update = (survey * weights * residual).sum(axis=1, keepdims=True) / totals
    residual = np.where(arms, residual - update, 0.0)
    normalized = weights * (n * mass / totals)
    difference = (signs * (predictions.target + update)).sum(axis=0)
    expected = float(np.sum(survey * (factors**2 * clipped).sum(axis=0))) / n
    found = Scores(
        value=tilt * difference + (signs * normalized * residual).sum(axis=0),
        tilt=tilt,
        propensities=(clipped[0], clipped[1]),
        arm_weights=(survey * weights[0], survey * weights[1]),
        representer=(signs * normalized).sum(axis=0) / max(mass, 1e-300),
        residual=residual.sum(axis=0),
        weights=contrast.weights,
        units=contrast.units,
        shifts=contrast.shifts,
        square=expected / mass**2 if mass > 0.0 else 0.0,
    )
    if predictions.slopes is None:
        return found
    residual = inside * (contrast.outcome - predictions.own[0])
    return sloped(found, predictions.slopes, residual, inside)


def _weights(population: Population, arms: Flags, propensity: Floats) -> tuple[Floats, Floats]:
    """Return the tilt, float64 [n], and what a row in each arm weighs, float64 [2, n].

    The weights of the treated are the odds, those of the overlap the other arm's propensity (Li,
    Morgan & Zaslavsky, 2018).
    """
    if population == "treated":
        odds = propensity[0] / propensity[1]
        return arms[0].astype(np.float64), np.array([np.ones(odds.size), odds])
    if population == "overlap":
        return propensity[0] * propensity[1], propensity[::-1]
    return np.ones(arms.shape[1]), 1.0 / propensity


def _clip(rows: int, share: float) -> float:
    """Return the smallest propensity of an arm with this share of the rows.

    5 / (sqrt(n) ln n) (Gruber et al., 2022), and never more than half of a rare arm's share.
    """
    return min(max(5.0 / (np.sqrt(rows) * np.log(max(rows, 3))), CLIP), share / 2.0)
