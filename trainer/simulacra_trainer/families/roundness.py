"""How round the numbers of a column are: shares of whole ones, of tens, of thousands.

People state incomes in thousands and some to the cent. One cell with seven decimals says nothing
about the others, so each drawn number is rounded to a grid that is chosen by the shares of the real
ones near its size. Heaps (`curve`) are drawn exactly and do not count here.

Grids are nested (1, 5, 10, 50, ...). A number rounded to tens is a multiple of hundreds in one of
ten cases, so the shares of multiples are solved for the shares of grids, from the finest on.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from simulacra_intake.arrow_values import GOLDEN, mixed_bits
from simulacra_intake.rows_of_persons import Ints

Floats = npt.NDArray[np.float64]
FINEST = 6
"""Decimals of the finest grid of numbers that have any."""
MAX_GRIDS = 40
MIN_LOOSE, BAND_ROWS, MAX_BANDS = 12, 100, 8
"""Roundness follows size: shares are counted in bands of BAND_ROWS numbers and more."""
MAX_LOOSE = 20_000
LAST_BITS = 16
"""Units in the last place by which a multiple may differ after arithmetic."""
SURE_ROWS, SURE_ERRORS = 10, 4.0
"""A grid counts where this many more rows, and standard errors, lie on it than by chance."""


@dataclass(frozen=True)
class Roundness:
    """Shares of the grids of a column's loose numbers.

    Attributes:
        heaps: values that are drawn exactly, ascending; only they are rounded to a heap.
        ends: between the bands of sizes, ascending, float64 [bands - 1].
        steps: of the grids, ascending, float64 [grids]; 0 for numbers of any decimals.
        upto: share of the numbers on this or a finer grid, float64 [bands, grids].
    """

    heaps: Floats
    ends: Floats
    steps: Floats
    upto: Floats

    def rounded(self, values: Floats, low: float, high: float) -> Floats:
        """Return numbers on their grids, float64 [n]; one that leaves the range stays as it is."""
        loose = np.flatnonzero(~np.isin(values, self.heaps) & ~np.isnan(values))
        out = values.copy()
        if not loose.size:
            return out
        some = values[loose]
        band = np.searchsorted(self.ends, np.abs(some), side="right")
        grid = (self.upto[band, :-1] <= _evenly(some)[:, None]).sum(axis=1)
        for k in range(self.steps.size - 1, -1, -1):
            at = np.flatnonzero(grid == k)
            if not (at.size and self.steps[k]):
                continue
            some[at], left = self._beside_heaps(some[at], self.steps[k], low, high)
            grid[at[left]] = self._finer[band[at[left]], k]
        out[loose] = some
        return out

    @cached_property
    def _finer(self) -> Ints:
        """The next finer grid that numbers of a band are on, int64 [bands, grids]; -1 for none."""
        used = np.diff(self.upto, axis=1, prepend=0.0) > 0
        finest = np.maximum.accumulate(np.where(used, np.arange(self.steps.size), -1), axis=1)
        return np.hstack([np.full((used.shape[0], 1), -1), finest[:, :-1]])

    def _beside_heaps(
        self, values: Floats, step: float, low: float, high: float
    ) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Return numbers on a grid beside the heaps, whose persons they are not of.

        Also which stay as they are, as all places near are heaps or out of range.
        """
        near = _on_grid(values, step)
        away = np.where(values < near, -step, step)
        out, left = values.copy(), np.ones(values.size, np.bool_)
        for steps in (0, 1, -1, 2, -2):
            found = _on_grid(near + steps * away, step)
            fits = (found >= low) & (found <= high) & (found != 0) & ~np.isin(found, self.heaps)
            out[left & fits] = found[left & fits]
            left &= ~fits
        return out, left


def roundness_of(known: Floats, heaps: Floats, decimals: int | None) -> Roundness | None:
    """Return the roundness of a column; None where rounding to its decimals is all there is.

    known: without missing ones; heaps: values that are drawn exactly, ascending.
    """
    loose = np.sort(known[~np.isin(known, heaps) & (known != 0)])
    loose = loose[:: -(-loose.size // MAX_LOOSE) or 1]
    if loose.size < MIN_LOOSE:
        return None
    steps = _steps(float(np.abs(loose).max()), decimals)
    size = np.sort(np.abs(loose))
    bands = min(max(loose.size // BAND_ROWS, 1), MAX_BANDS)
    ends = np.unique(size[(np.arange(1, bands) * size.size) // bands])
    band = np.searchsorted(ends, np.abs(loose), side="right")
    shares = np.stack([_shares(loose[band == b], steps) for b in range(ends.size + 1)])
    if (shares[:, 0] == 1).all():
        return None
    return Roundness(heaps, ends, steps, np.cumsum(shares, axis=1))


def _steps(largest: float, decimals: int | None) -> Floats:
    """Return the steps of the grids, the finest first."""
    finest = FINEST if decimals is None else decimals
    powers = np.arange(-finest, max(int(np.floor(np.log10(largest))), -finest) + 1)
    ladder = [factor * 10.0 ** int(power) for power in powers for factor in (1, 5)]
    free = [0.0] if decimals is None else []
    return np.array([*free, *ladder[:MAX_GRIDS]])


def _shares(loose: Floats, steps: Floats) -> Floats:
    """Return the share of numbers rounded to each grid, float64 [grids]."""
    out = np.zeros(steps.size)
    if not loose.size:
        out[0] = 1.0
        return out
    multiples = np.array([_are_multiples(loose, step).mean() if step else 1.0 for step in steps])
    left = 1.0
    for k in range(steps.size):
        # What coarser grids would have if all numbers left were rounded to this one.
        by_chance = out[:k] @ steps[:k] / steps[k + 1 :, None].T if k else 0.0
        by_chance = np.ravel(by_chance) + left * steps[k] / steps[k + 1 :]
        expected = np.clip(by_chance, 0.0, 1.0) * loose.size
        error = np.sqrt(expected * (1 - expected / loose.size))
        excess = multiples[k + 1 :] * loose.size - expected
        if not (excess > np.maximum(SURE_ROWS, SURE_ERRORS * error)).any():
            out[k] = left
            break
        ratio = steps[k] / steps[k + 1]
        finer = float(out[:k] @ steps[:k]) / steps[k + 1]
        out[k] = np.clip((left + finer - multiples[k + 1]) / (1 - ratio), 0.0, left)
        left -= out[k]
    return out / out.sum()


def _are_multiples(values: Floats, step: float) -> npt.NDArray[np.bool_]:
    away = np.abs(values - _on_grid(values, step))
    return np.asarray(away <= LAST_BITS * np.spacing(np.abs(values)))


def _on_grid(values: Floats, step: float) -> Floats:
    decimals = max(-int(np.floor(np.log10(step) + 1e-9)), 0)
    return np.asarray(np.round(np.round(values / step) * step, decimals))


def _evenly(values: Floats) -> Floats:
    """Return a number in 0..1 for each value, which its last bits decide (SplitMix64)."""
    with np.errstate(over="ignore"):
        bits = mixed_bits(np.ascontiguousarray(values).view(np.uint64) + GOLDEN)
    return np.asarray((bits >> np.uint64(11)) * 2.0**-53)
