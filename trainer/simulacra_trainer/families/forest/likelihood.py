"""Likelihood of the cells of `families.grid` under a sampler, and the choice between samplers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import ndtri

from simulacra_trainer.families.codec import Floats
from simulacra_trainer.families.forest.samplers import (
    Classes,
    Context,
    Ints,
    Latent,
    LogLinear,
    Lookup,
    Monotone,
    Numbers,
    Pool,
    Sampler,
    Switch,
    Tree,
    nearest,
)
from simulacra_trainer.families.forest.traversal import mass_below
from simulacra_trainer.families.grid import Cells, ColumnGrid
from simulacra_trainer.persons import Ints as Persons

PRIOR_ROWS = 1.0
"""Weight, in rows, of the root distribution in a leaf, and of the uniform one in the root."""
SLIP = 1e-3
"""Probability that a row breaks a functional dependency."""
FOLDS = 3
MIN_ROWS = 50
MAX_ROWS = 6_000
SELECTION_SLIP = 0.01
"""Share of rows that any method may get wrong, so that one impossible row does not decide."""
SURE = 3.0
"""Standard errors that end the comparison early (a race; Maron & Moore, 1994)."""
TINY = float(np.finfo(np.float64).tiny)


def cell_probabilities(
    sampler: Sampler, grid: ColumnGrid, context: Context, rows: Ints, cells: Cells
) -> Floats:
    """Return the probability of each row's cell, float64 [rows]; above 0 everywhere."""
    match sampler:
        case Pool(low, high):
            return _smooth(grid.spread(low, high).sum(axis=0)[None], low.size)[0][cells]
        case Numbers(tree, low, high):
            table = _leaf_table(tree, grid.spread(low, high))
            return table[tree.leaves(context, rows), cells]
        case Latent():
            return _of_scores(sampler, grid, context, rows, cells)
        case Classes():
            return _of_classes(sampler, grid, context, rows, cells)
        case LogLinear():
            return _of_regression(sampler, grid, context, rows, cells)
        case Lookup(on, keys, values):
            hit = grid.cells(values[nearest(keys, context.values[on][rows])]) == cells
            return np.where(hit, 1.0 - SLIP, SLIP / grid.size)
        case Monotone():
            low, high = sampler.interval(context, rows)
            inside = grid.spread(low, high)[np.arange(rows.size), cells]
            return (1.0 - SLIP) * inside + SLIP / grid.size
        case Switch():
            out = np.empty(rows.size)
            for inner, at in sampler.selected(context, rows):
                out[at] = cell_probabilities(inner, grid, context, rows[at], cells[at])
            return out


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

    Args:
        preferred: fits the column's sampler to rows; chosen when in doubt.
        other: fits the alternative.
        context: all rows.
        values: of the column, float64 [n].
        grid: cells of the column.
        seed: of the folds.
        persons: of each row, int64 [n]; a person's rows are in one fold.
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
            (1 - SELECTION_SLIP) * cell_probabilities(fit(train), grid, context, held, cells) + slip
            for fit in (preferred, other)
        )
        gains = np.append(gains, np.log(first / second))
        score = gains.mean() * np.sqrt(gains.size) / max(gains.std(), TINY) + 1.0
        if abs(score) > SURE:
            break
    return bool(score > 0)


def _of_scores(
    sampler: Latent, grid: ColumnGrid, context: Context, rows: Ints, cells: Cells
) -> Floats:
    """Return the leaf's smoothed mass between the scores of each row's cell, float64 [rows]."""
    tree, low, high = sampler.residual.tree, sampler.residual.low, sampler.residual.high
    edges = np.empty(0) if grid.edges is None else grid.edges
    whole = np.zeros(edges.size, np.int32), np.full(edges.size, sampler.margin.low.size, np.int32)
    bounds = ndtri(mass_below(*whole, sampler.margin.low, sampler.margin.high, edges))
    bounds = np.concatenate([[-np.inf, -np.inf], bounds, [np.inf]])  # missing has no mass
    expected, leaves = sampler.expected(context, rows), tree.leaves(context, rows)
    first, last = bounds[cells] - expected, bounds[cells + 1] - expected

    def mass(start: Ints, stop: Ints, low: Floats, high: Floats) -> Floats:
        inside = mass_below(start, stop, low, high, last) - mass_below(
            start, stop, low, high, first
        )
        return inside * (stop - start)

    everywhere = np.zeros(rows.size, np.int32), np.full(rows.size, low.size, np.int32)
    root = (mass(*everywhere, np.sort(low), np.sort(high)) + PRIOR_ROWS / grid.size) / (
        low.size + PRIOR_ROWS
    )
    start, stop = tree.start[leaves], tree.stop[leaves]
    out: Floats = (mass(start, stop, low, high) + PRIOR_ROWS * root) / (stop - start + PRIOR_ROWS)
    return out


def _of_classes(
    sampler: Classes, grid: ColumnGrid, context: Context, rows: Ints, cells: Cells
) -> Floats:
    classes = np.zeros((sampler.donors.size, sampler.values.size))
    classes[np.arange(sampler.donors.size), sampler.donors] = 1.0
    table = _leaf_table(sampler.tree, classes)
    to_cells = _cells_of(sampler, grid)
    leaves = sampler.tree.leaves(context, rows)
    out: Floats = (table @ to_cells)[leaves, cells]
    for k, inner in sampler.samplers.items():
        out += table[leaves, k] * cell_probabilities(inner, grid, context, rows, cells)
    return np.maximum(out, TINY)


def _cells_of(sampler: Classes | LogLinear, grid: ColumnGrid) -> Floats:
    """Return the cell of each class without a sampler, one-hot, float64 [classes, cells]."""
    plain = np.array([k not in sampler.samplers for k in range(sampler.values.size)])
    out = np.zeros((sampler.values.size, grid.size))
    out[np.flatnonzero(plain), grid.cells(sampler.values)[plain]] = 1.0
    return out


def _of_regression(
    sampler: LogLinear, grid: ColumnGrid, context: Context, rows: Ints, cells: Cells
) -> Floats:
    to_cells = _cells_of(sampler, grid)
    for k, pool in sampler.samplers.items():
        to_cells[k] = _smooth(grid.spread(pool.low, pool.high).sum(axis=0)[None], pool.low.size)
    share = sampler.shares(context, rows)
    out: Floats = np.einsum("ik,ik->i", share, to_cells.T[cells])
    return np.maximum(out, TINY)


def _leaf_table(tree: Tree, donors: Floats) -> Floats:
    """Return the smoothed mean of each leaf's donors, float64 [nodes, width]; 0 in inner nodes."""
    leaves = tree.leaves_in_order
    sums = np.add.reduceat(donors, tree.start[leaves], axis=0)
    out = np.zeros((tree.feature.size, donors.shape[1]))
    root = _smooth(donors.sum(axis=0)[None], donors.shape[0])
    size = (tree.stop[leaves] - tree.start[leaves])[:, None]
    out[leaves] = (sums + PRIOR_ROWS * root) / (size + PRIOR_ROWS)
    return out


def _smooth(counts: Floats, rows: int) -> Floats:
    out: Floats = (counts + PRIOR_ROWS / counts.shape[1]) / (rows + PRIOR_ROWS)
    return out
