"""Cell tables with given margins: raking, and linear programs where the margins are not attainable.

Raking is iterative proportional fitting (Deming and Stephan 1940). Its limit is the I-projection,
the table nearest to the start in KL(p || q) (Csiszar 1975). The programs are solved by HiGHS.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from simulacra_trainer.conditions.cells import BoolArray, Cells, FloatArray

TOLERANCE = 1e-9
SLACK_TOLERANCE = 1e-7
TIE_BREAK = 1e-3
_OPTIONS = {
    "primal_feasibility_tolerance": 1e-9,
    "dual_feasibility_tolerance": 1e-9,
    "time_limit": 60.0,
}


@dataclass(frozen=True)
class Bounds:
    """Shares that lie between two ends: of each class, float64[classes of all columns].

    Attributes:
        low, high: the ends; equal where the share is one number.
        loose: columns of two classes, of which the first has different ends.
    """

    low: FloatArray
    high: FloatArray
    loose: frozenset[int] = frozenset()

    def distance(self, margins: FloatArray) -> FloatArray:
        """Return how far each margin lies outside, float64[classes]."""
        return np.maximum(np.maximum(self.low - margins, margins - self.high), 0.0)


def rake(
    cells: Cells,
    start: FloatArray,
    targets: FloatArray,
    max_sweeps: int,
    bounds: Bounds | None = None,
) -> tuple[FloatArray, float]:
    """Rake `start` (float64[cells]) to `targets` (float64[classes of all columns]).

    The loose columns of `bounds` are raked to the nearest share within their ends that the others
    leave: each sweep takes back the column's own factors first (Hildreth's method, here of KL).

    Returns the table and the largest error of a margin. An error above TOLERANCE means that the
    margins are not attainable on the support of `start`, or lie on its boundary, where raking
    converges slowly.
    """
    p = start / start.sum()
    ends = np.cumsum(cells.sizes)
    columns = [
        (cells.members[:, j] - (end - size), targets[end - size : end])
        for j, (size, end) in enumerate(zip(cells.sizes, ends, strict=True))
    ]
    loose = frozenset() if bounds is None else bounds.loose
    factors = {j: np.ones(2) for j in loose}
    error = 0.0
    for _ in range(max_sweeps):
        error = 0.0
        for j, (codes, target) in enumerate(columns):
            if bounds is not None and j in loose:
                before = np.bincount(codes, p, minlength=2)
                p = p / factors[j][codes]
                first = int(ends[j] - cells.sizes[j])
                free = np.bincount(codes, p, minlength=2).astype(np.float64)
                factors[j] = _loose_factors(free, bounds.low[first], bounds.high[first])
                p = p * factors[j][codes]
                change = np.bincount(codes, p, minlength=2) - before
                error = max(error, float(np.abs(change).max()))
                continue
            margin = np.bincount(codes, p, minlength=len(target))
            error = max(error, float(np.abs(margin - target).max()))
            ratio = np.divide(target, margin, out=np.zeros_like(target), where=margin > 0)
            p = p * ratio[codes]
        if error <= TOLERANCE:
            break
        if p.sum() <= 0:  # a margin without support emptied the table
            return start / start.sum(), 1.0
    return p, error


def _loose_factors(free: FloatArray, low: float, high: float) -> FloatArray:
    """Return the factors of two classes that bring the share of the first between two ends."""
    share = min(max(free[0] / free.sum(), low), high) if free.sum() > 0 else 0.0
    wanted = np.array([share, 1.0 - share])
    factors = np.divide(wanted, free, out=np.ones(2), where=free > 0)
    return np.maximum(factors, 1e-300)  # which the next sweep divides by


def nearest_margins(
    cells: Cells, targets: FloatArray, named: BoolArray, bounds: Bounds | None = None
) -> tuple[FloatArray, FloatArray, float]:
    """Find attainable margins with the smallest total distance from the targets.

    Args:
        cells: the cell table.
        targets: shares of all classes, float64[classes].
        named: the classes that the request names, bool[classes]; only their distance counts.
        bounds: the ends of shares that are not one number.

    Returns:
        The margins (float64[classes], equal to attainable targets), a table with these margins
        (float64[cells]) and the total distance; 0 if all targets are attainable together. Ties go
        to the smallest maximum distance, so that conditions share a conflict.
    """
    from scipy.optimize import linprog  # takes a quarter second to import

    incidence = cells.incidence
    count = incidence.shape[1]
    classes = int(named.sum())
    identity = sp.eye_array(classes)
    shares = sp.hstack([incidence[named], identity, -identity, sp.csr_array((classes, 1))])
    total = sp.hstack([sp.csr_array(np.ones((1, count))), sp.csr_array((1, 2 * classes + 1))])
    at_most = sp.hstack(
        [sp.csr_array((classes, count)), identity, identity, sp.csr_array(-np.ones((classes, 1)))]
    )
    limits, wanted = np.zeros(classes), targets[named]
    if bounds is not None and bounds.loose:
        shares = sp.csr_array(shares)
        low, high = bounds.low[named], bounds.high[named]
        loose = low < high
        at_most = sp.vstack([at_most, shares[loose], -shares[loose]])
        limits = np.concatenate([limits, high[loose], -low[loose]])
        shares, wanted = shares[~loose], wanted[~loose]
    equal = sp.vstack([shares, total])
    cost = np.concatenate([np.zeros(count), np.ones(2 * classes), [TIE_BREAK]])
    found = linprog(
        cost,
        A_ub=at_most,
        b_ub=limits,
        A_eq=equal,
        b_eq=np.append(wanted, 1.0),
        bounds=(0, None),
        method="highs",
        options=_OPTIONS,
    )
    if found.x is None:
        raise ArithmeticError(f"the feasibility program ended with status {found.status}")
    p = np.maximum(found.x[:count], 0.0)
    p /= p.sum()
    margins = cells.margins(p)
    margins = np.where(np.abs(margins - targets) < SLACK_TOLERANCE, targets, margins)
    off = np.abs(margins - targets) if bounds is None else bounds.distance(margins)
    return margins, p, float(off[named].sum())


def largest_support(
    cells: Cells, margins: FloatArray, inside: FloatArray, bounds: Bounds | None = None
) -> BoolArray:
    """Return the cells (bool[cells]) that some table with these margins fills.

    The I-projection fills exactly these, and raking from them converges much faster than raking
    from all cells. One program: scale the table by s and count the cells that hold one unit (at
    most one each). `inside` is a table with the margins; its cells are in the support. Margins with
    different ends in `bounds` lie between them.
    """
    from scipy.optimize import linprog

    incidence = cells.incidence
    count = incidence.shape[1]
    identity = sp.eye_array(count)
    ends = np.repeat(margins[:, None], 2, axis=1)
    if bounds is not None and bounds.loose:
        ends = np.column_stack([bounds.low, bounds.high])
    fixed = ends[:, 0] == ends[:, 1]
    between = incidence[~fixed]
    classes, loose = int(fixed.sum()), int((~fixed).sum())
    zero = sp.csr_array((loose, count))
    at_most = sp.hstack([-identity, identity, sp.csr_array((count, 1))])
    if loose:
        upper = sp.hstack([between, zero, sp.csr_array(-ends[~fixed, 1:])])
        lower = sp.hstack([-between, zero, sp.csr_array(ends[~fixed, :1])])
        at_most = sp.vstack([at_most, upper, lower])
    equal = sp.hstack(
        [incidence[fixed], sp.csr_array((classes, count)), sp.csr_array(-ends[fixed, :1])]
    )
    if loose:  # which leave the total open
        total = np.concatenate([np.ones(count), np.zeros(count), [-1.0]])
        equal = sp.vstack([equal, sp.csr_array(total[None, :])])
        classes += 1
    found = linprog(
        np.concatenate([np.zeros(count), -np.ones(count), [0.0]]),
        A_ub=at_most,
        b_ub=np.zeros(count + 2 * loose),
        A_eq=equal,
        b_eq=np.zeros(classes),
        bounds=[(0, None)] * count + [(0, 1)] * count + [(1, 1e7)],
        method="highs",
        options=_OPTIONS,
    )
    known: BoolArray = inside > 1e-9
    return known if found.x is None else known | (found.x[count : 2 * count] > 0.5)
