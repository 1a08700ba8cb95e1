"""Average causal effects from a table, statements and a learned graph, with a verdict."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa

from simulacra_crds.tasks import EstimateRequest
from simulacra_intake.arrow_values import sample_rows
from simulacra_intake.errors import invalid_request, refuse
from simulacra_intake.rows_of_persons import persons_a_group
from simulacra_schema.answers import EffectResult, Span
from simulacra_schema.claims import mask_unclaimed
from simulacra_schema.questions.designs import design_faults
from simulacra_schema.questions.effect import Estimate
from simulacra_schema.table import TableSchema
from simulacra_trainer.design import clusters_treated
from simulacra_trainer.effects.adjustment import MAX_OPEN
from simulacra_trainer.effects.checks import OWN_GRAPH
from simulacra_trainer.effects.column_timing import ColumnTiming, presumed, read_timing
from simulacra_trainer.effects.designs.stated import find_by_design, order_of_design
from simulacra_trainer.effects.elasticity import elasticity
from simulacra_trainer.effects.estimator import Estimator
from simulacra_trainer.effects.findings import Findings, find
from simulacra_trainer.effects.models.contrast import Contrast
from simulacra_trainer.effects.overlap.support import MIN_ARM
from simulacra_trainer.effects.scores import summarize
from simulacra_trainer.effects.segment_rows import BANDS
from simulacra_trainer.effects.segments import Segments, segment_effects
from simulacra_trainer.effects.verdict import Evidence, judge, precision, union
from simulacra_trainer.evidence import coarse, two_digits, weighted_respondents
from simulacra_trainer.graph import CausalGraph

MAX_ROWS = 100_000
MIN_ROWS = 40
QUARTILES = 4
"""Bands of `segment`, the earlier name of `by`."""
NO_GROUPS = "A group must be of a learned column or option, not treatment or outcome."

NO_DESIGN = "The instrument or the waves do not fit the question."


def answer_effect(
    table: pa.Table, schema: TableSchema, graph: CausalGraph, request: EstimateRequest, *, seed: int
) -> EffectResult:
    """Return the answer that may be shown: `estimate_effect` with what its verdict claims."""
    return mask_unclaimed(estimate_effect(table, schema, graph, request, seed=seed))


def estimate_effect(
    table: pa.Table, schema: TableSchema, graph: CausalGraph, request: EstimateRequest, *, seed: int
) -> EffectResult:
    """Return E[outcome | do(treatment=value)] - E[outcome | do(treatment=baseline)], all figures.

    Benchmarks judge these; what people are shown is `answer_effect`.

    Args:
        table: clean training table; MAX_ROWS rows are sampled from larger ones.
        schema: its schema.
        graph: learned from it, with the knowledge of its fit. Columns stated to come before the
            treatment are adjusted for; where nothing is stated, learned causes among others.
        request: outcome is a number or boolean column, or COL=LEVEL for the share of a level.
        seed: of folds and samples; the same seed gives the same result on one platform.

    Raises:
        InputError: the request does not match the schema, or fewer than MIN_ROWS rows have
            treatment and outcome.
    """
    table = sample_rows(table, MAX_ROWS, np.random.default_rng(seed))
    estimator = Estimator(table, schema, request, seed)
    contrast = estimator.contrast
    refuse(request.group_faults(contrast.outcome_column, schema), NO_GROUPS)
    refuse(design_faults(request, contrast.outcome_column, schema), NO_DESIGN)
    if contrast.rows.size < MIN_ROWS:
        message = f"Fewer than {MIN_ROWS} rows have a known treatment and outcome."
        detail = f"{message} Choose columns with fewer missing values."
        raise invalid_request(message, detail)
    timing = read_timing(graph.knowledge, schema, request, contrast.outcome_column, graph.stated)
    if request.instrument is not None or request.parallel_trends:
        found = find_by_design(estimator, timing, graph)
        order = order_of_design(request, contrast.outcome_column)
        timing = replace(timing, statements=[*timing.statements, order])
        result = result_of(estimator, timing, found)
        result.warnings = [*warnings_of(estimator, timing, found, graph)]
        return result
    found = find(estimator, timing, graph)
    result = result_of(estimator, timing, found)
    usual = presumed(timing, schema, request.treatment, contrast.outcome_column)
    if result.verdict.kind == "open" and usual is not None:
        own = find(estimator, usual, graph)
        if (answer := as_usual(estimator, usual, own, found, result)) is not None:
            timing, found, result = usual, own, answer
    segments = _segments(estimator, found)
    result.segments = segments.effects
    result.unshown_segments = segments.unshown
    result.groups_differ = segments.differ
    result.elasticity = elasticity(estimator, found)
    result.warnings = [*warnings_of(estimator, timing, found, graph)]
    return result


def as_usual(
    estimator: Estimator, usual: ColumnTiming, own: Findings, found: Findings, openly: EffectResult
) -> EffectResult | None:
    """Return the answer that presumes the usual order; None if its checks fail.

    usual: the timing with that order; own: found under it; found, openly: what was found under the
    statements alone, and the open answer of that.
    """
    if any(one.name == OWN_GRAPH and one.outcome == "failed" for one in openly.checks):
        return None  # the order of a graph that lacks an edge is no help
    effects = [*found.effects, *own.effects]
    answer = result_of(estimator, usual, own, union(effects) if effects else None)
    if answer.verdict.kind != "usual order":
        return None
    return answer.model_copy(update={"dont_know": openly.dont_know})


def result_of(
    estimator: Estimator, timing: ColumnTiming, found: Findings, otherwise: Span | None = None
) -> EffectResult:
    """Return the answer to a question, without segments and warnings.

    timing: what was stated, or what the usual order adds; otherwise: of a usual order, the union
    whatever comes first.
    """
    request, contrast = estimator.request, estimator.contrast
    verdict = judge(Evidence(request.treatment, contrast.outcome_column, timing, found, otherwise))
    figures = _figures(found, estimator).model_copy(
        update={"verdict": verdict.kind, "identified": verdict.kind == "assumed"}
    )
    return EffectResult(
        treatment=request.treatment,
        value=request.value,
        baseline=request.baseline,
        outcome=contrast.outcome_column,
        outcome_level=contrast.outcome_level,
        population=request.population,
        verdict=verdict,
        precision=figures.precision or "very thin",
        estimate=figures,
        union=union(found.effects) if found.effects else None,
        otherwise=otherwise if verdict.kind == "usual order" else None,
        answered=found.answered,
        effective_rows=two_digits(found.effective_rows),
        naive=plain_difference(contrast),
        method=estimator.method,
        adjustment=found.effects[0].adjustment if found.effects else [],
        alternatives=[*found.effects],
        dont_know=timing.unknown,
        checks=[one.check for one in found.checked],
        sensitivity=found.sensitivity,
        segment=request.segment,
        by=request.by or None,
    )


def _segments(estimator: Estimator, found: Findings) -> Segments:
    request = estimator.request
    names = [*request.groups()]
    if not names or found.people is None:
        return Segments([], [])
    reverses = any(effect.reverses for effect in found.effects)
    return segment_effects(
        estimator.table,
        names,
        found.runs,
        estimator.contrast.persons,
        found.people,
        reverses=reverses,
        seed=estimator.seed,
        bands=BANDS if request.segment is None else QUARTILES,
    )


def _figures(found: Findings, estimator: Estimator) -> Estimate:
    """Return the figures without names; rows only, if there is no answer."""
    span = union(found.effects) if found.effects else None
    main = found.effects[0] if found.effects else None
    rows = estimator.contrast.rows.size
    support = 0.0 if found.people is None else found.people.support
    if found.runs:
        rows = summarize(found.runs[0]).rows
    elif found.people is not None:
        rows = int(found.people.asked.sum())
    return Estimate(
        effect=None if main is None else main.effect,
        low=None if span is None else span.low,
        high=None if span is None else span.high,
        rows=rows if rows == estimator.schema.rows else int(two_digits(rows)),
        support=0.0 if main is None else main.support,
        everybody_low=None if found.answered is None else found.answered.everybody.low,
        everybody_high=None if found.answered is None else found.answered.everybody.high,
        identified=False,
        precision=precision(span, found.effective_share, support),
        effective_rows=two_digits(found.effective_rows),
        robustness=None if found.sensitivity is None else found.sensitivity.robustness,
    )


def plain_difference(contrast: Contrast) -> float | None:
    """Return the difference of the arms' means; None if one has fewer than MIN_ARM persons."""
    means, variance = [], 0.0
    for rows in (contrast.value.rows, contrast.baseline.rows):
        persons = None if contrast.persons is None else contrast.persons[rows]
        weights = np.ones(int(rows.sum()))
        if contrast.weights is not None:
            weights = contrast.weights[rows]
        if persons_a_group(np.zeros(weights.size, np.int64), persons, 1)[0] < MIN_ARM:
            return None
        means.append(contrast.mean(contrast.outcome, rows))
        spread = float(np.var(contrast.outcome[rows]))
        variance += spread / max(weighted_respondents(weights, persons), 1.0)
    return coarse(means[0] - means[1], float(np.sqrt(variance)))


def warnings_of(
    estimator: Estimator, timing: ColumnTiming, found: Findings, graph: CausalGraph
) -> Iterator[str]:
    """Yield the limits of an answer, in plain words."""
    request = estimator.request
    if len(timing.unknown) > MAX_OPEN and found.claim is None:
        yield (
            f"Nobody placed {len(timing.unknown)} columns. Only the {MAX_OPEN} that move the effect"
            " most were tried."
        )
    if found.runs and estimator.method == "dml":
        yield (
            "The treatment is a number. A smooth curve of all rows compares the two values; a jump"
            " between them is rounded off."
        )
    arm = estimator.contrast.value.rows
    if given := clusters_treated(estimator.table, estimator.schema, arm):
        yield (
            f"The treatment was given to whole clusters, to {given[0]} of {given[1]}: the interval"
            " rests on the clusters, not on their rows."
        )
    yield from questioned(timing, request.treatment, estimator.contrast.outcome_column, graph)
    descendants = graph.descendants(request.treatment) if request.groups() else []
    if any(
        name in timing.after or (name not in timing.before and name in descendants)
        for name in request.groups()
    ):
        yield (
            "The segment column may be changed by the treatment, so its segments would not hold the"
            " same people under both values. Choose people by what they were before."
        )


def questioned(
    timing: ColumnTiming, treatment: str, outcome: str, graph: CausalGraph
) -> Iterator[str]:
    """Yield the orders of an answer that the half-samples of the graph's search vote against."""
    place = dict.fromkeys(timing.before, 0) | {treatment: 1} | dict.fromkeys(timing.after, 2)
    if timing.order == "stated":
        place[outcome] = 2
    for cause, effect in sorted(graph.votes()):
        if place.get(cause, -1) > place.get(effect, 9):
            yield (
                f"This rests on {effect} coming before {cause}. Most half-samples of the data vote"
                " against that. Check it."
            )
