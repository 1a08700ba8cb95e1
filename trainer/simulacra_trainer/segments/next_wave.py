"""Shares of answers in the wave after the newest one, for people as targets say they will be.

All counts are those that segments show, so that no choice of targets tells of few persons.
`past_waves` has the method.
"""

from collections.abc import Mapping, Sequence
from typing import NoReturn

import numpy as np
import pyarrow as pa

from simulacra_intake.errors import InputError, invalid_request, refuse
from simulacra_intake.survey_weights import Floats
from simulacra_schema.conditions import ConditionSet
from simulacra_schema.faults import Wrong
from simulacra_schema.next_wave import LEAST_WAVES, NEXT, NO_SHARES, next_wave, target_faults
from simulacra_schema.questions.segments import SegmentSummary, SegmentVerdict
from simulacra_schema.quotas import CellPart, Quota
from simulacra_schema.segment_shares import (
    NextShare,
    OwnShare,
    SegmentLevel,
    SegmentResult,
    SegmentShare,
)
from simulacra_schema.table import ColumnSchema
from simulacra_schema.targets import TargetedShares
from simulacra_trainer.cell_keys import NOISE
from simulacra_trainer.evidence import Z95
from simulacra_trainer.raking import SWEEPS, cells_of, margins_of, raked_weights
from simulacra_trainer.segments.answers import (
    REFUSED,
    SAME,
    Answer,
    answered_shares,
    asked_answers,
    conditions_of,
    counted,
    percent,
)
from simulacra_trainer.segments.cells import Segmentation, level_codes, segmentation
from simulacra_trainer.segments.certify import FEW, OWN, kept_share, wilson
from simulacra_trainer.segments.few_counts import shown_counts
from simulacra_trainer.segments.past_waves import Estimated, moves, of_column
from simulacra_trainer.trained_model import TrainedModel

LEVELS = (0.95, 0.8)
BETTER: SegmentVerdict = "better than carrying the last wave forward"
_CONFLICT = Wrong(
    "targets that no composition meets",
    "No shares of the targeted cells meet all targets. Change one of them.",
)


def certify_next(
    trained: TrainedModel,
    wave: ColumnSchema,
    questions: Sequence[str],
    targets: TargetedShares | None,
) -> SegmentResult:
    """Return the shares of all answers to the questions in the next wave.

    Raises:
        InputError: a question was asked in fewer than four waves, or targets contradict each other.
    """
    answers = asked_answers(questions, trained.schema)
    waves = segmentation(trained.table, trained.schema, [wave.name])
    places = {column: questions.index(question) for question, column, _ in answers}
    found = estimates_of(trained, waves, places, targets)
    shares = [_share_of(wave, answer, found[answer[1]]) for answer in answers]
    said = {answer: one.share for answer, one in zip(answers, shares, strict=True)}
    conditions = conditions_of(trained, waves, {wave.name: NEXT}, said, waves.size - 1)
    quotas = [] if targets is None else _quotas(trained, waves, targets)
    better = sum(one.verdict == BETTER for one in shares)
    summary = SegmentSummary(
        intervals=len(shares),
        boosted=0,
        slightly=0,
        no_better=len(shares) - better,
        better=better,
        worth=min(one.worth for one in shares),
    )
    conditions = conditions.model_copy(update={"quotas": quotas})
    return SegmentResult(summary=summary, shares=shares, conditions=conditions)


def nowcast_worth(trained: TrainedModel, conditions: ConditionSet) -> float | None:
    """Return the respondents that rows of the next wave are worth; None if they ask for no such.

    The shares are estimated again, as those of segments are (`certified_worth`): p (1 - p) over
    the variance of the least certain answer, over the share who answer it.

    conditions: with options of several answers as columns of their own.

    Raises:
        InputError: the conditions are not those of the next wave's shares.
    """
    schema, asked = trained.schema, conditions.categorical
    wave = next(filter(None, (next_wave(*one, schema) for one in asked.items())), None)
    if wave is None:
        return None
    if trained.report.get("differential_privacy") is not None:
        _refuse_rows(wave)
    waves = segmentation(trained.table, schema, [wave.name])
    targets = TargetedShares(quotas=conditions.quotas)
    columns = [name for name in asked if name != wave.name]
    if any(target_faults(targets, [wave.name, *columns], schema)):
        _refuse_rows(wave)
    parts = [(one, _known(trained, waves, [*one.where])) for one in targets.quotas]
    targets = TargetedShares(quotas=[_scaled(one, 1.0 / part) for one, part in parts])
    try:
        found = estimates_of(trained, waves, dict.fromkeys(columns, 0), targets)
    except InputError:  # whose pointers are those of an estimate
        _refuse_rows(wave)
    worth = []
    for name in columns:
        of, levels, shares = found[name], found[name].levels, found[name].shares
        said = {(name, name, one): float(share) for one, share in zip(levels, shares, strict=True)}
        agreed = conditions_of(trained, waves, {}, said, waves.size - 1).categorical[name]
        if any(abs(share - agreed[level]) > SAME for level, share in asked[name].items()):
            _refuse_rows(wave)
        each = dict(zip(levels, of.worth(), strict=True))
        least = float(min(each[level] for level in asked[name]))
        worth.append(least / _known(trained, waves, [name]))
    return min(worth)


def _refuse_rows(wave: ColumnSchema) -> NoReturn:
    fault = NO_SHARES.at("conditions", "categorical", wave.name)
    raise invalid_request(REFUSED, fault.detail, fault.pointer)


def estimates_of(
    trained: TrainedModel,
    waves: Segmentation,
    columns: Mapping[str, int],
    targets: TargetedShares | None,
) -> Mapping[str, Estimated]:
    """Return what is known of the answers to each column, which have the place of their question.

    Raises:
        InputError: a question was asked in fewer than four waves, or targets contradict each other.
    """
    people = _people(trained, waves, targets) if targets and targets.columns() else None
    levels_of = {name: trained.schema.column(name).level_values() for name in columns}
    of_waves = _counts(trained, waves, levels_of)
    of_cells = {} if people is None else _counts(trained, people[0], levels_of)
    found = {}
    for name, at in columns.items():
        levels = levels_of[name]
        successes, respondents = (np.stack(part) for part in zip(*of_waves[name], strict=True))
        asked = np.flatnonzero(respondents.min(axis=0) >= OWN)
        if asked.size < LEAST_WAVES or asked[-1] != waves.size - 1:
            detail = (
                f"Enough people answered the question in {asked.size} waves; the next wave needs"
                f" {LEAST_WAVES} at least, the newest among them. Leave the question out."
            )
            refuse([Wrong("a question of too few waves", detail).at("questions", at)], REFUSED)
        moved, unsure = np.zeros((waves.size + 1, waves.size, len(levels))), np.zeros(len(levels))
        if people is not None:
            cells, makeup = people
            moved, unsure = moves(of_cells[name], cells.groups, makeup)
        found[name] = of_column(levels, successes, respondents, asked, moved, unsure)
    return found


def _counts(
    trained: TrainedModel, cells: Segmentation, levels_of: Mapping[str, Sequence[str]]
) -> dict[str, list[tuple[Floats, Floats]]]:
    """Return of each column's levels the respondents of each cell, as in `counted`."""
    answers = [(name, name, level) for name, levels in levels_of.items() for level in levels]
    found: dict[str, list[tuple[Floats, Floats]]] = {name: [] for name in levels_of}
    for (name, _, _), said, respondents in counted(trained, cells, answers):
        found[name].append((said, respondents))
    return found


def _people(
    trained: TrainedModel, waves: Segmentation, targets: TargetedShares
) -> tuple[Segmentation, Floats]:
    """Return the cells of the targeted columns, and their shares, float64 [waves + 1, cells].

    The next wave is the newest, raked to the targets.

    Raises:
        InputError: no composition meets the targets.
    """
    table, schema, names = trained.table, trained.schema, targets.columns()
    cells = segmentation(table, schema, names)
    composition: Floats = np.ones((waves.size, 1))
    row_of_cell: dict[str, pa.ChunkedArray] = {}
    for at, (name, levels, of) in enumerate(zip(names, cells.levels, cells.groups, strict=True)):
        codes = level_codes(table, name, levels)
        before = segmentation(table, schema, [*waves.columns, *names[:at]])
        counts = np.maximum(shown_counts(table, schema, before, codes, len(levels))[0], 1e-6)
        parts = (counts / counts.sum(axis=1, keepdims=True)).reshape(waves.size, -1, len(levels))
        composition = (composition[:, :, None] * parts).reshape(waves.size, -1)
        # One row of each level stands for it: whether anybody is in a cell must not be felt.
        known, first = np.unique(codes, return_index=True)
        row = dict(zip(known.tolist(), first.tolist(), strict=True))
        rows = pa.array([row.get(level) for level in of.tolist()], pa.int64())
        row_of_cell[name] = table.column(name).take(rows)
    margins = margins_of(pa.table(row_of_cell), schema, targets)
    raked, off = raked_weights(
        margins, cells_of(margins, cells.size), composition[-1], None, SWEEPS
    )
    if np.abs(off).max() > SAME:
        refuse([_CONFLICT.at("targets")], REFUSED)
    return cells, np.vstack([composition, raked / raked.sum()])


def _share_of(wave: ColumnSchema, answer: Answer, of: Estimated) -> SegmentShare:
    """Return the share of one answer, with its words."""
    _, column, level = answer
    at = of.levels.index(level)
    share, worth = float(of.shares[at]), float(of.worth()[at])
    (low, high), (low80, high80) = (
        tuple(float(end[at]) for end in of.said.interval(of_all)) for of_all in LEVELS
    )
    said, respondents = of.successes[[at]], of.respondents[[at]]
    own = None
    if min(said[0], respondents[0] - said[0]) >= FEW:
        kept = kept_share(said, respondents, NOISE) * respondents
        ends = wilson(said / respondents, kept, Z95)
        own_low, own_high = (float(end[0]) for end in ends)
        own = OwnShare(share=float(said[0] / respondents[0]), low=own_low, high=own_high)
    verdict: SegmentVerdict = BETTER if of.is_better else "no better"
    beside = NextShare(
        low80=low80,
        high80=high80,
        carried=float(of.carried[at]),
        tests=of.tests,
        error=of.error,
        carried_error=of.carried_error,
    )
    figures = f"{percent(share)} ({percent(low)} to {percent(high)}; 80 %: {percent(low80)} to"
    is_it = "Better" if of.is_better else "No better"
    text = (
        f"{wave.name} = {NEXT}: {column} = {level}: {figures} {percent(high80)})."
        f" Worth {worth:,.0f} respondents. {is_it} than carrying the last wave forward"
        f" ({percent(beside.carried)}): in {of.tests} past waves the estimate erred by"
        f" {100 * of.error:.1f} points, carrying forward by {100 * of.carried_error:.1f}."
    )
    return SegmentShare(
        segment=[SegmentLevel(column=wave.name, level=NEXT)],
        question=column,
        answer=level,
        respondents=float(respondents[0]),
        share=share,
        low=low,
        high=high,
        worth=worth,
        verdict=verdict,
        own=own,
        helped=of.earlier,
        next=beside,
        text=text,
    )


def _known(trained: TrainedModel, waves: Segmentation, names: Sequence[str]) -> float:
    """Return the least share of the newest wave that has a value of these columns."""
    return min(max(float(answered_shares(trained, waves, one)[-1]), 1e-9) for one in names)


def _quotas(trained: TrainedModel, waves: Segmentation, targets: TargetedShares) -> list[Quota]:
    """Return targets as shares of all rows; they are of those with a value."""
    single = [
        Quota(where={name: CellPart(levels=[level])}, share=share)
        for name, shares in targets.categorical.items()
        for level, share in shares.items()
    ]
    every = (*single, *targets.quotas)
    return [_scaled(one, _known(trained, waves, [*one.where])) for one in every]


def _scaled(quota: Quota, by: float) -> Quota:
    return quota.model_copy(update={"share": min((quota.share or 0.0) * by, 1.0)})
