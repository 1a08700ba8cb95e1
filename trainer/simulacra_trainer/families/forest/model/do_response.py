"""Response of a number to its causes under do(): a smooth regression plus tree residuals.

A donor of a leaf stands for all rows of the leaf, wherever in the leaf they lie. For rows like the
training rows the errors average out. Under do() they do not, and effects shrink. So under do() a
number is a smooth regression (`smooth`) at the drawn row, plus a residual from a tree grown on the
regression's residuals. That tree splits where the regression misses a jump or where the noise
changes; elsewhere all rows share one noise distribution.
"""

from collections.abc import Sequence

import numpy as np

from simulacra_trainer.families.codec import Floats, Ints
from simulacra_trainer.families.forest.growth.grow import ColumnGrower
from simulacra_trainer.families.forest.growth.training_rows import TrainingRows
from simulacra_trainer.families.forest.regression.smooth import fit_smooth
from simulacra_trainer.families.forest.samplers import LogLinear, Numbers, Response, Sampler
from simulacra_trainer.families.forest.samplers.response import inputs_of

MAX_PREDICTORS = 8
MAX_CODES = 30
CHANCE = 7.0
"""Shrinkage of a leaf's mean residual: it counts by 1 - CHANCE / z^2, where z is the mean in
standard errors (the garrote of Breiman, 1995). At the default penalty of 3 nats, a split found by
chance gains this much.
"""


def under_do(sampler: Sampler, grower: ColumnGrower) -> Sampler:
    """Return a column's sampler under do(), with its number trees replaced by responses.

    A number that follows scores or a log-linear regression responds to the columns of that
    regression. One that hardly has values of its own keeps its log-linear regression.
    """
    if sampler.follows_scores:
        return _with_responses(grower.grow(None), grower, None)
    regression = sampler.regression
    if regression is None:
        return _with_responses(sampler, grower, None)
    if grower.data.codecs[grower.column].is_category:
        return sampler
    plain = grower.grow(None)
    responding = _with_responses(plain, grower, _by_strength(regression, grower.data))
    return sampler if responding is plain else responding


def _with_responses(
    sampler: Sampler, grower: ColumnGrower, causes: Sequence[int] | None
) -> Sampler:
    """Replace number trees by responses to the causes, or to the columns that they split on."""

    def respond(numbers: Numbers, rows: Ints) -> Numbers:
        return _respond(numbers, grower, rows, causes)

    return sampler.with_responses(grower.values, respond)


def _respond(
    sampler: Numbers, grower: ColumnGrower, rows: Ints, causes: Sequence[int] | None
) -> Numbers:
    """Return a response fitted to the rows, or the sampler itself without predictors."""
    data, target = grower.data, grower.values[rows]
    ranked = _by_splits(sampler, len(data.codecs)) if causes is None else causes
    codecs = [data.codecs[j] for j in ranked]
    fits = [not codec.is_category or len(codec.levels) <= MAX_CODES for codec in codecs]
    columns = [j for j, few in zip(ranked, fits, strict=True) if few][:MAX_PREDICTORS]
    if not columns:
        return sampler
    is_category = tuple(data.codecs[j].is_category for j in columns)
    seen = inputs_of(data.context, rows, columns, is_category)
    codes = [
        int(data.codes[j].max()) + 1 if of else 0
        for j, of in zip(columns, is_category, strict=True)
    ]
    smooth = fit_smooth(seen, codes, target)
    left = grower.stages.residual_tree(rows, target - smooth.at(seen))
    chance = _chance_share(left)
    return Response(
        left.tree, left.low - chance, left.high - chance, tuple(columns), is_category, smooth
    )


def _chance_share(left: Numbers) -> Floats:
    """Return how much of its leaf's mean to remove from each donor, float64 [donors]."""
    leaves = left.tree.leaves_in_order
    size, value = (left.tree.stop - left.tree.start)[leaves], (left.low + left.high) / 2.0
    mean = np.add.reduceat(value, left.tree.start[leaves]) / size
    noise = np.sum((value - np.repeat(mean, size)) ** 2) / max(value.size - leaves.size, 1)
    needed = CHANCE * noise
    kept = np.maximum(size * mean**2 - needed, 0.0) / np.maximum(
        size * mean**2, max(needed, 1e-300)
    )
    return np.repeat(mean * (1.0 - kept), size)


def _by_splits(sampler: Numbers, columns: int) -> list[int]:
    """Return the columns that the tree splits on, those that split most rows first."""
    tree = sampler.tree
    inner = np.flatnonzero(tree.feature >= 0)
    weight = np.bincount(tree.feature[inner], (tree.stop - tree.start)[inner], columns)
    return [int(j) for j in np.argsort(-weight, kind="stable") if weight[j] > 0]


def _by_strength(regression: LogLinear, data: TrainingRows) -> list[int]:
    """Return the columns of the regression, those that move its log-odds most first."""
    strength = {
        j: float(table[np.minimum(data.codes[j], len(table) - 1)].var(axis=0).sum())
        for j, table in regression.effects.items()
    }
    return sorted(strength, key=lambda j: -strength[j])
