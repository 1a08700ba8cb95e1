"""Nuisance models of the effects: E[outcome | columns] and P(arm | columns).

A fit starts from one of four bases (nothing, one full tree, a piecewise linear additive ridge
regression, the same with products) and adds boosted trees on the residual. Held-back fifths of the
rows choose the number of trees and the base (a discrete super learner; van der Laan et al., 2007):
those of all fits of a target together, because a few rows of one fit may favor a base that fails
elsewhere (`base_choice`). So smooth truths keep nearly the precision of a linear model and jumps
that of a tree. Boosting alone smooths jumps in outcome and propensity alike, which biases effects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from simulacra_trainer.boosting import raw_scores
from simulacra_trainer.effects.models.base_choice import Bases, Choice, Trial
from simulacra_trainer.effects.models.features import TREES, Features, Floats

if TYPE_CHECKING:
    import lightgbm

BASES = ((), (), ("linear",), ("linear", "products"))
RATE = 0.1
FIRST_RATES = (RATE, 1.0, RATE, RATE)
"""Learning rate of the first tree for each base; base 1 takes it in full."""
MORE_TREES = 1.5
"""Factor on the best number of trees: bias of an effect costs more than noise."""
MAX_TREES = 200
PATIENCE = 15
CHECK_SHARE = 0.2
MAX_FIT_ROWS = 20_000
PENALTY = 0.1
"""Ridge penalty on squared coefficients, in units of rows."""
NEWTON_STEPS = 12
MAX_LOG_ODDS = 12.0


@dataclass(frozen=True)
class Nuisance:
    """A fitted regression of a target on features.

    Attributes:
        base: position in BASES.
        coefficients: float64 [1 + columns of the design], intercept first, for the standardized
            target.
        trees: boosted trees on the residual; None if there are none.
        logistic: whether predictions are probabilities.
        center, scale: of the target.
    """

    base: int
    coefficients: Floats
    trees: lightgbm.Booster | None
    logistic: bool
    center: float
    scale: float

    def predict(self, features: Features) -> Floats:
        """Return the expected target, float64 [n]."""
        score = _linear_score(_design(features, self.base), self.coefficients)
        if self.trees is not None:
            score += raw_scores(self.trees, features.bins.T)
        return _expit(score) if self.logistic else self.center + self.scale * score


def fit_nuisance(
    features: Features,
    y: Floats,
    rng: np.random.Generator,
    bases: Bases | None = None,
    target_name: str = "",
) -> Nuisance:
    """Return a model fit to n rows: logistic if y is all 0 or 1, else least squares.

    Args:
        features: of the n rows.
        y: float64 [n], on any scale.
        rng: draws the validation rows, and MAX_FIT_ROWS rows of larger samples.
        bases: what earlier fits found, by target; takes up what this one finds.
        target_name: what y is, among these targets.
    """
    if y.size > MAX_FIT_ROWS:
        sample = np.sort(rng.choice(y.size, MAX_FIT_ROWS, replace=False))
        features, y = features.rows(sample), y[sample]
    logistic = bool(np.isin(y, (0.0, 1.0)).all())
    center, scale = (0.0, 1.0) if logistic else (float(y.mean()), max(float(y.std()), 1e-12))
    target = (y - center) / scale
    choice = Choice() if bases is None else bases.setdefault(target_name, Choice())
    base, trees = _chosen(features, target, rng, logistic, choice)
    X = _design(features, base)
    coefficients = _fit_linear(X, target, logistic)
    booster = None
    if trees and features.bins.size:
        data = features.tree_rows(slice(None), target)
        data.set_init_score(_linear_score(X, coefficients))
        booster = _booster(data, logistic, base)
        _grow(booster, round(MORE_TREES * trees), base)
    return Nuisance(base, coefficients, booster, logistic, center, scale)


def _chosen(
    features: Features, target: Floats, rng: np.random.Generator, logistic: bool, choice: Choice
) -> tuple[int, int]:
    """Return the base and its trees, after trying the bases on this fit's rows if need be."""
    if choice.is_open:
        possible = range(len(BASES) if features.products.shape[1] else len(BASES) - 1)
        tried = choice.left(possible)
        choice.fits.append(dict(_trials(features, target, rng, logistic, tried)))
    return choice.best()


def _trials(
    features: Features,
    target: Floats,
    rng: np.random.Generator,
    logistic: bool,
    bases: Iterable[int],
) -> Iterator[tuple[int, Trial]]:
    """Yield how well each base predicts the validation rows, with the best number of trees."""
    is_check = np.zeros(target.size, np.bool_)
    is_check[rng.permutation(target.size)[: int(CHECK_SHARE * target.size)]] = True
    learn, check = np.flatnonzero(~is_check), np.flatnonzero(is_check)
    data = check_data = None
    if features.bins.size and check.size:
        data = features.tree_rows(learn, target[learn])
        check_data = features.tree_rows(check, target[check])
    for base in bases:
        X = _design(features, base)
        score = _linear_score(X, _fit_linear(X[learn], target[learn], logistic))
        trees, expected = 0, score[check]
        if data is not None and check_data is not None:
            data.set_init_score(score[learn])
            check_data.set_init_score(expected)
            booster = _booster(data, logistic, base).add_valid(check_data, "check")
            losses = [float(_losses(target[check], expected, logistic).mean())]
            _grow(booster, MAX_TREES, base, losses)
            trees = int(np.argmin(losses))
            if trees:
                expected = expected + raw_scores(booster, features.bins[:, check].T, trees)
        yield base, Trial(_losses(target[check], expected, logistic), trees)


def _booster(data: lightgbm.Dataset, logistic: bool, base: int) -> lightgbm.Booster:
    import lightgbm

    objective = "binary" if logistic else "regression"
    parameters = {"objective": objective, "learning_rate": FIRST_RATES[base]}
    return lightgbm.Booster(TREES | parameters, data)


def _grow(
    booster: lightgbm.Booster, rounds: int, base: int, losses: list[float] | None = None
) -> None:
    """Add up to `rounds` trees to a booster without trees; fewer if no split is left.

    losses: starts with the validation loss without trees and gets that of each number of trees;
    growing stops after PATIENCE trees without a smaller one.
    """
    for trees in range(1, rounds + 1):
        if booster.update():
            break
        if trees == 1 and FIRST_RATES[base] != RATE:
            booster.reset_parameter({"learning_rate": RATE})
        if losses is not None:
            losses.append(booster.eval_valid()[0][2])
            if trees - int(np.argmin(losses)) >= PATIENCE:
                break


def _losses(y: Floats, score: Floats, logistic: bool) -> Floats:
    """Return LightGBM's loss of each row: squared error, or negative log-likelihood."""
    return np.logaddexp(0.0, score) - y * score if logistic else (y - score) ** 2


def _design(features: Features, base: int) -> Floats:
    return np.column_stack([features.always, *(getattr(features, part) for part in BASES[base])])


def _fit_linear(X: Floats, y: Floats, logistic: bool) -> Floats:
    """Return ridge coefficients, float64 [1 + d]; logistic ones by Newton steps."""
    design = np.column_stack([np.ones(y.size), X])
    penalty = np.full(design.shape[1], PENALTY)
    penalty[0] = 1e-9
    if not logistic:
        shift = float(y.mean())
        gram = design.T @ design + np.diag(penalty)
        coefficients: Floats = np.linalg.solve(gram, design.T @ (y - shift))
        coefficients[0] += shift
        return coefficients
    share = (y.sum() + 0.5) / (y.size + 1.0)
    coefficients = np.zeros(design.shape[1])
    coefficients[0] = np.log(share / (1.0 - share))
    for _ in range(NEWTON_STEPS):
        p = _expit(np.clip(design @ coefficients, -MAX_LOG_ODDS, MAX_LOG_ODDS))
        shrink = np.where(np.arange(penalty.size) > 0, penalty * coefficients, 0.0)
        slope = design.T @ (y - p) - shrink
        weighted = design * np.maximum(p * (1 - p), 1e-5)[:, None]
        step = np.linalg.solve(design.T @ weighted + np.diag(penalty), slope)
        coefficients = coefficients + np.clip(step, -4.0, 4.0)
        if np.abs(step).max() < 1e-6:
            break
    return coefficients


def _linear_score(X: Floats, coefficients: Floats) -> Floats:
    return X @ coefficients[1:] + coefficients[0]


def _expit(score: npt.NDArray[np.float64]) -> Floats:
    return 1.0 / (1.0 + np.exp(-np.clip(score, -30.0, 30.0)))
