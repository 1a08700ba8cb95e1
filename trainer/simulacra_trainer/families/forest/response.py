"""What a leaf blurs: how a number responds to others inside the leaves of its tree, for rows under do().

A donor of a leaf stands for all rows of the leaf, wherever in it they lie. Among rows like the training rows that evens
out; under do() it does not, and effects shrink. So under do() a donor gives its distance from a smooth regression
(`smooth`) at its own row, and the regression at the drawn row is added: the mean is the regression's, the noise the
leaf's. What the regression misses in a leaf (a jump) is kept where chance does not explain it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from simulacra_trainer.families.codec import ColumnCodec, Floats
from simulacra_trainer.families.forest.grow import TrainingRows
from simulacra_trainer.families.forest.parts import Classes, Context, Ints, Latent, Numbers, Part, Pool
from simulacra_trainer.families.forest.smooth import Smooth, fit_smooth
from simulacra_trainer.families.forest.weighted import donor_places

MOST_PREDICTORS = 8
MOST_CODES = 30
CHANCE = 7.0
"""A leaf's mean distance from the regression counts by 1 - CHANCE / z^2 (the garrote of Breiman, 1995; z in its
standard errors): a split that chance finds at the dial's middle penalty of 3 nats gains as much.
"""


@dataclass(frozen=True)
class Response(Numbers):
    """Numbers that respond: the columns (schema order) of the regression, and what it says of each donor's own row,
    float64 [donors].
    """

    columns: tuple[int, ...]
    is_category: tuple[bool, ...]
    smooth: Smooth
    own: Floats

    def draw(self, context: Context, rows: Ints, u: Floats) -> Floats:
        """Return values, float64 [rows]."""
        donors = self.tree.donors(context, rows, u)
        low = self.low[donors]
        drawn = low + u * (self.high[donors] - low)
        out: Floats = drawn + self.smooth.at(_columns(context, rows, self.columns, self.is_category))
        return out - self.own[donors]


def under_do(part: Part, data: TrainingRows, column: int) -> Part:
    """Return what draws a column under do(): its part, with numbers that respond where it has a number tree."""
    values = data.values[column]
    if isinstance(part, Numbers):
        return _respond(part, data, values, np.flatnonzero(~np.isnan(values)).astype(np.int32))
    if isinstance(part, Classes):
        inner = {klass: of for klass, of in part.parts.items() if isinstance(of, Numbers)}
        plain = np.delete(part.values, list(part.parts))
        rows = np.flatnonzero(~np.isnan(values) & ~np.isin(values, plain)).astype(np.int32)
        if len(inner) == len(part.parts) == 1:
            return replace(part, parts={klass: _respond(of, data, values, rows) for klass, of in inner.items()})
    return part


def is_latent(part: Part) -> bool:
    """Whether a column is drawn as a normal score."""
    return isinstance(part, Latent) or (isinstance(part, Classes) and any(map(is_latent, part.parts.values())))


def looked_at(part: Part) -> set[int]:
    """Return the columns (schema order) that a part's draw depends on."""
    if isinstance(part, Pool):
        return set()
    if isinstance(part, Latent):
        return {*map(int, part.columns), *looked_at(part.residual)}
    if isinstance(part, Response):
        return {*part.columns, *(int(j) for j in part.tree.feature if j >= 0)}
    own = {int(j) for j in part.tree.feature if j >= 0} if isinstance(part, Numbers | Classes) else {part.on}
    parts = getattr(part, "parts", ())
    inner = parts.values() if isinstance(parts, dict) else parts
    return own.union(*(looked_at(of) for of in inner))


def _respond(part: Numbers, data: TrainingRows, target: Floats, rows: Ints) -> Numbers:
    """Fit the regression on the rows that the part was grown from; the part itself where there is none to fit."""
    columns = _predictors(part, data.codecs)
    leaf = part.tree.leaves(Context(data.codes, data.values), rows)
    at = _donor_rows(part, data, target[rows], rows, leaf)
    if not columns or at.size != part.low.size:
        return part
    context, y = Context(data.codes, data.values), target[rows]
    is_category = tuple(data.codecs[j].is_category for j in columns)
    seen = _columns(context, rows, columns, is_category)
    codes = [int(data.codes[j].max()) + 1 if of else 0 for j, of in zip(columns, is_category, strict=True)]
    smooth = fit_smooth(seen, codes, y)
    expected = smooth.at(seen)
    own = expected + _chance_share(y - expected, leaf, part.tree.feature.size)
    return Response(part.tree, part.low, part.high, tuple(columns), is_category, smooth, own[at])


def _donor_rows(part: Numbers, data: TrainingRows, y: Floats, rows: Ints, leaf: Ints) -> npt.NDArray[np.int64]:
    """Return which of the rows each donor is: they lie by leaf, then value, then row, repeated by weight."""
    order = np.lexsort((y, part.tree.start[leaf]))
    if data.weights is None:
        return order
    return order[donor_places(leaf[order], data.weights[rows[order]])]


def _chance_share(apart: Floats, leaf: Ints, nodes: int) -> Floats:
    """Return the part of each row's leaf mean that chance explains, float64 [rows]; apart: from the regression."""
    size = np.maximum(np.bincount(leaf, minlength=nodes), 1)
    mean = np.bincount(leaf, apart, nodes) / size
    leaves = np.unique(leaf).size
    noise = np.sum((apart - mean[leaf]) ** 2) / max(apart.size - leaves, 1)
    counts = np.maximum(0.0, 1.0 - CHANCE * noise / np.maximum(size * mean**2, 1e-300))
    out: Floats = (mean * (1.0 - counts))[leaf]
    return out


def _predictors(part: Numbers, codecs: Sequence[ColumnCodec]) -> list[int]:
    """Return the columns that the tree splits most rows on; of categories those with few levels."""
    tree = part.tree
    inner = np.flatnonzero(tree.feature >= 0)
    weight = np.bincount(tree.feature[inner], (tree.stop - tree.start)[inner], len(codecs))
    fits = [not codec.is_category or len(codec.levels) <= MOST_CODES for codec in codecs]
    return [int(j) for j in np.argsort(-weight, kind="stable") if weight[j] > 0 and fits[j]][:MOST_PREDICTORS]


def _columns(context: Context, rows: Ints, columns: Sequence[int], is_category: Sequence[bool]) -> list[Floats]:
    """Return numbers as they are, categories as predictor codes."""
    return [
        context.codes[j][rows].astype(np.float64) if of else context.values[j][rows]
        for j, of in zip(columns, is_category, strict=True)
    ]
