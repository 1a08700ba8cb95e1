"""Nuisance models of the effects: E[outcome | columns] and P(arm | columns).

Four ways to begin (nothing, a whole tree, a piecewise linear additive ridge regression, the same
with products), each followed by boosted trees on what it leaves over. A fifth of the rows decides
how many trees each gets and which way is taken (a discrete super learner; van der Laan et al.,
2007), so that smooth truths keep nearly the precision of a linear model, and jumps that of a tree:
boosting alone rounds them off in outcome and propensity alike, which biases effects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulacra_trainer.effects.boosting import BINS, Bins, Ensemble, Floats, boost, boosted_score
from simulacra_trainer.effects.features import Features

WAYS = ((), (), ("linear",), ("linear", "products"))
WHOLE_TREES = (0, 1, 0, 0)
"""How many trees a way takes in full before the boosted ones."""
MORE_TREES = 1.5
"""Times the best number of trees: bias of an effect costs more than noise, which averages."""
MAX_TREES = 200
PATIENCE = 15
CHECK_SHARE = 0.2
MAX_FIT_ROWS = 20_000
PENALTY = 0.1
"""Of the squared coefficients, in units of rows."""
NEWTON_STEPS = 12
MAX_LOG_ODDS = 12.0


@dataclass(frozen=True)
class Nuisance:
    """A fitted regression of a target on features.

    Attributes:
        way: position in WAYS of how it begins.
        coefficients: float64 [1 + columns of the design], intercept first.
        order: uint8 [k, BINS], which position each bin has for the trees.
        trees: what they add.
        logistic: whether predictions are probabilities.
    """

    way: int
    coefficients: Floats
    order: Bins
    trees: Ensemble
    logistic: bool

    def predict(self, features: Features) -> Floats:
        """Return the expected target, float64 [n]."""
        score = _linear_score(_design(features, self.way), self.coefficients)
        score += boosted_score(_ordered(features.bins, self.order), self.trees)
        return _expit(score) if self.logistic else score


def fit_nuisance(features: Features, y: Floats, rng: np.random.Generator) -> Nuisance:
    """Fit on n rows: logistic where the target is 0 or 1, least squares elsewhere. The scale of y
    does not matter.

    Args:
        features: of the n rows.
        y: float64 [n].
        rng: draws the check rows, and MAX_FIT_ROWS rows of larger samples.
    """
    if y.size > MAX_FIT_ROWS:
        sample = np.sort(rng.choice(y.size, MAX_FIT_ROWS, replace=False))
        features, y = features.rows(sample), y[sample]
    logistic = bool(np.isin(y, (0.0, 1.0)).all())
    order = _order_by_target(features, y)
    Z = _ordered(features.bins, order)
    is_check = np.zeros(y.size, np.bool_)
    is_check[rng.permutation(y.size)[: int(CHECK_SHARE * y.size)]] = True
    scale = 1.0 if logistic else max(float(y.std()), 1e-12)
    least, way, trees = np.inf, 0, 0
    for tried in range(len(WAYS) if features.products.shape[1] else len(WAYS) - 1):
        X = _design(features, tried)
        offset = _linear_score(X, _fit_linear(X[~is_check], y[~is_check], logistic))
        _, best, loss = boost(
            Z,
            y / scale,
            offset / scale,
            is_check,
            logistic,
            MAX_TREES,
            PATIENCE,
            WHOLE_TREES[tried],
        )
        if loss < least:
            least, way, trees = loss, tried, best
    X = _design(features, way)
    coefficients = _fit_linear(X, y, logistic)
    offset, nobody = _linear_score(X, coefficients), np.zeros(y.size, np.bool_)
    trees, whole = round(MORE_TREES * trees), WHOLE_TREES[way]
    feature, threshold, leaf = boost(
        Z, y / scale, offset / scale, nobody, logistic, trees, PATIENCE, whole
    )[0]
    return Nuisance(way, coefficients, order, (feature, threshold, leaf * scale), logistic)


def _design(features: Features, way: int) -> Floats:
    return np.column_stack([features.always, *(getattr(features, part) for part in WAYS[way])])


def _fit_linear(X: Floats, y: Floats, logistic: bool) -> Floats:
    """Fit by ridge regression, or logistic ridge regression by Newton's steps; float64 [1 + d]."""
    design = np.column_stack([np.ones(y.size), X])
    penalty = np.full(design.shape[1], PENALTY)
    penalty[0] = 1e-9
    if not logistic:
        shift = float(y.mean())
        coefficients: Floats = np.linalg.solve(
            design.T @ design + np.diag(penalty), design.T @ (y - shift)
        )
        coefficients[0] += shift
        return coefficients
    share = (y.sum() + 0.5) / (y.size + 1.0)
    coefficients = np.zeros(design.shape[1])
    coefficients[0] = np.log(share / (1.0 - share))
    for _ in range(NEWTON_STEPS):
        p = _expit(np.clip(design @ coefficients, -MAX_LOG_ODDS, MAX_LOG_ODDS))
        slope = design.T @ (y - p) - np.where(
            np.arange(penalty.size) > 0, penalty * coefficients, 0.0
        )
        weighted = design * np.maximum(p * (1 - p), 1e-5)[:, None]
        step = np.linalg.solve(design.T @ weighted + np.diag(penalty), slope)
        coefficients = coefficients + np.clip(step, -4.0, 4.0)
        if np.abs(step).max() < 1e-6:
            break
    return coefficients


def _linear_score(X: Floats, coefficients: Floats) -> Floats:
    score: Floats = X @ coefficients[1:] + coefficients[0]
    return score


def _order_by_target(features: Features, y: Floats) -> Bins:
    """Order each category's levels by mean target, shrunk as if by ten average rows."""
    order = np.tile(np.arange(BINS, dtype=np.uint8), (features.bins.shape[0], 1))
    mean = y.mean()
    for k in np.flatnonzero(features.is_level):
        counts = np.bincount(features.bins[k], minlength=BINS)
        sums = np.bincount(features.bins[k], weights=y - mean, minlength=BINS)
        order[k, np.argsort(sums / (counts + 10.0), kind="stable")] = np.arange(
            BINS, dtype=np.uint8
        )
    return order


def _ordered(bins: Bins, order: Bins) -> Bins:
    ordered: Bins = np.take_along_axis(order, bins.astype(np.intp), axis=1) if bins.size else bins
    return ordered


def _expit(score: npt.NDArray[np.float64]) -> Floats:
    p: Floats = 1.0 / (1.0 + np.exp(-np.clip(score, -30.0, 30.0)))
    return p
