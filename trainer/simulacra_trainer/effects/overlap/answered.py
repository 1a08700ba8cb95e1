"""Whom an effect is for: everybody who was asked about, or those of them who have counterparts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from simulacra_crds.tasks import EstimateRequest
from simulacra_intake.rows_of_persons import MIN_PERSONS, persons_a_group
from simulacra_schema.answers import Answered, Span
from simulacra_trainer.effects.aipw import Predictions
from simulacra_trainer.effects.estimator import Estimator
from simulacra_trainer.effects.models.contrast import Contrast, Flags
from simulacra_trainer.effects.models.features import Floats
from simulacra_trainer.effects.overlap.counterparts import largest_of
from simulacra_trainer.effects.overlap.named_groups import Group, named_group, outside_in_words
from simulacra_trainer.effects.overlap.support import named
from simulacra_trainer.effects.verdict import ALARM
from simulacra_trainer.effects.words import figure, percent
from simulacra_trainer.evidence import coarse_share

SMALL = 0.005
"""Share without counterparts in one arm, up to which a named answer leaves nobody out for it."""
ENDS = (0.05, 0.95)
"""Quantiles between which the others' mean would lie with the value that they lack."""


@dataclass(frozen=True)
class People:
    """Whom an answer is for.

    Attributes:
        asked: bool [n], rows of the population of the question.
        rows: bool [n], whom the answer is for; None for all of the population.
        lacking: bool [2, n], rows without counterparts in each arm; those of the groups if there
            are some.
        support: share of the rows asked about that have counterparts.
        groups: those left out; empty where no two columns describe them.
    """

    asked: Flags
    rows: Flags | None
    lacking: Flags
    support: float
    groups: list[Group] = field(default_factory=list)

    @property
    def has_counterparts(self) -> Flags:
        """Rows that have counterparts in both arms, bool [n]."""
        return ~np.logical_or(*self.lacking)


def answered_people(estimator: Estimator, columns: list[str], lacking: Flags) -> People:
    """Return whom a contrast can be answered for.

    columns: that may name those left out; lacking: bool [2, n], as of `without_counterparts`, under
    any of the adjustment sets.
    """
    contrast, population = estimator.contrast, estimator.request.population
    asked = contrast.value.rows if population == "treated" else np.ones(lacking.shape[1], np.bool_)
    rows: Flags = ~np.logical_or(*lacking)
    found = People(asked, None, lacking, _share(contrast, asked, rows))
    if population == "overlap" or found.support >= 1.0 - ALARM:
        return found
    survey = contrast.survey
    missed = [_share(contrast, asked, rows) for rows in lacking]
    arms = [k for k in (0, 1) if missed[k] > SMALL]
    named_ones = [
        named_group(estimator.table, columns, lacking[k], survey * asked, estimator.seed)
        for k in arms
    ]
    groups = [
        group
        for k, group in zip(arms, named_ones, strict=True)
        if group is not None and _is_rare(contrast, k, group.rows)
    ]
    if len(groups) == len(arms):
        lacking = np.zeros_like(lacking)
        for k, group in zip(arms, groups, strict=True):
            lacking[k] = group.rows
    else:
        groups = []
    rows = ~np.logical_or(*lacking)
    return People(asked, rows, lacking, _share(contrast, asked, rows), groups)


def _is_rare(contrast: Contrast, k: int, rows: Flags) -> bool:
    """Return whether those in a group that takes in some others too still hardly have the value."""
    arm = (contrast.value, contrast.baseline)[k].rows
    return _share(contrast, rows, arm) <= 2.0 * largest_of(contrast, arm)


def _share(contrast: Contrast, asked: Flags, rows: Flags) -> float:
    """Return the share of the rows asked about, by survey weight."""
    weights = contrast.survey
    return float(np.sum(weights * (asked & rows)) / max(np.sum(weights * asked), 1e-300))


def effect_bounds(
    contrast: Contrast, predictions: Sequence[Predictions], lacking: Flags, rows: Flags, of: Flags
) -> tuple[float, float]:
    """Return what rows add to the mean effect on others: at least, and at most.

    In an arm that they lack they have a mean between two quantiles of those who are in it; a yes or
    no is between 0 and 1 there (Manski, 1990). In the other arm they have their prediction.

    lacking: bool [2, n], rows without counterparts in each arm; rows: bool [n], whose part is
    returned; of: bool [n], these and the others whom the mean is over.
    """
    mean = np.mean([one.target for one in predictions], axis=0)
    weights = contrast.survey
    low, high = mean.copy(), mean.copy()
    for k, arm in enumerate((contrast.value, contrast.baseline)):
        ends = _ends(contrast.outcome[arm.rows], weights[arm.rows])
        low[k] = np.where(lacking[k], ends[0], low[k])
        high[k] = np.where(lacking[k], ends[1], high[k])
    parts = weights * rows / max(float(np.sum(weights * of)), 1e-300)
    return float(parts @ (low[0] - high[1])), float(parts @ (high[0] - low[1]))


def _ends(outcome: Floats, weights: Floats) -> tuple[float, float]:
    if np.isin(outcome, (0.0, 1.0)).all():
        return 0.0, 1.0
    order = np.argsort(outcome, kind="stable")
    at = np.cumsum(weights[order]) / max(float(weights.sum()), 1e-300)
    low, high = (outcome[order[min(int(np.searchsorted(at, q)), at.size - 1)]] for q in ENDS)
    return float(low), float(high)


def described(estimator: Estimator, people: People, everybody: Span) -> Answered:
    """Return whom an answer is for in words, with the interval for everybody."""
    share = coarse_share(people.support, float(people.asked.sum()))
    is_treated = estimator.request.population == "treated"
    whole = "all those treated" if is_treated else "everybody"
    low, high = figure(everybody.low), figure(everybody.high)
    why = (
        f"Of the others {' and '.join(_counts(estimator, people))}, so the data cannot say. For"
        f" {whole} it is between {low} and {high} if, with the value that they lack, the others'"
        " mean lies in the middle 90 % of those who have it."
    )
    outside = [outside_in_words(group.limits, estimator.table) for group in people.groups]
    who = f"with {', and '.join(outside)}"
    if not outside:
        who = "who have counterparts with both values (no two columns describe them)"
    return Answered(
        share=share,
        text=f"the {percent(share)}{' of those treated' if is_treated else ''} {who}",
        why=why,
        left_out=[group.limits for group in people.groups],
        everybody=everybody,
    )


def _counts(estimator: Estimator, people: People) -> Iterator[str]:
    """Yield how many of those left out have a value that they lack; few are not counted."""
    contrast: Contrast = estimator.contrast
    request: EstimateRequest = estimator.request
    pairs = ((contrast.value, request.value), (contrast.baseline, request.baseline))
    for lacking, (arm, value) in zip(people.lacking, pairs, strict=True):
        if not lacking.any():
            continue
        inside = lacking & arm.rows
        who = persons_a_group(inside.astype(np.int64), contrast.persons, 2)[1]
        count, size = estimator.counted(inside), estimator.counted(lacking)
        few = who < MIN_PERSONS or count < MIN_PERSONS
        yield f"{'almost nobody has' if few else f'{count:,} of {size:,} have'} {named([value])}"
