"""The effect in each segment: the levels of a column, or the quartiles of a number.

The intervals hold for all segments together (max-t): their half-width is the 95 % quantile of the
largest |t| over the segments, drawn by Gaussian multipliers of the influence values (Chernozhukov,
Chetverikov & Kato, Annals of Statistics, 2013). Small segments get Student's quantile of the same
level. Where several adjustment sets are left open, an interval is the union over them: if any of
the sets is right, it holds for all segments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.arrow_values import as_floats
from simulacra_intake.rows_of_persons import Ints
from simulacra_schema.answers import SegmentDifference, SegmentEffect
from simulacra_trainer.effects.answered import People
from simulacra_trainer.effects.models.blocks import around, in_blocks
from simulacra_trainer.effects.models.contrast import Flags
from simulacra_trainer.effects.models.features import Floats, level_positions, levels_of
from simulacra_trainer.effects.scores import (
    Part,
    Scores,
    combine,
    part_of,
    summarize,
    units_worth,
)
from simulacra_trainer.effects.simultaneous import critical_value, student_width
from simulacra_trainer.evidence import coarse, coarse_share, two_digits

MIN_EFFECTIVE = 20.0
"""Effective persons of the smaller arm, below which a segment is named but not shown."""
THIN_EFFECTIVE = 50.0
"""Effective persons of the smaller arm, below which a segment has thin support."""
MAX_SEGMENTS = 50
"""Largest segments that are estimated; the others are named."""
SEGMENT_BANDS = 4


@dataclass(frozen=True)
class Segments:
    """Effects in the largest segments with enough persons, and the names of all others."""

    effects: list[SegmentEffect]
    unshown: list[str]


@dataclass(frozen=True)
class _Segment:
    level: str
    rows: Flags
    effective: float


def segment_effects(
    table: pa.Table,
    name: str,
    sets: Sequence[Sequence[Scores]],
    persons: Ints | None,
    people: People | None = None,
    *,
    reverses: bool,
    seed: int,
) -> Segments:
    """Return the effect of each segment, and how it differs from that of the first one shown.

    Args:
        table: the rows of the contrast.
        name: column of the segments.
        sets: the cross-fits of each adjustment set left open, the main one first.
        persons: of each row, int64 [n]; None where each row is its own person.
        people: whom the answer is for; None for all rows.
        reverses: whether an effect of 0 is left open, because the outcome may come first.
        seed: of the multipliers.
    """
    largest, others = _segment_rows(table, name, persons)
    found = [_Segment(level, rows, units_worth(sets[0], rows)) for level, rows in largest]
    shown = [one for one in found if one.effective >= MIN_EFFECTIVE]
    unshown = [one.level for one in found if one.effective < MIN_EFFECTIVE] + others
    if not shown:
        return Segments([], unshown)
    rng = np.random.default_rng([seed, 19])
    parts = [[[part_of(run, one.rows) for run in runs] for one in shown] for runs in sets]
    gaps = [[_minus(runs, of_set[0]) for runs in of_set[1:]] for of_set in parts]
    effective = [one.effective for one in shown]
    smaller = [min(effective[0], own) for own in effective[1:]]
    shifts = sets[0][0].shifts
    spans = _union(parts, effective, reverses, rng, shifts)
    differences = [
        SegmentDifference(effect=effect, low=low, high=high)
        for effect, low, high in _union(gaps, smaller, reverses, rng, shifts)
    ]
    described = zip(shown, spans, [None, *differences], strict=True)
    effects = [_described(one, span, gap, sets[0], people) for one, span, gap in described]
    return Segments(effects, unshown)


def _described(
    one: _Segment,
    span: tuple[float, float, float],
    difference: SegmentDifference | None,
    runs: Sequence[Scores],
    people: People | None,
) -> SegmentEffect:
    effect, low, high = span
    found = summarize(runs, one.rows)
    support, asked = 1.0, float(one.rows.sum())
    if people is not None:
        inside = one.rows & people.asked
        survey = np.ones(inside.size) if runs[0].weights is None else runs[0].weights
        asked, weights = float(inside.sum()), survey * inside
        support = float(weights @ people.has_counterparts) / max(float(weights.sum()), 1e-300)
    return SegmentEffect(
        level=one.level,
        effect=effect,
        low=low,
        high=high,
        rows=int(two_digits(found.rows)),
        support=coarse_share(support, asked),
        effective_rows=two_digits(one.effective),
        thin_support=one.effective < THIN_EFFECTIVE,
        difference=difference,
    )


def _union(
    parts: Sequence[Sequence[Sequence[Part]]],
    effective: Sequence[float],
    reverses: bool,
    rng: np.random.Generator,
    shifts: Floats | None,
) -> list[tuple[float, float, float]]:
    """Return effect, low and high of each segment; parts by adjustment set, segment, cross-fit."""
    if not effective:
        return []
    lows, highs = [], []
    for of_set in parts:
        critical = critical_value([runs[0].influence for runs in of_set], rng)
        width = student_width(critical, np.array(effective), shifts)
        found = np.array([combine(runs) for runs in of_set])
        lows.append(found[:, 0] - width * found[:, 1])
        highs.append(found[:, 0] + width * found[:, 1])
    low, high = np.min(lows, axis=0), np.max(highs, axis=0)
    if reverses:
        low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
    main = [combine(runs) for runs in parts[0]]
    return [
        (coarse(effect, error), coarse(float(a), error), coarse(float(b), error))
        for (effect, error), a, b in zip(main, low, high, strict=True)
    ]


def _minus(runs: Sequence[Part], first: Sequence[Part]) -> list[Part]:
    return [run.minus(other) for run, other in zip(runs, first, strict=True)]


def _segment_rows(
    table: pa.Table, name: str, persons: Ints | None
) -> tuple[list[tuple[str, Flags]], list[str]]:
    """Return the largest segments with their rows, and the names of the others that have rows."""
    if pa.types.is_dictionary(table.column(name).type):
        positions = level_positions(table, name)
        counts = np.bincount(positions[positions >= 0], minlength=1)
        levels = levels_of(table, name)
        by_size = [int(at) for at in np.argsort(-counts, kind="stable") if counts[at]]
        largest = [(levels[at], positions == at) for at in by_size[:MAX_SEGMENTS]]
        return largest, [levels[at] for at in by_size[MAX_SEGMENTS:]]
    return [*_bands(table, name, persons)], []


def _bands(table: pa.Table, name: str, persons: Ints | None) -> Iterator[tuple[str, Flags]]:
    """Yield the quartiles of a number with their rows."""
    values = as_floats(table.column(name))
    blocks = in_blocks(values, persons)
    known = blocks[~np.isnan(blocks)]
    shares = np.arange(1, SEGMENT_BANDS) / SEGMENT_BANDS
    edges = np.unique(np.quantile(known, shares)) if known.size else known
    band = np.where(np.isnan(values), -1, np.searchsorted(edges, blocks, side="left"))
    for k in range(edges.size + 1):
        rows = band == k
        if rows.any():
            who = None if persons is None else persons[rows]
            yield _band_name(table, name, values[rows], who), rows


def _band_name(
    table: pa.Table, name: str, values: npt.NDArray[np.float64], persons: Ints | None
) -> str:
    low, high = (around(values, end, persons) for end in (0.0, 1.0))
    if pa.types.is_timestamp(table.column(name).type):
        days = [str(np.datetime64(int(v), "us").astype("datetime64[D]")) for v in (low, high)]
        return f"{days[0]} to {days[1]}"
    return f"{low:.6g} to {high:.6g}"
