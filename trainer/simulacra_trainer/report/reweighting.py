"""Real rows reweighted to the conditions of a generation, so that like is compared with like.

Without this, a table in which half are very happy would be compared with people of whom a third
are. Rows outside a requested range are left out; the others are raked (Deming and Stephan, 1940) to
the shares that the generated rows have.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from simulacra_crds.kinds.generation_job import ConditionSet
from simulacra_trainer.conditions import support
from simulacra_trainer.conditions.cells import ShareCondition, find_cells
from simulacra_trainer.conditions.margins import rake
from simulacra_trainer.survey_weights import Floats, effective_rows

SWEEPS = 500
CLOSE = 0.005
"""Largest error of a share, 0..1, up to which rows count as reweighted."""
LEAST = 30
"""Effective real rows below which a comparison would show chance alone."""


def reweighted(
    real: pa.Table, generated: pa.Table, conditions: ConditionSet, weights: Floats | None
) -> tuple[pa.Table, Floats] | None:
    """Return the real rows that meet the ranges, and their weights, float64 [rows] of mean 1.

    None where the conditions leave fewer than `LEAST` effective rows, or no real rows have the
    shares together.

    Args:
        real: clean real rows.
        generated: clean generated rows; their shares are the targets.
        conditions: an option of several answers is a column of its own.
        weights: survey weights of the real rows, float64 [n].
    """
    inside = np.ones(real.num_rows, np.bool_)
    for name, bounds in conditions.numeric.items():
        inside &= support.hard_range(name, bounds, real).allowed
    kept = real.filter(pa.array(inside))
    counts = np.ones(real.num_rows) if weights is None else weights
    counts = counts[inside]
    if not kept.num_rows or counts.sum() <= 0:
        return None
    shares = [
        ShareCondition(name, list(levels), np.array(list(levels.values()), np.float64))
        for name, levels in conditions.categorical.items()
    ]
    if shares:
        classes = [one.classify(kept) for one in shares]
        sizes = [len(one.levels) + 1 for one in shares]
        cells = find_cells(classes, classes, sizes, kept.num_rows, counts)
        drawn = [
            np.bincount(one.classify(generated), minlength=size) / generated.num_rows
            for one, size in zip(shares, sizes, strict=True)
        ]
        start = cells.reference_weight
        raked, error = rake(cells, start, np.concatenate(drawn), SWEEPS)
        if error > CLOSE:
            return None
        factor = np.divide(raked, start, out=np.zeros_like(raked), where=start > 0)
        counts = counts * factor[cells.of_row]
    used = counts > 0
    if not used.any() or effective_rows(counts[used]) < LEAST:
        return None
    found = counts[used]
    return kept.filter(pa.array(used)), found * (found.size / found.sum())
