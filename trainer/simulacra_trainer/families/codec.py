"""Columns of the clean table as numbers, and as the predictor codes (uint8) that trees split on.

Inside a family a column is a float64 array: a number, microseconds since 1970 for datetimes, or the
position of a level; NaN is missing. Its predictor code is 0 for missing; for numbers the quantile
bin 1..250 (a value frequent enough to fill a bin gets its own); for levels 1..254 for the most
frequent ones and 255 for all others.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.arrow_values import NUMBERS, from_floats, level_values
from simulacra_intake.columns.parse.dates import coarsest_unit
from simulacra_intake.rows_of_persons import Ints as Persons
from simulacra_schema.conditions import level_in
from simulacra_schema.table import ColumnSchema
from simulacra_trainer.families.curve import Curve, Placed, nearest, place_rows
from simulacra_trainer.families.roundness import Roundness, roundness_of
from simulacra_trainer.few_values import MAX_FEW

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int32]
Indices = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
BELOW_ONE = 1.0 - 2.0**-53
"""The largest number below 1, for uniform numbers."""
NUMBER_BINS = 250
LEVEL_CODES = 254
CODES = 256
"""Predictor codes that there are: as many as uint8 has."""
MIN_LATTICE, CLOSE, FINER = 50, 0.05, 20.0
"""A column of this many values is on a grid if its close neighbors, by this quantile, are this many
times as far apart as its decimals allow, and most of its values are on it.
"""
ON_LATTICE, NEARLY = 0.97, 0.02
"""Share of the values on the grid, and steps by which they may miss it."""
CATEGORY_KINDS = ("categorical", "ordinal", "boolean")


@dataclass(frozen=True)
class ColumnCodec:
    """How one column is coded.

    Attributes:
        levels: of category kinds, in the order of their positions.
        codes: predictor code of each level, uint8 [levels]; empty for numbers.
        edges: of numbers: a value v has bin 1 + (number of edges <= v); ascending.
        decimals: digits after the point that are kept; None for all.
        unit: datetimes are multiples of this many microseconds; 1 for other kinds.
        low, high: ends of the values that are drawn: of the curve, on the grid.
        ordered: whether the positions of the levels are an order.
        codes_of: of a column of special codes: the number whose gaps they stand in.
        few: the values of a number that has few, ascending; it gets no others.
        roundness: shares of the grids of other numbers; None where all are on the finest.
        curve: of a number; None for category kinds.
        lattice: origin and step of values that are on a grid coarser than their decimals, as ages
            in twelfths of a year; None for others.
    """

    name: str
    kind: str
    levels: tuple[str, ...]
    codes: Codes = field(default_factory=lambda: np.empty(0, np.uint8))
    edges: Floats = field(default_factory=lambda: np.empty(0))
    decimals: int | None = None
    unit: int = 1
    low: float = 0.0
    high: float = 0.0
    ordered: bool = True
    codes_of: str | None = None
    few: Floats | None = None
    roundness: Roundness | None = None
    curve: Curve | None = None
    lattice: tuple[float, float] | None = None

    @property
    def is_category(self) -> bool:
        """Return whether values are positions of levels."""
        return self.kind in CATEGORY_KINDS

    @property
    def has_natural_order(self) -> bool:
        """Return whether the predictor codes are in a natural order."""
        return not self.is_category or (self.ordered and len(self.levels) <= LEVEL_CODES)

    @property
    def step(self) -> float:
        """Return the distance of neighboring values that the column can have; 0 for any."""
        if self.unit > 1:
            return float(self.unit)
        if self.lattice is not None:
            return self.lattice[1]
        return 0.0 if self.decimals is None else 10.0**-self.decimals

    def values(self, column: pa.ChunkedArray | pa.Array) -> Floats:
        """Return a column as float64 [n]; ValueError for a level not in the training data."""
        array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if isinstance(array, pa.ChunkedArray):  # combine_chunks leaves large or empty ones chunked
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
        if not self.is_category:
            if pa.types.is_timestamp(array.type):
                array = array.cast(pa.timestamp("us")).cast(pa.int64())
            numbers = pc.cast(array, pa.float64(), safe=False)
            return numbers.to_numpy(zero_copy_only=False).astype(np.float64)
        if not pa.types.is_dictionary(array.type):
            array = array.cast(pa.string()).dictionary_encode()
        positions = {level: i for i, level in enumerate(self.levels)}
        found = [positions.get(level, -1) for level in array.dictionary.to_pylist()]
        remap = np.array([*found, -2], np.float64)
        indices = pc.fill_null(array.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
        out = remap[indices]
        if (out == -1).any():
            raise ValueError("a column holds a level that is not in the training data")
        return np.where(out == -2, np.nan, out)

    def value_of(self, given: float | str) -> float:
        """Return one number or level as float; ValueError for an unknown level."""
        if self.is_category:
            level = level_in(given, self.levels)
            if level is None:
                raise ValueError("the column has no such level of five persons or more")
            return float(self.levels.index(level))
        return float(given)

    def encode(self, values: Floats) -> Codes:
        """Return predictor codes, uint8 [n]."""
        if self.is_category:
            missing = np.isnan(values)
            known = np.where(missing, 0, values).astype(np.int64)
            return np.where(missing, 0, self.codes[known]).astype(np.uint8)
        from simulacra_trainer.families.grid import find_bins  # imports numba

        return find_bins(values, self.edges)

    def tidy(
        self,
        values: Floats,
        low: float | None = None,
        high: float | None = None,
        *,
        follows: bool = False,
    ) -> Floats:
        """Return numbers as the column has them: of its values if these are few, else rounded.

        low, high: the range in which they stay; that of the column if None. follows: they follow
        from another column, which decides how round they are, and their range. Where it takes a new
        value, a column of more than MAX_FEW does so too: a wage between two that were seen has a
        rounded wage between theirs.
        """
        if self.is_category:
            return values
        ends = (-np.inf, np.inf) if follows else (self.low, self.high)
        low, high = ends[0] if low is None else low, ends[1] if high is None else high
        if self.few is not None and not (follows and self.few.size > MAX_FEW):
            few = self.few[(self.few >= low) & (self.few <= high)]
            if few.size:
                return np.where(np.isnan(values), values, few[nearest(few, values)])
        if self.roundness is not None and not follows:
            values = self.roundness.rounded(values, low, high)
        if self.lattice is not None and not follows:
            origin, step = self.lattice
            values = origin + np.round((values - origin) / step) * step
        if self.unit > 1:
            values = np.round(values / self.unit) * self.unit
        elif self.decimals is not None:
            values = np.round(values, self.decimals)
        return np.clip(values, low, high)

    def to_arrow(self, values: Floats) -> pa.Array:
        """Return values as a column of the clean table."""
        if self.is_category:
            return level_values(
                np.where(np.isnan(values), -1, values).astype(np.int32), self.levels
            )
        return from_floats(values, NUMBERS[self.kind])


def plain_codec(schema: ColumnSchema) -> ColumnCodec:
    """Return what the schema alone says of a column's codec."""
    if schema.kind in CATEGORY_KINDS:
        levels = tuple(schema.level_values())
        return ColumnCodec(
            schema.name, schema.kind, levels, ordered=schema.ordered, codes_of=schema.codes_of
        )
    decimals = 0 if schema.kind == "integer" else schema.decimals
    return ColumnCodec(schema.name, schema.kind, (), decimals=decimals)


def fit_codec(
    column: pa.ChunkedArray,
    schema: ColumnSchema,
    persons: Persons | None = None,
    weights: Floats | None = None,
) -> ColumnCodec:
    """Return the codec learned from a column; see `fit_column`."""
    return fit_column(column, schema, persons, weights)[0]


def fit_column(
    column: pa.ChunkedArray,
    schema: ColumnSchema,
    persons: Persons | None = None,
    weights: Floats | None = None,
) -> tuple[ColumnCodec, Placed | None]:
    """Return the codec learned from a column of the clean table, and its rows on the curve.

    Levels have no curve: None. persons, weights: of the rows, as in `curve.place_rows`.
    """
    codec = plain_codec(schema)
    if codec.is_category:
        values = codec.values(column)
        return replace(
            codec, codes=_level_codes(values[~np.isnan(values)], len(codec.levels))
        ), None
    from simulacra_trainer.families.grid import bin_edges  # imports numba

    codec, placed = place_column(column, schema, persons, weights)
    seen, curve = placed.values[~np.isnan(placed.values)], placed.curve
    is_few = curve.heaps.size > 0 and not curve.ranks.size
    rounds = not (is_few or codec.kind == "datetime" or codec.lattice is not None)
    codec = replace(
        codec,
        edges=bin_edges(seen, NUMBER_BINS),
        few=curve.heaps if is_few else None,
        roundness=roundness_of(seen, curve.heaps, codec.decimals) if rounds else None,
        curve=curve,
    )
    return codec, placed


def place_column(
    column: pa.ChunkedArray,
    schema: ColumnSchema,
    persons: Persons | None = None,
    weights: Floats | None = None,
) -> tuple[ColumnCodec, Placed]:
    """Return the grid and the ends of a number or date, as a codec, and its rows on the curve."""
    codec = plain_codec(schema)
    values = codec.values(column)
    seen = values[~np.isnan(values)]
    if codec.kind == "datetime":
        codec = replace(codec, unit=coarsest_unit(seen))
    else:
        codec = replace(codec, lattice=_lattice(seen, codec.step))
    placed = place_rows(values, codec.step, persons, weights)
    low, high = _on_grid(placed.curve.ends, codec)
    return replace(codec, low=low, high=high), placed


def _lattice(seen: Floats, step: float) -> tuple[float, float] | None:
    """Return origin and step of a grid that is no power of ten, with nearly all values on it."""
    distinct = np.unique(seen)
    if distinct.size < MIN_LATTICE:
        return None
    gaps = np.diff(distinct)
    about = float(np.quantile(gaps, CLOSE))
    if about < FINER * step or about <= 0:
        return None
    origin, reach = float(distinct[0]), float(np.ptp(distinct))
    wide = reach / max(round(reach / about), 1)
    off = np.abs((distinct - origin) / wide - np.round((distinct - origin) / wide))
    if np.mean(off < NEARLY) < ON_LATTICE:
        return None
    power = np.log10(np.array([wide, 2.0 * wide]))  # the grids of `roundness`
    if (np.abs(power - np.round(power)) < NEARLY / 10.0).any():
        return None
    return origin, wide


def _on_grid(ends: tuple[float, float], codec: ColumnCodec) -> tuple[float, float]:
    """Return the ends as numbers there are rounded."""
    origin, step = codec.lattice or (0.0, codec.unit)
    low, high = ends
    if codec.lattice is not None or codec.unit > 1:
        low, high = (origin + round((end - origin) / step) * step for end in ends)
    if codec.decimals is not None:
        low, high = round(low, codec.decimals), round(high, codec.decimals)
    return low, high


def _level_codes(seen: Floats, levels: int) -> Codes:
    if levels <= LEVEL_CODES:
        return np.arange(1, levels + 1, dtype=np.uint8)
    counts = np.bincount(seen.astype(np.int64), minlength=levels)
    frequent = np.argsort(-counts, kind="stable")[:LEVEL_CODES]
    codes = np.full(levels, LEVEL_CODES + 1, np.uint8)
    codes[np.sort(frequent)] = np.arange(1, LEVEL_CODES + 1, dtype=np.uint8)
    return codes
