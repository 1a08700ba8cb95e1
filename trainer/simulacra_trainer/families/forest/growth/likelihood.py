"""The choice between two samplers of a column, by the likelihood of held-out rows."""

from collections.abc import Callable

import numpy as np

from simulacra_intake.rows_of_persons import Ints as Persons
from simulacra_trainer.families.codec import Floats, Ints
from simulacra_trainer.families.forest.samplers import Context, Sampler
from simulacra_trainer.families.forest.samplers.base import TINY
from simulacra_trainer.families.grid import ColumnGrid

FOLDS = 3
MIN_ROWS = 50
MAX_ROWS = 6_000
SELECTION_SLIP = 0.01
"""Share of rows that any method may get wrong, so that one impossible row does not decide."""
SURE = 3.0
"""Standard errors that end the comparison early (a race; Maron & Moore, 1994)."""


def is_likelier(
    preferred: Callable[[Ints], Sampler],
    other: Callable[[Ints], Sampler],
    context: Context,
    values: Floats,
    *,
    grid: ColumnGrid,
    seed: int,
    persons: Persons | None = None,
) -> bool:
    """Return whether held-out rows do not favor the other method by more than a standard error.

    This is the one-standard-error rule (Breiman et al., 1984).

    preferred, other: fit the column's sampler to rows; the first is chosen when in doubt. A
    person's rows are in one fold.
    """
    rng = np.random.default_rng([seed, 21])
    rows = rng.permutation(values.size)[:MAX_ROWS].astype(np.int32)
    fold = np.arange(rows.size) % FOLDS if persons is None else persons[rows] % FOLDS
    gains = np.empty(0)
    slip = SELECTION_SLIP / grid.size
    score = 0.0
    for k in range(FOLDS):
        train = np.sort(rows[fold != k])
        held = rows[fold == k]
        cells = grid.cells(values[held])
        first, second = (
            (1 - SELECTION_SLIP) * fit(train).probabilities(grid, context, held, cells) + slip
            for fit in (preferred, other)
        )
        gains = np.append(gains, np.log(first / second))
        score = gains.mean() * np.sqrt(gains.size) / max(gains.std(), TINY) + 1.0
        if abs(score) > SURE:
            break
    return bool(score > 0)
