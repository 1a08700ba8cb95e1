"""The privacy dial: chooses the forest's penalty by a test of copying on two equal halves of the table (`halves`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulacra_crds.schema import TableSchema
from simulacra_trainer.families.base import Progress, no_progress
from simulacra_trainer.families.forest import FOREST
from simulacra_trainer.halves import HalfModelRows, draw_rows, split_halves
from simulacra_trainer.report import equal_halves_dcr

PENALTIES = (1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 18.0)
START = PENALTIES.index(3.0)
TARGET_SHARE = 0.54
"""The smallest penalty whose share is at most this is taken; the share's own standard deviation is about 0.01."""
TOLERANCE = 0.01
JUDGED_ROWS = 3_000


@dataclass(frozen=True)
class DialResult:
    """The penalty chosen, its share of synthetic rows nearer to the seen half, and what it was measured on."""

    penalty: float
    share: float
    rows: HalfModelRows


def turn_dial(
    table: pa.Table, schema: TableSchema, order: Sequence[str], *, seed: int, progress: Progress = no_progress
) -> DialResult:
    """Choose the penalty for a clean table; big tables are judged on a sample of rows."""
    halves = split_halves(table, seed=seed)
    options = {"penalty": PENALTIES[START]}
    first = FOREST.fit(halves.seen, schema, order, seed=seed, options=options, progress=no_progress)
    tried: dict[int, DialResult] = {}

    def passes(place: int) -> bool:
        penalty = PENALTIES[place]
        drawn = draw_rows(first.with_penalty(penalty), halves, seed=seed)
        judged = drawn.synthetic.slice(0, JUDGED_ROWS)
        share = equal_halves_dcr(halves.seen, halves.unseen, judged, schema, np.random.default_rng(seed))
        tried[place] = DialResult(penalty, share, drawn)
        progress(len(tried) / 4)
        return share <= TARGET_SHARE

    place = START
    if passes(place):
        while place > 0 and passes(place - 1):
            place -= 1
    else:
        low, high = START, len(PENALTIES) - 1
        while high - low > 1:  # the share falls with the penalty: bisect what is above START
            middle = (low + high + 1) // 2
            low, high = (low, middle) if passes(middle) else (middle, high)
        if high not in tried:
            passes(high)
        place = _cheapest(tried)
    progress(1.0)
    return tried[place]


def _cheapest(tried: dict[int, DialResult]) -> int:
    """Return the smallest penalty that passes or, where none does, that is as good as any.

    In wide short tables even independent columns lie nearer to the half that their margins come from: a penalty that
    buys no privacy must not cost fidelity.
    """
    good = max(TARGET_SHARE, min(result.share for result in tried.values()) + TOLERANCE)
    return min(place for place, result in tried.items() if result.share <= good)
