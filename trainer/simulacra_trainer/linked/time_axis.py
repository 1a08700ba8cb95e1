"""The column that orders the rows of a person: a wave, a date, a number or an ordered scale."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulacra_intake.description.order import found_order
from simulacra_intake.rows_of_persons import Ints, persons_in
from simulacra_schema.table import TableSchema
from simulacra_trainer.families.codec import ColumnCodec, Floats, fit_column


@dataclass(frozen=True)
class TimeAxis:
    """A column whose values are whole places on a line.

    Attributes:
        codec: of the column.
        waves: values of the places, ascending, float64; empty for dates, which are multiples of a
            calendar unit, and for whole numbers.
        last: the place where drawn values end (`families.curve`), which is no person's.
        shortest: smallest step between rows of a person: 1 if these differ, else 0.
        written: what rows have at each wave, float64: its value if five persons have it, else that
            of the curve.
    """

    codec: ColumnCodec
    waves: Floats
    last: float
    shortest: float
    written: Floats

    @property
    def name(self) -> str:
        """The column's name."""
        return self.codec.name

    def places(self, column: pa.ChunkedArray | pa.Array) -> Floats:
        """Return the place of each value, float64 [n]."""
        values = self.codec.values(column)
        if self.waves.size:
            return np.searchsorted(self.waves, values).astype(np.float64)
        return values / self.codec.unit

    def column(self, places: Floats) -> pa.Array:
        """Return the values of places, in the clean type."""
        if self.waves.size:
            return self.codec.to_arrow(self.written[places.astype(np.int64)])
        return self.codec.to_arrow(places * self.codec.unit)

    def fitting(self, places: Floats, previous: Floats, left: Floats) -> Floats:
        """Return places that leave room for the rows that follow, whole numbers [n].

        A row beyond the room is put where the rest is spread evenly up to the last place.

        previous: places of the rows before; left: rows of the person that follow each.
        """
        most = self.last - left * self.shortest
        even = previous + np.maximum((self.last - previous) / (left + 1), self.shortest)
        places = np.where(places > most, np.minimum(np.floor(even), most), places)
        return np.clip(np.round(places), 0.0 if self.waves.size else None, self.last)


def find_axis(table: pa.Table, schema: TableSchema) -> TimeAxis | None:
    """Return the axis of a clean table, None if none orders rows.

    A schema that was read before it named the order has the order that was found then.
    """
    column = found_order(schema) if schema.order is None else schema.find(schema.order)
    persons = persons_in(table, schema)
    if column is None or persons is None:
        return None
    codec, placed = fit_column(table.column(column.name), column, persons)
    values, none = codec.values(table.column(column.name)), np.empty(0)
    if column.kind == "datetime":
        return TimeAxis(codec, none, codec.high / codec.unit, 0.0, none)
    shortest = 1.0 if column.role == "wave" or _differ_within(values, persons) else 0.0
    if column.kind == "integer" and column.role != "wave":
        return TimeAxis(codec, none, codec.high, shortest, none)
    waves = np.unique(values)
    if placed is None:
        return TimeAxis(codec, waves, float(waves.size - 1), shortest, waves)
    last = max(int(np.searchsorted(waves, codec.high, side="right")) - 1, 0)
    return TimeAxis(codec, waves, float(last), shortest, codec.tidy(placed.typical(waves)))


def _differ_within(values: Floats, persons: Ints) -> bool:
    """Return whether no two rows of a person have the same value."""
    pairs = np.unique(np.stack([persons.astype(np.float64), values]), axis=1)
    return bool(pairs.shape[1] == values.size)
