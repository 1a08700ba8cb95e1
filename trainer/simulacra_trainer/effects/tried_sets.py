"""Effects under each adjustment set that the statements leave open, before any check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np

from simulacra_intake.rows_of_persons import MIN_PERSONS
from simulacra_trainer.effects import checks
from simulacra_trainer.effects.adjustment import AdjustmentSet, LinearEffects, open_sets
from simulacra_trainer.effects.aipw import Predictions
from simulacra_trainer.effects.column_timing import ColumnTiming
from simulacra_trainer.effects.estimator import Estimator
from simulacra_trainer.effects.models.contrast import Flags
from simulacra_trainer.effects.overlap.answered import People, answered_people, effect_bounds
from simulacra_trainer.effects.overlap.counterparts import without_counterparts
from simulacra_trainer.effects.overlap.support import MIN_EFFECTIVE, Held, unsupported
from simulacra_trainer.effects.scores import Interval, Scores, effective_rows, summarize
from simulacra_trainer.effects.verdict import MAX_TRIED, has_sure_sign
from simulacra_trainer.graph import CausalGraph

ROWS_A_CLUSTER = 6.0
"""Five clusters an arm are enough where thirty persons are: Student's quantile says the rest."""


@dataclass(frozen=True)
class Bounded:
    """Bounds of the effect under a set, on the people who are answered for and on everybody."""

    set: AdjustmentSet
    answered: tuple[float, float]
    everybody: tuple[float, float]


@dataclass(frozen=True)
class Tried:
    """Effects under each open set, before any check.

    Attributes:
        missing: why there is no answer; None if there is one. Then nothing was found.
        found: each set with its cross-fits and interval, the main one first.
        people: whom the effects are for, the same under all sets; None without an answer.
        others: under each set, what those left out add to the effect on everybody: at least, and at
            most.
        bounded: sets under which too few people could be compared.
        is_sure: whether the effects have a sure sign whatever more would be stated; not looked into
            where nothing is suggested anyway.
        reversing: sets in which the outcome may be a cause of the treatment.
        effective_rows, effective_share: as in Findings.
    """

    missing: str | None = None
    found: list[tuple[AdjustmentSet, list[Scores], Interval]] = field(default_factory=list)
    reversing: list[AdjustmentSet] = field(default_factory=list)
    people: People | None = None
    others: list[tuple[float, float]] = field(default_factory=list)
    bounded: list[Bounded] = field(default_factory=list)
    is_sure: bool = True
    effective_rows: float = 0.0
    effective_share: float = 0.0


def try_sets(estimator: Estimator, timing: ColumnTiming, graph: CausalGraph) -> Tried:
    """Return the effect under each adjustment set that the statements leave open."""
    contrast, request = estimator.contrast, estimator.request
    treatment, outcome = request.treatment, contrast.outcome_column
    arms = (contrast.value.rows, contrast.baseline.rows)
    if missing := _unsupported(estimator, arms):
        least = min(estimator.counted(rows) for rows in arms)
        return Tried(missing=missing, effective_rows=float(least if least >= MIN_PERSONS else 0))
    linear = LinearEffects(
        estimator.table, estimator.schema, contrast, timing.before, timing.unknown
    )
    sets = open_sets(timing, graph, treatment, outcome, linear)
    shown = [_Fitted.of(estimator, s) for s in sets if not s.reverses]
    fitted = tuple(shown)
    bounded: list[_Fitted] = []
    while True:
        people = _people(estimator, shown)
        runs = [estimator.scores(one.fits, people.rows) for one in shown]
        found = _supported(estimator, people, runs[0])
        if found.missing is None or len(shown) == 1:
            break
        # With a column that settles who gets the treatment there is nobody to compare, so the sets
        # that have it only bound the effect.
        worst = max(shown, key=lambda one: one.missed)
        shown.remove(worst)
        bounded.append(worst)
    if found.missing is not None:
        return found
    everybody = people.asked
    of = everybody if people.rows is None else everybody & people.rows
    intervals = [summarize(run) for run in runs]
    may_be_suggested = len(timing.unknown) <= MAX_TRIED and has_sure_sign(intervals)
    return replace(
        found,
        found=list(zip([one.set for one in shown], runs, intervals, strict=True)),
        reversing=[s for s in sets if s.reverses],
        people=people,
        is_sure=may_be_suggested and _is_sure(estimator, fitted, timing.unknown),
        others=[
            effect_bounds(contrast, one.fits, people.lacking, everybody & ~of, everybody)
            for one in shown
        ],
        bounded=[
            Bounded(
                one.set,
                effect_bounds(contrast, one.fits, one.lacking, of, of),
                effect_bounds(contrast, one.fits, one.lacking, everybody, everybody),
            )
            for one in bounded
        ],
    )


@dataclass(frozen=True, eq=False)
class _Fitted:
    """An adjustment set with its cross-fits, and who has no counterparts given its columns."""

    set: AdjustmentSet
    fits: list[Predictions]
    lacking: Flags

    @classmethod
    def of(cls, estimator: Estimator, one: AdjustmentSet) -> _Fitted:
        fits = estimator.predictions(one.columns)
        lacking = without_counterparts(estimator.contrast, fits, estimator.request.population)
        return cls(one, fits, lacking)

    @property
    def missed(self) -> int:
        """Rows without counterparts."""
        return int(self.lacking.any(axis=0).sum())


def _is_sure(estimator: Estimator, shown: Sequence[_Fitted], unknown: Sequence[str]) -> bool:
    """Return whether the effects have a sure sign whatever more would be stated.

    Fewer open columns leave more people to answer for, who may be those that a set cannot compare.
    So each family of sets that statements would leave is judged for the people of its own: knowing
    less must not give the better verdict because it leaves people out.
    """
    if not any(one.missed for one in shown):
        return True
    families = set()
    for places in product((True, False, None), repeat=len(unknown)):
        stated = [(name, at) for name, at in zip(unknown, places, strict=True) if at is not None]
        families.add(
            tuple(
                one for one in shown if all((name in one.set.columns) is at for name, at in stated)
            )
        )
    for some in families - {(), tuple(shown)}:
        people = _people(estimator, some)
        runs = [estimator.scores(one.fits, people.rows) for one in some]
        if _supported(estimator, people, runs[0]).missing is not None:
            return False
        worth = min(effective_rows(own) for own in runs)
        if worth < MIN_EFFECTIVE or not has_sure_sign([summarize(own) for own in runs]):
            return False
    return True


def _people(estimator: Estimator, shown: Sequence[_Fitted]) -> People:
    """Return whom several sets answer for.

    They are the same people under each of them, else a statement less could look more precise.
    """
    names = list(dict.fromkeys(name for one in shown for name in one.set.columns))
    return answered_people(estimator, names, np.any([one.lacking for one in shown], axis=0))


def _supported(estimator: Estimator, people: People, runs: list[Scores]) -> Tried:
    """Return what the main set's cross-fits leave of the arms, or why it is too little."""
    contrast = estimator.contrast
    effective = np.median([scores.effective() for scores in runs], axis=0)
    shares = np.median([checks.effective_shares(scores) for scores in runs], axis=0)
    units = np.median([scores.units_by_arm() for scores in runs], axis=0)
    if estimator.schema.cluster() is not None:
        units = units * ROWS_A_CLUSTER
    inside = np.ones(contrast.outcome.size, np.bool_) if people.rows is None else people.rows
    arms = (contrast.value.rows & inside, contrast.baseline.rows & inside)
    worth = np.minimum(effective, units).tolist()
    return Tried(
        missing=_unsupported(estimator, arms) or _unsupported(estimator, arms, worth),
        effective_rows=float(effective.min()),
        effective_share=min(float(shares.min()), people.support),
    )


def _unsupported(
    estimator: Estimator, rows: Sequence[Flags], effective: Sequence[float | None] = (None, None)
) -> str | None:
    """Return why there is no answer, and what may have one; None if there is an answer.

    rows: bool [n], of each arm among those whom the answer would be for; effective: what these are
    worth, None if not yet known.
    """
    request, contrast = estimator.request, estimator.contrast
    arms, values = (contrast.value, contrast.baseline), (request.value, request.baseline)
    missing = unsupported(
        [
            Held({request.treatment: value}, arm.in_range, estimator.counted(own), worth)
            for value, arm, own, worth in zip(values, arms, rows, effective, strict=True)
        ]
    )
    if missing is None or not estimator.in_range or request.population == "overlap":
        return missing
    if request.population == "treated":
        return f"{missing} Ask for where both happen."
    return f"{missing} Ask for those who have it now, or for where both happen."
