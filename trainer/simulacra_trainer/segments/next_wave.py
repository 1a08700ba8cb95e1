"""Shares of answers in the wave after the newest one, for people as targets say they will be.

Each past wave is first brought to those people: its share is moved by the difference of its
composition from theirs, times the shares of the cells of the targeted columns, pooled over waves
(Kitagawa, 1955). Then a local level model estimates the next wave. The same rule estimates past
waves from those before; where that errs more than carrying the wave before forward, the last wave
is carried. All counts are those that segments show, so that no choice of targets tells of few
persons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from simulacra_intake.errors import refuse
from simulacra_intake.survey_weights import Floats, Ints
from simulacra_schema.conditions import ConditionSet
from simulacra_schema.faults import Wrong
from simulacra_schema.next_wave import LEAST_WAVES, NEXT, NO_SHARES, next_wave, target_faults
from simulacra_schema.questions.segments import SegmentSummary, SegmentVerdict, answers_of
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
from simulacra_trainer.evidence import Z95
from simulacra_trainer.raking import SWEEPS, cells_of, margins_of, raked_weights
from simulacra_trainer.segments.answers import (
    REFUSED,
    SAME,
    Answer,
    answered_shares,
    conditions_of,
    counted,
    percent,
)
from simulacra_trainer.segments.cells import Segmentation, segmentation
from simulacra_trainer.segments.certify import FEW, OWN, wilson
from simulacra_trainer.segments.few_counts import shown_counts
from simulacra_trainer.segments.local_level import Forecast, forecast
from simulacra_trainer.segments.pooling import RARE, Indices, pool_shares
from simulacra_trainer.trained_model import TrainedModel

LEVELS = (0.95, 0.8)
FIRST_TOLD = 2
"""Waves before the first past wave that is estimated from those before it."""
BETTER: SegmentVerdict = "better than carrying the last wave forward"
_CONFLICT = Wrong(
    "targets that no composition meets",
    "No shares of the targeted cells meet all targets, or nobody is in one. Change one of them.",
)


class _People(NamedTuple):
    """Cells of the targeted columns, with what the next wave is made up of.

    cells: of all rows; kept: those that have rows, int [k]; composition: of each wave, float64
    [waves, k]; next: of the next one, float64 [k].
    """

    cells: Segmentation
    kept: Ints
    composition: Floats
    next: Floats


class Estimated(NamedTuple):
    """What is known of the answers to one column; arrays float64 [answers].

    successes, respondents, carried: of the newest wave; earlier: respondents before it; model,
    said: the forecast, and what the answer says; shares: its points; error, carried_error: over
    `tests` past waves.
    """

    levels: Sequence[str]
    successes: Floats
    respondents: Floats
    earlier: float
    model: Forecast
    said: Forecast
    shares: Floats
    carried: Floats
    tests: int
    error: float
    carried_error: float

    def worth(self) -> Floats:
        """Return how many respondents know each share as well, float64 [answers]."""
        return self.shares * (1.0 - self.shares) / self.said.shares()[1] ** 2


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
    answers = [
        (question, column, level)
        for question in questions
        for column, level in answers_of(question, trained.schema)
    ]
    waves = segmentation(trained.table, trained.schema, [wave.name])
    found = estimates_of(trained, waves, [column for _, column, _ in answers], targets)
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

    The shares are estimated again, as those of segments are (`raked`): p (1 - p) over the variance
    of the least certain answer, over the share who answer it.

    Args:
        trained: the model, with its clean table.
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
    targets = None
    if conditions.quotas:
        parts = [(one, _known(trained, waves, [*one.where])) for one in conditions.quotas]
        targets = TargetedShares(quotas=[_scaled(one, 1.0 / part) for one, part in parts])
    columns = [name for name in asked if name != wave.name]
    if any(target_faults(targets or TargetedShares(), [wave.name, *columns], schema)):
        _refuse_rows(wave)
    found = estimates_of(trained, waves, columns, targets)
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


def _refuse_rows(wave: ColumnSchema) -> None:
    refuse([NO_SHARES.at("conditions", "categorical", wave.name)], REFUSED)


def estimates_of(
    trained: TrainedModel,
    waves: Segmentation,
    columns: Sequence[str],
    targets: TargetedShares | None,
) -> Mapping[str, Estimated]:
    """Return what is known of the answers to each column."""
    people = None if targets is None else _people(trained, waves, targets)
    found = {}
    for at, name in enumerate(dict.fromkeys(columns)):
        column = trained.schema.find(name)
        levels = [] if column is None else column.level_values()
        answers: list[Answer] = [(name, name, level) for level in levels]
        counts = [of for _, *of in counted(trained, waves, answers)]
        successes, respondents = (np.stack([of[part] for of in counts]) for part in (0, 1))
        asked = np.flatnonzero(respondents.min(axis=0) >= OWN)
        if asked.size < LEAST_WAVES or asked[-1] != waves.size - 1:
            detail = (
                f"Enough people answered the question in {asked.size} waves; the next wave needs"
                f" {LEAST_WAVES} at least, the newest among them. Leave the question out."
            )
            refuse([Wrong("a question of too few waves", detail).at("questions", at)], REFUSED)
        moved = np.zeros((waves.size + 1, waves.size, len(levels)))
        if people is not None:
            inside = [of for _, *of in counted(trained, people.cells, answers)]
            groups = [of[people.kept] for of in people.cells.groups]
            shares = np.stack(
                [pool_shares(s[people.kept], n[people.kept], groups).share for s, n in inside]
            )
            makeup = np.vstack([people.composition, people.next])
            moved = (makeup[:, None] - people.composition) @ shares.T
        found[name] = of_column(levels, successes, respondents, asked, moved)
    return found


def of_column(
    levels: Sequence[str], successes: Floats, respondents: Floats, asked: Indices, moved: Floats
) -> Estimated:
    """Return what is known of one column.

    Args:
        levels: its answers.
        successes: respondents of each wave who gave each answer, float64 [answers, waves].
        respondents: those who gave any, float64 [answers, waves].
        asked: positions of the waves that asked it, int64 [k].
        moved: what the composition of a wave, or of the next one, adds to the shares of a wave,
            float64 [waves + 1, waves, answers].
    """
    plain = successes[:, asked] / respondents[:, asked]

    def estimate(count: int, at: int) -> tuple[Forecast, Floats]:
        """Return a wave estimated from the first `count` asked ones, and the last of its people."""
        before = asked[:count]
        shares = np.clip(plain[:, :count] + moved[at, before].T, RARE, 1.0 - RARE)
        known = respondents[:, before]
        return forecast(shares, known, before.astype(np.float64), float(at)), shares[:, -1]

    errors = []
    for count in range(FIRST_TOLD, asked.size):
        past, carried = estimate(count, int(asked[count]))[0].shares()[0], plain[:, count - 1]
        errors.append([(of - plain[:, count]) ** 2 for of in (past, carried)])
    error, carried_error = np.sqrt(np.mean(errors, axis=(0, 2)))
    model, last = estimate(asked.size, respondents.shape[1])
    is_better = error < carried_error
    return Estimated(
        levels,
        successes[:, -1],
        respondents[:, -1],
        float(respondents[0, asked[:-1]].sum()),
        model,
        model if is_better else model.carried(last),
        model.shares()[0] if is_better else last,
        last,
        len(errors),
        float(error),
        float(carried_error),
    )


def _people(trained: TrainedModel, waves: Segmentation, targets: TargetedShares) -> _People:
    """Return the cells of the targeted columns; the next wave is the newest, raked to the targets.

    Raises:
        InputError: no composition meets the targets.
    """
    table, schema = trained.table, trained.schema
    cells = segmentation(table, schema, targets.columns())
    kept, first = np.unique(cells.cell, return_index=True)
    kept, first = kept[kept >= 0], first[kept >= 0]
    code = np.append(np.full(cells.size, -1), -1)
    code[kept] = np.arange(kept.size)
    counts, _ = shown_counts(table, schema, waves, code[cells.cell], kept.size)
    composition = np.maximum(counts, 1e-6)
    composition = composition / composition.sum(axis=1, keepdims=True)
    margins = margins_of(table.take(first), schema, targets)
    raked, off = raked_weights(margins, cells_of(margins, kept.size), composition[-1], None, SWEEPS)
    if np.abs(off).max() > SAME:
        refuse([_CONFLICT.at("targets")], REFUSED)
    return _People(cells, kept, composition, raked / raked.sum())


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
        ends = wilson(said / respondents, respondents, Z95)
        own_low, own_high = (float(end[0]) for end in ends)
        own = OwnShare(share=float(said[0] / respondents[0]), low=own_low, high=own_high)
    is_better = of.error < of.carried_error
    verdict: SegmentVerdict = BETTER if is_better else "no better"
    beside = NextShare(
        low80=low80,
        high80=high80,
        carried=float(of.carried[at]),
        tests=of.tests,
        error=of.error,
        carried_error=of.carried_error,
    )
    figures = f"{percent(share)} ({percent(low)} to {percent(high)}; 80 %: {percent(low80)} to"
    is_it = "Better" if is_better else "No better"
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
