"""Efficient scores of an effect, and the effects and intervals that they give over any rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulacra_intake.rows_of_persons import Ints
from simulacra_trainer.effects.models.contrast import Flags
from simulacra_trainer.effects.models.features import Floats
from simulacra_trainer.effects.simultaneous import student_width
from simulacra_trainer.evidence import Z95

Pair = tuple[Floats, Floats]
"""Of the arm of the treatment value, then of the baseline."""


@dataclass(frozen=True)
class Scores:
    """Scores of the rows from one cross-fit; the effect is sum(value) / sum(tilt).

    Attributes:
        value: float64 [n].
        tilt: weight of each row in the population, float64 [n]; 1 for all rows.
        propensities: of both arms, clipped.
        arm_weights: of both arms, survey weights included; 0 outside the arm.
        representer: float64 [n], weight of each row's residual in the effect (Riesz representer).
        residual: float64 [n], outcome minus its prediction; 0 outside both arms.
        weights: survey weights, float64 [n]; None if there are none.
        units: cluster or person of each row, int64 [n]; None where each row is one alone.
        shifts: of the replicate weights, float64 [n, replicates]; None without.
        square: expected square of the representer, given the propensities.
        hidden: error of the effect that the rows' scores do not show, such as that of smoothing.
    """

    value: Floats
    tilt: Floats
    propensities: Pair
    arm_weights: Pair
    representer: Floats
    residual: Floats
    weights: Floats | None = None
    units: Ints | None = None
    shifts: Floats | None = None
    square: float = 0.0
    hidden: float = 0.0

    @property
    def survey(self) -> Floats:
        """Survey weights, float64 [n]; ones if there are none."""
        return np.ones(self.value.size) if self.weights is None else self.weights

    def effective_units(self, rows: Flags | None = None) -> float:
        """Return the persons or clusters that the smaller arm's weights are worth (Kish, 1965).

        Rows of one count as one, with the sum of their weights: they may all be alike.

        rows: bool [n], only these; None for all.
        """
        return min(self.units_by_arm(rows))

    def units_by_arm(self, rows: Flags | None = None) -> tuple[float, float]:
        """Return what each arm's weights are worth, as `effective_units`."""
        chosen = slice(None) if rows is None else rows
        units = None if self.units is None else self.units[chosen]
        value, baseline = (kish(by_unit(w[chosen], units)) for w in self.arm_weights)
        return value, baseline

    def effective(self) -> tuple[float, float]:
        """Return the rows that each arm's weights are worth (Kish, 1965)."""
        value, baseline = (kish(weights) for weights in self.arm_weights)
        return value, baseline


@dataclass(frozen=True)
class Interval:
    """Effect, standard error, 95 % interval and rows.

    critical: half-width in standard errors: Student's quantile for few effective persons; larger
        where several intervals hold together.
    """

    effect: float
    error: float
    rows: int
    critical: float = Z95

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval."""
        return self.effect - self.critical * self.error

    @property
    def high(self) -> float:
        """Upper end of the 95 % interval."""
        return self.effect + self.critical * self.error


@dataclass(frozen=True)
class Part:
    """An effect of one cross-fit, and what its error comes from.

    Attributes:
        effect: over some rows.
        influence: float64 [rows, units or replicates], 0 outside; their squares add up to the
            variance.
        hidden: error that the influence does not show.
    """

    effect: float
    influence: Floats
    hidden: float = 0.0

    @property
    def variance(self) -> float:
        """Variance of the effect within the cross-fit."""
        return float(np.sum(self.influence**2)) + self.hidden**2

    def minus(self, other: Part) -> Part:
        """Return the difference of two effects of the same cross-fit, which hide the same."""
        return Part(self.effect - other.effect, self.influence - other.influence)


def mean_of(parts: Sequence[Part], masses: Sequence[float]) -> Part:
    """Return the mean of effects of the same cross-fit by the people that each is of."""
    shares = np.array(masses) / max(sum(masses), 1e-300)
    influence = shares @ np.array([part.influence for part in parts])
    effect = float(shares @ np.array([part.effect for part in parts]))
    return Part(effect, influence, parts[0].hidden)


def summarize(runs: Sequence[Scores], rows: Flags | None = None) -> Interval:
    """Return the effect over all rows, or over some (bool [n]), from several cross-fits."""
    effect, error = combine([part_of(scores, rows) for scores in runs])
    worth = np.array(units_worth(runs, rows))
    critical = float(student_width(Z95, worth, runs[0].shifts))
    chosen = slice(None) if rows is None else rows
    found = int(np.sum(runs[0].tilt[chosen] > 0))
    return Interval(effect, error, found, critical)


def units_worth(runs: Sequence[Scores], rows: Flags | None = None) -> float:
    """Return the median of the cross-fits' effective units, over all rows or some (bool [n])."""
    return float(np.median([scores.effective_units(rows) for scores in runs]))


def effective_rows(runs: Sequence[Scores]) -> float:
    """Return the median of the cross-fits' effective rows of the arm with fewer."""
    return float(np.median([min(scores.effective()) for scores in runs]))


def combine(parts: Sequence[Part]) -> tuple[float, float]:
    """Return the median effect of the cross-fits and its error.

    The variance is median(se^2 + (effect_k - median)^2).
    """
    effect = float(np.median([part.effect for part in parts]))
    variance = np.median([part.variance + (part.effect - effect) ** 2 for part in parts])
    return effect, float(np.sqrt(variance))


def part_of(scores: Scores, rows: Flags | None = None) -> Part:
    """Return the effect of one cross-fit over all rows, or over some (bool [n]).

    With survey weights: the weighted ratio, and its linearized variance (Binder, 1983). With
    several rows a person or cluster, it is the variance of their sums (Liang & Zeger, 1986), with
    replicate weights that of the replicates, whose predictions are those of all rows.
    """
    weights = _weights_inside(scores, rows)
    total = max(float(np.sum(weights * scores.tilt)), 1e-300)
    effect = float(np.sum(weights * scores.value)) / total
    influence = summed(row_influence(scores, rows), scores.units, scores.shifts)
    return Part(effect, influence, scores.hidden)


def row_influence(scores: Scores, rows: Flags | None = None) -> Floats:
    """Return the influence of each row on the effect of one cross-fit, float64 [n]; 0 outside.

    The effect's variance is the sum of their squares, summed by person or cluster first.
    """
    weights = _weights_inside(scores, rows)
    total = max(float(np.sum(weights * scores.tilt)), 1e-300)
    effect = float(np.sum(weights * scores.value)) / total
    inside = np.ones(scores.value.size, np.bool_) if rows is None else rows
    units = int(inside.sum())
    if scores.units is not None:
        units = np.unique(scores.units[inside]).size
    scale = (1.0 if scores.shifts is not None else np.sqrt(units / max(units - 1, 1))) / total
    return weights * (scores.value - effect * scores.tilt) * scale


def kish(weights: Floats) -> float:
    """Return the number of equally weighted rows with the same precision."""
    square = float(np.sum(weights**2))
    return float(np.sum(weights)) ** 2 / square if square > 0 else 0.0


def by_unit(values: Floats, units: Ints | None) -> Floats:
    """Return the sums of values, float64 [n], by person or cluster; the values without them."""
    if units is None:
        return values
    return np.bincount(units, weights=values).astype(np.float64)


def summed(values: Floats, units: Ints | None, shifts: Floats | None) -> Floats:
    """Return influence values of rows, float64 [n], by replicate, else by person or cluster."""
    return by_unit(values, units) if shifts is None else values @ shifts


def _weights_inside(scores: Scores, rows: Flags | None) -> Floats:
    """Return the survey weights of all rows, float64 [n]; 0 outside some (bool [n])."""
    if rows is None:
        return _weights_in(scores, slice(None))
    weights = np.zeros(scores.value.size)
    weights[rows] = _weights_in(scores, rows)
    return weights


def _weights_in(scores: Scores, rows: Flags | slice) -> Floats:
    """Return the survey weights of some rows; equal ones where all are 0."""
    tilt = scores.tilt[rows]
    if scores.weights is None or not (scores.weights[rows] * tilt).any():
        return np.ones(tilt.size)
    return scores.weights[rows]
