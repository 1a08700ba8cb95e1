"""Smooth margins of numbers in the subject table.

A table of a few hundred persons has few persons at each age. A model that gives every age its own
share tells by these shares who was in the table: the nearest synthetic person is then nearer to
persons in the table than to others. Here neighboring values share their persons evenly, unless
some of them are more frequent than chance allows, as round amounts are.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulacra_intake.rows_of_persons import Ints
from simulacra_schema.table import TableSchema
from simulacra_trainer.families.codec import ColumnCodec, Floats, fit_codec
from simulacra_trainer.families.forest.growth.dependencies import Dependencies

PERSONS_A_BAND = 25
"""Persons whose neighboring values become alike."""
SURE = 3.0
"""Standard deviations by which ties exceed those of even values, if they are no chance."""
ROUNDING = 1e-6


def with_smooth_numbers(subjects: pa.Table, schema: TableSchema) -> pa.Table:
    """Return the subject table with smoothed numbers; it is always the same for the same table.

    Coordinates and columns that decide another column, or have a bound to one, stay as they are.
    """
    learned = schema.learned()
    codecs = [fit_codec(subjects.column(c.name), c) for c in learned]
    values = [codec.values(subjects.column(codec.name)) for codec in codecs]
    kept = {name for bound in schema.relations for name in (bound.column, *bound.of)}
    kept |= {column.name for column in learned if column.role == "coordinate"}
    kept |= _related(codecs, values)
    rng = np.random.default_rng(subjects.num_rows)
    for codec, of in zip(codecs, values, strict=True):
        if codec.is_category or codec.name in kept:
            continue
        at = subjects.column_names.index(codec.name)
        smooth = _smooth(of, codec.step, rng)
        smooth = codec.to_arrow(np.where(smooth == of, of, codec.tidy(smooth)))
        subjects = subjects.set_column(at, subjects.schema.field(at), smooth)
    return subjects


def _related(codecs: Sequence[ColumnCodec], values: Sequence[Floats]) -> set[str]:
    """Return the names of columns that decide others, or are decided by them."""
    found = Dependencies(values, [not codec.is_category for codec in codecs])
    related: set[str] = set()
    for j, codec in enumerate(codecs):
        if (dependency := found.of(j, range(j))) is not None:
            related |= {codec.name, codecs[dependency.on].name}
    return related


@dataclass(frozen=True)
class _Band:
    """Persons with neighboring values, and the values that they may have.

    Attributes:
        members: positions in the column, int64 [persons].
        low, high: ends of the values.
        points: how many values there are from one end to the other; 0 if any.
        ties: pairs of persons with the same value.
    """

    members: Ints
    low: float
    high: float
    points: int
    ties: int

    @property
    def expected(self) -> float:
        """Pairs with the same value if all values were as frequent."""
        n = self.members.size
        return n * (n - 1) / 2 / self.points if self.points else 0.0


def _smooth(values: Floats, step: float, rng: np.random.Generator) -> Floats:
    """Return values [n] that are even within bands; missing values stay."""
    bands = [band for band in _bands(values, step) if not _is_sure(band.ties, band.expected)]
    out = values.copy()
    if _is_sure(sum(band.ties for band in bands), sum(band.expected for band in bands)):
        return out
    for band in bands:
        n = band.members.size
        order = np.lexsort((rng.random(n), values[band.members]))  # smaller values stay smaller
        place = np.empty(n)
        place[order] = (np.arange(n) + rng.random()) / n
        if band.points:
            out[band.members] = band.low + np.floor(place * band.points) * step
        else:
            out[band.members] = band.low + place * (band.high - band.low)
    return out


def _is_sure(ties: float, expected: float) -> bool:
    return bool(ties > expected + SURE * np.sqrt(expected) + 1.0)


def _bands(values: Floats, step: float) -> list[_Band]:
    """Return bands of PERSONS_A_BAND persons or somewhat more, ascending."""
    known = np.flatnonzero(~np.isnan(values))
    distinct, inverse, counts = np.unique(values[known], return_inverse=True, return_counts=True)
    starts = _starts(counts)
    ascending = known[np.argsort(inverse.reshape(-1), kind="stable")]
    ends = np.append(0, np.cumsum(counts))
    bands = []
    for first, end in itertools.pairwise([*starts, distinct.size]):
        # The middle divides two bands.
        low = (distinct[max(first - 1, 0)] + distinct[first]) / 2 if first else distinct[0]
        high = (distinct[end - 1] + distinct[min(end, distinct.size - 1)]) / 2
        points = 0
        if step:
            low = np.ceil(low / step - ROUNDING) * step
            points = int(np.floor((high - low) / step + ROUNDING)) + 1
        members = np.sort(ascending[ends[first] : ends[end]])
        ties = int((counts[first:end] * (counts[first:end] - 1) // 2).sum())
        bands.append(_Band(members, float(low), float(high), points, ties))
    return bands


def _starts(counts: Ints) -> list[int]:
    """Return the first value of each band; counts: persons of each value, ascending values."""
    starts, persons = [0] if counts.size else [], 0
    for i, count in enumerate(counts.tolist()):
        if persons >= PERSONS_A_BAND:
            starts.append(i)
            persons = 0
        persons += count
    if len(starts) > 1 and persons < PERSONS_A_BAND:
        starts.pop()
    return starts
