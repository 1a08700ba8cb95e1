"""The adjustment columns as nuisance models use them: an additive design and tree bins."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.arrow_values import as_coded, as_floats, codes_of
from simulacra_schema.table import TableSchema
from simulacra_trainer.boosting import FIXED
from simulacra_trainer.families.grid import bin_edges

if TYPE_CHECKING:
    import lightgbm


Floats = npt.NDArray[np.float64]
Bins = npt.NDArray[np.uint8]
BINS = 64
MAX_SCALED = 8.0
"""Standard deviations at which numbers are clipped in the linear part."""
KNOTS = (0.02, 0.08, 0.2, 0.4, 0.6, 0.8, 0.92, 0.98)
FEW_KNOTS = (0.1, 0.5, 0.9)
MANY_ROWS = 500
"""Quantiles at which a number's slope may change; FEW_KNOTS below MANY_ROWS rows."""
MAX_PRODUCTS, ROWS_PER_PRODUCT = 100, 20
"""With more products, or fewer rows per product, there are none; trees find interactions."""
LEVEL_KINDS = ("categorical", "ordinal", "boolean")
MAX_INDICATORS = 12
"""Number of most frequent levels that get an indicator in the linear part."""
TREES: dict[str, Any] = FIXED | {
    "max_depth": 3,
    "num_leaves": 8,
    "min_data_in_leaf": 10,
    "lambda_l2": 1.0,
    "boost_from_average": False,
}


@dataclass(frozen=True)
class Features:
    """Adjustment columns of n rows.

    Attributes:
        linear: float64 [n, d]: numbers standardized (missing is 0), piecewise linear between a few
            knots, with an indicator of missing; levels as indicators.
        products: float64 [n, q]: of numbers and levels of two different columns.
        always: float64 [n, a]: columns that every model uses, such as the treatment.
        bins: uint8 [k, n]: 0 is missing; numbers by quantile, levels by frequency.
        trees: the observed rows, for trees to learn from.
        at: int64 [n], positions among all rows that were built; trees learn from observed ones.
    """

    linear: Floats
    products: Floats
    always: Floats
    bins: Bins
    trees: TreeRows
    at: npt.NDArray[np.int64]

    def rows(self, index: npt.NDArray[np.int64]) -> Features:
        """Return the features of the rows at index, int64 [m]."""
        bins = np.ascontiguousarray(self.bins[:, index])
        return Features(
            self.linear[index],
            self.products[index],
            self.always[index],
            bins,
            self.trees,
            self.at[index],
        )

    def tree_rows(self, index: npt.NDArray[np.int64] | slice, target: Floats) -> lightgbm.Dataset:
        """Return some of the rows, in ascending order, with their targets, as trees read them."""
        return self.trees.dataset(self.at[index], target)

    def with_always(self, columns: Floats) -> Features:
        """Return the features with more `always` columns, float64 [n] or [n, a]."""
        return replace(self, always=np.column_stack([self.always, columns]))


def build_features(
    table: pa.Table, schema: TableSchema, columns: list[str], observed: int | None = None
) -> Features:
    """Return the features of all rows of a clean table.

    observed: number of first rows that set means, knots and bins of numbers; None for all.
    """
    n = table.num_rows
    bins = np.zeros((len(columns), n), np.uint8)
    is_level = np.array([schema.column(name).kind in LEVEL_KINDS for name in columns], np.bool_)
    parts: list[list[Floats]] = []
    for k, name in enumerate(columns):
        bins[k], found = _column_features(table, name, bool(is_level[k]), observed)
        parts.append(found)
    linear = [part for found in parts for part in found]
    # A number enters products with its scaled value (the first part), a category with indicators.
    crossed = [found if is_level[k] else found[:1] for k, found in enumerate(parts)]
    pairs = [*itertools.combinations(crossed, 2)]
    # Counted before any is built: those of many categories would fill the memory.
    if sum(len(x) * len(y) for x, y in pairs) > min(MAX_PRODUCTS, n // ROWS_PER_PRODUCT):
        pairs = []
    products = [a * b for x, y in pairs for a in x for b in y]
    trees = TreeRows(np.ascontiguousarray(bins[:, :observed]), is_level)
    always = np.empty((n, 0))
    return Features(_columns(linear, n), _columns(products, n), always, bins, trees, np.arange(n))


def crossing_columns(table: pa.Table, schema: TableSchema, columns: list[str]) -> Floats:
    """Return what products cross of all columns, float64 [n, d]: scaled numbers and indicators."""
    parts: list[Floats] = []
    for name in columns:
        is_level = schema.column(name).kind in LEVEL_KINDS
        found = _column_features(table, name, is_level, None)[1]
        parts += found if is_level else found[:1]
    return _columns(parts, table.num_rows)


def _column_features(
    table: pa.Table, name: str, is_level: bool, observed: int | None
) -> tuple[Bins, list[Floats]]:
    if is_level:
        return _level_features(codes_of(table.column(name)))
    return _number_features(as_floats(table.column(name)), observed)


def _columns(parts: list[Floats], n: int) -> Floats:
    return np.array(parts).reshape(len(parts), n).T.copy()


def levels_of(table: pa.Table, name: str) -> list[str]:
    """Return the levels of a dictionary column in the order of `codes_of`."""
    return [str(level) for level in as_coded(table.column(name)).dictionary.to_pylist()]


def _level_features(positions: npt.NDArray[np.int64]) -> tuple[Bins, list[Floats]]:
    """Return bins and indicators; levels beyond the BINS - 2 most frequent share a bin."""
    counts = np.bincount(positions[positions >= 0], minlength=1)
    rank = np.empty(counts.size, np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(counts.size)
    coded = np.where(positions < 0, 0, np.minimum(rank[np.maximum(positions, 0)] + 1, BINS - 1))
    # Collinear with the intercept, which the ridge penalty resolves.
    shown = [coded == b for b in range(MAX_INDICATORS + 1)]
    return coded.astype(np.uint8), [rows.astype(np.float64) for rows in shown if rows.any()]


def _number_features(values: Floats, observed: int | None) -> tuple[Bins, list[Floats]]:
    missing = np.isnan(values)
    is_present = ~missing[:observed]
    present = values[:observed][is_present]
    if not present.size:
        return np.zeros(values.size, np.uint8), []
    spread = float(present.std())
    scaled = np.clip((values - present.mean()) / max(spread, 1e-300), -MAX_SCALED, MAX_SCALED)
    parts = [np.where(missing, 0.0, scaled)] if spread > 0 else []
    knots = KNOTS if present.size >= MANY_ROWS else FEW_KNOTS
    for knot in np.unique(np.quantile(scaled[:observed][is_present], knots)):
        parts.append(np.where(missing, 0.0, np.maximum(scaled - knot, 0.0)))
    if missing.any():
        parts.append(missing.astype(np.float64))
    edges = bin_edges(present, BINS - 2)
    coded = np.where(missing, 0, np.searchsorted(edges, values, side="right") + 1)
    return np.minimum(coded, BINS - 1).astype(np.uint8), parts


@dataclass(frozen=True)
class TreeRows:
    """Rows that trees may learn from, binned once for all fits.

    LightGBM takes longer to read rows than to grow a few trees.

    Attributes:
        bins: uint8 [k, n].
        is_level: bool [k], whether the bins of a column are unordered.
    """

    bins: npt.NDArray[np.uint8]
    is_level: npt.NDArray[np.bool_]

    def dataset(
        self, index: npt.NDArray[np.int64], target: npt.NDArray[np.float64]
    ) -> lightgbm.Dataset:
        """Return the rows at index, int64 [m] in ascending order, with their targets."""
        rows = self._whole.subset(index.tolist()).construct()
        return rows.set_label(target)

    @cached_property
    def _whole(self) -> lightgbm.Dataset:
        import lightgbm

        levels = np.flatnonzero(self.is_level).tolist()
        label = np.zeros(self.bins.shape[1])
        rows = lightgbm.Dataset(self.bins.T, label, categorical_feature=levels, params=TREES)
        return rows.construct()
