"""The counterfactual twins of one column's values: what they had been under other causes."""

import numpy as np

from simulacra_trainer.families.codec import Floats
from simulacra_trainer.families.forest.samplers import Context, Sampler
from simulacra_trainer.families.gumbel import gumbel_twins


def level_twins(
    sampler: Sampler,
    levels: int,
    fact: Context,
    twin: Context,
    seen: Floats,
    rng: np.random.Generator,
) -> Floats:
    """Return the twins of levels without an order, float64 [n], by Gumbel-max noise.

    fact, twin: all rows, and the same rows under changed causes; seen: the column's values in
    `fact`, float64 [n].
    """
    rows = np.arange(seen.size, dtype=np.int32)
    p, q = (sampler.level_shares(context, rows, levels + 1) for context in (fact, twin))
    at = gumbel_twins(p, q, np.where(np.isnan(seen), 0, seen + 1).astype(np.int64), rng) - 1
    return np.where(at < 0, np.nan, at)


def rank_twins(
    sampler: Sampler,
    responding: Sampler,
    fact: Context,
    twin: Context,
    seen: Floats,
    rng: np.random.Generator,
    *,
    is_category: bool,
) -> Floats:
    """Return the twins of numbers or ordered levels, float64 [n], which keep their rank.

    responding: the sampler under do(); the other arguments are those of `level_twins`.
    """
    rows = np.arange(seen.size, dtype=np.int32)
    # Where each value is a class, the seen one is drawn again and no twin leaves the scale.
    source = responding if responding.draws_each_value else sampler
    u = source.abduct(fact, rows, seen, rng.random(rows.size))
    before, after = (responding.draw(context, rows, u.copy()) for context in (fact, twin))
    same = (before == after) | (np.isnan(before) & np.isnan(after))
    if is_category:
        return np.where(same, seen, after)
    # Move the observed value by the difference, so that what it has beyond its draw is kept.
    known = ~(np.isnan(before) | np.isnan(after) | np.isnan(seen))
    return np.where(same, seen, np.where(known, seen + (after - before), after))
