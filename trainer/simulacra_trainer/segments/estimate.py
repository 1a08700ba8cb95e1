"""Certified shares of answers in segments: from a request to the stored result (methods-worth.md).

The figures come from the respondents in the model's clean table, not from generated rows, whose
dependences the privacy limit weakens. Their counts have noise (`cell_keys`), so no subtraction of
shares counts persons.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, product
from operator import itemgetter

import numpy as np

from simulacra_crds.tasks import BoostRequest
from simulacra_intake.errors import refuse
from simulacra_intake.survey_weights import Floats
from simulacra_schema.conditions import ConditionSet
from simulacra_schema.questions.segments import (
    SegmentSummary,
    SegmentVerdict,
    answers_of,
    levels_of,
)
from simulacra_schema.segment_shares import (
    OwnShare,
    SegmentChange,
    SegmentLevel,
    SegmentResult,
    SegmentShare,
)
from simulacra_trainer.design import design_of
from simulacra_trainer.segments.cells import Segmentation, in_steps, level_codes
from simulacra_trainer.segments.certify import BOOSTED, FEW, SLIGHTLY, CertifiedShares
from simulacra_trainer.segments.changes import changes
from simulacra_trainer.segments.earlier import certify_pooled, helped, pooling, segmentation_of
from simulacra_trainer.segments.few_counts import shown_counts
from simulacra_trainer.segments.pooling import pool_shares
from simulacra_trainer.trained_model import TrainedModel

PRIVATE = (
    "The model is differentially private: what its noise costs was not measured, so no share of a"
    " segment is certified."
)
Answer = tuple[str, str, str]
"""A question, the column that has the answer, and its level."""


def certify_segments(trained: TrainedModel, request: BoostRequest) -> SegmentResult:
    """Return the certified shares of all answers to the questions in all segments.

    Raises:
        InputError: the request does not match the schema.
    """
    schema = trained.schema
    refuse(request.faults(schema), "A column or a level of the request does not fit the data.")
    if trained.report.get("differential_privacy") is not None:
        empty = SegmentSummary(intervals=0, boosted=0, slightly=0, no_better=0)
        return SegmentResult(summary=empty, reason=PRIVATE)
    columns = [part.column for part in request.segment]
    cells = segmentation_of(trained.table, schema, request.segment)
    listed = [*product(*(levels_of(part, schema) for part in request.segment))]
    answers = [
        (question, column, level)
        for question in request.questions
        for column, level in answers_of(question, schema)
    ]
    found = certify_answers(trained, cells, answers, len(listed) * len(answers))
    design = design_of(trained.table, schema)
    are_apart = design is None or not (design.has_clusters or design.replicates is not None)
    at = [cells.at(levels) for levels in listed]
    moved = changes(cells, found, at, are_apart=are_apart)
    shares = [
        share_of(cells, levels, answer, found[answer], moved.get((cells.at(levels), answer)))
        for levels in listed
        for answer in answers
    ]
    conditions = None
    if len(listed) == 1:
        named = dict(zip(columns, listed[0], strict=True))
        conditions = conditions_of(trained, cells, named, found, at[0])
    return SegmentResult(summary=_summary(shares), shares=shares, conditions=conditions)


def certify_answers(
    trained: TrainedModel, cells: Segmentation, answers: Sequence[Answer], intervals: int
) -> dict[Answer, CertifiedShares]:
    """Return the certified shares of each answer; a column is counted once for all its levels."""
    found = {}
    design = design_of(trained.table, trained.schema)
    for column, same in groupby(answers, key=itemgetter(1)):
        asked = list(same)
        schema = trained.schema.find(column)
        levels = [level for _, _, level in asked] if schema is None else schema.level_values()
        codes = level_codes(trained.table, column, levels)
        said, respondents = shown_counts(trained.table, trained.schema, cells, codes, len(levels))
        for answer in asked:
            at = levels.index(answer[2])
            apart = np.ones(cells.size)
            if design is not None and design.replicates is not None:
                apart = in_steps(apart * design.apart_by_replicates(column))
            elif design is not None and design.has_clusters:
                likeness = design.likeness_in_segments(column, at)
                apart = cells.apart(codes >= 0, design.clusters, likeness)
            successes = np.minimum(said[:, at], respondents)
            counts = successes * apart, respondents * apart
            found[answer] = certify_pooled(*counts, cells, intervals)
    return found


def share_of(
    cells: Segmentation,
    levels: Sequence[str],
    answer: Answer,
    found: CertifiedShares,
    change: SegmentChange | None,
) -> SegmentShare:
    """Return the certified share of one answer in the segment of these levels."""
    at = cells.at(levels)
    _, column, level = answer
    gain = float(found.gain[at])
    verdict: SegmentVerdict = "no better"
    if gain >= SLIGHTLY:
        verdict = "boosted" if gain >= BOOSTED else "slightly"
    own = None
    if not np.isnan(found.own_share[at]):
        own = OwnShare(
            share=float(found.own_share[at]),
            low=float(found.own_low[at]),
            high=float(found.own_high[at]),
        )
    pairs = zip(cells.columns, levels, strict=True)
    share = SegmentShare(
        segment=[SegmentLevel(column=name, level=one) for name, one in pairs],
        question=column,
        answer=level,
        respondents=float(found.respondents[at] if found.respondents[at] >= FEW else 0.0),
        share=float(found.share[at]),
        low=float(found.low[at]),
        high=float(found.high[at]),
        worth=float(found.worth[at]),
        verdict=verdict,
        own=own,
        helped=helped(found, cells, at),
        change=change,
        text="",
    )
    text = " ".join(filter(None, [_text(share), *_text_of_waves(share, cells)]))
    return share.model_copy(update={"text": text})


def percent(share: float) -> str:
    """Return a share in percent: rare answers differ in the first decimal."""
    return f"{100 * share:.1f} %"


def _text(share: SegmentShare) -> str:
    """Return the answer in words."""
    where = ", ".join(f"{part.column} = {part.level}" for part in share.segment)
    figures = f"{percent(share.share)} ({percent(share.low)} to {percent(share.high)})"
    many = f"{share.respondents:,.0f}" if share.respondents else f"fewer than {FEW:.0f}"
    begin = f"{where}: {many} respondents. {share.question} = {share.answer}: {figures}."
    if share.own is None:
        return f"{begin} Too few respondents to say it alone: similar segments decide."
    if share.verdict == "no better":
        return f"{begin} No better than your respondents."
    own = share.own
    return (
        f"{begin} Worth {share.worth:,.0f} respondents; from the respondents alone"
        f" {percent(own.share)} ({percent(own.low)} to {percent(own.high)})."
    )


def _text_of_waves(share: SegmentShare, cells: Segmentation) -> Iterator[str]:
    """Yield who of other waves helped, and what moved."""
    if share.helped is not None and cells.wave is not None and cells.pooled is not None:
        last = cells.levels[cells.wave][int(cells.groups[cells.wave][cells.pooled].max())]
        which = "earlier" if share.segment[cells.wave].level == last else "other"
        yield f"{share.helped:,.0f} respondents of {which} waves helped."
    if (change := share.change) is not None:
        figures = (change.change, change.low, change.high, change.certified)
        own, low, high, certified = (f"{100 * of:+.1f}" for of in figures)
        yield (
            f"Since {change.since}: {change.verdict}, {own} points of the respondents ({low} to"
            f" {high}), {certified} of the certified shares."
        )


def _summary(shares: Sequence[SegmentShare]) -> SegmentSummary:
    verdicts = [share.verdict for share in shares]
    return SegmentSummary(
        intervals=len(shares),
        boosted=verdicts.count("boosted"),
        slightly=verdicts.count("slightly"),
        no_better=verdicts.count("no better"),
        worth=min((share.worth for share in shares), default=None),
    )


def conditions_of(
    trained: TrainedModel,
    cells: Segmentation,
    named: Mapping[str, str],
    found: Mapping[Answer, CertifiedShares],
    at: int,
) -> ConditionSet:
    """Return the conditions under which generated rows are of this segment and agree with it.

    Shares in conditions are of all rows, so certified shares are multiplied by the share that
    answered, which is pooled like them.
    """
    categorical = {column: {level: 1.0} for column, level in named.items()}
    by_column: dict[str, dict[str, float]] = {}
    for (_, column, level), certified in found.items():
        by_column.setdefault(column, {})[level] = float(certified.share[at])
    for column, shares in by_column.items():
        answered = float(answered_shares(trained, cells, column)[at])
        total = sum(shares.values())
        # The levels of one column were estimated one by one: together they are the whole.
        scale = answered / total if len(shares) > 1 and total > 0 else answered
        categorical[column] = {level: min(scale * p, 1.0) for level, p in shares.items()}
    return ConditionSet(categorical=categorical)


def answered_shares(trained: TrainedModel, cells: Segmentation, column: str) -> Floats:
    """Return the pooled share of each cell that answered a question, float64 [cells]."""
    known = trained.table.column(column).is_valid().to_numpy()
    shares = np.ones(cells.size)
    if known.all():
        return shares
    everyone = np.ones(trained.table.num_rows, dtype=bool)
    successes, respondents = cells.noisy_counts(known, everyone)
    at, groups = pooling(cells)
    shares[at] = pool_shares(successes[at], respondents[at], groups).share
    return shares
