"""Dose and price curves: E[outcome | do(lever = v)] at a few values of a number.

One outcome model of all rows, with the lever as a column, predicts each value; the rows near a
value correct it with weights by inverse propensity (AIPW, cross-fitted), normalized and targeted as
for effects. A model of the near rows alone gives a rival estimate, whose distance is a second part
of the error. The band holds for all points and elasticities together (max-t). Where fewer than
MIN_EFFECTIVE effective rows, or persons, are near a value there is a gap, never an extrapolation.
A value of fewer than MIN_PERSONS persons is no point, and no figure counts them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from simulacra_intake.arrow_values import as_floats
from simulacra_intake.rows_of_persons import MIN_PERSONS, Ints, persons_a_group
from simulacra_schema.answers import EffectResult
from simulacra_schema.sheets import Curve, CurvePoint, Elasticity
from simulacra_trainer.effects.aipw import CLIP, FOLDS
from simulacra_trainer.effects.estimator import Estimator
from simulacra_trainer.effects.models.base_choice import Bases
from simulacra_trainer.effects.models.blocks import around
from simulacra_trainer.effects.models.contrast import Arm, Contrast, Flags
from simulacra_trainer.effects.models.exact_arms import are_enough
from simulacra_trainer.effects.models.features import Floats
from simulacra_trainer.effects.models.fold_models import (
    cross_fits,
    dosed_outcomes,
    folds_of_units,
    outcomes_near,
    propensity,
)
from simulacra_trainer.effects.overlap.support import MIN_EFFECTIVE
from simulacra_trainer.effects.scores import by_unit, kish, summed
from simulacra_trainer.effects.simultaneous import critical_value, student_width
from simulacra_trainer.evidence import coarse, two_digits

POINTS = 7
MAX_EXACT = 9
"""Distinct values up to which each is a point."""
OUTER = 0.02
"""Share of the rows beyond each end of the points."""
MIN_NEAR = 20
"""Persons near a value, below which nothing is estimated there."""
OF_ALL = "Curves are of all people. Ask for population all."
NOT_ASSUMED = "There is no curve, because the verdict is not assumed. State what comes first."
FEW_VALUES = "There is no curve, because fewer than three values of the lever have enough people."


@dataclass(frozen=True)
class Near(Arm):
    """The rows near one value of the lever, `at`."""

    at: float = np.nan


@dataclass(frozen=True)
class Estimates:
    """Means at K values, float64 [K], and their influence values, [n] or [persons] each.

    A gap has NaN as mean; effective is NaN where fewer than MIN_PERSONS persons are near.
    """

    mean: Floats
    error: Floats
    influence: list[Floats]
    effective: Floats


def lever_curve(estimator: Estimator, answer: EffectResult, seed: int) -> Curve:
    """Return the curve of a lever that is a number; why there is none, if its place is open."""
    if answer.verdict.kind != "assumed":
        return Curve(missing=NOT_ASSUMED)
    if answer.population != "all":
        return Curve(missing=OF_ALL)
    columns = answer.adjustment
    values = as_floats(estimator.table.column(estimator.request.treatment))
    points = near_points(values, estimator.contrast.persons)
    if len(points) < 3:
        return Curve(missing=FEW_VALUES)
    found = _estimates(estimator, points, columns, seed)
    known = np.flatnonzero(~np.isnan(found.mean))
    pairs = [(int(a), int(b)) for a, b in pairwise(known) if b == a + 1]
    slopes = [_elasticity(found, points, pair) for pair in pairs]
    changes = [slope for slope in slopes if slope is not None]
    family = [found.influence[k] for k in known] + [change[2] for change in changes]
    critical = critical_value(family, seed)
    widths = student_width(critical, found.effective, estimator.contrast.shifts)
    return Curve(
        points=[_point(found, points[k], k, float(widths[k])) for k in range(len(points))],
        elasticities=[
            Elasticity(
                start=points[a].at,
                end=points[b].at,
                elasticity=coarse(change[0], change[1]),
                low=coarse(change[0] - max(widths[a], widths[b]) * change[1], change[1]),
                high=coarse(change[0] + max(widths[a], widths[b]) * change[1], change[1]),
            )
            for (a, b), change in zip(pairs, slopes, strict=True)
            if change is not None
        ],
    )


def near_points(values: Floats, persons: Ints | None = None) -> list[Near]:
    """Return the points: each of few distinct values, else POINTS equal steps over the bulk.

    A spike that holds the bulk leaves one point.
    """
    distinct, which = np.unique(values, return_inverse=True)
    if distinct.size <= MAX_EXACT:
        who = persons_a_group(which, persons, distinct.size)
        return [Near(values == at, None, at=float(at)) for at in distinct[who >= MIN_PERSONS]]
    low, high = (around(values, share, persons) for share in (OUTER, 1.0 - OUTER))
    at_points = np.unique(np.linspace(low, high, POINTS))
    if bool(np.all(distinct == np.round(distinct))):
        at_points = np.unique(np.round(at_points))
    half = float(np.min(np.diff(at_points))) / 2.0 if at_points.size > 1 else 0.0
    spread = max(float(values.std()), 1e-300)
    points = []
    for at in at_points:
        exact: Flags = values == at
        if are_enough(exact):
            points.append(Near(exact, None, at=float(at)))
        else:
            distance = (values - at) / spread
            points.append(Near(np.abs(values - at) < half, distance, at=float(at)))
    return points


def _estimates(
    estimator: Estimator, points: Sequence[Near], columns: list[str], seed: int
) -> Estimates:
    contrast, n, count = estimator.contrast, estimator.table.num_rows, len(points)
    features = estimator.features(columns)
    dosed = estimator.dosed(columns, [point.at for point in points])
    fold_of = folds_of_units(contrast, np.random.default_rng(seed), FOLDS)
    rng = np.random.default_rng([seed, 1])
    bases: Bases = {}
    own, rival_own = np.zeros(n), np.zeros((count, n))
    target, rival, propensities = (np.zeros((count, n)) for _ in range(3))
    who = [_persons(contrast, point) for point in points]
    usable = [near >= MIN_NEAR for near in who]
    for fold in cross_fits(contrast, features, fold_of, rng, bases):
        held = fold.held
        target[:, held], own[held] = dosed_outcomes(fold, dosed)
        for p, point in enumerate(points):
            if not usable[p] or point.rows[fold.learn].sum() < 2:
                continue
            propensities[p, held] = propensity(fold, point, "near")
            rival[p, held], rival_own[p, held] = outcomes_near(fold, point, "rival")
    parts = [
        _mean(contrast, point, propensities[p], target[p], own, rival[p], rival_own[p])
        if usable[p]
        else (np.nan, np.nan, np.zeros(0), float(who[p]) if who[p] >= MIN_PERSONS else np.nan)
        for p, point in enumerate(points)
    ]
    means, errors, influences, effective = zip(*parts, strict=True)
    return Estimates(np.array(means), np.array(errors), list(influences), np.array(effective))


def _persons(contrast: Contrast, point: Near) -> int:
    """Return how many persons are near a point."""
    return int(persons_a_group(point.rows.astype(np.int64), contrast.persons, 2)[1])


def _mean(
    contrast: Contrast,
    point: Near,
    propensity: Floats,
    target: Floats,
    own: Floats,
    rival: Floats,
    rival_own: Floats,
) -> tuple[float, float, Floats, float]:
    """Return mean, error, influence values and effective rows of one point.

    influence values: float64 [n], [units] or [replicates]; their squares add up to the variance.
    """
    survey = contrast.survey
    share = float(point.rows.mean())
    clipped = np.clip(propensity, min(CLIP, share / 2.0), 1.0)
    weights = survey * point.rows / clipped
    effective = kish(by_unit(weights, contrast.units))
    if effective < MIN_EFFECTIVE:
        return np.nan, np.nan, np.zeros(0), effective
    mass = float(survey.sum())
    weights = weights / float(weights.sum()) * mass
    rival_values = _scores(contrast, point, survey, weights, rival, rival_own)
    values = _scores(contrast, point, survey, weights, target, own)
    mean = float(values.sum()) / mass
    influence: Floats = (values - survey * mean) / mass
    influence = summed(influence, contrast.units, contrast.shifts)
    distance = float(rival_values.sum()) / mass - mean
    return mean, float(np.sqrt(np.sum(influence**2) + distance**2)), influence, effective


def _scores(
    contrast: Contrast,
    point: Near,
    survey: Floats,
    weights: Floats,
    expected: Floats,
    at_own: Floats,
) -> Floats:
    """Return the efficient scores of the mean, float64 [n], after a targeted update."""
    residual = np.where(point.rows, contrast.outcome - at_own, 0.0)
    shift = float(weights @ residual) / float(weights.sum())
    scores: Floats = survey * (expected + shift)
    scores += weights * np.where(point.rows, residual - shift, 0.0)
    return scores


def _elasticity(
    found: Estimates, points: Sequence[Near], pair: tuple[int, int]
) -> tuple[float, float, Floats] | None:
    """Return log-log contrast of two neighbors, its error and influence values; None if undefined.

    The error is that of the delta method; the distances to the rivals enter as for the means.
    """
    a, b = pair
    low, high = found.mean[a], found.mean[b]
    if points[a].at <= 0 or low <= 0 or high <= 0:
        return None
    step = float(np.log(points[b].at / points[a].at))
    influence = (found.influence[b] / high - found.influence[a] / low) / step
    beyond = [found.error[k] ** 2 - float(np.sum(found.influence[k] ** 2)) for k in (a, b)]
    extra = max(beyond[0], 0.0) / low**2 + max(beyond[1], 0.0) / high**2
    error = float(np.sqrt(np.sum(influence**2) + extra / step**2))
    return float(np.log(high / low)) / step, error, influence


def _point(found: Estimates, point: Near, k: int, width: float) -> CurvePoint:
    effective = float(found.effective[k])
    shown = None if np.isnan(effective) else two_digits(effective)
    if np.isnan(found.mean[k]):
        return CurvePoint(at=point.at, effective_rows=shown)
    mean, error = float(found.mean[k]), float(found.error[k])
    low, middle, high = (coarse(mean + w * error, error) for w in (-width, 0.0, width))
    return CurvePoint(at=point.at, mean=middle, low=low, high=high, effective_rows=shown)
