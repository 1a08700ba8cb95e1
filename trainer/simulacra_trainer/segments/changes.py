"""Whether a segment moved since the wave before: tests that learn a direction from other segments.

The p-values are those of Hoff ("Smaller p-values via indirect information", JASA, 2022): what moved
among the others most likely moved here, the same way, so the test spends its 5 % on that side. They
are exact whatever the others did, as nothing of the segment itself decides the side. Where persons
of several segments share sampling points that fails, and the usual two-sided test is taken. The
pooled shares are never tested: pooling shrinks changes.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import ndtr, ndtri

from simulacra_intake.survey_weights import Floats
from simulacra_schema.segment_shares import SegmentChange
from simulacra_trainer.segments.answers import Answer
from simulacra_trainer.segments.cells import Segmentation
from simulacra_trainer.segments.certify import CertifiedShares, wilson
from simulacra_trainer.segments.pooling import Indices
from simulacra_trainer.waves.moves import ALARM, words_of

LEAST_SPREAD = 0.02
"""Standard deviation of the changes of segments, at least."""


def changes(
    cells: Segmentation,
    found: Mapping[Answer, CertifiedShares],
    listed: Sequence[int],
    *,
    are_apart: bool,
) -> dict[tuple[int, Answer], SegmentChange]:
    """Return what moved since the wave before in the cells and answers where it can be told.

    Args:
        cells: with a wave, or nothing is returned.
        found: certified shares of each answer.
        listed: the cells that are asked for; verdicts and intervals hold for all together.
        are_apart: whether persons were drawn one by one, so that segments err independently.
    """
    if cells.wave is None:
        return {}
    waves, levels = cells.groups[cells.wave], cells.levels[cells.wave]
    position = np.arange(cells.size).reshape([len(known) for known in cells.levels])
    # Cell of the same segment in the wave before; -1 in the first wave.
    before = np.where(waves == 0, -1, np.roll(position, 1, axis=cells.wave).ravel())
    p = {answer: _p_values(shares, waves, before, are_apart) for answer, shares in found.items()}
    # Of two answers the last stands for both: their tests are the same.
    same = {answer: [one for one in found if one[1] == answer[1]] for answer in found}
    stands = {answer: of[-1] if len(of) == 2 else answer for answer, of in same.items()}
    told = [
        (at, answer)
        for answer in found
        for at in listed
        if not np.isnan(p[answer][at] + p[stands[answer]][at])
    ]
    tests = [*dict.fromkeys((at, stands[answer]) for at, answer in told)]
    if not tests:
        return {}
    words = dict(zip(tests, words_of(np.array([p[of][at] for at, of in tests])), strict=True))
    z = float(ndtri(1.0 - ALARM / 2.0 / len(tests)))
    moved = {}
    for at, answer in told:
        change, low, high = _interval(found[answer], at, int(before[at]), z)
        moved[at, answer] = SegmentChange(
            since=levels[int(waves[at]) - 1],
            change=change,
            low=low,
            high=high,
            certified=float(found[answer].share[at] - found[answer].share[before[at]]),
            verdict=words[at, stands[answer]],
        )
    return moved


def change_and_error(shares: CertifiedShares, now: Indices, then: Indices) -> tuple[Floats, Floats]:
    """Return what respondents of cells answered less those of others, and its error under none."""
    told, share = shares.told, shares.own_share
    both = told[now] + told[then]
    pooled = (told[now] * share[now] + told[then] * share[then] + 1.0) / (both + 2.0)
    error = np.sqrt(pooled * (1.0 - pooled) * (1.0 / told[now] + 1.0 / told[then]))
    return share[now] - share[then], error


def two_sided(change: Floats, error: Floats) -> Floats:
    """Return the usual p-value of each change, float64 [k]."""
    return 2.0 * ndtr(-np.abs(change / error))


def fab_p_values(change: Floats, error: Floats) -> Floats:
    """Return the p-value of each segment's change, float64 [k].

    Two-sided with fewer than three segments; else with the direction of the others: the mean and
    the spread of their changes (DerSimonian & Laird, 1986).

    change: of each segment, float64 [k]; error: its standard error if nothing moved, float64 [k].
    """
    z = change / error
    if z.size < 3:
        return two_sided(change, error)
    found = np.empty(z.size)
    for at in range(z.size):
        others = np.arange(z.size) != at
        d, variance = change[others], error[others] ** 2
        w = 1.0 / variance
        away = float(np.sum(w * (d - np.average(d, weights=w)) ** 2))
        between = (away - (d.size - 1)) / (w.sum() - np.sum(w**2) / w.sum())
        # Not less than a quarter of what is unsure of their mean: few segments show no spread.
        between = max(between, 0.25 / w.sum(), LEAST_SPREAD**2)
        u = 1.0 / (variance + between)
        mean, spread = np.average(d, weights=u), between + 1.0 / u.sum()
        shift = 2.0 * mean * error[at] / spread
        found[at] = 1.0 - abs(ndtr(z[at] + shift) - ndtr(-z[at]))
    return found


def _p_values(shares: CertifiedShares, waves: Indices, before: Indices, are_apart: bool) -> Floats:
    """Return the p-value of each cell's change, float64 [cells]; nan where it is not told."""
    p = np.full(waves.size, np.nan)
    share = shares.own_share
    is_told = (before >= 0) & ~np.isnan(share) & ~np.isnan(share[before])
    for wave in np.unique(waves[is_told]):
        now = np.flatnonzero(is_told & (waves == wave))
        change, error = change_and_error(shares, now, before[now])
        test = fab_p_values if are_apart else two_sided
        p[now] = test(change, error)
    return p


def _interval(
    shares: CertifiedShares, at: int, before: int, z: float
) -> tuple[float, float, float]:
    """Return a change and the ends of its interval (Newcombe's hybrid score, 1998)."""
    pair = np.array([at, before])
    (now, then), told = shares.own_share[pair], shares.told[pair]
    low, high = wilson(shares.own_share[pair], told, z)
    down = np.hypot(now - low[0], high[1] - then)
    up = np.hypot(high[0] - now, then - low[1])
    return float(now - then), float(now - then - down), float(now - then + up)
