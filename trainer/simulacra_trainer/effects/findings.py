"""Everything that an answer is judged by: effects under each open set, checks, sensitivity."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from simulacra_intake.rows_of_persons import MIN_PERSONS
from simulacra_schema.answers import AdjustmentEffect, Sensitivity
from simulacra_schema.background import propose_background
from simulacra_trainer.effects import checks
from simulacra_trainer.effects.adjustment import AdjustmentSet, open_sets
from simulacra_trainer.effects.checks import Checked
from simulacra_trainer.effects.column_timing import ColumnTiming
from simulacra_trainer.effects.estimator import Estimator
from simulacra_trainer.effects.models.base_choice import Bases
from simulacra_trainer.effects.scores import Interval, Scores, summarize
from simulacra_trainer.effects.screening import LinearEffects
from simulacra_trainer.effects.sensitivity import sensitivity
from simulacra_trainer.effects.support import MIN_ARM, Held, unsupported
from simulacra_trainer.evidence import coarse, coarse_share, two_digits
from simulacra_trainer.graph import CausalGraph

PLACEBOS = 10
PLACEBO_ROWS = 2_000
PLACEBO_ARM = 100
"""Rows of the smaller arm in the sample from which a placebo can say anything."""
ROWS_A_CLUSTER = 6.0
"""Five clusters an arm are enough where thirty persons are: Student's quantile says the rest."""
YARDSTICKS = 5
YARDSTICK_ROWS = 5_000


@dataclass(frozen=True)
class Findings:
    """What was found.

    Attributes:
        missing: why there is no answer; None if there is one. Then effects and runs are empty.
        effects: one for each open set, the main one first.
        runs: cross-fits of each set that does not reverse the order, the main one first.
        effective_rows: of the arm whose weights leave less.
        effective_share: of that arm's rows, and at most the share of rows with support.
    """

    missing: str | None = None
    effects: list[AdjustmentEffect] = field(default_factory=list)
    runs: list[list[Scores]] = field(default_factory=list)
    effective_rows: float = 0.0
    effective_share: float = 0.0
    checked: list[Checked] = field(default_factory=list)
    sensitivity: Sensitivity | None = None

    @property
    def failure(self) -> str | None:
        """The reason of the first check whose failure forbids the answer."""
        return next((one.check.detail for one in self.checked if one.forbids), None)


@dataclass(frozen=True)
class Tried:
    """Effects under each open set, before any check.

    Attributes:
        missing: why there is no answer; None if there is one. Then nothing was found.
        found: each set with its cross-fits and interval, the main one first.
        reversing: sets in which the outcome may be a cause of the treatment.
        effective_rows, effective_share: as in Findings.
    """

    missing: str | None = None
    found: list[tuple[AdjustmentSet, list[Scores], Interval]] = field(default_factory=list)
    reversing: list[AdjustmentSet] = field(default_factory=list)
    effective_rows: float = 0.0
    effective_share: float = 0.0


def find(estimator: Estimator, timing: ColumnTiming, graph: CausalGraph) -> Findings:
    """Return the findings of a contrast; only why there is no answer if an arm is too thin."""
    return check(estimator, timing, graph, try_sets(estimator, timing, graph))


def try_sets(estimator: Estimator, timing: ColumnTiming, graph: CausalGraph) -> Tried:
    """Return the effect under each adjustment set that the statements leave open."""
    contrast, request = estimator.contrast, estimator.request
    treatment, outcome = request.treatment, contrast.outcome_column
    if missing := _unsupported(estimator):
        least = min(estimator.counted(arm) for arm in (contrast.value, contrast.baseline))
        return Tried(missing=missing, effective_rows=float(least if least >= MIN_PERSONS else 0))
    linear = LinearEffects(
        estimator.table, estimator.schema, contrast, timing.before, timing.unknown
    )
    sets = open_sets(timing, graph, treatment, outcome, linear)
    runs = estimator.runs(sets[0].columns)
    effective = np.median([scores.effective() for scores in runs], axis=0)
    shares = np.median([checks.effective_shares(contrast, scores) for scores in runs], axis=0)
    # Clipped propensities hide rows that could have had one value only.
    share = min(float(shares.min()), summarize(runs).support)
    rows = float(effective.min())
    units = np.median([scores.units_by_arm() for scores in runs], axis=0)
    if estimator.schema.cluster() is not None:
        units = units * ROWS_A_CLUSTER
    if missing := _unsupported(estimator, np.minimum(effective, units).tolist()):
        return Tried(missing=missing, effective_rows=rows, effective_share=share)
    others = [(s, estimator.runs(s.columns)) for s in sets[1:] if not s.reverses]
    return Tried(
        found=[(s, r, summarize(r)) for s, r in [(sets[0], runs), *others]],
        reversing=[s for s in sets if s.reverses],
        effective_rows=rows,
        effective_share=share,
    )


def _is_ordered(estimator: Estimator, timing: ColumnTiming) -> bool:
    """Return whether the search of the graph had an order to keep: stated, or proposed."""
    return timing.order == "stated" or bool(propose_background(estimator.schema))


def check(estimator: Estimator, timing: ColumnTiming, graph: CausalGraph, tried: Tried) -> Findings:
    """Return what was tried with its checks and sensitivity."""
    rows, share = tried.effective_rows, tried.effective_share
    if tried.missing is not None:
        return Findings(missing=tried.missing, effective_rows=rows, effective_share=share)
    contrast, request = estimator.contrast, estimator.request
    columns, runs, main = tried.found[0][0].columns, tried.found[0][1], tried.found[0][2]
    reach = _reach(estimator)
    effects = [_described(s, r, interval, reach) for s, r, interval in tried.found]
    effects += [_reversed(s, contrast.rows.size) for s in tried.reversing]
    learned = [interval for s, _, interval in tried.found if s.learned]
    is_apart = graph.is_apart(request.treatment, contrast.outcome_column)
    checked = [
        checks.overlap(contrast, estimator.features(columns), runs[0]),
        checks.self_contradiction(is_apart, _is_ordered(estimator, timing), learned),
        *_controls(estimator, columns, main),
    ]
    claims = all(e.low > 0 for e in effects) or all(e.high < 0 for e in effects)
    shifts: list[tuple[str, float]] = []
    if claims:
        checked.append(checks.placebo(_placebos(estimator, columns), main))
        shifts = list(_shifts(estimator, columns))
    else:
        checked.append(checks.placebo([], main))
    return Findings(
        effects=effects,
        runs=[r for _, r, _ in tried.found],
        effective_rows=rows,
        effective_share=share,
        checked=checked,
        sensitivity=sensitivity(main, runs[0], shifts),
    )


def _unsupported(
    estimator: Estimator, effective: Sequence[float | None] = (None, None)
) -> str | None:
    """Return why there is no answer, and what may have one; None if there is an answer."""
    request, contrast = estimator.request, estimator.contrast
    arms, values = (contrast.value, contrast.baseline), (request.value, request.baseline)
    missing = unsupported(
        [
            Held({request.treatment: value}, arm.in_range, estimator.counted(arm), worth)
            for value, arm, worth in zip(values, arms, effective, strict=True)
        ]
    )
    if missing is None or not estimator.in_range or request.population == "overlap":
        return missing
    if request.population == "treated":
        return f"{missing} Ask for where both happen."
    return f"{missing} Ask for those who have it now, or for where both happen."


def _reach(estimator: Estimator) -> float:
    """Return the largest effect that the bounds of the outcome allow; infinite without bounds."""
    contrast = estimator.contrast
    column = estimator.schema.find(contrast.outcome_column)
    if contrast.outcome_level is not None:
        return 1.0
    if column is None or column.minimum is None or column.maximum is None:
        return math.inf
    return column.maximum - column.minimum


def _described(
    adjustment: AdjustmentSet, runs: list[Scores], interval: Interval, reach: float
) -> AdjustmentEffect:
    """Return an effect, within what the bounds of the outcome allow (Manski, 1990).

    Where nobody could have had the other value, a model extrapolates beyond them.
    """
    effect, low, high = (
        min(max(coarse(end, interval.error), -reach), reach)
        for end in (interval.effect, interval.low, interval.high)
    )
    return AdjustmentEffect(
        adjustment=adjustment.columns,
        effect=effect,
        low=low,
        high=high,
        support=coarse_share(interval.support, interval.rows),
        effective_rows=two_digits(np.median([min(scores.effective()) for scores in runs])),
    )


def _reversed(adjustment: AdjustmentSet, rows: int) -> AdjustmentEffect:
    return AdjustmentEffect(
        adjustment=adjustment.columns,
        effect=0.0,
        low=0.0,
        high=0.0,
        support=1.0,
        effective_rows=two_digits(rows),
        reverses=True,
    )


def _controls(estimator: Estimator, columns: list[str], main: Interval) -> Iterator[Checked]:
    """Yield the check of each negative control, given the same columns."""
    request = estimator.request
    size = abs(main.effect) / max(float(estimator.contrast.outcome.std()), 1e-300) / 2
    for control in request.negative_controls:
        asked = request.model_copy(update={"outcome": control})
        on_control = Estimator(estimator.table, estimator.schema, asked, estimator.seed)
        if on_control.smallest_arm < MIN_ARM:
            yield checks.skipped("negative control", f"'{control}' is known for too few rows.")
            continue
        own = on_control.contrast
        found = on_control.effect([name for name in columns if name != own.outcome_column])
        spread = max(float(own.outcome.std()), 1e-300)
        count = len(request.negative_controls)
        yield checks.negative_control(control, request.treatment, found, size * spread, count)


def _placebos(estimator: Estimator, columns: list[str]) -> list[Interval]:
    """Return the effects of permuted treatments on a sample of the rows."""
    found = []
    bases: Bases = {}
    for k in range(PLACEBOS):
        dealt = estimator.sample(PLACEBO_ROWS, estimator.seed + k, permuted=True)
        if dealt.smallest_arm < PLACEBO_ARM:
            return []
        found.append(dealt.rough_effect(columns, bases))
    return found


def _shifts(estimator: Estimator, columns: list[str]) -> Iterator[tuple[str, float]]:
    """Yield how far the effect moves on a sample if each of the strongest columns is left out."""
    if not columns:
        return
    few = estimator.sample(YARDSTICK_ROWS, estimator.seed)
    if few.smallest_arm < MIN_ARM:
        return
    strongest = LinearEffects(few.table, few.schema, few.contrast, [], columns).open[:YARDSTICKS]
    # With one choice of nuisance models, pooled over all of these, the difference is that of the
    # columns alone; the whole, to which all are compared, comes last and so knows most of it.
    bases: Bases = {}
    left = {name: [other for other in columns if other != name] for name in strongest}
    without = {name: few.rough_effect(others, bases).effect for name, others in left.items()}
    whole = few.rough_effect(columns, bases).effect
    for name, effect in without.items():
        yield name, effect - whole
