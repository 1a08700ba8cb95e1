"""Average causal effects from data and learned graph, with what the graph leaves open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulacra_crds.contract.reasons import Reason
from simulacra_crds.contract.schema import TableSchema
from simulacra_crds.contract.tasks import EstimateRequest
from simulacra_crds.kinds.effect_estimate import Estimate
from simulacra_trainer.effects.aipw import Interval, Scores, aipw_scores, summarize
from simulacra_trainer.effects.features import build_features
from simulacra_trainer.effects.gcomputation import g_computation
from simulacra_trainer.effects.question import Question, read_question
from simulacra_trainer.effects.result import AdjustmentEffect, EffectResult, Method, SegmentEffect
from simulacra_trainer.effects.segments import segment_effects
from simulacra_trainer.graph import CausalGraph
from simulacra_trainer.table.errors import InputError

MAX_ROWS = 100_000
MIN_ROWS = 40
MIN_ARM = 20
MIN_SUPPORT = 0.5
GOOD_SUPPORT = 0.9
MAX_PARENT_SETS = 8


def estimate_effect(
    table: pa.Table, schema: TableSchema, graph: CausalGraph, request: EstimateRequest, *, seed: int
) -> EffectResult:
    """Estimate E[outcome | do(treatment=value)] - E[outcome | do(treatment=baseline)] over all
    rows.

    Args:
        table: clean training table; a sample of MAX_ROWS rows of larger ones is used.
        schema: its schema.
        graph: learned from it; the direct causes of the treatment are adjusted for.
        request: outcome is a number or boolean column, or COL=LEVEL for the share of a level.
        seed: decides folds and samples; the result is the same for a seed on one platform.

    Raises:
        InputError: the request does not fit the schema, or fewer than MIN_ROWS rows have treatment
            and outcome.
    """
    if table.num_rows > MAX_ROWS:
        rows = np.random.default_rng(seed).choice(table.num_rows, MAX_ROWS, replace=False)
        table = table.take(np.sort(rows))
    question = read_question(table, schema, request)
    _check_segment(schema, request, question)
    if question.rows.size < MIN_ROWS:
        message = f"Fewer than {MIN_ROWS} rows have a known treatment and outcome."
        raise InputError(
            Reason.REQUEST_INVALID, message, f"{message} Choose columns with fewer missing values."
        )
    known = table.take(question.rows)
    estimator = _Estimator(known, schema, question, seed)
    outcome = question.outcome_column
    sets = graph.possible_parents(request.treatment, MAX_PARENT_SETS + 1)
    answers = [
        estimator.answer(adjustment)
        for adjustment in _outcome_last(sets[:MAX_PARENT_SETS], outcome)
    ]
    main = answers[0]
    is_settled = all(_agrees(main.interval, other.interval) for other in answers[1:])
    warnings = list(
        _graph_warnings(graph, request, outcome, is_settled, len(sets) > MAX_PARENT_SETS)
    )
    warnings += _data_warnings(estimator, main)
    segments: list[SegmentEffect] = []
    if request.segment is not None and main.scores is not None:
        segments = list(segment_effects(known, request.segment, main.scores))
        if request.segment in graph.descendants(request.treatment):
            warnings.append(
                "The segment column is caused by the treatment: its segments are not the same"
                " people."
            )
    return EffectResult(
        **request.model_dump(exclude={"outcome"}),
        outcome=outcome,
        outcome_level=question.outcome_level,
        estimate=_figures(answers, is_settled, estimator.method),
        naive=_naive(question),
        method=estimator.method,
        adjustment=main.adjustment,
        alternatives=[answer.described() for answer in answers],
        segments=segments,
        warnings=warnings,
    )


@dataclass(frozen=True)
class _Answer:
    """The effect under one adjustment set; scores where the data and not a model alone gave it."""

    adjustment: list[str]
    interval: Interval
    scores: Scores | None = None

    def described(self) -> AdjustmentEffect:
        i = self.interval
        return AdjustmentEffect(
            adjustment=self.adjustment, effect=i.effect, low=i.low, high=i.high, support=i.support
        )


class _Estimator:
    """Answers one question under different adjustment sets."""

    def __init__(self, table: pa.Table, schema: TableSchema, question: Question, seed: int) -> None:
        self._table, self._schema, self._question, self._seed = table, schema, question, seed
        arms = (question.value, question.baseline)
        self.smallest_arm = min(int(arm.rows.sum()) for arm in arms)
        self.in_range = all(arm.in_range for arm in arms)
        self.method: Method = "aipw" if question.design == "levels" else "aipw-window"
        if self.smallest_arm < MIN_ARM or not self.in_range:
            self.method = "g-computation"

    def answer(self, adjustment: list[str]) -> _Answer:
        """Return the effect; exactly 0 where the outcome is a direct cause of the treatment."""
        n = self._question.rows.size
        if self._question.outcome_column in adjustment:
            return _Answer(adjustment, Interval(0.0, 0.0, 0.0, n, 1.0))
        features = build_features(self._table, self._schema, adjustment)
        if self.method == "g-computation":
            return _Answer(adjustment, g_computation(self._question, features, self._seed))
        scores = aipw_scores(self._question, features, self._seed)
        return _Answer(adjustment, summarize(scores), scores)


def _agrees(main: Interval, other: Interval) -> bool:
    """Return whether another adjustment set agrees; one without support does not count."""
    return main.low <= other.effect <= main.high and other.support >= min(MIN_SUPPORT, main.support)


def _figures(answers: list[_Answer], is_settled: bool, method: Method) -> Estimate:
    main, spanned = answers[0].interval, answers[:1] if is_settled else answers
    return Estimate(
        effect=main.effect,
        low=min(answer.interval.low for answer in spanned),
        high=max(answer.interval.high for answer in spanned),
        rows=main.rows,
        support=main.support,
        identified=is_settled and method != "g-computation" and main.support >= MIN_SUPPORT,
    )


def _naive(question: Question) -> float | None:
    """Return the plain difference of means; None when an arm has no rows."""
    arms = (question.value.rows, question.baseline.rows)
    if not all(rows.any() for rows in arms):
        return None
    value, baseline = (question.mean(question.outcome, rows) for rows in arms)
    return value - baseline


def _outcome_last(sets: list[list[str]], outcome: str) -> list[list[str]]:
    """Put the sets with the outcome among the causes last: who asks takes it that the treatment
    comes first.

    Where all sets have it, the first one without the outcome is the question's own assumption.
    """
    free = [adjustment for adjustment in sets if outcome not in adjustment]
    reversed_sets = [adjustment for adjustment in sets if outcome in adjustment]
    return [*(free or [[name for name in sets[0] if name != outcome]]), *reversed_sets]


def _graph_warnings(
    graph: CausalGraph, request: EstimateRequest, outcome: str, is_settled: bool, is_capped: bool
) -> Iterator[str]:
    if outcome in graph.ancestors(request.treatment):
        yield (
            "In the graph the outcome is a cause of the treatment, so the effect would be 0. The"
            " figure assumes that the treatment comes first; if you know that, state it as tiers"
            " and fit again."
        )
    elif outcome not in graph.descendants(request.treatment):
        yield (
            "The graph has no causal path from the treatment to the outcome: it says that the"
            " effect is 0."
        )
    if not is_settled:
        yield (
            "The effect depends on which way edges at the treatment point, and the data do not"
            " settle it: the interval spans all answers. State what you know as tiers, required or"
            " forbidden edges."
        )
    if is_capped:
        yield (
            f"More than {MAX_PARENT_SETS} sets of direct causes are possible; the first"
            f" {MAX_PARENT_SETS} were tried."
        )


def _data_warnings(estimator: _Estimator, main: _Answer) -> Iterator[str]:
    if not estimator.in_range:
        yield (
            "A value lies outside of what was observed: the effect is an extrapolation by a model."
        )
    elif estimator.method == "g-computation":
        yield (
            f"Only {estimator.smallest_arm} rows have one of the two values ({MIN_ARM} are needed):"
            " the effect is model-based, not measured."
        )
    elif main.interval.support < GOOD_SUPPORT:
        yield (
            f"Only {main.interval.support:.0%} of the rows could have had either value, given their"
            " causes: for the others the effect rests on a model."
        )
    if estimator.method == "aipw-window":
        yield (
            "The treatment is a number: rows near the two values stand for them, moved to them by a"
            " model."
        )


def _check_segment(schema: TableSchema, request: EstimateRequest, question: Question) -> None:
    if request.segment is None:
        return
    column = schema.find(request.segment)
    if (
        column is None
        or not column.learned
        or request.segment in (request.treatment, question.outcome_column)
    ):
        message = "The segment must be a learned column other than treatment and outcome."
        raise InputError(
            Reason.REQUEST_INVALID, message, f"{message} It is {request.segment!r}.", "/segment"
        )
