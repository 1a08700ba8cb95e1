"""Cell tables with given margins: raking, and linear programs where the margins are not attainable.

Raking is iterative proportional fitting (Deming and Stephan 1940). Its limit is the I-projection,
the table nearest to the start in KL(p || q) (Csiszar 1975). The programs are solved by HiGHS.
"""

from __future__ import annotations

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


def rake(
    cells: Cells, start: FloatArray, targets: FloatArray, max_sweeps: int
) -> tuple[FloatArray, float]:
    """Rake `start` (float64[cells]) to `targets` (float64[classes of all columns]).

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
    error = 0.0
    for _ in range(max_sweeps):
        error = 0.0
        for codes, target in columns:
            margin = np.bincount(codes, p, minlength=len(target))
            error = max(error, float(np.abs(margin - target).max()))
            ratio = np.divide(target, margin, out=np.zeros_like(target), where=margin > 0)
            p = p * ratio[codes]
        if error <= TOLERANCE:
            break
        if p.sum() <= 0:  # a margin without support emptied the table
            return start / start.sum(), 1.0
    return p, error


def nearest_margins(
    cells: Cells, targets: FloatArray, named: BoolArray
) -> tuple[FloatArray, FloatArray, float]:
    """Find attainable margins with the smallest total distance from the targets.

    Args:
        cells: the cell table.
        targets: shares of all classes, float64[classes].
        named: the classes that the request names, bool[classes]; only their distance counts.

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
    equal = sp.vstack(
        [
            sp.hstack([incidence[named], identity, -identity, sp.csr_array((classes, 1))]),
            sp.hstack([sp.csr_array(np.ones((1, count))), sp.csr_array((1, 2 * classes + 1))]),
        ]
    )
    at_most = sp.hstack(
        [sp.csr_array((classes, count)), identity, identity, sp.csr_array(-np.ones((classes, 1)))]
    )
    cost = np.concatenate([np.zeros(count), np.ones(2 * classes), [TIE_BREAK]])
    found = linprog(
        cost,
        A_ub=at_most,
        b_ub=np.zeros(classes),
        A_eq=equal,
        b_eq=np.append(targets[named], 1.0),
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
    slack = float(np.abs(margins - targets)[named].sum())
    return margins, p, slack


def largest_support(cells: Cells, margins: FloatArray, inside: FloatArray) -> BoolArray:
    """Return the cells (bool[cells]) that some table with these margins fills.

    The I-projection fills exactly these, and raking from them converges much faster than raking
    from all cells. One program: scale the table by s and count the cells that hold one unit (at
    most one each). `inside` is a table with the margins; its cells are in the support.
    """
    from scipy.optimize import linprog

    incidence = cells.incidence
    count = incidence.shape[1]
    classes = len(margins)
    identity = sp.eye_array(count)
    found = linprog(
        np.concatenate([np.zeros(count), -np.ones(count), [0.0]]),
        A_ub=sp.hstack([-identity, identity, sp.csr_array((count, 1))]),
        b_ub=np.zeros(count),
        A_eq=sp.hstack(
            [incidence, sp.csr_array((classes, count)), sp.csr_array(-margins[:, None])]
        ),
        b_eq=np.zeros(classes),
        bounds=[(0, None)] * count + [(0, 1)] * count + [(1, 1e7)],
        method="highs",
        options=_OPTIONS,
    )
    known: BoolArray = inside > 1e-9
    return known if found.x is None else known | (found.x[count : 2 * count] > 0.5)
