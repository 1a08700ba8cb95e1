"""What a leaf blurs: how a number still depends on other numbers inside the leaves of its tree.

A donor of a leaf stands for all rows of the leaf, wherever in it they lie. Among rows like the training rows that evens
out; under do() it does not, and effects shrink. So a drawn number is moved by the difference between where its row lies
and the leaf's average row, along additive linear splines. Their slopes are estimated inside the leaves (both sides less
their means in the leaf, the within estimator of panel data), so that they add to the tree and repeat nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulacra_trainer.families.forest.codec import Floats
from simulacra_trainer.families.forest.parts import Context, Ints, Tree

MOST_PREDICTORS = 8
KNOTS = 12
RIDGE = 1e-5
"""Of the rows: small, because leaves leave little of a column's variance to learn slopes from."""


@dataclass(frozen=True)
class Trend:
    """Slopes inside the leaves: columns (schema order) with their knots float64 [k], the slope of each basis function
    float64 [functions], and the trend of each leaf's average row float64 [nodes].
    """

    tree: Tree
    columns: tuple[int, ...]
    knots: tuple[Floats, ...]
    slopes: Floats
    centre: Floats

    def shift(self, context: Context, rows: Ints) -> Floats:
        """Return by how much each row's number moves, float64 [rows]; missing predictors stand at their median."""
        known = _basis([context.values[j][rows] for j in self.columns], self.knots)
        shift: Floats = known @ self.slopes - self.centre[self.tree.leaves(context, rows)]
        return shift


def find_trend(tree: Tree, context: Context, target: Floats, is_number: Sequence[bool]) -> Trend | None:
    """Estimate the trend inside the leaves of a number tree from the training rows.

    Args:
        tree: the tree.
        context: the training rows.
        target: the column, float64 [n]; rows where it is missing take no part.
        is_number: which columns (schema order) are numbers.

    Returns:
        The trend; None where the tree splits on no number.
    """
    inner = np.flatnonzero(tree.feature >= 0)
    weight = np.bincount(tree.feature[inner], (tree.stop - tree.start)[inner], len(is_number))
    used = [int(j) for j in np.argsort(-weight, kind="stable") if weight[j] > 0 and is_number[j]][:MOST_PREDICTORS]
    rows = np.flatnonzero(~np.isnan(target)).astype(np.int32)
    if not used or not rows.size:
        return None
    values = [context.values[j][rows] for j in used]
    knots = tuple(_knots(v) for v in values)
    basis, leaves, y = _basis(values, knots), tree.leaves(context, rows), target[rows]
    size = np.maximum(np.bincount(leaves, minlength=tree.feature.size), 1)
    means = np.column_stack([np.bincount(leaves, column, tree.feature.size) / size for column in basis.T])
    inside = basis - means[leaves]
    spread = np.maximum(basis.std(axis=0), 1e-12)
    inside /= spread
    apart = y - (np.bincount(leaves, y, tree.feature.size) / size)[leaves]
    ridge = RIDGE * rows.size * np.eye(spread.size)
    slopes = np.linalg.solve(inside.T @ inside + ridge, inside.T @ apart) / spread
    return Trend(tree, tuple(used), knots, slopes, means @ slopes)


def _knots(values: Floats) -> Floats:
    """Return the smallest value, quantiles, and the largest value; outside of them a trend is flat."""
    known = values[~np.isnan(values)]
    known = known if known.size else np.zeros(1)
    return np.unique(np.quantile(known, np.linspace(0.0, 1.0, KNOTS + 2)))


def _basis(columns: Sequence[Floats], knots: Sequence[Floats]) -> Floats:
    """Return linear splines of each column, float64 [n, functions]."""
    functions = []
    for values, at in zip(columns, knots, strict=True):
        inside = np.clip(np.where(np.isnan(values), at[at.size // 2], values), at[0], at[-1])
        functions += [np.maximum(inside - knot, 0.0) for knot in at[:-1]] or [np.zeros(values.size)]
    return np.column_stack(functions)
