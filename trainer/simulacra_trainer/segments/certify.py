"""Intervals, worth and verdicts of the shares of one answer in the cells of a segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from simulacra_intake.survey_weights import Floats
from simulacra_trainer.segments.pooling import Indices, pool_shares

FEW = 5.0
"""Below this many respondents, neither they nor what they said are shown, nor called boosted."""
OWN = 10.0
"""Below this many, what they said alone is not shown: noise would be a third of its interval."""
FEW_WORTH = 1.0
"""Respondents that the few are worth at most, whatever their number."""
BOOSTED = 1.5
SLIGHTLY = 1.1
"""Worth over respondents from which a verdict holds."""
SHORT = 20.0
WIDENING = 1.15
"""One-way intervals under SHORT respondents are this much too short (methods-worth.md)."""
MOST_GAIN = {1: 2.5, 2: 5.0}
"""Worth over respondents that is said at most, by questions of the segmentation: above it less was
found than would be said (methods-worth.md)."""


@dataclass(frozen=True)
class CertifiedShares:
    """The share of one answer in each cell; all arrays [cells].

    Attributes:
        respondents: effective number.
        share, low, high: certified share and its interval, 0..1.
        worth: respondents of a simple survey that would know the share as well, judged with spreads
            as large as the data allow.
        gain: worth over respondents; 1 where they are no better or few.
        pooled: whether the figures are pooled; else they are the respondents' own.
        told: respondents less what the noise of the counts takes away.
        own_share, own_low, own_high: of the respondents alone (Wilson, 1927); nan below OWN, and
            where fewer than FEW gave the answer or another.
    """

    respondents: Floats
    share: Floats
    low: Floats
    high: Floats
    worth: Floats
    gain: Floats
    pooled: npt.NDArray[np.bool_]
    told: Floats
    own_share: Floats
    own_low: Floats
    own_high: Floats


def certify(
    successes: Floats,
    respondents: Floats,
    groups: Sequence[Indices],
    intervals: int = 1,
    noise: float = 0.0,
    most_gain: float | Floats | None = None,
) -> CertifiedShares:
    """Certify the share of an answer in each cell of a segmentation.

    Args:
        successes: effective respondents of each cell who gave the answer, float64 [cells].
        respondents: effective respondents of each cell, float64 [cells].
        groups: of each question of the segmentation, the level of each cell.
        intervals: how many intervals hold together with 95 % (Bonferroni).
        noise: standard deviation of the noise of the counts, which widens the intervals.
        most_gain: worth over respondents that is said at most; MOST_GAIN if not given.
    """
    z = float(ndtri(1.0 - 0.025 / intervals))
    few = respondents < FEW
    # Of few who gave the answer, or another, the number is not known (`few_counts`).
    rare, usual = successes < FEW, respondents - successes < FEW
    kept = kept_share(successes, respondents, noise)
    own_share = np.divide(
        successes, respondents, out=np.full(successes.size, np.nan), where=respondents > 0
    )
    own_low, own_high = wilson(own_share, kept * respondents, z)
    posterior = pool_shares(kept * successes, kept * respondents, groups)
    short = np.where((respondents < SHORT) & (len(groups) == 1), WIDENING, 1.0)
    low, high = posterior.interval(z * short)
    # For the few, one end is open in any case: else it would tell what each of them said.
    mostly = posterior.share > 0.5
    low = np.where(np.where(few, ~mostly, rare), 0.0, low)
    high = np.where(np.where(few, mostly, usual), 1.0, high)
    binomial = posterior.share * (1.0 - posterior.share)
    known = binomial / (posterior.cautious * short) ** 2
    most_gain = MOST_GAIN[len(groups)] if most_gain is None else most_gain
    gain = np.minimum(known / np.maximum(respondents, 1e-9), most_gain)
    worth = np.where(few, np.minimum(known, FEW_WORTH), gain * respondents)
    better = (gain >= SLIGHTLY) & (high - low < own_high - own_low)
    alone = (respondents < OWN) | rare | usual
    pooled = alone | better
    return CertifiedShares(
        respondents=respondents,
        share=np.where(pooled, posterior.share, own_share),
        low=np.where(pooled, low, own_low),
        high=np.where(pooled, high, own_high),
        worth=np.where(few | better, worth, kept * respondents),
        gain=np.where(better & ~few, gain, 1.0),
        pooled=pooled,
        told=kept * respondents,
        own_share=np.where(alone, np.nan, own_share),
        own_low=np.where(alone, np.nan, own_low),
        own_high=np.where(alone, np.nan, own_high),
    )


def kept_share(successes: Floats, respondents: Floats, noise: float) -> Floats:
    """Return the share of the respondents that noise of the counts leaves, float64 [cells].

    Noise adds (1 + p^2) noise^2 / n^2 to the variance p (1 - p) / n of a share p. For p stands
    (successes + 2) / (respondents + 4), as in the interval of Agresti & Coull (1998).
    """
    p = (successes + 2.0) / (respondents + 4.0)
    added = noise**2 * (1.0 + p**2) / np.maximum(respondents, 1e-9)
    kept: Floats = p * (1.0 - p) / (p * (1.0 - p) + added)
    return kept


def wilson(share: Floats, respondents: Floats, z: float) -> tuple[Floats, Floats]:
    """Return Wilson's score interval (1927), float64 [cells]."""
    count = np.maximum(respondents, 1e-9)
    known = np.nan_to_num(share, nan=0.5)
    scale = 1.0 + z * z / count
    center = (known + z * z / (2.0 * count)) / scale
    reach = z * np.sqrt(known * (1.0 - known) / count + z * z / (4.0 * count**2)) / scale
    # Exactly 0 and 1 where nobody and everybody said it, whatever the rounding.
    low = np.where(known <= 0.0, 0.0, np.maximum(center - reach, 0.0))
    return low, np.where(known >= 1.0, 1.0, np.minimum(center + reach, 1.0))
