"""The effect in each segment: the levels of a column, or the quartiles of a number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_crds.contract.answers import SegmentEffect
from simulacra_trainer.effects.aipw import Scores, summarize
from simulacra_trainer.effects.features import level_positions, levels_of
from simulacra_trainer.table.arrow_values import as_floats

MIN_SEGMENT_ROWS = 20
MAX_SEGMENTS = 50
SEGMENT_BANDS = 4


def segment_effects(table: pa.Table, name: str, runs: Sequence[Scores]) -> Iterator[SegmentEffect]:
    """Yield the effect of each segment with at least MIN_SEGMENT_ROWS rows of the population."""
    for level, rows in _segment_rows(table, name):
        found = summarize(runs, rows)
        if found.rows >= MIN_SEGMENT_ROWS:
            yield SegmentEffect(
                level=level,
                effect=found.effect,
                low=found.low,
                high=found.high,
                rows=found.rows,
                support=found.support,
            )


def _segment_rows(table: pa.Table, name: str) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    if pa.types.is_dictionary(table.column(name).type):
        positions = level_positions(table, name)
        counts = np.bincount(positions[positions >= 0], minlength=1)
        levels = levels_of(table, name)
        for at in np.argsort(-counts, kind="stable")[:MAX_SEGMENTS]:
            yield levels[at], positions == at
        return
    values = as_floats(table.column(name))
    known = values[~np.isnan(values)]
    shares = np.arange(1, SEGMENT_BANDS) / SEGMENT_BANDS
    edges = np.unique(np.quantile(known, shares)) if known.size else np.empty(0)
    band = np.where(np.isnan(values), -1, np.searchsorted(edges, values, side="left"))
    for k in range(edges.size + 1):
        rows = band == k
        if rows.any():
            yield _band_name(table, name, values[rows]), rows


def _band_name(table: pa.Table, name: str, values: npt.NDArray[np.float64]) -> str:
    low, high = float(values.min()), float(values.max())
    if pa.types.is_timestamp(table.column(name).type):
        days = [str(np.datetime64(int(v), "us").astype("datetime64[D]")) for v in (low, high)]
        return f"{days[0]} to {days[1]}"
    return f"{low:.6g} to {high:.6g}"
