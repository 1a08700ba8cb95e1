"""A column's numbers as heaps and a smooth curve of ranks, which no single person shapes.

A heap is a value of five persons or more that stands out from the density around it: full thousands
of an income, no visits. It is drawn exactly. All other persons follow a monotone curve (PCHIP;
Fritsch & Carlson, 1980) through means of half of the values around every 40th rank, in larger
tables further apart; crowds around multiples of a round number bend it (`comb`). Both ends are
generalized Pareto tails with the mean and the spread of the last persons. So a generated value is a
statistic of many persons, or invented: how often it comes tells nothing of one person.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from simulacra_intake.rows_of_persons import MIN_PERSONS, Ints, persons_a_group, rows_a_person
from simulacra_intake.survey_weights import effective_rows
from simulacra_trainer.families.comb import comb_of
from simulacra_trainer.families.curve_knots import knots_of
from simulacra_trainer.few_values import SHARED, are_levels

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
PERSONS_A_KNOT, KNOT_ROOT = 40, 2.3
"""Persons from knot to knot: at least, and times the root of all.

With the population known, m free figures of n persons are read with z = sqrt(m / n). A table of 600
persons and 8 numbers told members at an AUC of .69 with knots 5 persons apart, at .60 with 20, at
.54 with 40. As many for each person tell as much of a larger table; with a share that falls, one of
1,500 persons told .54 instead of .57, and its rows were more lifelike. 4 times the root told less,
but rows of a trial of 323 persons were less lifelike (C2ST .61 instead of .55).
"""
ERRORS_ABOVE, PERSONS_ABOVE = 3.0, 2.0
"""A heap has this many standard errors and persons more than the density around it."""
PASSES = 3
"""A large heap hides smaller ones near it from the first pass."""
PERSONS_A_DRAW, SHARE_A_DRAW = 5.0, 0.01
"""Ranks that one donor draws from: this many persons, or this share of all."""
POINTS_A_KNOT = 16
DENSE = 0.5
"""Between heaps that hold this share of the possible values, other values are possible too."""
CLEAR = 0.5 + 1e-6
"""Steps from a heap at which a number no longer rounds to it."""


@dataclass(frozen=True)
class Curve:
    """The learned distribution of a column's numbers.

    Attributes:
        heaps: values that are drawn exactly, ascending, float64 [k].
        heap_mass: share of the known rows at each heap beyond the density around it, [k].
        ranks: knots, 0 to 1 of the persons on the curve, ascending, float64 [m]; empty where all
            rows belong to heaps.
        values: of the curve at the knots, float64 [m]; they never fall.
        mass: share of the rows on the curve below each knot, by survey weights, float64 [m].
    """

    heaps: Floats
    heap_mass: Floats
    ranks: Floats
    values: Floats
    mass: Floats

    @cached_property
    def polygon(self) -> tuple[Floats, Floats]:
        """Ranks and values of a fine polygon on the spline."""
        from scipy.interpolate import PchipInterpolator  # takes a second to import

        part = np.arange(POINTS_A_KNOT) / POINTS_A_KNOT
        ranks = (self.ranks[:-1, None] + np.diff(self.ranks)[:, None] * part).ravel()
        ranks = np.append(ranks, self.ranks[-1])
        return ranks, np.maximum.accumulate(PchipInterpolator(self.ranks, self.values)(ranks))

    def at(self, ranks: Floats) -> Floats:
        """Return the values at ranks 0..1, float64 [n]."""
        return np.interp(ranks, *self.polygon)

    def even(self, first: Floats, last: Floats) -> tuple[Floats, Floats]:
        """Return intervals with the mean and spread of the curve between ranks, float64 [n] each.

        From end to end of the ranks, even draws would stretch a tail.
        """
        ranks, at = self.polygon
        least, most = float(at[0]), float(at[-1])
        unit = (most - least) or 1.0
        z, steps = (at - least) / unit, np.diff(ranks)
        a, b = z[:-1], z[1:]
        sums = np.append(0.0, np.cumsum(steps * (a + b) / 2.0))
        squares = np.append(0.0, np.cumsum(steps * (a * a + a * b + b * b) / 3.0))
        first, last = np.clip(first, 0.0, 1.0), np.clip(last, 0.0, 1.0)
        wide = np.maximum(last - first, 1e-12)
        mean, square = (
            (_integral(last, ranks, z, of, power) - _integral(first, ranks, z, of, power)) / wide
            for of, power in ((sums, 1), (squares, 2))
        )
        half = np.sqrt(3.0 * np.maximum(square - mean**2, 0.0))
        low, high = np.clip(mean - half, 0.0, 1.0), np.clip(mean + half, 0.0, 1.0)
        return least + unit * low, least + unit * high

    def rank_of(self, values: Floats, *, upto: bool) -> Floats:
        """Return the rank 0..1 where the curve reaches values, or up to which it has them, [n]."""
        ranks, at = self.polygon
        rises = np.diff(at) > 0
        rises = np.append(rises, True) if upto else np.append(True, rises)
        return np.interp(values, at[rises], ranks[rises])

    @property
    def ends(self) -> tuple[float, float]:
        """Smallest and largest value of the curve and the heaps."""
        both = np.concatenate([self.heaps, self.values])
        return (float(both.min()), float(both.max())) if both.size else (0.0, 0.0)

    def draw_inside(self, low: float, high: float, u: Floats) -> Floats | None:
        """Return values in a closed range, by u, uniform [n]; None where it holds no mass."""
        inside, masses, ends = self._masses(low, high)
        upto = np.cumsum(masses)
        if not upto[-1] > 0:
            return None
        at = np.minimum(np.searchsorted(upto, u * upto[-1], side="right"), masses.size - 1)
        values = np.append(inside, 0.0)[at]
        smooth = at == inside.size
        if smooth.any():
            share = (u[smooth] * upto[-1] - (upto[-1] - masses[-1])) / masses[-1]
            mass = ends[0] + share * (ends[1] - ends[0])
            values[smooth] = self.at(np.interp(mass, self.mass, self.ranks))
        return values

    def around(self, low: float, high: float, share: float) -> tuple[float, float]:
        """Return the ends of a range and of this share of the known rows on either side."""
        points = np.unique(np.append(self.heaps, self.polygon[1] if self.ranks.size else []))
        if not points.size:
            return low, high
        wanted = self._upto(np.array([low, high])) + np.array([-share, share])
        a, b = np.interp(wanted, self._upto(points), points)
        return min(float(a), low), max(float(b), high)

    def _upto(self, values: Floats) -> Floats:
        """Return the share of the known rows up to values, float64 [n]."""
        heaps = np.append(0.0, np.cumsum(self.heap_mass))
        out = heaps[np.searchsorted(self.heaps, values, side="right")]
        if self.ranks.size:
            ranks = self.rank_of(values, upto=True)
            out = out + self.loose * np.interp(ranks, self.ranks, self.mass)
        return out

    @property
    def loose(self) -> float:
        """Share of the known rows on the curve."""
        return 1.0 - float(self.heap_mass.sum())

    def _masses(self, low: float, high: float) -> tuple[Floats, Floats, Floats]:
        """Return the heaps in a range, their masses with that of the curve last, and its ends."""
        inside = (self.heaps >= low) & (self.heaps <= high)
        ends = np.zeros(2)
        if self.ranks.size:
            first, last = (
                self.rank_of(np.array([end]), upto=upto)
                for end, upto in ((low, False), (high, True))
            )
            ends = np.interp(np.append(first, last), self.ranks, self.mass)
            if low > self.values[-1] or high < self.values[0]:
                ends[:] = 0.0
        loose = self.loose * (ends[1] - ends[0])
        return self.heaps[inside], np.append(self.heap_mass[inside], max(loose, 0.0)), ends


@dataclass(frozen=True)
class Placed:
    """The rows of a column on its curve.

    Attributes:
        step: distance of neighboring values that the column can have; 0 for any.
        values: of the rows, float64 [n].
        is_exact: rows whose value is a heap, and those without a value, bool [n].
        low, high: interval that each row draws from as a donor, float64 [n].
        ascending: values of the persons on the curve.
    """

    curve: Curve
    step: float
    values: Floats
    is_exact: Booleans
    low: Floats
    high: Floats
    ascending: Floats

    def typical(self, values: Floats) -> Floats:
        """Return values of the column as they may be drawn: heaps, or the curve at their ranks."""
        if not self.curve.ranks.size:
            return self.curve.heaps[nearest(self.curve.heaps, values)]
        below = np.searchsorted(self.ascending, values, side="left")
        upto = np.searchsorted(self.ascending, values, side="right")
        smooth = self.curve.at((below + upto) / (2.0 * self.ascending.size))
        return np.where(np.isin(values, self.curve.heaps), values, smooth)

    def margin(self, rows: npt.NDArray[np.integer]) -> tuple[Floats, Floats]:
        """Return intervals of rows, sorted by value, that share out the curve; heaps are exact."""
        low, high = self.low[rows].copy(), self.high[rows].copy()
        loose = np.flatnonzero(~self.is_exact[rows])
        if not (loose.size and self.curve.ranks.size):
            return low, high
        values = self.values[rows][loose]
        begins = np.flatnonzero(np.append(True, np.diff(values) != 0))
        ties = np.diff(np.append(begins, values.size))
        first = np.searchsorted(self.ascending, values[begins], side="left")
        last = np.searchsorted(self.ascending, values[begins], side="right")
        n = float(self.ascending.size)
        ends = np.concatenate([[0.0], (last[:-1] + first[1:]) / 2.0, [n]])
        place = np.arange(values.size) - np.repeat(begins, ties)
        start = np.repeat(ends[:-1], ties) + np.repeat(np.diff(ends) / ties, ties) * place
        at = self.curve.at(np.append(start, n) / n)
        low[loose], high[loose] = _between(self.curve.heaps, values, at[:-1], at[1:], self.step)
        return low, high


def place_rows(
    values: Floats, step: float, persons: Ints | None = None, weights: Floats | None = None
) -> Placed:
    """Return the rows of a column, NaN where missing, on its curve.

    step: distance of neighboring values that the column can have; 0 for any. persons, weights: of
    each row; None where each row is its own person, or all weigh the same.
    """
    known = np.flatnonzero(~np.isnan(values))
    x, who = values[known], None if persons is None else persons[known]
    counted = np.ones(x.size) if weights is None or not weights[known].any() else weights[known]
    heaps, even, snaps = _heaps(x, step, who)
    place = nearest(heaps, x)
    is_heap = heaps[place] == x if heaps.size else np.zeros(x.size, np.bool_)
    u = np.random.default_rng(17).random(x.size if who is None else int(who.max(initial=0)) + 1)
    u = u if who is None else u[who]
    # The density around a heap goes on below it, so its curve has no dent there.
    on_curve = ~is_heap | (u < np.append(even, 0.0)[place])
    joins = ~is_heap & snaps
    if heaps.size and _persons(who, ~is_heap & ~joins) < MIN_PERSONS:
        joins = ~is_heap
        on_curve[is_heap] = False
    on_curve &= ~joins
    is_heap |= joins
    place[joins] = _nearest_given(heaps, x[joins])
    low, high = values.copy(), values.copy()
    is_exact = np.ones(values.size, np.bool_)
    is_exact[known] = is_heap
    if heaps.size:
        low[known[is_heap]] = high[known[is_heap]] = heaps[place[is_heap]]
    held = np.bincount(place[~on_curve], counted[~on_curve], heaps.size).astype(np.float64)
    mass = held / max(float(counted.sum()), 1e-300)
    none = np.empty(0)
    if not on_curve.any():
        return Placed(Curve(heaps, mass, none, none, none), step, values, is_exact, low, high, none)
    ascending, pairs, share = _by_value(x, who, counted, on_curve)
    a_person = rows_a_person(pairs)
    if weights is not None:
        a_person *= share.size / effective_rows(share)
    apart = a_person * max(PERSONS_A_KNOT, KNOT_ROOT * np.sqrt(ascending.size / a_person))
    block = None
    if heaps.size and snaps.any():  # of a scale, only ends are on the curve
        block = float(heaps[0] - CLEAR * step), float(heaps[-1] + CLEAR * step)
    knots = knots_of(ascending, share, apart, step, block)
    curve = Curve(heaps, mass, *knots)
    comb = None if block else comb_of(ascending, curve.at, a_person, step)
    curve = curve if comb is None else Curve(heaps, mass, *comb.bent(knots, curve.polygon))
    loose = known[~is_heap]
    low[loose], high[loose] = _intervals(curve, ascending, values[loose], a_person, step)
    return Placed(curve, step, values, is_exact, low, high, ascending)


def _integral(at: Floats, ranks: Floats, z: Floats, upto: Floats, power: int) -> Floats:
    """Return the integral of z, a polygon, or of its square up to ranks, float64 [n].

    upto: the integral up to each of its points.
    """
    place = np.clip(np.searchsorted(ranks, at, side="right") - 1, 0, ranks.size - 2)
    a, b = z[place], np.interp(at, ranks, z)
    mean = (a + b) / 2.0 if power == 1 else (a * a + a * b + b * b) / 3.0
    return upto[place] + (at - ranks[place]) * mean


def _heaps(x: Floats, step: float, who: Ints | None) -> tuple[Floats, Floats, Booleans]:
    """Return the heaps, which share of each is the density around it, and the rows of a nearest.

    The last are rows whose value is no heap, and that belong to the nearest one, bool [n].
    """
    none = np.zeros(x.size, np.bool_)
    distinct, inverse = np.unique(x, return_inverse=True)
    counts = persons_a_group(inverse.reshape(-1), who, distinct.size)
    often = counts >= MIN_PERSONS
    # More values of few persons than of many are no levels, but measurements beside heaps.
    if are_levels(counts) and often.sum() >= distinct.size / 2:
        heaps = distinct[often]
        held = counts[often].sum() >= SHARED * counts.sum()
        cells = (np.ptp(heaps) / step + 1.0) if step and heaps.size else np.inf
        if not (held and heaps.size):
            return heaps, np.zeros(heaps.size), none
        below, above = x < heaps[0], x > heaps[-1]
        if heaps.size >= DENSE * cells:
            ends = [side for side in (below, above) if _persons(who, side) >= MIN_PERSONS]
            return heaps, np.zeros(heaps.size), ~np.logical_or.reduce([none, *ends])
        return heaps, np.zeros(heaps.size), ~none
    stands = np.zeros(distinct.size, np.bool_)
    even = counts.astype(np.float64)
    for _ in range(PASSES):
        # A heap's own neighbors are measured by the density below it.
        even = _density(distinct, np.where(stands, np.minimum(even, counts), counts), step)
        stands = often & (counts > even + ERRORS_ABOVE * np.sqrt(even) + PERSONS_ABOVE)
    return distinct[stands], (even / counts)[stands], none


def _density(distinct: Floats, counts: Floats, step: float) -> Floats:
    """Return how many persons each value would have by the values around it, float64 [k]."""
    upto = np.append(0.0, np.cumsum(counts))
    half = PERSONS_A_KNOT // 2
    first = np.searchsorted(upto, np.maximum(upto[:-1] - half, 0), side="right") - 1
    last = np.searchsorted(upto, np.minimum(upto[1:] + half, upto[-1]), side="left")
    last = np.clip(last, 1, distinct.size)
    width = distinct[last - 1] - distinct[first]
    cells = np.maximum(np.round(width / step), 1.0) if step else np.inf
    return np.asarray((upto[last] - upto[first] - counts) / cells)


def nearest(ascending: Floats, x: Floats) -> Ints:
    """Return the place of the nearest of ascending numbers, int64 [n]; 0 without any."""
    return np.searchsorted((ascending[1:] + ascending[:-1]) / 2.0, x)


def _nearest_given(heaps: Floats, x: Floats) -> Ints:
    """Return the place of the nearest heap but 0, which often says that nothing was asked."""
    others = np.flatnonzero(heaps != 0)
    return others[nearest(heaps[others], x)] if others.size else nearest(heaps, x)


def _persons(who: Ints | None, chosen: Booleans) -> int:
    return int(chosen.sum()) if who is None else np.unique(who[chosen]).size


def _by_value(
    x: Floats, who: Ints | None, counted: Floats, chosen: Booleans
) -> tuple[Floats, Ints | None, Floats]:
    """Return values ascending, once a person; the persons; and the weight of each value."""
    if who is None:
        order = np.argsort(x[chosen], kind="stable")
        return x[chosen][order], None, counted[chosen][order]
    order = np.lexsort((who[chosen], x[chosen]))
    some, of = x[chosen][order], who[chosen][order]
    is_new = np.append(True, (np.diff(some) != 0) | (np.diff(of) != 0))
    weight = np.bincount(np.cumsum(is_new) - 1, counted[chosen][order]).astype(np.float64)
    return some[is_new], np.unique(of[is_new], return_inverse=True)[1].reshape(-1), weight


def _intervals(
    curve: Curve, ascending: Floats, values: Floats, a_person: float, step: float
) -> tuple[Floats, Floats]:
    """Return the interval that donors with these values draw from, float64 [n] each."""
    n = ascending.size
    first = np.searchsorted(ascending, values, side="left").astype(np.float64)
    last = np.searchsorted(ascending, values, side="right").astype(np.float64)
    least = PERSONS_A_DRAW * a_person
    more = np.maximum(max(least, SHARE_A_DRAW * n) - (last - first), 0.0) / 2.0
    low, high = curve.even((first - more) / n, (last + more) / n)
    return _between(curve.heaps, values, low, high, step)


def _between(
    heaps: Floats, values: Floats, low: Floats, high: Floats, step: float
) -> tuple[Floats, Floats]:
    """Return intervals around values that are no heap, cut at the heaps beside them."""
    if heaps.size:
        place = np.searchsorted(heaps, values)
        below = np.append(-np.inf, heaps + CLEAR * step)[place]
        above = np.append(heaps - CLEAR * step, np.inf)[place]
        low, high = np.clip(low, below, above), np.clip(high, below, above)
    return low, high
