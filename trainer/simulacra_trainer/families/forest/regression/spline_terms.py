"""Terms of a smooth regression: splines of one number, pairs, waves, steps of a category."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulacra_trainer.families.codec import Floats

DEGREE = 3
EVEN_KNOTS = 24
WAVES = 64
RIDGE, PAIR_RIDGE = 1e-6, 0.1
"""Penalty on the size of slopes besides their curvature. It is tiny for a line, so straight effects
are free, and large for a pair, so that a pair holds only what two lines cannot express and fades
where there are no rows.
"""


@dataclass(frozen=True)
class Spline:
    """Cubic B-splines of one number between its outer knots, constant outside.

    bends: order of the differences of slopes that are penalized.
    """

    knots: Floats
    bends: int = 2

    def basis(self, values: Floats) -> Floats:
        """Return the basis at each value, float64 [n, functions]; missing takes the middle knot."""
        from scipy.interpolate import BSpline  # takes half a second to import

        return BSpline.design_matrix(self._inside(values), self._padded(), DEGREE).toarray()

    def curve(self, values: Floats, slopes: Floats) -> Floats:
        """Return the weighted sum of the splines at each value, float64 [n]."""
        from scipy.interpolate import BSpline

        return BSpline(self._padded(), slopes, DEGREE)(self._inside(values))

    def penalty(self) -> Floats:
        """Return the quadratic penalty on curvature: squared differences of the slopes."""
        size = self.knots.size + DEGREE - 1
        bend = np.diff(np.eye(size), self.bends, axis=0)
        form: Floats = bend.T @ bend
        return form / np.trace(form) + RIDGE / size * np.eye(size)

    def _inside(self, values: Floats) -> Floats:
        low, high = self.knots[0], self.knots[-1]
        known = np.where(np.isnan(values), self.knots[self.knots.size // 2], values)
        return np.clip(known, low, np.nextafter(high, low))

    def _padded(self) -> Floats:
        return np.concatenate([[self.knots[0]] * DEGREE, self.knots, [self.knots[-1]] * DEGREE])


def spline_of(values: Floats, knots: int) -> Spline | None:
    """Return splines with knots at quantiles, None for a constant column."""
    known = values[~np.isnan(values)]
    at = np.unique(np.quantile(known, np.linspace(0.0, 1.0, knots))) if known.size else np.empty(0)
    return Spline(at) if at.size > 1 else None


def even_spline_of(values: Floats) -> Spline | None:
    """Return splines with equidistant knots and free squares, None for a constant column."""
    known = values[~np.isnan(values)]
    if not known.size or known.min() == known.max():
        return None
    return Spline(np.linspace(known.min(), known.max(), EVEN_KNOTS), bends=3)


@dataclass(frozen=True)
class Line:
    """The term of one number: its position among the columns and its splines."""

    column: int
    spline: Spline

    def basis(self, columns: Sequence[Floats]) -> Floats:
        """Return float64 [n, functions]."""
        return self.spline.basis(columns[self.column])

    def value(self, columns: Sequence[Floats], slopes: Floats) -> Floats:
        """Return the term, float64 [n]."""
        return self.spline.curve(columns[self.column], slopes)

    def penalty(self) -> Floats:
        """Return the quadratic penalty, float64 [functions, functions]."""
        return self.spline.penalty()


@dataclass(frozen=True)
class Pair:
    """The term of two numbers together: the tensor product of their splines."""

    first: Line
    second: Line

    def basis(self, columns: Sequence[Floats]) -> Floats:
        """Return float64 [n, functions]."""
        a, b = self.first.basis(columns), self.second.basis(columns)
        return (a[:, :, None] * b[:, None, :]).reshape(len(a), -1)

    def value(self, columns: Sequence[Floats], slopes: Floats) -> Floats:
        """Return the term, float64 [n], without building the tensor product."""
        a, b = self.first.basis(columns), self.second.basis(columns)
        return np.einsum("ij,ij->i", a @ slopes.reshape(a.shape[1], -1), b)

    def penalty(self) -> Floats:
        """Return the quadratic penalty, float64 [functions, functions]."""
        a, b = self.first.penalty(), self.second.penalty()
        bends = np.kron(a, np.eye(len(b))) / len(b) + np.kron(np.eye(len(a)), b) / len(a)
        return bends + PAIR_RIDGE / len(bends) * np.eye(len(bends))


@dataclass(frozen=True)
class Steps:
    """The term of one category: a separate mean for each code."""

    column: int
    codes: int

    def basis(self, columns: Sequence[Floats]) -> Floats:
        """Return float64 [n, codes]."""
        return np.eye(self.codes)[columns[self.column].astype(np.int64)]

    def value(self, columns: Sequence[Floats], slopes: Floats) -> Floats:
        """Return the term, float64 [n]."""
        return slopes[columns[self.column].astype(np.int64)]

    def penalty(self) -> Floats:
        """Return the quadratic penalty, float64 [functions, functions]."""
        return np.eye(self.codes) / self.codes


@dataclass(frozen=True)
class Waves:
    """The term of several numbers together: random Fourier features of a Gaussian kernel.

    Attributes:
        columns: the numbers, k of them.
        center: their means, float64 [k].
        frequencies: float64 [k, waves].
    """

    columns: tuple[int, ...]
    center: Floats
    frequencies: Floats

    def basis(self, columns: Sequence[Floats]) -> Floats:
        """Return cosines and sines, [n, 2 * waves]; a missing value counts as the mean."""
        apart = np.column_stack([columns[j] for j in self.columns]) - self.center
        angle = np.nan_to_num(apart, copy=False) @ self.frequencies
        angle = angle.astype(np.float32)  # sine and cosine are ten times as fast
        return np.hstack([np.cos(angle), np.sin(angle)])

    def value(self, columns: Sequence[Floats], slopes: Floats) -> Floats:
        """Return the term, float64 [n]."""
        return self.basis(columns) @ slopes

    def penalty(self) -> Floats:
        """Return the quadratic penalty, float64 [functions, functions]."""
        size = 2 * self.frequencies.shape[1]
        return np.eye(size) / size


def waves_of(columns: Sequence[Floats], numbers: Sequence[int]) -> Waves:
    """Return waves of a kernel as wide as each number's standard deviation, with fixed directions.

    numbers: positions among the columns; none is constant.
    """
    values = [columns[j] for j in numbers]
    center = np.array([np.nanmean(v) for v in values])
    spread = np.array([np.nanstd(v) for v in values])
    directions = np.random.default_rng(5).normal(size=(len(values), WAVES))
    return Waves(tuple(numbers), center, directions / spread[:, None])


Term = Line | Pair | Steps | Waves
