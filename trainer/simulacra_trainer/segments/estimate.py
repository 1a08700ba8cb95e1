"""Certified shares of answers in segments: from a request to the stored result (methods-worth.md).

The figures come from the respondents in the model's clean table, not from generated rows, whose
dependences the privacy limit weakens. Their counts have noise (`cell_keys`), so no subtraction of
shares counts persons.
"""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

from simulacra_crds.tasks import BoostRequest
from simulacra_intake.errors import refuse
from simulacra_schema.questions.segments import SegmentSummary, SegmentVerdict, levels_of
from simulacra_schema.segment_shares import (
    OwnShare,
    SegmentChange,
    SegmentLevel,
    SegmentResult,
    SegmentShare,
)
from simulacra_trainer.design import design_of
from simulacra_trainer.segments.answers import (
    REFUSED,
    Answer,
    asked_answers,
    certify_answers,
    conditions_of,
    percent,
)
from simulacra_trainer.segments.cells import Segmentation
from simulacra_trainer.segments.certify import (
    BOOSTED,
    FEW,
    SLIGHTLY,
    CertifiedShares,
    helped,
    segmentation_of,
)
from simulacra_trainer.segments.changes import changes
from simulacra_trainer.segments.next_wave import certify_next
from simulacra_trainer.trained_model import TrainedModel

PRIVATE = (
    "The model is differentially private: what its noise costs was not measured, so no share of a"
    " segment is certified."
)


def certify_segments(trained: TrainedModel, request: BoostRequest) -> SegmentResult:
    """Return the certified shares of all answers to the questions in all segments.

    Raises:
        InputError: the request does not match the schema.
    """
    schema = trained.schema
    refuse(request.faults(schema), REFUSED)
    if trained.report.get("differential_privacy") is not None:
        empty = SegmentSummary(intervals=0, boosted=0, slightly=0, no_better=0)
        return SegmentResult(summary=empty, reason=PRIVATE)
    if request.prices is not None:
        # Pods that draw rows import this module, and need no scipy.optimize.
        from simulacra_trainer.segments.prices import answer_prices

        return answer_prices(trained, request.prices)
    if (wave := request.next_wave(schema)) is not None:
        return certify_next(trained, wave, request.questions, request.targets)
    columns = [part.column for part in request.segment]
    cells = segmentation_of(trained.table, schema, request.segment)
    listed = [*product(*(levels_of(part, schema) for part in request.segment))]
    answers = asked_answers(request.questions, schema)
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
        conditions = conditions_of(
            trained, cells, named, {one: float(of.share[at[0]]) for one, of in found.items()}, at[0]
        )
    return SegmentResult(summary=_summary(shares), shares=shares, conditions=conditions)


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
