"""Intervals, worth and verdicts of the shares of one answer in the cells of a segmentation.

Segments of a wave borrow from the same segment in other waves of a tracker: the wave is a grouping
of the pooling like any other column.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.special import ndtri

from simulacra_intake.survey_weights import Floats
from simulacra_schema.next_wave import MAX_CELLS
from simulacra_schema.questions.segments import SegmentColumn, wave_axis, waves_asked
from simulacra_schema.table import TableSchema
from simulacra_trainer.cell_keys import NOISE
from simulacra_trainer.segments.cells import Segmentation, segmentation
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
CLASSES = np.array([10.0, 20.0, 40.0, 80.0, 200.0])
MOST_GAIN_IN_WAVES = np.array([1.0, 1.5, 1.6, 2.0, 1.6, 1.3])
"""Worth over respondents that is said at most, under 10 respondents of the wave, 10 to 20, ...:
above it less was found than would be said (benchmarks/results/wave-segments.md)."""


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
    return p * (1.0 - p) / (p * (1.0 - p) + added)


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


def segmentation_of(
    table: pa.Table, schema: TableSchema, segment: Sequence[SegmentColumn]
) -> Segmentation:
    """Return the segmentation of a request; beside a wave, with the cells that are pooled.

    These are of the waves asked for, and of as many before as fit. Later ones are left out: what
    is said of a wave stays as it is when they come.
    """
    names = [part.column for part in segment]
    cells = segmentation(table, schema, names)
    wave = wave_axis(names, schema)
    if wave is None:
        return cells
    asked = waves_asked(segment[wave], schema)
    of_a_wave = cells.size // len(cells.levels[wave])
    first = min(asked.start, max(asked.stop - MAX_CELLS // of_a_wave, 0))
    of = cells.groups[wave]
    return replace(cells, wave=wave, pooled=np.flatnonzero((of >= first) & (of < asked.stop)))


def certify_pooled(
    successes: Floats, respondents: Floats, cells: Segmentation, intervals: int
) -> CertifiedShares:
    """Return the certified shares of an answer, nan in cells that are not pooled.

    successes, respondents: effective ones, float64 [cells]; intervals: as in `certify`.
    """
    at, groups = pooling(cells)
    if cells.pooled is None:
        return certify(successes, respondents, groups, intervals, NOISE)
    most = MOST_GAIN_IN_WAVES[np.searchsorted(CLASSES, respondents[at], side="right")]
    found = certify(successes[at], respondents[at], groups, intervals, NOISE, most)
    spread: dict[str, Any] = {}
    for field in fields(found):
        values = getattr(found, field.name)
        spread[field.name] = np.full(cells.size, np.nan if values.dtype == float else False)
        spread[field.name][at] = values
    return CertifiedShares(**spread)


def pooling(cells: Segmentation) -> tuple[Indices, Sequence[Indices]]:
    """Return the cells that are pooled, and of each their segment and wave, or their levels.

    Two columns beside a wave are one grouping: as two, they gained no more and took four times as
    long.
    """
    if cells.pooled is None or cells.wave is None:
        return np.arange(cells.size), cells.groups
    others = [of for axis, of in enumerate(cells.groups) if axis != cells.wave]
    segment = np.ravel_multi_index(others, [int(of.max()) + 1 for of in others])
    return cells.pooled, [segment[cells.pooled], cells.groups[cells.wave][cells.pooled]]


def helped(found: CertifiedShares, cells: Segmentation, at: int) -> float | None:
    """Return how many respondents of other waves helped the share of a cell; None if none did."""
    if cells.pooled is None or not found.pooled[at]:
        return None
    positions, (segment, _) = pooling(cells)
    rest = positions[(segment == segment[positions == at]) & (positions != at)]
    return float(found.respondents[rest].sum()) or None
