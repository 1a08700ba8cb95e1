"""A differentially private table: noisy marginals along a tree of pairs, and rows drawn from them.

The mechanism is MST (McKenna, Miklau & Sheldon, Winning the NIST contest, 2021) without its
graphical-model inference:
1. Count every column's cells and add discrete Gaussian noise. Merge cells whose noisy counts are
   too small to stand out of the noise.
2. Choose a maximum spanning tree of column pairs, one edge at a time with the exponential
   mechanism. A pair's score is the L1 distance of its counts from independence.
3. Count the chosen pairs and add noise. Draw rows column by column along the tree.

Each step spends a third of the budget. Replacing a row changes two counts of a table by one, an L2
sensitivity of sqrt(2), so noise with deviation s costs rho = 1 / s^2. A score changes by at most 2,
and the exponential mechanism with parameter e costs rho = e^2 / 8 (Cesar & Rogers, 2021). Whatever
is computed from the drawn rows is post-processing and costs nothing.
"""

import math
import secrets
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulacra_schema.questions.fit import DifferentialPrivacy
from simulacra_schema.table import TableSchema
from simulacra_trainer.differential_privacy.domain import Domain, Floats, Ints, domain_of
from simulacra_trainer.differential_privacy.noise import Budget, noisy_argmax, noisy_counts, rho_of

MAX_BINS = 32
SCORE_SENSITIVITY = 2.0
MERGE_BELOW = 3.0
"""Neighboring cells are merged until their count reaches this many deviations of the noise."""
Edge = tuple[int, int]


@dataclass(frozen=True)
class _Column:
    """A column's noisy cell shares, float64 [cells], and the bin of each cell, int64 [cells]."""

    domain: Domain
    shares: Floats
    bins: Ints

    @property
    def size(self) -> int:
        return int(self.bins.max()) + 1

    @property
    def bin_shares(self) -> Floats:
        return np.bincount(self.bins, self.shares, self.size).astype(np.float64)


def sanitize(
    table: pa.Table,
    schema: TableSchema,
    guarantee: DifferentialPrivacy,
    rng: np.random.Generator | None = None,
) -> pa.Table:
    """Return an (epsilon, delta)-differentially private table with as many rows.

    schema: its possible values are treated as public. rng: for tests only; draws rows from the
    noisy counts. The noise itself never uses it, because noise that a known seed reproduces
    protects nobody.
    """
    rng = rng or np.random.default_rng(secrets.randbits(256))
    budget = Budget(rho_of(guarantee.epsilon, guarantee.delta))
    names = [column.name for column in schema.learned()]
    domains = [domain_of(column) for column in schema.learned()]
    cells = [domain.cells(table.column(name)) for name, domain in zip(names, domains, strict=True)]
    columns = _measure_columns(domains, cells, budget)
    binned = [column.bins[c] for column, c in zip(columns, cells, strict=True)]
    edges = _choose_tree(columns, binned, budget)
    tables = _measure_pairs(columns, binned, edges, budget)
    drawn = _draw(columns, edges, tables, table.num_rows, rng)
    values = [
        column.domain.draw(_cell_in_bin(column, bins, rng), rng)
        for column, bins in zip(columns, drawn, strict=True)
    ]
    return pa.table(values, names=names)


def _measure_columns(domains: list[Domain], cells: list[Ints], budget: Budget) -> list[_Column]:
    each = budget.rho / 3.0 / len(domains)
    out = []
    for domain, held in zip(domains, cells, strict=True):
        counts = _noisy(np.bincount(held, minlength=domain.size), each, budget)
        shares = on_simplex(counts, held.size) / held.size
        out.append(_Column(domain, shares, _merge(shares * held.size, 1.0 / np.sqrt(each))))
    return out


def _merge(counts: Floats, deviation: float) -> Ints:
    """Return each cell's bin: 0 for missing; neighbors share one until they exceed the noise."""
    least = max(MERGE_BELOW * deviation, counts.sum() / MAX_BINS)
    bins, current, held = np.zeros(counts.size, np.int64), 1, 0.0
    for cell in range(1, counts.size):
        if held > 0 and (held >= least or counts[cell] >= least):
            current, held = current + 1, 0.0
        bins[cell] = current
        held += counts[cell]
    return bins


def _choose_tree(columns: list[_Column], binned: list[Ints], budget: Budget) -> list[Edge]:
    """Return column pairs that form a spanning tree, preferring strongly dependent pairs."""
    d, n = len(columns), binned[0].size
    if d < 2:
        return []
    each = budget.rho / 3.0 / (d - 1)
    scale = 2.0 * SCORE_SENSITIVITY / math.sqrt(8.0 * each)
    pairs = [(i, j) for i in range(d) for j in range(i)]
    scores = np.empty(len(pairs))
    for k, (i, j) in enumerate(pairs):
        independent = n * np.outer(columns[i].bin_shares, columns[j].bin_shares)
        scores[k] = np.abs(_pair_counts(columns, binned, (i, j)) - independent).sum()
    group, chosen = np.arange(d), list[Edge]()
    for _ in range(d - 1):
        budget.spend(each)
        apart = np.flatnonzero([group[i] != group[j] for i, j in pairs])
        i, j = pairs[apart[noisy_argmax(scores[apart], scale)]]
        chosen.append((i, j))
        group[group == group[i]] = group[j]
    return chosen


def _measure_pairs(
    columns: list[_Column], binned: list[Ints], edges: list[Edge], budget: Budget
) -> list[Floats]:
    each = budget.rho / 3.0 / max(len(edges), 1)
    out = []
    for edge in edges:
        counts = _pair_counts(columns, binned, edge)
        noisy = _noisy(counts.reshape(-1), each, budget)
        out.append(on_simplex(noisy, binned[0].size).reshape(counts.shape))
    return out


def _pair_counts(columns: list[_Column], binned: list[Ints], edge: Edge) -> Ints:
    i, j = edge
    shape = columns[i].size, columns[j].size
    counts = np.bincount(binned[i] * shape[1] + binned[j], minlength=shape[0] * shape[1])
    return counts.reshape(shape)


def _noisy(counts: Ints, rho: float, budget: Budget) -> Floats:
    """Return the counts with discrete Gaussian noise that costs rho."""
    budget.spend(rho)
    return noisy_counts(counts, 1.0 / math.sqrt(rho)).astype(np.float64)


def on_simplex(counts: Floats, total: float) -> Floats:
    """Return the nearest counts that are not negative and sum to the total (Duchi et al., 2008)."""
    ranked = np.sort(counts)[::-1]
    excess = (np.cumsum(ranked) - total) / np.arange(1, counts.size + 1)
    return np.maximum(counts - excess[np.flatnonzero(ranked > excess)[-1]], 0.0)


def _draw(
    columns: list[_Column],
    edges: list[Edge],
    tables: list[Floats],
    n: int,
    rng: np.random.Generator,
) -> list[Ints]:
    """Return n rows drawn along the tree from column 0: the bins of each column, int64 [n]."""
    drawn: list[Ints | None] = [None] * len(columns)
    drawn[0] = _pick(np.tile(columns[0].bin_shares, (1, 1)), np.zeros(n, np.int64), rng)
    waiting = list(zip(edges, tables, strict=True))
    while waiting:
        at = next(
            k for k, ((i, j), _) in enumerate(waiting) if (drawn[i] is None) != (drawn[j] is None)
        )
        (i, j), counts = waiting.pop(at)
        parent, child, counts = (i, j, counts) if drawn[i] is not None else (j, i, counts.T)
        known = drawn[parent]
        assert known is not None
        shares = counts + 1e-9 + columns[child].bin_shares  # plus one row of the column's marginal
        drawn[child] = _pick(shares, known, rng)
    return [one for one in drawn if one is not None]


def _pick(shares: Floats, rows: Ints, rng: np.random.Generator) -> Ints:
    """Return one draw from row rows[k] of a table of shares for each k, int64 [n]."""
    up_to = np.cumsum(shares, axis=1)
    u = rng.random(rows.size) * up_to[rows, -1]
    out = np.empty(rows.size, np.int64)
    for row in np.unique(rows):
        at = np.flatnonzero(rows == row)
        out[at] = np.searchsorted(up_to[row], u[at], side="right")
    return np.minimum(out, shares.shape[1] - 1)


def _cell_in_bin(column: _Column, bins: Ints, rng: np.random.Generator) -> Ints:
    inside = np.zeros((column.size, column.shares.size))
    inside[column.bins, np.arange(column.shares.size)] = column.shares + 1e-12
    return _pick(inside, bins, rng)
