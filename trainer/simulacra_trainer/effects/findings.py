"""Everything that an answer is judged by: effects under each open set, checks, sensitivity."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from simulacra_schema.answers import AdjustmentEffect, Answered, Sensitivity, Span
from simulacra_schema.background import propose_background
from simulacra_schema.base import VerdictKind
from simulacra_trainer.effects import checks
from simulacra_trainer.effects.adjustment import LinearEffects
from simulacra_trainer.effects.checks import Checked, sensitivity
from simulacra_trainer.effects.column_timing import ColumnTiming
from simulacra_trainer.effects.estimator import Estimator
from simulacra_trainer.effects.models.base_choice import Bases
from simulacra_trainer.effects.models.contrast import Flags
from simulacra_trainer.effects.overlap.answered import People, described
from simulacra_trainer.effects.overlap.support import MIN_ARM
from simulacra_trainer.effects.scores import Interval, Scores, effective_rows, summarize
from simulacra_trainer.effects.tried_sets import Bounded, Tried, try_sets
from simulacra_trainer.evidence import coarse, coarse_share, two_digits
from simulacra_trainer.graph import CausalGraph

PLACEBOS = 10
PLACEBO_ROWS = 2_000
PLACEBO_ARM = 100
"""Rows of the smaller arm in the sample from which a placebo can say anything."""
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
        effective_share: of that arm's rows, and at most the share of rows with counterparts.
        people: whom the effects are for; None without an answer.
        answered: the same in words; None for all of the population.
        is_sure: as in Tried.
        claim: verdict and text of a stated design; None without one.
    """

    missing: str | None = None
    effects: list[AdjustmentEffect] = field(default_factory=list)
    runs: list[list[Scores]] = field(default_factory=list)
    effective_rows: float = 0.0
    effective_share: float = 0.0
    people: People | None = None
    answered: Answered | None = None
    is_sure: bool = True
    checked: list[Checked] = field(default_factory=list)
    sensitivity: Sensitivity | None = None
    claim: tuple[VerdictKind, str] | None = None

    @property
    def failure(self) -> str | None:
        """The reason of the first check whose failure forbids the answer."""
        return next((one.check.detail for one in self.checked if one.forbids), None)


def find(estimator: Estimator, timing: ColumnTiming, graph: CausalGraph) -> Findings:
    """Return the findings of a contrast; only why there is no answer if an arm is too thin."""
    return check(estimator, timing, graph, try_sets(estimator, timing, graph))


def check(estimator: Estimator, timing: ColumnTiming, graph: CausalGraph, tried: Tried) -> Findings:
    """Return what was tried with its checks and sensitivity."""
    rows, share = tried.effective_rows, tried.effective_share
    if tried.missing is not None or tried.people is None:
        return Findings(missing=tried.missing, effective_rows=rows, effective_share=share)
    contrast, request, people = estimator.contrast, estimator.request, tried.people
    columns, runs, main = tried.found[0][0].columns, tried.found[0][1], tried.found[0][2]
    reach = reach_of(estimator)
    support = coarse_share(people.support, float(people.asked.sum()))
    effects = [
        effect_within(
            s.columns, (i.effect, i.low, i.high), i.error, reach, support, effective_rows(r)
        )
        for s, r, i in tried.found
    ]
    effects += [_bounds_alone(one, main.error, reach) for one in tried.bounded]
    for one in tried.reversing:
        none = effect_within(one.columns, (0.0, 0.0, 0.0), 0.0, reach, 1.0, contrast.rows.size)
        effects.append(none.model_copy(update={"reverses": True}))
    learned = [interval for s, _, interval in tried.found if s.learned]
    is_apart = graph.is_apart(request.treatment, contrast.outcome_column)
    # The search of the graph had an order to keep: stated, or proposed.
    is_ordered = timing.order == "stated" or bool(propose_background(estimator.schema))
    checked = [
        checks.overlap(estimator.features(columns), runs[0]),
        checks.self_contradiction(is_apart, is_ordered, learned),
        *_controls(estimator, columns, main, people.rows),
    ]
    claims = all(e.low > 0 for e in effects) or all(e.high < 0 for e in effects)
    rough: dict[str | None, Scores] = {}
    if claims:
        checked.append(checks.placebo(_placebos(estimator, columns), main))
        rough = _without_each(estimator, columns, people.rows)
    else:
        checked.append(checks.placebo([], main))
    return Findings(
        effects=effects,
        runs=[r for _, r, _ in tried.found],
        effective_rows=rows,
        effective_share=share,
        people=people,
        is_sure=tried.is_sure,
        answered=None if people.rows is None else _answered(estimator, tried, people, reach),
        checked=checked,
        sensitivity=sensitivity(main, runs[0], rough),
    )


def _answered(estimator: Estimator, tried: Tried, people: People, reach: float) -> Answered:
    """Return whom the answer is for, with the union of the sets' intervals for everybody."""
    error = max(interval.error for _, _, interval in tried.found)
    ends = [end for one in tried.bounded for end in one.everybody] + [0.0 for _ in tried.reversing]
    for (_, _, interval), (least, most) in zip(tried.found, tried.others, strict=True):
        ends += [people.support * interval.low + least, people.support * interval.high + most]
    low, high = _within((min(ends), max(ends)), error, reach)
    return described(estimator, people, Span(low=low, high=high))


def reach_of(estimator: Estimator) -> float:
    """Return the largest effect that the bounds of the outcome allow; infinite without bounds."""
    contrast = estimator.contrast
    column = estimator.schema.find(contrast.outcome_column)
    if contrast.outcome_level is not None:
        return 1.0
    if column is None or column.minimum is None or column.maximum is None:
        return math.inf
    return column.maximum - column.minimum


def effect_within(
    columns: list[str],
    ends: tuple[float, float, float],
    error: float,
    reach: float,
    support: float,
    rows: float,
) -> AdjustmentEffect:
    """Return an effect, within what the bounds of the outcome allow (Manski, 1990).

    Where nobody could have had the other value, a model extrapolates beyond them.

    ends: effect, low and high, in steps of error; reach: as of `reach_of`; support: share of the
    people asked about who have counterparts; rows: effective ones.
    """
    effect, low, high = _within(ends, error, reach)
    return AdjustmentEffect(
        adjustment=columns,
        effect=effect,
        low=low,
        high=high,
        support=support,
        effective_rows=two_digits(rows),
    )


def _within(ends: Sequence[float], error: float, reach: float) -> list[float]:
    return [min(max(coarse(end, error), -reach), reach) for end in ends]


def _bounds_alone(one: Bounded, error: float, reach: float) -> AdjustmentEffect:
    """Return an effect that has bounds alone: no rows are compared, so it suggests nothing."""
    found = effect_within(one.set.columns, (0.0, *one.answered), error, reach, 0.0, 0.0)
    found.effect = coarse((found.low + found.high) / 2.0, error)
    return found


def _controls(
    estimator: Estimator, columns: list[str], main: Interval, answered: Flags | None
) -> Iterator[Checked]:
    """Yield the check of each negative control, given the same columns, for the same people."""
    request = estimator.request
    size = abs(main.effect) / max(float(estimator.contrast.outcome.std()), 1e-300) / 2
    for control in request.negative_controls:
        asked = request.model_copy(update={"outcome": control})
        on_control = Estimator(estimator.table, estimator.schema, asked, estimator.seed)
        if on_control.smallest_arm < MIN_ARM:
            why = f"'{control}' is known for too few rows."
            yield checks.checked("negative control", "not checked", why)
            continue
        own = on_control.contrast
        others = [name for name in columns if name != own.outcome_column]
        found = on_control.effect(others, None if answered is None else answered[own.rows])
        spread = max(float(own.outcome.std()), 1e-300)
        count = len(request.negative_controls)
        yield checks.negative_control(control, request.treatment, found, size * spread, count)


def _placebos(estimator: Estimator, columns: list[str]) -> list[Interval]:
    """Return the effects of permuted treatments on a sample of the rows."""
    found = []
    bases: Bases = {}
    for k in range(PLACEBOS):
        dealt = estimator.permuted(PLACEBO_ROWS, estimator.seed + k)
        if dealt.smallest_arm < PLACEBO_ARM:
            return []
        found.append(summarize([dealt.rough_scores(columns, bases)]))
    return found


def _without_each(
    estimator: Estimator, columns: list[str], answered: Flags | None
) -> dict[str | None, Scores]:
    """Return rough scores, on a sample, without each of the strongest columns; None: with all."""
    if not columns:
        return {}
    at = estimator.drawn(YARDSTICK_ROWS, estimator.seed)
    few = estimator.at(at, estimator.seed)
    if few.smallest_arm < MIN_ARM:
        return {}
    own = None if answered is None else answered[at]
    strongest = LinearEffects(few.table, few.schema, few.contrast, [], columns).open[:YARDSTICKS]
    # With one choice of nuisance models, pooled over all of these, the difference is that of the
    # columns alone; the whole, to which all are compared, comes last and so knows most of it.
    bases: Bases = {}
    left = {name: [other for other in columns if other != name] for name in strongest}
    found: dict[str | None, Scores] = {}
    for name, others in left.items():
        found[name] = few.rough_scores(others, bases, own)
    return found | {None: few.rough_scores(columns, bases, own)}
