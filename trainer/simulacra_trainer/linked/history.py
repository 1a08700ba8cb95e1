"""What a row knows of the earlier rows of its person: the last values and running means.

The running mean (or the shares of levels) over the rows so far shows what is this person's own, so
that no random effects have to be modelled.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_schema.table import ColumnSchema
from simulacra_trainer.families.codec import ColumnCodec, Floats, plain_codec

Ints = npt.NDArray[np.int64]
MAX_SHARES = 5
MARK = "\x1f"
"""Begins names of columns that the upload does not have; its own hold no control characters."""


@dataclass(frozen=True)
class Mean:
    """The running mean of a column, or of one level of it: its share.

    level: position of the level; None for numbers and ordered levels.
    """

    column: str
    level: int | None = None

    @property
    def name(self) -> str:
        """Name of the column that holds it."""
        return f"{MARK}mean{MARK}{'' if self.level is None else self.level}{MARK}{self.column}"

    def of(self, values: Floats) -> Floats:
        """Return what is averaged, float64 [n]; missing is NaN."""
        if self.level is None:
            return values
        return np.where(np.isnan(values), np.nan, (values == self.level).astype(np.float64))


def last_name(column: str) -> str:
    """Return the name of the column that holds the value one row earlier."""
    return f"{MARK}last{MARK}{column}"


class History:
    """Remembers event columns; the same for the training table and for generated rows."""

    def __init__(self, table: pa.Table, columns: Sequence[ColumnSchema], axis: str | None) -> None:
        self.codecs = {c.name: plain_codec(c) for c in columns}
        self.columns = {column.name: column for column in columns}
        self.means = [
            mean
            for name, codec in self.codecs.items()
            if name != axis
            for mean in _means(codec, codec.values(table.column(name)))
        ]

    def schemas(self) -> list[ColumnSchema]:
        """Return the schema of each column that `of_rows` and `Running.columns` give."""
        last = [
            column.model_copy(update={"name": last_name(name), "role": None, "per_person": None})
            for name, column in self.columns.items()
        ]
        means = [ColumnSchema(name=m.name, kind="numeric", storage="double") for m in self.means]
        return [*last, *means]

    def of_rows(self, table: pa.Table, first: Ints) -> dict[str, pa.Array]:
        """Return the columns of a whole table by name.

        table: rows of persons one after another, each person's in order; first: of each row, the
        index of the first row of its person, int64 [n].
        """
        values = {name: codec.values(table.column(name)) for name, codec in self.codecs.items()}
        begins = first == np.arange(first.size)
        found = {}
        for name, codec in self.codecs.items():
            before = np.where(begins, np.nan, np.roll(values[name], 1))
            found[last_name(name)] = codec.to_arrow(before)
        for mean in self.means:
            averaged = mean.of(values[mean.column])
            total = _before(np.nan_to_num(averaged), first)
            count = _before((~np.isnan(averaged)).astype(np.float64), first)
            found[mean.name] = _as_numbers(_ratio(total, count))
        return found


class Running:
    """The histories of persons while their rows are drawn."""

    def __init__(self, history: History, persons: int) -> None:
        self.history = history
        self._last = {name: np.full(persons, np.nan) for name in history.codecs}
        self._total = np.zeros((len(history.means), persons))
        self._count = np.zeros((len(history.means), persons))

    def columns(self, who: Ints) -> dict[str, pa.Array]:
        """Return the columns of these persons' next rows by name."""
        codecs = self.history.codecs.items()
        found = {last_name(name): codec.to_arrow(self._last[name][who]) for name, codec in codecs}
        for i, mean in enumerate(self.history.means):
            found[mean.name] = _as_numbers(_ratio(self._total[i][who], self._count[i][who]))
        return found

    def add(self, rows: pa.Table, who: Ints) -> None:
        """Remember one more row of each of these persons."""
        values: Mapping[str, Floats] = {
            name: codec.values(rows.column(name)) for name, codec in self.history.codecs.items()
        }
        for name, found in values.items():
            self._last[name][who] = found
        for i, mean in enumerate(self.history.means):
            averaged = mean.of(values[mean.column])
            self._total[i][who] += np.nan_to_num(averaged)
            self._count[i][who] += ~np.isnan(averaged)


def _means(codec: ColumnCodec, values: Floats) -> Iterable[Mean]:
    if codec.kind == "datetime":
        return []
    if not codec.is_category or (codec.kind == "ordinal" and codec.ordered):
        return [Mean(codec.name)]
    known = values[~np.isnan(values)].astype(np.int64)
    counts = np.bincount(known, minlength=len(codec.levels))
    frequent = np.argsort(-counts, kind="stable")[: min(MAX_SHARES, max(counts.size - 1, 1))]
    return [Mean(codec.name, int(level)) for level in np.sort(frequent)]


def _before(values: Floats, first: Ints) -> Floats:
    """Return the sum of the person's earlier rows, float64 [n]."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return sums[:-1] - sums[first]


def _ratio(total: Floats, count: Floats) -> Floats:
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)


def _as_numbers(values: Floats) -> pa.Array:
    return pa.array(values, pa.float64(), mask=np.isnan(values))
