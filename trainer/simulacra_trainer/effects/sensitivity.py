"""How strong an unseen cause must be to change the answer.

Chernozhukov, Cinelli, Newey, Sharma & Syrgkanis, Long story short: omitted variable bias in causal
machine learning (2022): an unseen cause that explains the share r of what is left of the outcome
and of the weights moves the effect by at most S r / sqrt(1 - r), where S^2 is the mean squared
residual times the mean squared representer.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from simulacra_schema.answers import Sensitivity, Span, Yardstick
from simulacra_trainer.effects.scores import Interval, Scores, part_of
from simulacra_trainer.evidence import coarse

MAX_OF_WEIGHTS = 0.95
"""Largest share of the weights' variance that a column counts for; more has no bound."""


def scale(scores: Scores) -> float:
    """Return S, in the outcome's unit; the residual is that of the rows in the arms."""
    weights = scores.survey
    representer = np.average(scores.representer**2, weights=weights)
    return float(np.sqrt(_residual(scores) * representer))


def robustness(move: float, scale_: float) -> float:
    """Return the share (0..1) of both that an unseen cause must explain to move the effect."""
    if scale_ <= 0:
        return 1.0
    if (square := (move / scale_) ** 2) == 0:
        return 0.0
    # (sqrt(s^2 + 4 s) - s) / 2 without the difference of two large numbers.
    return float(2.0 / (1.0 + np.sqrt(1.0 + 4.0 / square)))


def sensitivity(
    main: Interval, scores: Scores, without: Mapping[str | None, Scores]
) -> Sensitivity:
    """Return robustness values, yardsticks, and the interval with an unseen cause as strong as one.

    Args:
        main: the effect.
        scores: of one cross-fit of it.
        without: rough scores without each column, and under None with all; empty for no yardsticks.
    """
    unit = scale(scores)
    near = 0.0 if main.low <= 0 <= main.high else min(abs(main.low), abs(main.high))
    yardsticks = [
        _yardstick(name, main, unit, without[None], left)
        for name, left in without.items()
        if name is not None
    ]
    yardsticks.sort(key=lambda one: -(one.move or 0.0))
    unseen = None
    if yardsticks:
        move = yardsticks[0].move or 0.0
        low, high = (coarse(end, main.error) for end in (main.low - move, main.high + move))
        unseen = Span(low=low, high=high)
    return Sensitivity(
        robustness=round(robustness(main.effect, unit), 3),
        robustness_near=round(robustness(near, unit), 3),
        yardsticks=yardsticks,
        unseen=unseen,
    )


def _yardstick(name: str, main: Interval, unit: float, whole: Scores, left: Scores) -> Yardstick:
    """Return what a column says of an unseen cause like it.

    The bound is that of an unseen cause which explains as much of what is left as the column did
    (Cinelli & Hazlett, 2020, in the notation of Chernozhukov et al.), fully adverse. The larger of
    it and the shift of leaving the column out counts: each alone covers less where a cause like the
    columns is hidden.
    """
    shift = part_of(left).effect - part_of(whole).effect
    residual, residual_left = _residual(whole), _residual(left)
    of_outcome = min(max((residual_left - residual) / max(residual, 1e-300), 0.0), 1.0)
    of_weights = min(max(1.0 - left.square / max(whole.square, 1e-300), 0.0), MAX_OF_WEIGHTS)
    bound = np.sqrt(residual * whole.square * of_outcome * of_weights / (1.0 - of_weights))
    return Yardstick(
        column=name,
        shift=coarse(shift, main.error),
        strength=round(robustness(shift, unit), 3),
        of_outcome=round(of_outcome, 3),
        of_weights=round(of_weights, 3),
        move=coarse(max(float(bound), abs(shift)), main.error),
    )


def _residual(scores: Scores) -> float:
    """Return the mean squared residual of the rows in the arms."""
    weights = scores.survey
    return float(np.average(scores.residual**2, weights=weights * (scores.representer != 0)))
