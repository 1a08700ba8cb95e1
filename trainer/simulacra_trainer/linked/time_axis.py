"""The column that orders the rows of a person: a wave or a date."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulacra_crds.contract.schema import ColumnSchema, TableSchema
from simulacra_trainer.families.codec import ColumnCodec, Floats, fit_codec
from simulacra_trainer.relations.compute import without_computed


@dataclass(frozen=True)
class TimeAxis:
    """A column whose values are whole places on a line.

    Attributes:
        codec: of the column.
        waves: values of the places, ascending, float64; empty for dates, which are multiples of a
            calendar unit.
        last: largest place in the table.
    """

    codec: ColumnCodec
    waves: Floats
    last: float

    @property
    def name(self) -> str:
        """The column's name."""
        return self.codec.name

    @property
    def shortest(self) -> float:
        """Smallest step between rows of a person: waves differ, dates may not."""
        return 1.0 if self.waves.size else 0.0

    def places(self, column: pa.ChunkedArray | pa.Array) -> Floats:
        """Return the place of each value, float64 [n]."""
        values = self.codec.values(column)
        if self.waves.size:
            return np.searchsorted(self.waves, values).astype(np.float64)
        return values / self.codec.unit

    def column(self, places: Floats) -> pa.Array:
        """Return the values of places, in the clean type."""
        if self.waves.size:
            return self.codec.to_arrow(self.waves[places.astype(np.int64)])
        return self.codec.to_arrow(places * self.codec.unit)

    def fitting(self, places: Floats, previous: Floats, left: Floats) -> Floats:
        """Return places that leave room for the rows that follow, whole numbers [n].

        A row beyond the room is put where the rest is spread evenly up to the last place.

        Args:
            places: drawn ones.
            previous: of the row before.
            left: rows of the person that follow this one.
        """
        most = self.last - left * self.shortest
        even = previous + np.maximum((self.last - previous) / (left + 1), self.shortest)
        places = np.where(places > most, np.minimum(np.floor(even), most), places)
        return np.clip(np.round(places), 0.0 if self.waves.size else None, self.last)


def find_axis(table: pa.Table, schema: TableSchema) -> TimeAxis | None:
    """Return the axis of a clean table: its wave, else its first date without gaps, else None."""
    learned = without_computed(schema).columns
    varying = [c for c in learned if c.learned and not c.per_person and not c.missing_share]
    waves = [c for c in varying if c.role == "wave"]
    dates = [c for c in varying if c.kind == "datetime"]
    for column in [*waves[:1], *dates[:1]]:
        return _axis(table, column)
    return None


def _axis(table: pa.Table, column: ColumnSchema) -> TimeAxis:
    codec = fit_codec(table.column(column.name), column)
    values = codec.values(table.column(column.name))
    if column.role == "wave":
        waves = np.unique(values)
        return TimeAxis(codec, waves, float(waves.size - 1))
    return TimeAxis(codec, np.empty(0), float(values.max()) / codec.unit)
