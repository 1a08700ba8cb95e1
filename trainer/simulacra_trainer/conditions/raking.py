"""Raking: the minimum-KL tilt of a cell table to given one-way margins.

Iterative proportional fitting (Deming and Stephan 1940; Csiszar 1975 shows that its limit is the
I-projection, the distribution nearest to the start in KL(p || q)).
"""

from __future__ import annotations

import numpy as np

from simulacra_trainer.conditions.cells import Cells, FloatArray

TOLERANCE = 1e-9


def rake(
    cells: Cells, start: FloatArray, targets: FloatArray, max_sweeps: int
) -> tuple[FloatArray, float]:
    """Rake `start` (float64[cells]) to `targets` (float64[classes of all columns]).

    Returns the table and the largest error of a margin. An error above TOLERANCE says that the
    margins are not attainable on the support of `start`, or lie on its boundary, where convergence
    is slow.
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
