"""Whether the common columns tell anything about what is to be filled in another table's rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simulacra_trainer.completion.cells import Indices
from simulacra_trainer.completion.fill import Filler
from simulacra_trainer.completion.gaps import Plan
from simulacra_trainer.completion.rules import Rules
from simulacra_trainer.families.codec import Floats
from simulacra_trainer.families.forest.growth.likelihood import SELECTION_SLIP
from simulacra_trainer.families.grid import level_grid, number_grid

SHOWN, STREAM = 5, 59


def untold(plan: Plan, strength: tuple[float, float], seed: int) -> list[str]:
    """Return a warning if the common columns tell nothing about any column to fill, else nothing.

    Answers of one half of the donors are predicted by models of the other half, and the other way
    round. Their mean log-likelihood must exceed that of the shares alone by a standard error.
    """
    cells, first = plan.cells, plan.first
    filler = Filler(cells, Rules(cells, plan.schema), *strength)
    is_given = np.arange(cells.rows) >= first
    common = cells.answered_by_most((~is_given, is_given))
    if not common:  # rows of many forms: each has columns of its own
        return []
    asked = [j for j in plan.asked if j not in filler.rules.computed and j not in common]
    for j in asked:
        known = np.flatnonzero(~np.isnan(cells.values[j][:first]))
        rows = np.random.default_rng([seed, STREAM]).permutation(known)
        halves = np.sort(rows[::2]), np.sort(rows[1::2])
        gains = np.concatenate(
            [_gains(filler, j, common, learned, held) for learned, held in (halves, halves[::-1])]
        )
        if gains.mean() > gains.std() / np.sqrt(gains.size):
            return []
    if not asked:
        return []
    names = ", ".join(cells.codecs[j].name for j in asked[:SHOWN])
    one = len(common) == 1
    count = f"{len(common)} {'column' if one else 'columns'} in common, which"
    more = f" and {len(asked) - SHOWN} more" if len(asked) > SHOWN else ""
    tell = f"{count} {'tells' if one else 'tell'} nothing about {names}{more}"
    return [f"{tell}: they are filled by their shares alone. Give rows with more of the columns."]


def _gains(
    filler: Filler, j: int, common: Sequence[int], learned: Indices, held: Indices
) -> Floats:
    """Return the nats of held-out answers over those of the shares alone, float64 [held]."""
    cells = filler.cells
    codec, values, codes = cells.codecs[j], cells.values, cells.coded()
    hidden = filler.rules.hidden_from(j)
    drawer = filler.grow(j, [k for k in common if k not in hidden], values, codes, learned)
    grid = level_grid(codec.levels) if codec.is_category else number_grid(values[j][learned])
    at = grid.cells(values[j][held])
    context = drawer.context(values, codes, held)
    found = drawer.sampler.probabilities(grid, context, np.arange(held.size, dtype=np.int32), at)
    shares = np.bincount(grid.cells(values[j][learned]), minlength=grid.size) / learned.size
    slip = SELECTION_SLIP / grid.size
    both = ((1 - SELECTION_SLIP) * of + slip for of in (found, shares[at]))
    with_common, alone = both
    return np.asarray(np.log(with_common / alone))
