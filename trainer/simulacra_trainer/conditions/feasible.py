"""What a pool can attain: linear programs over the cell table (HiGHS, through scipy)."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from simulacra_trainer.conditions.cells import BoolArray, Cells, FloatArray

SLACK_TOLERANCE = 1e-7
TIE_BREAK = 1e-3
_OPTIONS = {
    "primal_feasibility_tolerance": 1e-9,
    "dual_feasibility_tolerance": 1e-9,
    "time_limit": 60.0,
}


def nearest_margins(
    cells: Cells, targets: FloatArray, asked: BoolArray
) -> tuple[FloatArray, FloatArray, float]:
    """Find attainable margins with the smallest total distance from those asked for.

    Args:
        cells: the cell table.
        targets: shares of all classes, float64[classes].
        asked: the classes that the customer named, bool[classes]; only their distance counts.

    Returns:
        The margins (float64[classes], equal to the targets where those stand), one table that has
        them (float64[cells]) and the total slack; 0 when everything asked for is attainable
        together. Among equals the one with the smallest largest distance is taken, so that a
        conflict is shared between its conditions.
    """
    incidence = cells.incidence
    count, named = incidence.shape[1], int(asked.sum())
    identity = sp.eye_array(named)
    equal = sp.vstack(
        [
            sp.hstack([incidence[asked], identity, -identity, sp.csr_array((named, 1))]),
            sp.hstack([sp.csr_array(np.ones((1, count))), sp.csr_array((1, 2 * named + 1))]),
        ]
    )
    at_most = sp.hstack(
        [sp.csr_array((named, count)), identity, identity, sp.csr_array(-np.ones((named, 1)))]
    )
    cost = np.concatenate([np.zeros(count), np.ones(2 * named), [TIE_BREAK]])
    found = linprog(
        cost,
        A_ub=at_most,
        b_ub=np.zeros(named),
        A_eq=equal,
        b_eq=np.append(targets[asked], 1.0),
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
    slack = float(np.abs(margins - targets)[asked].sum())
    return margins, p, slack


def largest_support(cells: Cells, margins: FloatArray, inside: FloatArray) -> BoolArray:
    """Return the cells (bool[cells]) that some table with these margins fills.

    The I-projection fills exactly these; raking from them converges geometrically where raking from
    all cells crawls. One program: scale the table by s and count the cells that hold one unit
    (capped at one each). `inside` is one table with the margins; its cells are in the support.
    """
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
