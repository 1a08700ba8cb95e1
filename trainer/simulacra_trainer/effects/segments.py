"""The effect in each segment: the groups of one or two columns, numbers cut at quantiles.

The intervals hold for all segments together (max-t): their half-width is the 95 % quantile of the
largest |t| over the segments, drawn by Gaussian multipliers of the influence values (Chernozhukov,
Chetverikov & Kato, Annals of Statistics, 2013; of effects given columns: Semenova & Chernozhukov,
Econometrics Journal, 2021). Small segments get Student's quantile of the same level. Where several
adjustment sets are left open, an interval is the union over them: if any of the sets is right, it
holds for all segments. Whether segments differ at all is the same max-t of their distances from
their mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulacra_intake.rows_of_persons import Ints
from simulacra_schema.answers import GroupsDiffer, SegmentDifference, SegmentEffect, Span
from simulacra_trainer.effects.models.contrast import Flags
from simulacra_trainer.effects.models.features import Floats
from simulacra_trainer.effects.overlap.answered import People
from simulacra_trainer.effects.scores import (
    Part,
    Scores,
    combine,
    mean_of,
    part_of,
    summarize,
    units_worth,
)
from simulacra_trainer.effects.segment_rows import BANDS, coded, segment_rows
from simulacra_trainer.effects.simultaneous import chance, critical_value, student_width
from simulacra_trainer.evidence import Z95, coarse, coarse_share, two_digits

MIN_EFFECTIVE = 20.0
"""Effective persons of the smaller arm, below which a segment is named but not shown."""
THIN_EFFECTIVE = 50.0
"""Effective persons of the smaller arm, below which a segment has thin support."""
LEAST_P, SIGNIFICANT = 0.001, 0.05


@dataclass(frozen=True)
class Segments:
    """Effects in the largest segments with enough persons, and the names of all others."""

    effects: list[SegmentEffect]
    unshown: list[str]
    differ: GroupsDiffer | None = None


@dataclass(frozen=True)
class _Segment:
    level: str
    rows: Flags
    effective: float


def segment_effects(
    table: pa.Table,
    names: Sequence[str],
    sets: Sequence[Sequence[Scores]],
    persons: Ints | None,
    people: People | None = None,
    *,
    reverses: bool,
    seed: int,
    bands: int = BANDS,
) -> Segments:
    """Return the effect of each segment, and how it differs from that of the first one shown.

    Args:
        table: the rows of the contrast.
        names: one or two columns, whose combinations are the segments.
        sets: the cross-fits of each adjustment set left open, the main one first.
        persons: of each row, int64 [n]; None where each row is its own person.
        people: whom the answer is for; None for all rows.
        reverses: whether an effect of 0 is left open, because the outcome may come first.
        seed: of the multipliers.
        bands: quantiles that a number is cut at have this many bands.
    """
    columns = [coded(table, one, persons, bands) for one in names]
    largest, others = segment_rows(columns, persons)
    found = [_Segment(level, rows, units_worth(sets[0], rows)) for level, rows in largest]
    shown = [one for one in found if one.effective >= MIN_EFFECTIVE]
    unshown = [one.level for one in found if one.effective < MIN_EFFECTIVE] + others
    if not shown:
        return Segments([], unshown)
    rng = np.random.default_rng([seed, 19])
    parts = [[[part_of(run, one.rows) for run in runs] for one in shown] for runs in sets]
    gaps = [[[*map(Part.minus, runs, of_set[0])] for runs in of_set[1:]] for of_set in parts]
    effective = [one.effective for one in shown]
    smaller = [min(effective[0], own) for own in effective[1:]]
    shifts = sets[0][0].shifts
    spans = _union(parts, effective, reverses, rng, shifts)
    differences = [
        SegmentDifference(effect=effect, low=low, high=high)
        for effect, low, high in _union(gaps, smaller, reverses, rng, shifts)
    ]
    alone = _union(parts, effective, reverses, None, shifts)
    described = zip(shown, spans, alone, [None, *differences], strict=True)
    effects = [
        _described(one, span, own, gap, sets[0], people) for one, span, own, gap in described
    ]
    people_of = sets[0][0].tilt * sets[0][0].survey
    masses = [float(people_of[one.rows].sum()) for one in shown]
    differ = _differ(parts, masses, effective, reverses, rng, shifts)
    return Segments(effects, unshown, differ)


def _differ(
    parts: Sequence[Sequence[Sequence[Part]]],
    masses: Sequence[float],
    effective: Sequence[float],
    reverses: bool,
    rng: np.random.Generator,
    shifts: Floats | None,
) -> GroupsDiffer | None:
    """Return whether segments differ; arguments as `_union`, masses: people in each."""
    if len(masses) < 2:
        return None
    found = [1.0] if reverses else []
    for of_set in parts:
        means = [mean_of(runs, masses) for runs in zip(*of_set, strict=True)]
        gaps = [[*map(Part.minus, runs, means)] for runs in of_set]
        effects, errors = np.array([combine(runs) for runs in gaps]).T
        z = effects / np.maximum(errors, 1e-300)
        influences = [runs[0].influence for runs in gaps]
        found.append(chance(z, influences, np.array(effective), shifts, rng))
    p = float(f"{max(found):.1g}")  # more digits would tell what one person changes
    text = f"Groups may have the same effect: chance alone may look like this (p = {p:g})."
    if reverses:
        text = "Groups may have the same effect: none, if the outcome comes first."
    elif p < SIGNIFICANT:
        said = f"below {LEAST_P}" if p < LEAST_P else f"= {p:g}"
        text = f"The effect differs between groups (p {said})."
    return GroupsDiffer(p=max(p, LEAST_P), text=text)


def _described(
    one: _Segment,
    span: tuple[float, float, float],
    alone: tuple[float, float, float],
    difference: SegmentDifference | None,
    runs: Sequence[Scores],
    people: People | None,
) -> SegmentEffect:
    effect, low, high = span
    found = summarize(runs, one.rows)
    support, asked = 1.0, float(one.rows.sum())
    if people is not None:
        inside = one.rows & people.asked
        asked, weights = float(inside.sum()), runs[0].survey * inside
        support = float(weights @ people.has_counterparts) / max(float(weights.sum()), 1e-300)
    return SegmentEffect(
        level=one.level,
        effect=effect,
        low=low,
        high=high,
        alone=Span(low=alone[1], high=alone[2]),
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
    rng: np.random.Generator | None,
    shifts: Floats | None,
) -> list[tuple[float, float, float]]:
    """Return effect, low and high of each segment; parts by adjustment set, segment, cross-fit.

    rng: of the multipliers; None for intervals of one segment at a time.
    """
    if not effective:
        return []
    lows, highs = [], []
    for of_set in parts:
        influences = [runs[0].influence for runs in of_set]
        critical = Z95 if rng is None else critical_value(influences, rng)
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
