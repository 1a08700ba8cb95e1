"""Privacy tuning: the choice of the forest's penalty by a copying test of half-models.

A penalty passes if synthetic rows are no nearer to the seen half than the bar allows, and equal
seen rows no more often than unseen real rows do (within one standard error).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from simulacra_crds.contract.schema import TableSchema
from simulacra_trainer.families.base import Progress, no_progress
from simulacra_trainer.families.forest import FOREST, PENALTY, SCORED
from simulacra_trainer.persons import persons_in
from simulacra_trainer.pipeline.holdout import HalfModelRows, Halves, draw_rows, exchanged_halves
from simulacra_trainer.report import equal_halves_dcr, exact_copies, is_within_bar

PENALTIES = (
    1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.5, 8.0, 10.0, 12.0, 15.0, 18.0, 22.0, 27.0, 33.0, 40.0
)  # fmt: skip
"""In nats. Of a table of a few hundred rows the last keeps little but the columns' own
distributions. Such tables pass near the end, where a step costs most realism, so steps are small.
"""
START = PENALTIES.index(3.0)
TOLERANCE = 0.01


@dataclass(frozen=True)
class PrivacyTuning:
    """One penalty with its share of synthetic rows nearer to the seen half.

    Attributes:
        penalty: of the forest, in nats.
        share: of the synthetic rows that are nearer to the seen half.
        error: standard error of the share, over the exchanged halves or, of one pair, the rows.
        copies_above: rate of exact copies above the base rate and its standard error.
        rows: synthetic rows of the first half-model.
        others: those of the further half-models, in a small table.
        scored: columns on which all half-models agree whether they follow normal scores.
    """

    penalty: float
    share: float
    error: float
    copies_above: float
    rows: HalfModelRows
    scored: Mapping[str, bool] = field(default_factory=dict)
    others: Sequence[HalfModelRows] = ()

    @property
    def options(self) -> dict[str, Any]:
        """Options for the fit on all rows."""
        return {PENALTY: self.penalty, SCORED: self.scored}

    @property
    def passes(self) -> bool:
        """Whether both tests show no copying."""
        return is_within_bar(self.share) and self.copies_above <= 0


def tune_privacy(
    table: pa.Table,
    schema: TableSchema,
    order: Sequence[str],
    *,
    seed: int,
    progress: Progress = no_progress,
) -> PrivacyTuning:
    """Choose the penalty for a clean table; a big table is judged by a sample of its rows.

    With many rows, all numbers keep leaves if these pass at `START` or below: fine trees need no
    regression, and a discriminator tells their rows less well from real ones. Otherwise a test per
    column decides which numbers follow normal scores.
    """
    pairs = exchanged_halves(table, seed=seed, persons=persons_in(table, schema))
    if len(pairs) == 1:
        leaves_only = dict.fromkeys(order, False)
        low = PENALTIES[: START + 1]
        found = _search_penalty(pairs, schema, order, leaves_only, low, seed, progress)
        if found.passes:
            progress(1.0)
            return found
    found = _search_penalty(pairs, schema, order, {}, PENALTIES, seed, progress)
    progress(1.0)
    return found


def _search_penalty(
    pairs: Sequence[Halves],
    schema: TableSchema,
    order: Sequence[str],
    known: Mapping[str, bool],
    penalties: Sequence[float],
    seed: int,
    progress: Progress,
) -> PrivacyTuning:
    """Choose one of the penalties; known: whether columns follow scores, where decided."""
    options = {PENALTY: PENALTIES[START], SCORED: known}
    models = [
        FOREST.fit(pair.seen, schema, order, seed=seed, options=options, progress=no_progress)
        for pair in pairs
    ]
    choices = [model.scored for model in models]
    scored = {
        name: choice
        for name, choice in choices[0].items()
        if all(other.get(name) is choice for other in choices)
    }
    tried: dict[int, PrivacyTuning] = {}

    def passes(i: int) -> bool:
        penalty = penalties[i]
        drawn = [
            draw_rows(model.with_penalty(penalty), pair, seed=seed)
            for model, pair in zip(models, pairs, strict=True)
        ]
        measured = [_share(rows, schema, seed) for rows in drawn]
        shares = [share for share, _ in measured]
        error = measured[0][1]
        if len(shares) > 1:
            error = float(np.std(shares, ddof=1)) / np.sqrt(len(shares))
        above = float(np.mean([_copies_above(rows, schema) for rows in drawn]))
        share = float(np.mean(shares))
        tried[i] = PrivacyTuning(penalty, share, error, above, drawn[0], scored, drawn[1:])
        progress(min(len(tried) / 5, 0.99))
        return tried[i].passes

    low, high = (-1, START) if passes(START) else (START, len(penalties) - 1)
    while high - low > 1:  # the share falls with the penalty
        middle = (low + high + 1) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    if high not in tried:
        passes(high)
    return tried[_cheapest(tried)]


def _share(rows: HalfModelRows, schema: TableSchema, seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    return equal_halves_dcr(rows.halves.seen, rows.halves.unseen, rows.synthetic, schema, rng)


def _copies_above(rows: HalfModelRows, schema: TableSchema) -> float:
    """Return the rate of exact copies above that of unseen real rows plus its standard error.

    The error is that of the rate with one more copy (Laplace): no copy among the unseen rows does
    not prove a rate of 0.
    """
    names = [column.name for column in schema.learned()]
    copies, base = exact_copies(rows.halves.seen, rows.halves.unseen, rows.synthetic, names)
    unseen = rows.halves.unseen.num_rows
    rate = (base * unseen + 1.0) / (unseen + 2.0)
    return copies - base - float(np.sqrt(rate * (1.0 - rate) / unseen))


def _cheapest(tried: dict[int, PrivacyTuning]) -> int:
    """Return the index of the smallest penalty that passes, else that of about the lowest share.

    A higher penalty that does not lower the share would cost fidelity for nothing; the report says
    that the bar is missed.
    """
    if passing := [i for i, result in tried.items() if result.passes]:
        return min(passing)
    enough = min(result.share for result in tried.values()) + TOLERANCE
    return min(i for i, result in tried.items() if result.share <= enough)
