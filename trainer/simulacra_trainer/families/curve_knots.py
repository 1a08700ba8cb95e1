"""The knots of a column's curve: means of persons, jumps of the density, and tails (`curve`)."""

import itertools

import numpy as np
import numpy.typing as npt
from scipy.special import boxcox

from simulacra_intake.rows_of_persons import MIN_PERSONS

Floats = npt.NDArray[np.float64]
LEAST_ON_CURVE = 12
"""Fewer persons are drawn evenly, with their mean and spread."""
MOST_OF_MEAN = 12.0
"""One person stretches a tail no further than this many times the mean of the others."""
TAIL = np.array([0.25, 0.5, 0.7, 0.85, 0.93, 0.97, 0.99, 1.0])
"""Shares of the last persons at which a tail has knots."""
LEAST_SPREAD = 0.25
"""Spread of distances by their mean; less is a pile at the end."""
JUMP = 10.0
"""Ratio of the densities on both sides of a jump; that of even values differs by a third."""
BESIDE = 0.25
"""Persons between a jump and the knots beside it."""


def knots_of(
    x: Floats, weight: Floats, apart: float, step: float, block: tuple[float, float] | None = None
) -> tuple[Floats, Floats, Floats]:
    """Return the ranks, values and masses of the knots of values x, ascending.

    weight: of each value; apart: values from knot to knot; step: as in `curve.place_rows`; block:
    no values are between its ends.
    """
    n = x.size
    middle = 0 if block is None else int(np.searchsorted(x, block[0], side="right"))
    cuts = sorted({0, middle, *_jumps(x, int(apart), step), n})
    parts = [_part(x[a:b], apart, step) for a, b in itertools.pairwise(cuts)]
    knots = np.concatenate(
        [
            np.interp(a + part[0], [a, b], [a + BESIDE * (a > 0), b - BESIDE * (b < n)])
            for part, (a, b) in zip(parts, itertools.pairwise(cuts), strict=True)
        ]
    )
    at = np.concatenate([part[1] for part in parts])
    inner = np.concatenate([cut + part[2] for cut, part in zip(cuts, parts, strict=False)])
    if block is not None:
        at = np.where(knots < middle, np.minimum(at, block[0]), np.maximum(at, block[1]))
    # Zero is a bound, and so is an end that five persons have.
    least, most = (0.0 if x[0] >= 0 else -np.inf), (0.0 if x[-1] <= 0 else np.inf)
    if n >= MIN_PERSONS and x[MIN_PERSONS - 1] == x[0]:
        least = x[0]
    if n >= MIN_PERSONS and x[-MIN_PERSONS] == x[-1]:
        most = x[-1]
    at = np.maximum.accumulate(np.clip(at, least, most))
    rises = np.append(np.diff(knots) > 0, True)
    knots, at = knots[rises], at[rises]
    base = np.unique(np.concatenate([cuts, inner]).astype(np.float64))
    upto = np.interp(base, np.arange(n + 1), np.append(0.0, np.cumsum(weight)))
    total = max(float(upto[-1]), 1e-300)
    return knots / n, at, np.interp(knots, base, upto / total)


def _jumps(x: Floats, apart: int, step: float) -> list[int]:
    """Return the ranks at which the density of values jumps, ascending.

    Half as many persons as lie between knots are `JUMP` times closer together on one side. A curve
    that is smooth there would put persons of either side between them.
    """
    half = max(apart // 2, MIN_PERSONS)
    if x.size < 4 * half:
        return []
    at = np.arange(2 * half, x.size - 2 * half + 1)
    before = x[at - 1] - x[at - half]
    after = x[at + half - 1] - x[at]
    gap = x[at] - x[at - 1]
    wide, close = np.maximum(before, after) + gap, np.minimum(before, after)
    ratio = wide / np.maximum(close + 2.0 * step, 1e-9 * np.ptp(x) + 1e-300)
    found: list[int] = []
    for place in np.argsort(-ratio, kind="stable"):
        if ratio[place] < JUMP:
            break
        if all(abs(int(at[place]) - other) >= 2 * half for other in found):
            found.append(int(at[place]))
    return sorted(found)


def _part(x: Floats, apart: float, step: float) -> tuple[Floats, Floats, Floats]:
    """Return the ranks and values of knots of values without jumps, and the ranks of inner ones."""
    n = x.size
    if n < LEAST_ON_CURVE:
        half = max(float(x.std()) * np.sqrt(3.0), step)
        return np.array([0.0, float(n)]), x.mean() + np.array([-half, half]), np.empty(0)
    inner = np.linspace(0.0, n, max(int(n / apart), 2) + 1)[1:-1]
    reach = max(int(apart) // 4, 3)
    middle = np.array([x[max(int(r) - reach, 0) : int(r) + reach].mean() for r in inner])
    middle = np.maximum.accumulate(middle)
    u, down = _tail(np.maximum(middle[0] - x[: int(inner[0])], 0.0))
    v, up = _tail(np.maximum(x[int(inner[-1]) :] - middle[-1], 0.0))
    right = inner[-1] + (n - inner[-1]) * v
    knots = np.concatenate([inner[0] * (1.0 - u[::-1]), inner, right])
    return knots, np.concatenate([middle[0] - down[::-1], middle, middle[-1] + up]), inner


def _tail(beyond: Floats) -> tuple[Floats, Floats]:
    """Return quantiles of a generalized Pareto law of distances, as shares and values.

    Its mean and spread are those of the distances (moments; Hosking & Wallis, 1987): even to a
    bound, falling to one, exponential or heavy, as tails beyond a value are (Pickands, 1975). The
    five largest count no more than `MOST_OF_MEAN` times the mean of the others.
    """
    x = np.sort(beyond)
    if x.size > 5 and (most := MOST_OF_MEAN * x[:-4].mean()) > 0:
        x = np.minimum(x, most)
    mean = float(x.mean())
    if mean <= 0:
        return np.array([1.0]), np.array([0.0])
    spread = max(float(x.std()) / mean, LEAST_SPREAD)
    shape = (1.0 - 1.0 / spread**2) / 2.0
    # The end is where the largest of these distances is expected.
    top = 1.0 - 1.0 / (2.0 * x.size)
    even = (np.arange(400) + 0.5) / 400
    return TAIL, mean * _pareto(TAIL * top, shape) / _pareto(even * top, shape).mean()


def _pareto(shares: Floats, shape: float) -> Floats:
    """Return quantiles of the generalized Pareto law with scale 1."""
    return boxcox(1.0 - shares, -shape) * -1.0
