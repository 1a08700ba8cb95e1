"""Nuisance models of the effects: E[outcome | columns] and P(arm | columns).

Four ways to begin (nothing, a whole tree, a piecewise linear additive ridge regression, the same
with products), each followed by boosted trees on what it leaves over. A fifth of the rows decides
how many trees each gets and which way is taken (a discrete super learner; van der Laan et al.,
2007), so that smooth truths keep nearly the precision of a linear model, and jumps that of a tree:
boosting alone rounds them off in outcome and propensity alike, which biases effects.
"""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm
import numpy as np
import numpy.typing as npt

from simulacra_trainer.boosting import FIXED, raw_scores
from simulacra_trainer.effects.features import Features, Floats

WAYS = ((), (), ("linear",), ("linear", "products"))
RATE = 0.1
FIRST_RATES = (RATE, 1.0, RATE, RATE)
"""The learning rate of each way's first tree: one of them takes it whole."""
MORE_TREES = 1.5
"""Times the best number of trees: bias of an effect costs more than noise, which averages."""
MAX_TREES = 200
TREES = FIXED | {
    "max_depth": 3,
    "num_leaves": 8,
    "min_data_in_leaf": 10,
    "lambda_l2": 1.0,
    "boost_from_average": False,
}
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
        coefficients: float64 [1 + columns of the design], intercept first, for the standardized
            target.
        trees: what they add; None where there are none.
        logistic: whether predictions are probabilities.
        center, scale: of the target.
    """

    way: int
    coefficients: Floats
    trees: lightgbm.Booster | None
    logistic: bool
    center: float
    scale: float

    def predict(self, features: Features) -> Floats:
        """Return the expected target, float64 [n]."""
        score = _linear_score(_design(features, self.way), self.coefficients)
        if self.trees is not None:
            score += raw_scores(self.trees, features.bins.T)
        return _expit(score) if self.logistic else self.center + self.scale * score


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
    center, scale = (0.0, 1.0) if logistic else (float(y.mean()), max(float(y.std()), 1e-12))
    target = (y - center) / scale
    way, trees = _choose(features, target, rng, logistic)
    X = _design(features, way)
    coefficients = _fit_linear(X, target, logistic)
    booster = None
    if trees:
        data = _dataset(features, target)
        data.set_init_score(_linear_score(X, coefficients))
        booster = _booster(data, logistic, way)
        _grow(booster, round(MORE_TREES * trees), way)
    return Nuisance(way, coefficients, booster, logistic, center, scale)


def _choose(
    features: Features, target: Floats, rng: np.random.Generator, logistic: bool
) -> tuple[int, int]:
    """Return the way and the number of trees that predict the check rows best."""
    is_check = np.zeros(target.size, np.bool_)
    is_check[rng.permutation(target.size)[: int(CHECK_SHARE * target.size)]] = True
    learn, check = np.flatnonzero(~is_check), np.flatnonzero(is_check)
    data = judge = None
    if features.bins.size and check.size:
        data = _dataset(features.rows(learn), target[learn])
        judge = data.create_valid(features.rows(check).bins.T, target[check], params=TREES)
    least, way, trees = np.inf, 0, 0
    for tried in range(len(WAYS) if features.products.shape[1] else len(WAYS) - 1):
        X = _design(features, tried)
        offset = _linear_score(X, _fit_linear(X[learn], target[learn], logistic))
        losses = [_loss(target[check], offset[check], logistic)]
        if data is not None and judge is not None:
            data.set_init_score(offset[learn])
            judge.set_init_score(offset[check])
            booster = _booster(data, logistic, tried).add_valid(judge, "check")
            _grow(booster, MAX_TREES, tried, losses)
        best = int(np.argmin(losses))
        if losses[best] < least:
            least, way, trees = losses[best], tried, best
    return way, trees


def _dataset(features: Features, target: Floats) -> lightgbm.Dataset:
    levels = np.flatnonzero(features.is_level).tolist()
    return lightgbm.Dataset(features.bins.T, target, categorical_feature=levels, params=TREES)


def _booster(data: lightgbm.Dataset, logistic: bool, way: int) -> lightgbm.Booster:
    objective = "binary" if logistic else "regression"
    return lightgbm.Booster(
        TREES | {"objective": objective, "learning_rate": FIRST_RATES[way]}, data
    )


def _grow(
    booster: lightgbm.Booster, rounds: int, way: int, losses: list[float] | None = None
) -> None:
    """Add trees.

    Args:
        booster: without trees.
        rounds: trees at most; fewer where no split is left.
        way: position in WAYS.
        losses: of the check rows without any tree; gets that of each number of trees, until
            PATIENCE trees bring no smaller one.
    """
    for trees in range(1, rounds + 1):
        if booster.update():
            break
        if trees == 1 and FIRST_RATES[way] != RATE:
            booster.reset_parameter({"learning_rate": RATE})
        if losses is not None:
            losses.append(booster.eval_valid()[0][2])
            if trees - int(np.argmin(losses)) >= PATIENCE:
                break


def _loss(y: Floats, score: Floats, logistic: bool) -> float:
    """Return LightGBM's loss: the mean squared error, or the mean negative log likelihood."""
    losses = np.logaddexp(0.0, score) - y * score if logistic else (y - score) ** 2
    return float(losses.mean()) if y.size else 0.0


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


def _expit(score: npt.NDArray[np.float64]) -> Floats:
    p: Floats = 1.0 / (1.0 + np.exp(-np.clip(score, -30.0, 30.0)))
    return p
