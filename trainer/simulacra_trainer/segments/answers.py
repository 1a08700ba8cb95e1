"""Respondents of cells by answer, and the conditions that ask for certified shares."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np

from simulacra_intake.survey_weights import Floats
from simulacra_schema.conditions import ConditionSet
from simulacra_schema.questions.segments import MAX_SHARES, SegmentColumn, answers_of, check_segment
from simulacra_schema.table import TableSchema
from simulacra_trainer.design import design_of
from simulacra_trainer.segments.cells import Segmentation, in_steps, level_codes
from simulacra_trainer.segments.certify import (
    CertifiedShares,
    certify_pooled,
    pooling,
    segmentation_of,
)
from simulacra_trainer.segments.few_counts import shown_counts
from simulacra_trainer.segments.pooling import pool_shares
from simulacra_trainer.trained_model import TrainedModel

REFUSED = "A column or a level of the request does not fit the data."
SAME = 5e-4
"""A share that differs by less is the certified one, written with fewer digits."""
Answer = tuple[str, str, str]
"""A question, the column that has the answer, and its level."""


def asked_answers(questions: Sequence[str], schema: TableSchema) -> list[Answer]:
    """Return the answers to questions."""
    return [
        (question, column, level)
        for question in questions
        for column, level in answers_of(question, schema)
    ]


def counted(
    trained: TrainedModel, cells: Segmentation, answers: Sequence[Answer]
) -> Iterator[tuple[Answer, Floats, Floats]]:
    """Yield each answer with the effective respondents of each cell who gave it, and who gave any.

    A column is counted once for all its levels.
    """
    design = design_of(trained.table, trained.schema)
    for column, same in groupby(answers, key=itemgetter(1)):
        levels = trained.schema.column(column).level_values()
        codes = level_codes(trained.table, column, levels)
        said, respondents = shown_counts(trained.table, trained.schema, cells, codes, len(levels))
        for answer in same:
            at = levels.index(answer[2])
            apart = np.ones(cells.size)
            if design is not None and design.replicates is not None:
                apart = in_steps(apart * design.apart_by_replicates(column))
            elif design is not None and design.has_clusters:
                likeness = design.likeness_in_segments(column, at)
                apart = cells.apart(codes >= 0, design.clusters, likeness)
            successes = np.minimum(said[:, at], respondents)
            yield answer, successes * apart, respondents * apart


def percent(share: float) -> str:
    """Return a share in percent: rare answers differ in the first decimal."""
    return f"{100 * share:.1f} %"


def conditions_of(
    trained: TrainedModel,
    cells: Segmentation,
    named: Mapping[str, str],
    found: Mapping[Answer, float],
    at: int,
) -> ConditionSet:
    """Return the conditions under which generated rows are of this segment and agree with it.

    Shares in conditions are of all rows, so certified shares are multiplied by the share that
    answered, which is pooled like them.
    """
    categorical = {column: {level: 1.0} for column, level in named.items()}
    by_column: dict[str, dict[str, float]] = {}
    for (_, column, level), share in found.items():
        by_column.setdefault(column, {})[level] = share
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


def certify_answers(
    trained: TrainedModel, cells: Segmentation, answers: Sequence[Answer], intervals: int
) -> dict[Answer, CertifiedShares]:
    """Return the certified shares of each answer."""
    return {
        answer: certify_pooled(said, respondents, cells, intervals)
        for answer, said, respondents in counted(trained, cells, answers)
    }


def certified_worth(trained: TrainedModel, conditions: ConditionSet) -> float | None:
    """Return the respondents that rows under these conditions are worth.

    Conditions say nothing of where they come from, and a worth that a client sent could not be
    trusted. So the shares are certified again, some milliseconds each: conditions that ask for one
    segment and just its certified shares have the worth of these. It is the least worth of the
    certified answers over the share who answered the question, because a question is worth the rows
    that have an answer to it.

    conditions: with options of several answers as columns of their own.

    Returns:
        None if the conditions are not a segment and its certified shares.
    """
    named: dict[str, str] = {}
    asked: dict[str, dict[str, float]] = {}
    for name, shares in conditions.categorical.items():
        if [*shares.values()] == [1.0]:
            named[name] = next(iter(shares))
        else:
            asked[name] = dict(shares)
    answers = [(name, name, level) for name, shares in asked.items() for level in shares]
    if conditions.numeric or not 1 <= len(named) <= 3 or not 1 <= len(answers) <= MAX_SHARES:
        return None
    segment = [SegmentColumn(column=name, levels=[level]) for name, level in named.items()]
    if check_segment(segment, trained.schema):
        return None
    cells = segmentation_of(trained.table, trained.schema, segment)
    found = certify_answers(trained, cells, answers, len(answers))
    at = cells.at([*named.values()])
    said = {answer: float(of.share[at]) for answer, of in found.items()}
    certified = conditions_of(trained, cells, named, said, at).categorical
    if any(
        abs(share - certified[name][level]) > SAME
        for name, shares in asked.items()
        for level, share in shares.items()
    ):
        return None
    return min(
        min(float(found[name, name, level].worth[at]) for level in shares)
        / max(float(answered_shares(trained, cells, name)[at]), 1e-9)
        for name, shares in asked.items()
    )
