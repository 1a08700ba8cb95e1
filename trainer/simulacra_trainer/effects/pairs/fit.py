"""The regression behind single changes: what differs between people, and how much of it is there.

What the causes leave of an outcome is regressed on what they leave of the treatment, alone and
times each cause (R-learner: Nie & Wager, Biometrika 108, 2021). The first part changes everybody
alike; the second says how changes differ. Each half of the persons predicts the second part, and
the other half says how much of it is there: the slope of its outcomes on the predicted differences,
and its error (best linear predictor: Chernozhukov, Demirer, Duflo & Fernandez-Val, Econometrica 93,
2025). What remains is the reliability, and the share of the differences that is kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulacra_intake.rows_of_persons import Ints
from simulacra_trainer.effects.models.features import Floats
from simulacra_trainer.effects.scores import by_unit
from simulacra_trainer.evidence import coarse

MAX_CROSSED = 100
"""Columns and levels that changes may differ by, those with the largest products in the half."""
PENALTIES = (10.0, 50.0, 200.0, 1000.0)
RIDGE = 1.0
CHANCE = 2.0
"""Differences count by 1 - (CHANCE / z)^2, where z is the other half's slope in standard errors."""


@dataclass(frozen=True)
class ChangeFit:
    """What the regressions of all outcomes share.

    Attributes:
        design: of the causes, additive, float64 [n, 1 + d].
        left: what the causes leave of the treatment's terms, float64 [n, k].
        products: of these with the causes, float64 [n, products].
        halves: rows of each half, int64.
        units: of errors, int64 [n]; None where each row is its own.
    """

    design: Floats
    left: Floats
    products: Floats
    halves: Sequence[Ints]
    units: Ints | None

    def slopes(self, y: Floats, root: Floats) -> tuple[Floats, Floats, float]:
        """Return the slopes of the terms and of the products, [., targets], and the reliability.

        Those of the terms are sums of steps, each of at most a fifth of its standard error.

        Args:
            y: targets, float64 [n, targets + 1]; the last one decides how much differs.
            root: square root of each row's weight, float64 [n, 1]; 0 leaves it out.
        """
        rest = np.empty_like(y)
        for learn, held in (self.halves, self.halves[::-1]):
            expected = ridge((root * self.design)[learn], (root * y)[learn], RIDGE)
            rest[held] = y[held] - self.design[held] @ expected
        left, products, rest = (root * of for of in (self.left, self.products, rest))
        differing, reliability = self._differing(left, products, rest)
        rest = rest[:, :-1] - products @ differing
        mean = ridge(left, rest, RIDGE)
        # Where the reliability is 0, each pair shows this mean: in steps, as every other effect.
        # The terms of a number overlap; of combinations that err alone, the steps do not add up.
        turn = np.linalg.cholesky(left.T @ left + RIDGE * np.eye(left.shape[1]))
        errors = self._errors(np.linalg.solve(turn, left.T).T, rest - left @ mean)
        steps = np.vectorize(coarse, [float])(turn.T @ mean, errors)
        return np.linalg.solve(turn.T, steps), differing, reliability

    def _errors(self, tells: Floats, rest: Floats) -> Floats:
        """Return the standard errors of slopes from what each row tells of them, [k, targets]."""
        sums = [[by_unit(of * left, self.units) for left in rest.T] for of in tells.T]
        return np.sqrt(np.sum(np.square(sums), axis=2))

    def _differing(self, left: Floats, products: Floats, rest: Floats) -> tuple[Floats, float]:
        """Return the slopes of the products, after shrinking, and the reliability."""
        parts = []
        for half in self.halves:
            both = np.hstack([products[half], rest[half]])
            both -= left[half] @ ridge(left[half], both, RIDGE)
            parts.append(np.split(both, [products.shape[1]], axis=1))
        units = None if self.units is None else self.units[np.concatenate(self.halves)]
        outcome = np.concatenate([y[:, -1] for _, y in parts])
        best, share, found = 0.0, 0.0, np.zeros((products.shape[1], rest.shape[1] - 1))
        for penalty in PENALTIES:
            slopes = [_screened_ridge(x, y, penalty) for x, y in parts]
            predicted = np.concatenate([parts[k][0] @ slopes[1 - k][:, -1] for k in (0, 1)])
            kept, z = _slope(predicted, outcome, units)
            gain = float(2.0 * kept * predicted @ outcome - kept**2 * predicted @ predicted)
            if gain > best:
                best, found = gain, (slopes[0] + slopes[1])[:, :-1] / 2.0
                share = kept * max(1.0 - (CHANCE / z) ** 2, 0.0)
        # Two halves together err half as much (Spearman, 1910; Brown, 1910).
        reliability = 2.0 * share / (1.0 + share)
        return reliability * found, reliability


def _slope(predicted: Floats, outcome: Floats, units: Ints | None) -> tuple[float, float]:
    """Return the slope of outcomes on predicted differences, 0..1, in standard errors second."""
    square = max(float(predicted @ predicted), 1e-300)
    slope = float(predicted @ outcome) / square
    scores = predicted * (outcome - slope * predicted)
    if units is not None:
        scores = np.bincount(units, scores).astype(np.float64)
    z = slope * square / max(float(np.sqrt(np.sum(scores**2))), 1e-300)
    return min(max(slope, 0.0), 1.0), z


def _screened_ridge(x: Floats, y: Floats, penalty: float) -> Floats:
    """Return ridge slopes of the columns with the largest products with the last target."""
    size = np.sqrt(np.maximum(np.sum(x**2, axis=0), 1e-300))
    chosen = np.argsort(-np.abs(y[:, -1] @ x) / size, kind="stable")[:MAX_CROSSED]
    out = np.zeros((x.shape[1], y.shape[1]))
    out[chosen] = ridge(x[:, chosen], y, penalty)
    return out


def ridge(x: Floats, y: Floats, penalty: float) -> Floats:
    """Return ridge slopes, float64 [columns, targets]."""
    square = x.T @ x + penalty * np.eye(x.shape[1])
    return np.linalg.solve(square, x.T @ y).astype(np.float64)
