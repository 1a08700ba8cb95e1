"""The privacy dial: chooses the forest's penalty by a test of copying on two equal halves of the
table (`halves`).

A penalty passes when drawn rows lie no nearer to the half that was seen than the bar allows, and
equal its rows no more often than unseen real rows do (within one standard error of that).
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
from simulacra_trainer.pipeline.holdout import HalfModelRows, Halves, draw_rows, exchanged_halves
from simulacra_trainer.report import equal_halves_dcr, exact_copies, is_held

PENALTIES = (
    1.0,
    1.5,
    2.0,
    2.5,
    3.0,
    4.0,
    5.0,
    6.5,
    8.0,
    10.0,
    12.0,
    15.0,
    18.0,
    22.0,
    27.0,
    33.0,
    40.0,
)
"""The last leaves a table of a few hundred rows little but its columns' own distributions. Such
tables pass near the end, where a step costs most realism: the steps are smaller there.
"""
START = PENALTIES.index(3.0)
TOLERANCE = 0.01


@dataclass(frozen=True)
class PrivacyTuning:
    """The penalty chosen, its share of synthetic rows nearer to the seen half, and what it was
    measured on.

    error: the share's standard error: from its spread over the exchanged halves or, of one pair,
    over the rows. copies_above: by how much copies exceed their base rate and its standard error.
    scored: columns of which all half-models say the same: whether they follow normal scores.
    """

    penalty: float
    share: float
    error: float
    copies_above: float
    rows: HalfModelRows
    scored: Mapping[str, bool] = field(default_factory=dict)

    @property
    def options(self) -> dict[str, Any]:
        """Options to fit the forest on all rows as the passing models were fit."""
        return {PENALTY: self.penalty, SCORED: self.scored}

    @property
    def passes(self) -> bool:
        """Whether neither test shows copying."""
        return is_held(self.share) and self.copies_above <= 0


def tune_privacy(
    table: pa.Table,
    schema: TableSchema,
    order: Sequence[str],
    *,
    seed: int,
    progress: Progress = no_progress,
) -> PrivacyTuning:
    """Choose the penalty for a clean table; big tables are judged on a sample of rows.

    Where there are many rows, numbers keep leaves if these pass at `START` or below: trees that are
    fine enough need no regression, and boosted trees tell their rows less well from real ones. Else
    rows are asked which numbers follow scores.
    """
    pairs = exchanged_halves(table, seed=seed)
    if len(pairs) == 1:
        found = _search_penalty(
            pairs,
            schema,
            order,
            dict.fromkeys(order, False),
            PENALTIES[: START + 1],
            seed,
            progress,
        )
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
    """Choose one of the penalties; known: columns whose use of scores is settled."""
    options = {PENALTY: PENALTIES[START], SCORED: known}
    first = [
        FOREST.fit(pair.seen, schema, order, seed=seed, options=options, progress=no_progress)
        for pair in pairs
    ]
    says = [model.scored for model in first]
    scored = {
        name: said
        for name, said in says[0].items()
        if all(other.get(name) is said for other in says)
    }
    tried: dict[int, PrivacyTuning] = {}

    def passes(place: int) -> bool:
        penalty = penalties[place]
        drawn = [
            draw_rows(model.with_penalty(penalty), pair, seed=seed)
            for model, pair in zip(first, pairs, strict=True)
        ]
        judged = [_share(rows, schema, seed) for rows in drawn]
        shares = [share for share, _ in judged]
        error = (
            float(np.std(shares, ddof=1)) / np.sqrt(len(shares))
            if len(shares) > 1
            else judged[0][1]
        )
        above = float(np.mean([_copies_above(rows, schema) for rows in drawn]))
        tried[place] = PrivacyTuning(
            penalty, float(np.mean(shares)), error, above, drawn[0], scored
        )
        progress(min(len(tried) / 5, 0.99))
        return tried[place].passes

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
    """Return by how much copies of seen rows exceed the base rate of unseen real rows and its
    standard error.

    The error is that of the rate with one copy more (Laplace): where no unseen row is a copy, the
    rate is not known to be 0.
    """
    names = [column.name for column in schema.learned()]
    copies, base = exact_copies(rows.halves.seen, rows.halves.unseen, rows.synthetic, names)
    unseen = rows.halves.unseen.num_rows
    rate = (base * unseen + 1.0) / (unseen + 2.0)
    return copies - base - float(np.sqrt(rate * (1.0 - rate) / unseen))


def _cheapest(tried: dict[int, PrivacyTuning]) -> int:
    """Return the smallest penalty that passes or, where none does, the smallest whose share is
    about the least.

    A penalty that buys no privacy must not cost fidelity; the report says that the bar is not held.
    """
    if passing := [place for place, result in tried.items() if result.passes]:
        return min(passing)
    good = min(result.share for result in tried.values()) + TOLERANCE
    return min(place for place, result in tried.items() if result.share <= good)
