"""Average causal effects from table and learned graph, with what the graph leaves undecided."""

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
from simulacra_trainer.effects.contrast import Contrast, read_contrast
from simulacra_trainer.effects.features import build_features
from simulacra_trainer.effects.gcomputation import g_computation
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
    """Return E[outcome | do(treatment=value)] - E[outcome | do(treatment=baseline)] over all rows.

    Args:
        table: clean training table; MAX_ROWS rows are sampled from larger ones.
        schema: its schema.
        graph: learned from it; the direct causes of the treatment are adjusted for.
        request: outcome is a number or boolean column, or COL=LEVEL for the share of a level.
        seed: of folds and samples; the same seed gives the same result on one platform.

    Raises:
        InputError: the request does not match the schema, or fewer than MIN_ROWS rows have
            treatment and outcome.
    """
    if table.num_rows > MAX_ROWS:
        rows = np.random.default_rng(seed).choice(table.num_rows, MAX_ROWS, replace=False)
        table = table.take(np.sort(rows))
    contrast = read_contrast(table, schema, request)
    _check_segment(schema, request, contrast)
    if contrast.rows.size < MIN_ROWS:
        message = f"Fewer than {MIN_ROWS} rows have a known treatment and outcome."
        detail = f"{message} Choose columns with fewer missing values."
        raise InputError(Reason.REQUEST_INVALID, message, detail)
    known = table.take(contrast.rows)
    estimator = _Estimator(known, schema, contrast, seed)
    outcome = contrast.outcome_column
    sets = graph.possible_parents(request.treatment, MAX_PARENT_SETS + 1)
    effects = [estimator.effect(a) for a in _outcome_last(sets[:MAX_PARENT_SETS], outcome)]
    main = effects[0]
    is_settled = all(_agrees(main.interval, other.interval) for other in effects[1:])
    is_capped = len(sets) > MAX_PARENT_SETS
    warnings = [
        *_graph_warnings(graph, request, outcome, is_settled, is_capped),
        *_data_warnings(estimator, main),
    ]
    segments: list[SegmentEffect] = []
    if request.segment is not None and main.scores is not None:
        segments = list(segment_effects(known, request.segment, main.scores))
        if request.segment in graph.descendants(request.treatment):
            warnings.append(
                "The segment column is caused by the treatment, so its segments would not hold the"
                " same people under both values."
            )
    return EffectResult(
        **request.model_dump(exclude={"outcome"}),
        outcome=outcome,
        outcome_level=contrast.outcome_level,
        estimate=_figures(effects, is_settled, estimator.method),
        naive=_naive(contrast),
        method=estimator.method,
        adjustment=main.adjustment,
        alternatives=[effect.described() for effect in effects],
        segments=segments,
        warnings=warnings,
    )


@dataclass(frozen=True)
class _AdjustedEffect:
    """The effect under one adjustment set; scores are None for g-computation."""

    adjustment: list[str]
    interval: Interval
    scores: Scores | None = None

    def described(self) -> AdjustmentEffect:
        i = self.interval
        return AdjustmentEffect(
            adjustment=self.adjustment, effect=i.effect, low=i.low, high=i.high, support=i.support
        )


class _Estimator:
    """Estimates one contrast under different adjustment sets."""

    def __init__(self, table: pa.Table, schema: TableSchema, contrast: Contrast, seed: int) -> None:
        self._table = table
        self._schema = schema
        self._contrast = contrast
        self._seed = seed
        arms = (contrast.value, contrast.baseline)
        self.smallest_arm = min(int(arm.rows.sum()) for arm in arms)
        self.in_range = all(arm.in_range for arm in arms)
        self.method: Method = "aipw" if contrast.design == "levels" else "aipw-window"
        if self.smallest_arm < MIN_ARM or not self.in_range:
            self.method = "g-computation"

    def effect(self, adjustment: list[str]) -> _AdjustedEffect:
        """Return the effect; exactly 0 if the outcome is a direct cause of the treatment."""
        n = self._contrast.rows.size
        if self._contrast.outcome_column in adjustment:
            return _AdjustedEffect(adjustment, Interval(0.0, 0.0, 0.0, n, 1.0))
        features = build_features(self._table, self._schema, adjustment)
        if self.method == "g-computation":
            return _AdjustedEffect(adjustment, g_computation(self._contrast, features, self._seed))
        scores = aipw_scores(self._contrast, features, self._seed)
        return _AdjustedEffect(adjustment, summarize(scores), scores)


def _agrees(main: Interval, other: Interval) -> bool:
    """Return whether another adjustment set gives a similar effect, with enough support."""
    return main.low <= other.effect <= main.high and other.support >= min(MIN_SUPPORT, main.support)


def _figures(effects: list[_AdjustedEffect], is_settled: bool, method: Method) -> Estimate:
    main, spanned = effects[0].interval, effects[:1] if is_settled else effects
    return Estimate(
        effect=main.effect,
        low=min(effect.interval.low for effect in spanned),
        high=max(effect.interval.high for effect in spanned),
        rows=main.rows,
        support=main.support,
        identified=is_settled and method != "g-computation" and main.support >= MIN_SUPPORT,
    )


def _naive(contrast: Contrast) -> float | None:
    """Return the difference of the arms' means, None if an arm has no rows."""
    arms = (contrast.value.rows, contrast.baseline.rows)
    if not all(rows.any() for rows in arms):
        return None
    value, baseline = (contrast.mean(contrast.outcome, rows) for rows in arms)
    return value - baseline


def _outcome_last(sets: list[list[str]], outcome: str) -> list[list[str]]:
    """Return the sets with those that contain the outcome last.

    The request assumes that the treatment precedes the outcome. If every set contains the outcome,
    the first one is used without it.
    """
    free = [adjustment for adjustment in sets if outcome not in adjustment]
    reversed_sets = [adjustment for adjustment in sets if outcome in adjustment]
    return [*(free or [[name for name in sets[0] if name != outcome]]), *reversed_sets]


def _graph_warnings(
    graph: CausalGraph, request: EstimateRequest, outcome: str, is_settled: bool, is_capped: bool
) -> Iterator[str]:
    if outcome in graph.ancestors(request.treatment):
        yield (
            "In the graph the outcome is a cause of the treatment, so the effect would be 0. This"
            " estimate assumes that the treatment comes first. If you know that it does, state it"
            " as tiers and fit the model again."
        )
    elif outcome not in graph.descendants(request.treatment):
        yield (
            "The graph has no causal path from the treatment to the outcome, so it implies an"
            " effect of 0."
        )
    if not is_settled:
        yield (
            "The effect depends on the direction of edges at the treatment, which the data do not"
            " decide. The interval spans all answers. State what you know as tiers, required or"
            " forbidden edges."
        )
    if is_capped:
        yield (
            f"More than {MAX_PARENT_SETS} sets of direct causes of the treatment are possible."
            f" Only the first {MAX_PARENT_SETS} were tried."
        )


def _data_warnings(estimator: _Estimator, main: _AdjustedEffect) -> Iterator[str]:
    if not estimator.in_range:
        yield "A value lies outside the observed range, so the effect is extrapolated by a model."
    elif estimator.method == "g-computation":
        yield (
            f"Only {estimator.smallest_arm} rows have one of the two values ({MIN_ARM} are needed),"
            " so the effect comes from a model and is not measured."
        )
    elif main.interval.support < GOOD_SUPPORT:
        yield (
            f"Only {main.interval.support:.0%} of the rows could have had either value, given the"
            " causes of the treatment. For the others the effect relies on a model."
        )
    if estimator.method == "aipw-window":
        yield (
            "The treatment is a number. The estimate uses rows near the two values, which a model"
            " adjusts to them."
        )


def _check_segment(schema: TableSchema, request: EstimateRequest, contrast: Contrast) -> None:
    if request.segment is None:
        return
    column = schema.find(request.segment)
    used = (request.treatment, contrast.outcome_column)
    multi = column is not None and column.kind == "multi"
    if column is None or not column.learned or multi or request.segment in used:
        message = "The segment must be a learned column or option other than treatment and outcome."
        detail = f"{message} It is {request.segment!r}."
        raise InputError(Reason.REQUEST_INVALID, message, detail, "/segment")
