"""Answers by a stated design: an instrument, or parallel trends of two groups."""

import numpy as np

from simulacra_crds.tasks import EstimateRequest
from simulacra_intake.errors import refuse
from simulacra_schema.answers import Statement
from simulacra_schema.base import VerdictKind
from simulacra_schema.questions.designs import INSTRUMENT_AFTER
from simulacra_schema.questions.knowledge import with_blocks
from simulacra_schema.statements import split_outcome
from simulacra_trainer.effects.checks import Checked, checked
from simulacra_trainer.effects.column_timing import ColumnTiming, stated_timing, statement
from simulacra_trainer.effects.designs.instrument import WEAK, moved_by
from simulacra_trainer.effects.designs.trends import Change, Trends, trends_of
from simulacra_trainer.effects.estimator import CROSS_FITS, Estimator
from simulacra_trainer.effects.findings import Findings, effect_within, reach_of
from simulacra_trainer.effects.models.contrast import Flags
from simulacra_trainer.effects.overlap.answered import People
from simulacra_trainer.effects.overlap.support import MIN_ARM, MIN_EFFECTIVE
from simulacra_trainer.effects.tried_sets import ROWS_A_CLUSTER
from simulacra_trainer.effects.words import beyond, figure, interval, listed, percent
from simulacra_trainer.evidence import Z95, coarse, coarse_share, two_digits
from simulacra_trainer.graph import CausalGraph

MIN_SUPPORT = 0.9
"""Share of a group with counterparts in the other cells, below which a model would answer alone."""
CELLS = ((0, "since"), (0, "before"), (1, "since"), (1, "before"))
"""Cells of parallel trends: which group, and when."""


def find_by_design(estimator: Estimator, timing: ColumnTiming, graph: CausalGraph) -> Findings:
    """Return the findings of a question that states an instrument or parallel trends.

    Both are adjusted for the columns that are stated to come before the treatment, and for no
    other: the assumption is stated given these.

    Raises:
        InputError: the model knows that the instrument comes after the treatment.
    """
    if estimator.request.instrument is not None:
        return _by_instrument(estimator, timing, graph)
    return _by_trends(estimator, timing)


def order_of_design(request: EstimateRequest, outcome: str) -> Statement:
    """Return the order that a design states: what moves the treatment, or the outcome, is first."""
    if request.instrument is None:
        earlier, later = request.treatment, outcome
    else:
        earlier, later = request.instrument, request.treatment
    return statement([earlier], [later], "request", (), request)


def _by_instrument(estimator: Estimator, timing: ColumnTiming, graph: CausalGraph) -> Findings:
    request, outcome = estimator.request, estimator.contrast.outcome_column
    text, treatment = request.instrument or "", request.treatment
    name = split_outcome(text, estimator.schema)[0]
    if name in timing.after:
        refuse([INSTRUMENT_AFTER.at("instrument")], INSTRUMENT_AFTER.brief)
    known = with_blocks(graph.knowledge, request.blocks, estimator.schema)
    place, _ = stated_timing(known, estimator.schema, name)
    # What the instrument may have changed is part of its way to the treatment.
    columns = [one for one in timing.before if one != name and place[one] != "after"]
    found = moved_by(estimator, columns)
    strength = f"{text} moves {treatment} with F = {figure(found.strength)}"
    if found.worth < MIN_EFFECTIVE:
        worth = figure(two_digits(found.worth))
        return Findings(missing=f"too few people differ in {text} ({worth} effective rows).")
    if found.span is None:
        first = checked("first stage", "failed", f"{strength}: it may not move it at all.")
        missing = (
            f"{text} hardly moves {treatment} (F = {figure(found.strength)}), so with it as the"
            " instrument every effect fits the data: the interval has no end."
        )
        return Findings(missing=missing, effective_rows=found.worth, checked=[first])
    is_weak = found.strength < WEAK
    said = f"weak: below {figure(WEAK)} only the interval counts" if is_weak else "strong enough"
    first = checked("first stage", "failed" if is_weak else "passed", f"{strength}, {said}.")
    claim = (
        f"If {text} is as good as random{_given(columns)} and moves {outcome} only through"
        f" {treatment}, as you said"
    )
    rest = f"for those whose {treatment} it moves. {strength}, {said}."
    return _findings(
        estimator,
        "instrument",
        (claim, rest),
        columns,
        (found.effect, *found.span),
        found.worth,
        first,
        found.known,
    )


def _by_trends(estimator: Estimator, timing: ColumnTiming) -> Findings:
    request, contrast = estimator.request, estimator.contrast
    ((name, wave),) = request.parallel_trends.items()
    since = wave if isinstance(wave, str) else f"{wave:.12g}"
    group, other = (f"{request.treatment} = {one}" for one in (request.value, request.baseline))
    if contrast.design != "levels":
        return Findings(missing=f"too few people have {group} or {other} exactly.")
    columns = [one for one in timing.before if one != name]
    trends = trends_of(estimator, columns)
    counts = dict(zip(CELLS, trends.least(trends.main), strict=True))
    for (who, when), count in counts.items():
        if count < MIN_ARM:
            whom = (group, other)[who]
            return Findings(
                missing=f"too few people with {whom} were asked {when} {name} {since}, in waves"
                " that asked both groups. The treatment must be the column of the group, which"
                " people have before as well."
            )
    change = trends.change(trends.main, CROSS_FITS)
    worth = change.worth * (1.0 if estimator.schema.cluster() is None else ROWS_A_CLUSTER)
    if min(worth, change.effective_rows) < MIN_EFFECTIVE:
        effective = figure(two_digits(min(change.worth, change.effective_rows)))
        return Findings(missing=f"too few people like those with {group} ({effective} effective).")
    if change.support < MIN_SUPPORT:
        lacking = percent(1.0 - change.support)
        return Findings(
            missing=f"{lacking} of those with {group} have no counterparts in another group or"
            f" before {name} {since}{_given(columns)}. Compare a group more alike."
        )
    check, words = _earlier(trends, change, f"{name} {since}")
    claim = (
        f"If without the treatment {contrast.outcome_column} had changed for {group} as for"
        f" {other}{_given(columns)}, as you said"
    )
    rest = (
        f"for {group} since {name} {since}. {words}"
        " The interval allows for whom you happened to ask, not for what else happened to one group"
        " alone."
    )
    i = change.interval
    span, rows = (i.effect, i.low, i.high), change.effective_rows
    used: Flags = np.logical_or.reduce(trends.main)
    return _findings(
        estimator, "parallel trends", (claim, rest), columns, span, rows, check, used, change
    )


def _earlier(trends: Trends, change: Change, since: str) -> tuple[Checked, str]:
    """Return the test of the waves before, and what it says of the assumption.

    A test that fails seldom may have seen little (Roth, AER: Insights 4, 2022), so the effect is
    also given for trends that go on to differ by what it leaves possible (as the relative
    magnitudes of Rambachan & Roth, Review of Economic Studies 90, 2023).
    """
    tests = trends.tests()
    if not tests:
        words = f"Fewer than two waves before {since} have enough of both groups: not tested."
        return checked("earlier waves", "not checked", words), words
    worst = max(tests, key=lambda one: one.z)
    found = worst.change.interval
    moved = f"Between {worst.first} and {worst.last}, before the treatment, the groups moved apart"
    span = interval(coarse(found.low, found.error), coarse(found.high, found.error))
    moved += f" by {figure(coarse(found.effect, found.error))} {span}"
    if found.low > 0 or found.high < 0:
        detail = f"{moved}: their trends were not parallel."
        return checked("earlier waves", "failed", detail, forbids=True), detail
    spans = [one.change.interval for one in tests]
    least = min(spans, key=lambda one: one.critical * one.error)
    seen = coarse(least.critical * least.error, least.error)
    main, apart = change.interval, max(max(-one.low, one.high) for one in spans)
    wide = interval(coarse(main.low - apart, main.error), coarse(main.high + apart, main.error))
    if_not = (
        "If the groups moved apart later by as much as earlier waves leave possible, the effect is"
        f" in {wide}."
    )
    if seen > abs(change.interval.effect) / 2:
        words = f"Earlier waves could only have seen {figure(seen)}: hardly a test. {if_not}"
        return checked("earlier waves", "not checked", f"{moved}. {words}"), words
    words = f"{moved}, which may be chance; {figure(seen)} would have been seen. {if_not}"
    return checked("earlier waves", "passed", words), words


def _findings(
    estimator: Estimator,
    kind: VerdictKind,
    claim: tuple[str, str],
    columns: list[str],
    span: tuple[float, float, float],
    rows: float,
    check: Checked,
    used: Flags,
    change: Change | None = None,
) -> Findings:
    """Return the findings with an effect, its verdict and text.

    claim: its text before and after the figures; span: effect, low and high; rows: effective ones;
    used: rows, bool [n]; change: of parallel trends.
    """
    reach, error = reach_of(estimator), (span[2] - span[1]) / (2 * Z95)
    support = 1.0 if change is None else coarse_share(change.support, float(used.sum()))
    own = effect_within(columns, span, error, reach, support, rows)
    low, high = own.low, own.high
    said = f"{figure(own.effect)} {interval(low, high)}"
    if low <= 0 <= high:
        said = beyond(low, high)
    elif check.check.outcome == "failed":  # a weak instrument
        said = f"between {figure(low)} and {figure(high)}"
    everybody = People(used, None, np.zeros((2, used.size), np.bool_), support)
    estimator.method = "iv" if change is None else "did"
    return Findings(
        effects=[own],
        effective_rows=rows,
        effective_share=1.0 if change is None else change.effective_share,
        people=everybody,
        checked=[check],
        claim=(kind, f"{claim[0]}: {said}, {claim[1]}"),
    )


def _given(columns: list[str]) -> str:
    return f" given {listed(columns)}" if columns else ""
