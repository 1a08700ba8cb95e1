"""Segments of a wave that borrow from the same segment in other waves of a tracker.

The wave is a grouping of the pooling like any other column: a share leans on those of its segment
in other waves and on those of other segments in its wave.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pyarrow as pa

from simulacra_intake.survey_weights import Floats
from simulacra_schema.next_wave import MAX_CELLS
from simulacra_schema.questions.segments import SegmentColumn, wave_axis, waves_asked
from simulacra_schema.table import TableSchema
from simulacra_trainer.cell_keys import NOISE
from simulacra_trainer.segments.cells import Segmentation, segmentation
from simulacra_trainer.segments.certify import CertifiedShares, certify
from simulacra_trainer.segments.pooling import Indices

CLASSES = np.array([10.0, 20.0, 40.0, 80.0, 200.0])
MOST_GAIN = np.array([1.0, 1.5, 1.6, 2.0, 1.6, 1.3])
"""Worth over respondents that is said at most, under 10 respondents of the wave, 10 to 20, ...:
above it less was found than would be said (benchmarks/results/wave-segments.md)."""


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
    most = MOST_GAIN[np.searchsorted(CLASSES, respondents[at], side="right")]
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
