"""How strong an unseen cause must be to change the answer.

Chernozhukov, Cinelli, Newey, Sharma & Syrgkanis, Long story short: omitted variable bias in causal
machine learning (2022): an unseen cause that explains the share r of what is left of the outcome
and of the weights moves the effect by at most S r / sqrt(1 - r), where S^2 is the mean squared
residual times the mean squared representer.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from simulacra_schema.answers import Sensitivity, Yardstick
from simulacra_trainer.effects.scores import Interval, Scores
from simulacra_trainer.evidence import coarse


def scale(scores: Scores) -> float:
    """Return S, in the outcome's unit; the residual is that of the rows in the arms."""
    weights = np.ones(scores.value.size) if scores.weights is None else scores.weights
    in_arms = weights * (scores.representer != 0)
    residual = np.average(scores.residual**2, weights=in_arms)
    representer = np.average(scores.representer**2, weights=weights)
    return float(np.sqrt(residual * representer))


def robustness(move: float, scale_: float) -> float:
    """Return the share (0..1) of both that an unseen cause must explain to move the effect."""
    if scale_ <= 0:
        return 1.0
    if (square := (move / scale_) ** 2) == 0:
        return 0.0
    # (sqrt(s^2 + 4 s) - s) / 2 without the difference of two large numbers.
    return float(2.0 / (1.0 + np.sqrt(1.0 + 4.0 / square)))


def sensitivity(main: Interval, scores: Scores, shifts: Iterable[tuple[str, float]]) -> Sensitivity:
    """Return robustness values and yardsticks.

    Args:
        main: the effect.
        scores: of one cross-fit of it.
        shifts: columns, and how far the effect moves if each is left out.
    """
    unit = scale(scores)
    near = 0.0 if main.low <= 0 <= main.high else min(abs(main.low), abs(main.high))
    yardsticks = [
        Yardstick(
            column=name,
            shift=coarse(shift, main.error),
            strength=round(robustness(shift, unit), 3),
        )
        for name, shift in shifts
    ]
    return Sensitivity(
        robustness=round(robustness(main.effect, unit), 3),
        robustness_near=round(robustness(near, unit), 3),
        yardsticks=sorted(yardsticks, key=lambda yardstick: -yardstick.strength),
    )
