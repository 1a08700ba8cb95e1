"""Checks that an answer can fail, and how strong an unseen cause must be to change it.

A passed check is no support: each can catch one fault only.

Chernozhukov, Cinelli, Newey, Sharma & Syrgkanis, Long story short: omitted variable bias in causal
machine learning (2022): an unseen cause that explains the share r of what is left of the outcome
and of the weights moves the effect by at most S r / sqrt(1 - r), where S^2 is the mean squared
residual times the mean squared representer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtri

from simulacra_schema.answers import Check, CheckName, Sensitivity, Span, Yardstick
from simulacra_trainer.effects.models.features import Features, Floats
from simulacra_trainer.effects.overlap.counterparts import POWER
from simulacra_trainer.effects.scores import Interval, Scores, kish, part_of
from simulacra_trainer.effects.verdict import THIN
from simulacra_trainer.effects.words import figure, percent
from simulacra_trainer.evidence import coarse

OWN_GRAPH: CheckName = "graph against itself"
SURE = 0.99
RARE = 0.05
"""Propensity below which a row hardly ever has the value."""
PLACEBO_ERRORS = 3.0
"""Standard errors of the mean placebo effect beyond which the method is at fault; chance reaches
them in 3 of 1,000 answers."""
MAX_OF_WEIGHTS = 0.95
"""Largest share of the weights' variance that a column counts for; more has no bound."""


@dataclass(frozen=True)
class Checked:
    """A check, and whether its failure forbids the answer."""

    check: Check
    forbids: bool = False


def checked(
    name: CheckName,
    outcome: Literal["passed", "failed", "not checked"],
    detail: str,
    *,
    forbids: bool = False,
) -> Checked:
    """Return a check with its outcome in words."""
    return Checked(Check(name=name, outcome=outcome, detail=detail), forbids)


def self_contradiction(is_apart: bool, is_ordered: bool, learned: Sequence[Interval]) -> Checked:
    """Check the learned graph against the effect that the same data show.

    A failure speaks against the graph alone and forbids nothing: where a search finds no path, an
    edge is missing more often than the effect is. The answer does not rest on the graph either: it
    has every set that nobody ruled out, and 0, because no arrow says that the treatment comes
    first.

    Args:
        is_apart: whether no graph of the class has a path between treatment and outcome.
        is_ordered: whether the search kept an order, stated or of proposed background; then a
            missing path is more often a fault of the search than of the answer.
        learned: effects given the learned causes, one for each graph of the class.
    """
    name = OWN_GRAPH
    if is_ordered:
        why = "The search kept an order, stated or of background columns."
        return checked(name, "not checked", why)
    if not is_apart or not learned:
        return checked(name, "not checked", "The graph has a path between treatment and outcome.")
    z = _critical(len(learned))
    worst = max(learned, key=lambda i: abs(i.effect) / max(i.error, 1e-300))
    if abs(worst.effect) > z * worst.error:
        detail = (
            "The learned graph has no path between treatment and outcome, but the same data show an"
            " effect given its causes: the graph lacks an edge."
        )
        return checked(name, "failed", detail)
    detail = f"No path and no effect; {figure(z * worst.error)} would have been seen."
    return checked(name, "passed", detail)


def placebo(effects: Sequence[Interval], main: Interval) -> Checked:
    """Check that the method finds nothing where the treatment is dealt at random.

    effects: of the permuted treatments, on a sample of the rows.
    """
    name: CheckName = "placebo"
    if not effects:
        why = "No sign is claimed, or too few rows have one of the values."
        return checked(name, "not checked", why)
    mean = float(np.mean([one.effect for one in effects]))
    error = float(np.sqrt(np.mean([one.error**2 for one in effects]) / len(effects)))
    seen = PLACEBO_ERRORS * error
    if abs(mean) > seen:
        detail = f"With the treatment dealt at random the method still finds {figure(mean)}."
        return checked(name, "failed", detail, forbids=True)
    if seen > abs(main.effect) / 2:
        detail = f"It could only have seen {figure(seen)}, more than half the effect."
        return checked(name, "not checked", detail)
    detail = (
        f"{len(effects)} permutations of the treatment: {figure(mean)} on average;"
        f" {figure(seen)} would have been seen."
    )
    return checked(name, "passed", detail)


def negative_control(
    control: str, treatment: str, found: Interval, size: float, count: int
) -> Checked:
    """Check an outcome that the treatment cannot change.

    found: the effect on it, given the same columns; size: half of the asked effect, in units of the
    control's spread; count: number of controls.
    """
    name: CheckName = "negative control"
    seen = _critical(count) * found.error
    if abs(found.effect) > seen:
        detail = f"'{control}', which {treatment} cannot change, changes by {figure(found.effect)}."
        return checked(name, "failed", detail, forbids=True)
    if seen > size:
        return checked(name, "not checked", f"'{control}': it could only have seen {figure(seen)}.")
    detail = f"'{control}': {figure(found.effect)}; {figure(seen)} would have been seen."
    return checked(name, "passed", detail)


def overlap(features: Features, scores: Scores) -> Checked:
    """Check that both arms hold people like the others; a failure is a matter of precision."""
    shares = effective_shares(scores)
    rare = float(np.mean(np.min(np.array(scores.propensities), axis=0)[scores.tilt > 0] < RARE))
    survey = scores.survey
    before = _imbalance(features, *((weights > 0) * survey for weights in scores.arm_weights))
    after = _imbalance(features, *scores.arm_weights)
    detail = (
        f"The weights leave {percent(shares[0])} and {percent(shares[1])} of the arms' rows;"
        f" {percent(rare)} of the rows have one of the values in less than {percent(RARE)} of"
        f" cases. Largest difference of means: {figure(before)} standard deviations before,"
        f" {figure(after)} after weighting. {POWER}"
    )
    return checked("overlap", "passed" if min(shares) >= THIN else "failed", detail)


def effective_shares(scores: Scores) -> tuple[float, float]:
    """Return the share of each arm's rows, of those whom the effect is for, that is left of it."""
    survey = scores.survey
    full = [max(kish((weights > 0) * survey), 1.0) for weights in scores.arm_weights]
    value, baseline = (
        min(1.0, worth / rows) for worth, rows in zip(scores.effective(), full, strict=True)
    )
    return value, baseline


def _imbalance(features: Features, value: Floats, baseline: Floats) -> float:
    """Return the largest standardized difference of weighted means."""
    linear = features.linear
    if not linear.shape[1]:
        return 0.0
    spread = np.maximum(linear.std(axis=0), 1e-12)
    means = [w @ linear / max(float(w.sum()), 1e-300) for w in (value, baseline)]
    return float(np.max(np.abs(means[0] - means[1]) / spread))


def _critical(tests: int) -> float:
    """Return the two-sided critical value of several tests together (Bonferroni)."""
    return float(-ndtri((1.0 - SURE) / 2 / max(tests, 1)))


def scale(scores: Scores) -> float:
    """Return S, in the outcome's unit; the residual is that of the rows in the arms."""
    representer = np.average(scores.representer**2, weights=scores.survey)
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

    scores: of one cross-fit of the main effect; without: rough scores without each column, and
    under None with all; empty for no yardsticks.
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
    weights = scores.survey * (scores.representer != 0)
    return float(np.average(scores.residual**2, weights=weights))
