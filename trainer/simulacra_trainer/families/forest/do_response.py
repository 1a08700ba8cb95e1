"""What a leaf blurs: how a number responds to others inside the leaves of its tree, for rows under
do().

A donor of a leaf stands for all rows of the leaf, wherever in it they lie. Among rows like the
training rows that evens out; under do() it does not, and effects shrink. So under do() a number is
a smooth regression (`smooth`) at the drawn row, plus a residual from the leaf of a tree that is
grown on the residuals: it splits where the regression misses something (a jump) or the noise
changes, and all rows share their noise where it does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from simulacra_trainer.families.codec import ColumnCodec, Floats
from simulacra_trainer.families.forest.grow import ColumnGrower
from simulacra_trainer.families.forest.samplers import (
    Classes,
    Context,
    Ints,
    Latent,
    Numbers,
    Sampler,
    Pool,
)
from simulacra_trainer.families.forest.smooth import Smooth, fit_smooth

MAX_PREDICTORS = 8
MAX_CODES = 30
CHANCE = 7.0
"""A leaf's mean residual counts by 1 - CHANCE / z^2 (the garrote of Breiman, 1995; z in its
standard errors): a split that chance finds at the dial's middle penalty of 3 nats gains as much.
"""


@dataclass(frozen=True)
class Response(Numbers):
    """Residuals of a regression on columns (schema order)."""

    columns: tuple[int, ...]
    is_category: tuple[bool, ...]
    smooth: Smooth

    def draw(self, context: Context, rows: Ints, u: Floats) -> Floats:
        """Return values, float64 [rows]."""
        return super().draw(context, rows, u) + self.smooth.at(
            _columns(context, rows, self.columns, self.is_category)
        )


def under_do(sampler: Sampler, grower: ColumnGrower) -> Sampler:
    """Return a column's sampler under do(): its number trees respond to their causes."""
    values = grower.values
    if isinstance(sampler, Numbers):
        return _respond(sampler, grower, np.flatnonzero(~np.isnan(values)).astype(np.int32))
    if isinstance(sampler, Classes):
        inner = {klass: of for klass, of in sampler.samplers.items() if isinstance(of, Numbers)}
        plain = np.delete(sampler.values, list(sampler.samplers))
        rows = np.flatnonzero(~np.isnan(values) & ~np.isin(values, plain)).astype(np.int32)
        if len(inner) == len(sampler.samplers) == 1:
            return replace(
                sampler, samplers={klass: _respond(of, grower, rows) for klass, of in inner.items()}
            )
    return sampler


def follows_scores(sampler: Sampler) -> bool:
    """Whether a column is drawn as a normal score."""
    return isinstance(sampler, Latent) or (
        isinstance(sampler, Classes) and any(map(follows_scores, sampler.samplers.values()))
    )


def columns_used(sampler: Sampler) -> set[int]:
    """Return the columns (schema order) that a sampler's draw depends on."""
    if isinstance(sampler, Pool):
        return set()
    if isinstance(sampler, Latent):
        return {*map(int, sampler.columns), *columns_used(sampler.residual)}
    if isinstance(sampler, Response):
        return {*sampler.columns, *sampler.tree.columns}
    own = set(sampler.tree.columns) if isinstance(sampler, Numbers | Classes) else {sampler.on}
    samplers = getattr(sampler, "parts", ())
    inner = samplers.values() if isinstance(samplers, dict) else samplers
    return own.union(*(columns_used(of) for of in inner))


def _respond(sampler: Numbers, grower: ColumnGrower, rows: Ints) -> Numbers:
    """Fit the regression on the rows the sampler grew from; return the sampler if none fits."""
    data, target = grower.data, grower.values[rows]
    columns = _predictors(sampler, data.codecs)
    if not columns:
        return sampler
    is_category = tuple(data.codecs[j].is_category for j in columns)
    seen = _columns(Context(data.codes, data.values), rows, columns, is_category)
    codes = [
        int(data.codes[j].max()) + 1 if of else 0
        for j, of in zip(columns, is_category, strict=True)
    ]
    smooth = fit_smooth(seen, codes, target)
    left = grower.residual_tree(rows, target - smooth.at(seen))
    chance = _chance_share(left)
    return Response(
        left.tree, left.low - chance, left.high - chance, tuple(columns), is_category, smooth
    )


def _chance_share(left: Numbers) -> Floats:
    """Return the sampler of each donor's leaf mean that chance explains, float64 [donors]."""
    leaves = np.flatnonzero(left.tree.feature < 0)
    leaves = leaves[np.argsort(left.tree.start[leaves], kind="stable")]
    size, value = (left.tree.stop - left.tree.start)[leaves], (left.low + left.high) / 2.0
    mean = np.add.reduceat(value, left.tree.start[leaves]) / size
    noise = np.sum((value - np.repeat(mean, size)) ** 2) / max(value.size - leaves.size, 1)
    needed = CHANCE * noise
    kept = np.maximum(size * mean**2 - needed, 0.0) / np.maximum(
        size * mean**2, max(needed, 1e-300)
    )
    return np.repeat(mean * (1.0 - kept), size)


def _predictors(sampler: Numbers, codecs: Sequence[ColumnCodec]) -> list[int]:
    """Return the columns that the tree splits most rows on; of categories those with few levels."""
    tree = sampler.tree
    inner = np.flatnonzero(tree.feature >= 0)
    weight = np.bincount(tree.feature[inner], (tree.stop - tree.start)[inner], len(codecs))
    fits = [not codec.is_category or len(codec.levels) <= MAX_CODES for codec in codecs]
    return [int(j) for j in np.argsort(-weight, kind="stable") if weight[j] > 0 and fits[j]][
        :MAX_PREDICTORS
    ]


def _columns(
    context: Context, rows: Ints, columns: Sequence[int], is_category: Sequence[bool]
) -> list[Floats]:
    """Return numbers as they are, categories as predictor codes."""
    return [
        context.codes[j][rows].astype(np.float64) if of else context.values[j][rows]
        for j, of in zip(columns, is_category, strict=True)
    ]
