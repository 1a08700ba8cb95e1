"""Respondents of cells by answer, and the conditions that ask for certified shares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np

from simulacra_intake.survey_weights import Floats
from simulacra_schema.conditions import ConditionSet
from simulacra_trainer.design import design_of
from simulacra_trainer.segments.cells import Segmentation, in_steps, level_codes
from simulacra_trainer.segments.certify import pooling
from simulacra_trainer.segments.few_counts import shown_counts
from simulacra_trainer.segments.pooling import pool_shares
from simulacra_trainer.trained_model import TrainedModel

REFUSED = "A column or a level of the request does not fit the data."
SAME = 5e-4
"""A share that differs by less is the certified one, written with fewer digits."""
Answer = tuple[str, str, str]
"""A question, the column that has the answer, and its level."""


def counted(
    trained: TrainedModel, cells: Segmentation, answers: Sequence[Answer]
) -> Iterator[tuple[Answer, Floats, Floats]]:
    """Yield each answer with the effective respondents of each cell who gave it, and who gave any.

    A column is counted once for all its levels.
    """
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
