"""The privacy dial: chooses the forest's penalty by a test of copying on two equal halves of the table.

A model fit on one half is judged against both. The share of synthetic rows that lie nearer to the half it saw than to
the half it did not is 1/2 for a model that copies nothing. Equal halves matter: against a small holdout most copied
rows have no near counterpart and the share flatters (DCR, "distance to closest record").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from simulacra_crds.schema import TableSchema

from simulacra_trainer.families.base import Progress, no_progress
from simulacra_trainer.families.forest import FOREST
from simulacra_trainer.families.forest.codec import fit_codec

PENALTIES = (1.0, 2.0, 3.0, 5.0, 8.0, 12.0, 18.0)
START = 2
TARGET_SHARE = 0.54
"""The smallest penalty whose share is at most this is taken; the share's own standard deviation is about 0.01."""
MAX_CELLS = 400_000
MAX_HALF = 10_000
SYNTHETIC_ROWS = 3_000


@dataclass(frozen=True)
class DialResult:
    """The penalty chosen, and the share of nearer-to-seen rows measured at each penalty tried."""

    penalty: float
    shares: dict[float, float] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """The share at the penalty chosen."""
        return self.shares[self.penalty]


def turn_dial(
    table: pa.Table, schema: TableSchema, order: Sequence[str], *, seed: int, progress: Progress = no_progress
) -> DialResult:
    """Choose the penalty for a clean table; big tables are judged on a sample of rows."""
    rng = np.random.default_rng([seed, 17])
    half = min(table.num_rows // 2, MAX_HALF, max(MAX_CELLS // len(order), 500))
    rows = rng.permutation(table.num_rows)[: 2 * half]
    seen, unseen = table.take(rows[:half]), table.take(rows[half:])
    space = _Space(table.take(rows), schema)
    points = (space.place(seen), space.place(unseen))
    shares: dict[float, float] = {}

    def share(place: int) -> float:
        penalty = PENALTIES[place]
        model = FOREST.fit(seen, schema, order, seed=seed, options={"penalty": penalty}, progress=no_progress)
        synthetic = space.place(model.sample(min(SYNTHETIC_ROWS, 4 * half), np.random.default_rng([seed, 18])))
        near = [nearest_squared(*synthetic, *points[0]), nearest_squared(*synthetic, *points[1])]
        tie = np.abs(near[0] - near[1]) < 1e-6
        shares[penalty] = float(np.mean(np.where(tie, 0.5, near[0] < near[1])))
        progress(len(shares) / 4)
        return shares[penalty]

    place = START
    if share(place) <= TARGET_SHARE:
        while place > 0 and share(place - 1) <= TARGET_SHARE:
            place -= 1
    else:
        while place < len(PENALTIES) - 1:
            place += 1
            if share(place) <= TARGET_SHARE:
                break
    return DialResult(PENALTIES[place], shares)


Numbers32 = npt.NDArray[np.float32]
Levels = npt.NDArray[np.int32]


class _Space:
    """Rows as points: numbers in standard deviations (NaN: missing), levels as they are."""

    def __init__(self, table: pa.Table, schema: TableSchema) -> None:
        self._codecs = [fit_codec(table.column(c.name), c) for c in schema.learned()]
        values = [c.values(table.column(c.name)) for c in self._codecs if not c.is_category]
        self._centres = [float(np.nanmean(v)) if np.isfinite(v).any() else 0.0 for v in values]
        self._scales = [(float(np.nanstd(v)) if np.isfinite(v).any() else 0.0) or 1.0 for v in values]

    def place(self, table: pa.Table) -> tuple[Numbers32, Levels]:
        """Return numbers float32 [n, a] and levels int32 [n, b]."""
        values = [c.values(table.column(c.name)) for c in self._codecs if not c.is_category]
        scaled = [np.clip((v - m) / s, -10, 10) for v, m, s in zip(values, self._centres, self._scales, strict=True)]
        levels = [np.nan_to_num(c.values(table.column(c.name)), nan=-1.0) for c in self._codecs if c.is_category]
        n = table.num_rows
        numbers = np.column_stack(scaled) if scaled else np.empty((n, 0))
        return numbers.astype(np.float32), (np.column_stack(levels) if levels else np.empty((n, 0))).astype(np.int32)


@numba.njit(nogil=True, cache=True)
def nearest_squared(numbers: Numbers32, levels: Levels, to_numbers: Numbers32, to_levels: Levels) -> Numbers32:
    """Return the squared distance of each row to the nearest of the others, float32 [n].

    A level that differs counts 1, as does a number that is missing on one side only.
    """
    out = np.empty(numbers.shape[0], np.float32)
    for i in range(numbers.shape[0]):
        best = np.float32(np.inf)
        for k in range(to_numbers.shape[0]):
            d = np.float32(0.0)
            for j in range(levels.shape[1]):
                if levels[i, j] != to_levels[k, j]:
                    d += np.float32(1.0)
            if d >= best:
                continue
            for j in range(numbers.shape[1]):
                a, b = numbers[i, j], to_numbers[k, j]
                if a != a or b != b:
                    d += np.float32((a != a) != (b != b))
                else:
                    d += (a - b) * (a - b)
                if d >= best:
                    break
            if d < best:
                best = d
        out[i] = best
    return out
