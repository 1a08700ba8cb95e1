"""Rows without counterparts in an arm: those like whom almost nobody has its value.

There a model extrapolates, and no standard error knows by how much. The fitted propensity ranks
rows well where its level is wrong, so the arm is counted among the rows with the lowest one.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import betainc

from simulacra_intake.rows_of_persons import Ints
from simulacra_schema.questions.effect import Population
from simulacra_trainer.effects.aipw import Predictions
from simulacra_trainer.effects.models.contrast import Contrast, Flags
from simulacra_trainer.effects.models.features import Floats

MOST = 0.05
"""Largest share of an arm among rows without counterparts in it."""
MOST_OF_SEVERAL = 0.02
"""The same where some people have neither value: of several values each is rare without being
absent. It is the least propensity that weights use."""
PART = 4.0
"""And at most the arm's own share divided by this: a rare arm is rare everywhere."""
CONFIDENCE = 0.5
"""Of the upper bound of that share. 0.95 finds less in 500 rows, and saves no false alarm."""
POWER = (
    "Groups without one of the values may go unseen if they are under 10 % of 500 people, or 3 % of"
    " 2,000."
)


def without_counterparts(
    contrast: Contrast, predictions: Sequence[Predictions], population: Population
) -> Flags:
    """Return which rows have no counterparts in each arm, bool [2, n].

    Those treated have the value themselves, so they need counterparts in the other arm alone.

    predictions: of each cross-fit.
    """
    found = np.zeros((2, contrast.outcome.size), np.bool_)
    for k, arm in enumerate((contrast.value, contrast.baseline)):
        if population == "treated" and k == 0:
            continue
        mean = np.mean([one.propensity[k] for one in predictions], axis=0)
        most = largest_of(contrast, arm.rows)
        found[k] = almost_without(mean, arm.rows, contrast.weights, contrast.units, most)
    return found


def largest_share(of_arm: float, *, of_two: bool) -> float:
    """Return the largest share of an arm, with this share of all rows, that is almost nobody.

    of_two: whether everybody has one of two values.
    """
    return min(MOST if of_two else MOST_OF_SEVERAL, of_arm / PART)


def largest_of(contrast: Contrast, arm: Flags) -> float:
    """Return the largest share of an arm of a contrast, bool [n], that is almost nobody."""
    of_two = bool(np.all(contrast.value.rows | contrast.baseline.rows))
    return largest_share(contrast.mean(arm.astype(np.float64)), of_two=of_two)


def almost_without(
    propensity: Floats, is_in: Flags, weights: Floats | None, units: Ints | None, most: float
) -> Flags:
    """Return the rows, bool [n], of lowest propensity among whom almost nobody is in an arm.

    They are as many as keep the upper bound of the arm's share among them (Clopper & Pearson, 1934)
    below the limit. It bounds the share of all of them together, not of each.

    Args:
        propensity: of the arm, from models that did not see the row, float64 [n].
        is_in: bool [n], whether the row is in the arm.
        weights: survey weights, float64 [n]; None if there are none.
        units: cluster or person of each row, int64 [n]; None where each row is one alone.
        most: the limit.
    """
    n = propensity.size
    order = np.argsort(propensity, kind="stable")
    each = np.ones(n) if weights is None else weights[order]
    total = np.maximum(np.cumsum(each), 1e-300)
    share = np.cumsum(each * is_in[order]) / total
    size = _kish_of_first(each, None if units is None else units[order])
    inside, outside = share * size, np.maximum((1.0 - share) * size, 1e-9)
    is_below = betainc(inside + 1.0, outside, most) >= CONFIDENCE
    # Rows with the same propensity are alike: all of them count, or none.
    is_last = np.append(np.diff(propensity[order]) > 0, True)[:n]
    ends = np.flatnonzero(is_below & is_last)
    found = np.zeros(n, np.bool_)
    if ends.size:
        found[order[: ends[-1] + 1]] = True
    return found


def _kish_of_first(weights: Floats, units: Ints | None) -> Floats:
    """Return what the first 1, 2, ... n rows are worth in persons or clusters (Kish, 1965)."""
    before = np.zeros(weights.size)
    if units is not None:
        order = np.argsort(units, kind="stable")
        own = weights[order]
        sums = np.cumsum(own) - own
        first = np.append(True, np.diff(units[order]) != 0)[: weights.size]
        before[order] = sums - sums[first][np.cumsum(first) - 1]
    # A unit with weight w before adds (w + v)^2 - w^2 to the sum of squares with its next row v.
    squares = np.cumsum(weights * (weights + 2.0 * before))
    return np.cumsum(weights) ** 2 / np.maximum(squares, 1e-300)
