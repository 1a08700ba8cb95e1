"""Simultaneous intervals of many estimates from the same rows (max-t).

The critical value is the 95 % quantile of the largest absolute z of all estimates. It comes from
the Gaussian multiplier bootstrap of their influence values (Chernozhukov, Chetverikov & Kato,
Annals of Statistics 41, 2013): given the data, its draws are normal with the influence values'
correlations, so they are drawn from those. Estimates of the same rows correlate, so it lies between
1.96 and Bonferroni's value.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from simulacra_intake.rows_of_persons import Ints
from simulacra_trainer.effects.models.features import Floats
from simulacra_trainer.evidence import Z95

DRAWS = 20_000
LEVEL = 0.95


def on_table(values: Floats, rows: Ints, units: Ints | None, size: int) -> Floats:
    """Return influence values by row of the table, or by unit; 0 where an estimate lacks them.

    Args:
        values: float64 [n].
        rows: int64 [n], the rows' positions in the table.
        units: person or cluster of the table's rows, int64 [size]; None where each is one alone.
        size: rows of the table.
    """
    if units is None:
        whole = np.zeros(size)
        whole[rows] = values
        return whole
    summed = np.bincount(units[rows], weights=values, minlength=int(units.max()) + 1)
    return summed.astype(np.float64)


def critical_value(influences: Sequence[Floats], seed: int | np.random.Generator) -> float:
    """Return the half-width, in standard errors, of intervals that hold together with 95 %.

    influences: of each estimate, float64 [rows] or [units]; all of one length.
    """
    if len(influences) < 2:
        return Z95
    largest = _largest(influences, seed)
    return Z95 if largest is None else max(Z95, float(np.quantile(largest, LEVEL)))


def _largest(influences: Sequence[Floats], seed: int | np.random.Generator) -> Floats | None:
    """Return draws of the largest |z|, float64 [DRAWS]; None of fewer than two estimates."""
    matrix = np.array(influences)
    lengths = np.sqrt(np.sum(matrix**2, axis=1))
    matrix = matrix[lengths > 0] / lengths[lengths > 0, None]
    if matrix.shape[0] < 2:
        return None
    return np.max(np.abs(normal_draws(matrix @ matrix.T, seed)), axis=1)


def normal_draws(correlations: Floats, seed: int | np.random.Generator) -> Floats:
    """Return draws of normal values with these correlations, float64 [DRAWS, k]."""
    values, vectors = np.linalg.eigh(correlations)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    return np.random.default_rng(seed).normal(size=(DRAWS, values.size)) @ root.T


def chance(
    z: Floats,
    influences: Sequence[Floats],
    effective: Floats,
    shifts: Floats | None,
    rng: np.random.Generator,
) -> float:
    """Return how often the largest |z| is at least that of these, where all estimates are of 0.

    z: estimates over their errors, float64 [k], Student's with few effective persons; influences:
    of each, float64 [rows] or [units]; effective: persons of each, float64 [k]; shifts: as in
    `student_width`.
    """
    largest = _largest(influences, rng)
    if largest is None:
        return 1.0
    normal = -ndtri(stdtr(_degrees(effective, shifts), -np.abs(z)))
    return max(float(np.mean(largest >= np.max(normal))), 1.0 / DRAWS)


def student_width(critical: float, effective: Floats, shifts: Floats | None = None) -> Floats:
    """Return Student's quantiles of a normal one's level, for errors of few effective persons.

    shifts: of the replicate weights that errors follow from, float64 [n, replicates].
    """
    return -stdtrit(_degrees(effective, shifts), ndtr(-critical))


def _degrees(effective: Floats, shifts: Floats | None) -> Floats:
    """Return Student's degrees of freedom."""
    if shifts is not None:
        effective = np.minimum(effective, shifts.shape[1])
    return np.maximum(effective - 1.0, 1.0)
