"""Numbers that crowd around multiples of a round number: prices near full fives (`curve`).

A curve through means of 40 persons smooths crowds of 20 to 40 away. How persons lie between
multiples is said by ten shares, each of the persons of all multiples together; that of one crowd
is not.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
PHASES = 10
EVEN = np.linspace(0.0, 1.0, PHASES + 1)
PERSONS_A_PHASE = 20
"""Persons in the mean phase and between neighboring multiples, at least: as a knot is a mean of."""
MULTIPLES, MIDDLE = 6, (0.1, 0.9)
"""Multiples in the middle four fifths of the values, at least. Fewer crowds are any density."""
CROWDED, SQUARED = 0.25, 20.0
"""Fourier coefficient, and what is beyond the curve's, at least; and persons times its square.

Without a comb the latter has the mean 1, and exceeds 20 once in e^20.
"""
LEAST_SHARE = 0.02
"""Of a phase, so that few persons leave no gap."""


@dataclass(frozen=True)
class Comb:
    """Shares of the values between multiples of a number.

    Attributes:
        upto: share of the values up to each of `PHASES` even parts of a period, float64, from 0.
    """

    period: float
    upto: Floats

    def bent(
        self, knots: tuple[Floats, Floats, Floats], polygon: tuple[Floats, Floats]
    ) -> tuple[Floats, Floats, Floats]:
        """Return the ranks, values and masses of a curve's knots, with one at each part's end.

        knots: of the curve without crowds; polygon: ranks and values of many points on it.
        """
        ranks, values = polygon
        whole = np.arange(np.floor(values[0] / self.period), np.ceil(values[-1] / self.period))
        ends = self.period * (whole[:, None] + self.upto[:-1]).ravel()
        ends = ends[(ends > values[0]) & (ends < values[-1])]
        rises = np.append(True, np.diff(values) > 0)
        at = np.append(np.interp(ends, values[rises], ranks[rises]), knots[0])
        at = np.unique(np.round(at, 9))  # others are too close for a spline
        periods = np.interp(at, ranks, values) / self.period
        whole = np.floor(periods)
        bent = self.period * (whole + np.interp(periods - whole, self.upto, EVEN))
        return at, np.maximum.accumulate(bent), np.interp(at, knots[0], knots[2])


def comb_of(
    values: Floats, curve: Callable[[Floats], Floats], a_person: float, step: float
) -> Comb | None:
    """Return the comb of ascending values; None if they have none.

    curve: returns its values at ranks 0..1, float64 [n]; a_person: values of each person; step:
    distance of neighboring values that the column can have; 0 for any.
    """
    persons = values.size / a_person
    wide = float(np.subtract(*np.quantile(values, MIDDLE[::-1])))
    if persons < PHASES * PERSONS_A_PHASE or not wide > 0:
        return None
    smooth: Floats | None = None
    best, period = CROWDED, 0.0
    for one in _round_numbers(wide / MULTIPLES):
        if persons * one < PERSONS_A_PHASE * wide or one < PHASES * step:
            continue
        own = _coefficient(values, one)
        if abs(own) <= best:
            continue  # as in most columns, whose curve is not computed at each rank
        if smooth is None:
            smooth = curve((np.arange(values.size) + 0.5) / values.size)
        crowded = min(abs(own), abs(own - _coefficient(smooth, one)))
        if crowded > best and persons * crowded**2 > SQUARED:
            best, period = crowded, one
    if not period:
        return None
    parts = np.histogram((values / period) % 1.0, EVEN)[0] / values.size
    parts = np.maximum(parts, LEAST_SHARE)
    return Comb(period, np.append(0.0, np.cumsum(parts / parts.sum())))


def _round_numbers(most: float) -> Iterator[float]:
    """Yield 1, 2, 2.5 and 5 times powers of ten up to a number, of the last two powers."""
    power = 10.0 ** np.floor(np.log10(most))
    yield from (by * of for of in (power, power / 10.0) for by in (5, 2.5, 2, 1) if by * of <= most)


def _coefficient(values: Floats, period: float) -> complex:
    return complex(np.exp(2j * np.pi * values / period).mean())
