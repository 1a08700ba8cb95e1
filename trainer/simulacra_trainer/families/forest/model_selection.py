"""Which of two ways to draw a number makes rows likelier that neither has seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from simulacra_trainer.families.codec import Floats
from simulacra_trainer.families.forest.likelihood import cell_probabilities
from simulacra_trainer.families.forest.samplers import Context, Ints, Sampler
from simulacra_trainer.families.grid import number_grid

FOLDS, MIN_ROWS, MAX_ROWS = 3, 50, 6_000
SLIP = 0.01
"""Share of rows that any method may get wrong: one impossible row does not decide."""
SURE = 3.0
"""Standard errors that end the race between methods early (Maron & Moore, 1994)."""
TINY = float(np.finfo(np.float64).tiny)
Way = Callable[[Ints], Sampler]


def is_likelier(one: Way, other: Way, context: Context, values: Floats, *, seed: int) -> bool:
    """Whether the other way is not better on held-out rows by more than a standard error (Breiman
    et al., 1984).

    Args:
        one: grows the column's sampler from rows; it is the one that is taken in doubt.
        other: as well.
        context: all rows.
        values: of the column in all rows, float64 [n].
        seed: of the folds.
    """
    rows = np.random.default_rng([seed, 21]).permutation(values.size)[:MAX_ROWS].astype(np.int32)
    grid, fold = number_grid(values), np.arange(rows.size) % FOLDS
    gains, slip, score = np.empty(0), SLIP / grid.size, 0.0
    for k in range(FOLDS):
        seen, held = np.sort(rows[fold != k]), rows[fold == k]
        cells = grid.cells(values[held])
        first, second = (
            cell_probabilities(way(seen), grid, context, held, cells) for way in (one, other)
        )
        gains = np.append(gains, np.log(((1 - SLIP) * first + slip) / ((1 - SLIP) * second + slip)))
        score = gains.mean() * np.sqrt(gains.size) / max(gains.std(), TINY) + 1.0
        if abs(score) > SURE:
            break
    return bool(score > 0)
