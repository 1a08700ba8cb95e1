"""Controlled rounding: whole rows per cell, with every one-way margin exact to the row.

The greedy pass never gets stuck on a full support. On a sparse one it may (about one request in
ten); then one small integer program (HiGHS) finds the table, or the one that misses the quotas by
the fewest rows.
"""

import heapq
import math

import numpy as np
import scipy.sparse as sp

from simulacra_trainer.conditions.cells import BoolArray, Cells, FloatArray, IntArray

EPSILON = 1e-6
"""Absorbs the float error of n * share, n up to 10 million."""
MISS_COST = 100.0
STALE = 0.05
"""How far (log scale) a queued priority may be out of date."""


def quota_range(shares: FloatArray, n: int) -> tuple[IntArray, IntArray]:
    """Return floor and ceiling of each share of n rows."""
    exact = shares * n
    return np.floor(exact + EPSILON).astype(np.int64), np.ceil(exact - EPSILON).astype(np.int64)


def bounds_range(low: FloatArray, high: FloatArray, n: int) -> tuple[IntArray, IntArray]:
    """Return the fewest and the most of n rows that lie between two shares.

    Where no whole number does, as with equal shares, the floor of the one and the ceiling of the
    other.
    """
    lowest, least = quota_range(low, n)
    most, highest = quota_range(high, n)
    between = least <= most
    fewest, largest = np.where(between, least, lowest), np.where(between, most, highest)
    return fewest, largest


def largest_remainder(shares: FloatArray, n: int) -> IntArray:
    """Split n rows by shares that sum to 1 (Hamilton's method): each its floor or ceiling."""
    quotas, _ = quota_range(shares, n)
    order = np.argsort(-(shares * n - quotas), kind="stable")
    quotas[order[: n - int(quotas.sum())]] += 1
    return quotas


def round_greedily(
    cells: Cells, p: FloatArray, quotas: IntArray, n: int, rng: np.random.Generator
) -> tuple[IntArray, bool]:
    """Round n * p to whole rows whose margins are `quotas` (int64[classes of all columns]).

    Floors first; the remaining rows go one by one to cells drawn by fraction x sqrt(product of the
    margins' open rows), so that with many cells of less than a row a small table is a fair sample,
    not only the most frequent cells. Returns the table and whether it holds all n rows.
    """
    table = np.floor(n * p + EPSILON).astype(np.int64)
    open_rows = quotas - cells.margins(table).astype(np.int64)
    left = n - int(table.sum())
    if left < 0 or (open_rows < 0).any():
        return table, False
    gains = np.log(np.maximum(n * p - table, EPSILON)) + rng.gumbel(size=len(p))
    _hand_out(
        table, np.where(p > 0, gains, -np.inf), cells.members.tolist(), open_rows.tolist(), left
    )
    return table, int(table.sum()) == n


def _hand_out(
    table: IntArray, gains: FloatArray, members: list[list[int]], open_rows: list[int], left: int
) -> None:
    """Add `left` rows to the table, best priority first, while a cell has open rows in all its
    margins.

    Priorities only fall as margins fill up, so a lazy heap finds the best: an entry that has become
    stale is queued again at its present priority.
    """

    def priority(cell: int) -> float:
        room = [open_rows[m] for m in members[cell]]
        return -math.inf if 0 in room else gains[cell] + 0.5 * math.log(math.prod(room))

    heap = [(-priority(int(c)), int(c)) for c in np.flatnonzero(gains > -np.inf)]
    heapq.heapify(heap)
    while left and heap:
        queued, cell = heapq.heappop(heap)
        now = priority(cell)
        if now == -math.inf:
            continue
        if now < -queued - STALE:
            heapq.heappush(heap, (-now, cell))
            continue
        table[cell] += 1
        left -= 1
        for margin in members[cell]:
            open_rows[margin] -= 1
        gains[cell] += math.log(EPSILON)  # a second row only when nothing better is open
        heapq.heappush(heap, (-priority(cell), cell))


def round_by_program(
    cells: Cells, p: FloatArray, low: IntArray, high: IntArray, n: int
) -> IntArray | None:
    """Find the table of n rows nearest to n * p whose margins miss low..high by the fewest rows.

    Variables: a first and further rows above each floor, rows below it, and each margin's misses.
    Returns None if the solver finds no table within its time limit.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp  # takes a quarter second to import

    usable = np.flatnonzero(p > 0)
    floor = np.floor(n * p[usable] + EPSILON).astype(np.int64)
    fraction = np.clip(n * p[usable] - floor, 0.0, 1.0)
    count = len(usable)
    classes = len(low)
    incidence = cells.incidence[:, usable]
    misses = sp.eye_array(classes)
    rows = sp.hstack([incidence, incidence, -incidence, misses, -misses])
    total = sp.csr_array(
        np.concatenate([np.ones(2 * count), -np.ones(count), np.zeros(2 * classes)])[None, :]
    )
    base = incidence @ floor
    left = n - int(floor.sum())
    found = milp(
        np.concatenate(
            [1 - 2 * fraction, 3 - 2 * fraction, 1 + 2 * fraction, np.full(2 * classes, MISS_COST)]
        ),
        integrality=np.concatenate([np.ones(3 * count), np.zeros(2 * classes)]),
        bounds=Bounds(
            0, np.concatenate([np.ones(count), np.full(count, n), floor, np.full(2 * classes, n)])
        ),
        constraints=[
            LinearConstraint(rows, low - base, high - base),
            LinearConstraint(total, left, left),
        ],
        options={"time_limit": 10.0, "mip_rel_gap": 1e-3},
    )
    if found.x is None:
        return None
    change = np.rint(found.x[: 3 * count]).astype(np.int64).reshape(3, count)
    table = np.zeros(len(p), dtype=np.int64)
    table[usable] = floor + change[0] + change[1] - change[2]
    return table


def fill_up(table: IntArray, p: FloatArray, n: int) -> IntArray:
    """Complete a stuck table to n rows by largest remainder, without the quotas."""
    left = n - int(table.sum())
    if left < 0:
        return largest_remainder(p, n)
    return table + largest_remainder(p, left)


def within(counts: IntArray, low: IntArray, high: IntArray) -> BoolArray:
    """Return whether each margin lies in its quota range."""
    return (counts >= low) & (counts <= high)
