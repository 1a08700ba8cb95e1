"""Columns that are learned by their difference to another: the end of an interview by its length.

Two moments of a year are drawn to hours at best, and an interview takes minutes. So of a bound
whose columns lie much nearer to each other than either spreads, one column is replaced, under its
name, by the difference to the other while a family learns and draws, and restored afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.arrow_values import NUMBERS, as_floats, from_floats, with_values
from simulacra_intake.columns.parse.dates import coarsest_unit
from simulacra_schema.table import ColumnSchema, RelationSchema, TableSchema
from simulacra_trainer.families.base import AroundModel, Do
from simulacra_trainer.few_values import few_values

if TYPE_CHECKING:  # reading a table needs no engine
    from simulacra_trainer.families.codec import ColumnCodec

NARROW = 0.1
"""Spread of a difference over that of each of its columns, from which on they are as good apart."""
SPREAD = (0.05, 0.95)
Floats = npt.NDArray[np.float64]


def with_differences(
    table: pa.Table, schema: TableSchema, bounds: Sequence[RelationSchema]
) -> list[RelationSchema]:
    """Return the bounds, those of near columns with the column that is learned by the difference.

    bounds: pairs of learned columns of which one is never above the other.
    """
    values = {n: as_floats(table.column(n)) for b in bounds for n in (b.column, *b.of)}
    ranked = sorted(range(len(bounds)), key=lambda i: _width(values, bounds[i]))
    base: dict[str, str] = {}
    out = list(bounds)
    for i in ranked:
        bound = bounds[i]
        if _width(values, bound) > NARROW:
            break
        for name, other in ((bound.of[0], bound.column), (bound.column, bound.of[0])):
            if name not in base and _can_follow(schema, values, name, other, base):
                base[name] = other
                update = {"by_difference": name, "factor": _unit(table, values, bound)}
                out[i] = bound.model_copy(update=update)
                break
    return out


def learned_schema(schema: TableSchema) -> TableSchema:
    """Return the schema with differences instead of the columns that follow from them."""
    replaced = {str(bound.by_difference): bound for bound in schema.differences()}
    columns = [
        _difference_schema(schema, column, replaced[column.name])
        if column.name in replaced
        else column
        for column in schema.columns
    ]
    return schema.model_copy(update={"columns": columns})


def as_differences(table: pa.Table, schema: TableSchema) -> pa.Table:
    """Return rows with the differences instead of the columns that follow from them.

    Columns whose other column is not among those of the table stay.
    """
    out = table
    for bound in schema.differences():
        name = str(bound.by_difference)
        if {bound.column, *bound.of} <= set(table.column_names):
            low, high = (as_floats(table.column(one)) for one in (bound.column, bound.of[0]))
            learned = _difference_schema(schema, schema.column(name), bound)
            out = with_values(out, name, _as_numbers((high - low) / bound.factor, learned))
    return out


def from_differences(rows: pa.Table, schema: TableSchema) -> pa.Table:
    """Return rows with the columns again that differences stand for."""
    open_bounds = [b for b in schema.differences() if {b.column, *b.of} <= set(rows.column_names)]
    while open_bounds:
        waiting = {bound.by_difference for bound in open_bounds}
        bound = next(b for b in open_bounds if not (_others(b) & waiting))
        open_bounds.remove(bound)
        name, (other,) = str(bound.by_difference), _others(bound)
        sign = 1.0 if name == bound.of[0] else -1.0
        values = as_floats(rows.column(other)) + sign * bound.factor * as_floats(rows.column(name))
        rows = with_values(rows, name, _as_numbers(values, schema.column(name)))
    return rows


class DifferenceModel(AroundModel):
    """A fitted model that learned differences; its rows have the columns themselves.

    In its order the other column comes before the one that follows from it.
    """

    def codec(self, name: str) -> ColumnCodec | None:
        """Return how a column is coded; see `families.base.FittedModel.codec`."""
        is_difference = any(bound.by_difference == name for bound in self._schema.differences())
        return None if is_difference else self.inner.codec(name)

    def sample(
        self, n: int, rng: np.random.Generator, *, given: pa.Table | None = None, **asked: Any
    ) -> pa.Table:
        """Draw n rows; see `families.base.FittedModel.sample`."""
        given = None if given is None else as_differences(given, self._schema)
        rows = self.inner.sample(n, rng, given=given, **asked)
        return from_differences(rows, self._schema)

    def counterfactual(self, facts: pa.Table, do: Do, rng: np.random.Generator) -> pa.Table:
        """Return each row's twin under do(), which keeps its differences unless their causes do."""
        twins = self.inner.counterfactual(as_differences(facts, self._schema), do, rng)
        return from_differences(twins, self._schema)

    def first(self, columns: Sequence[str]) -> DifferenceModel:
        """Return the same distribution with these columns first; those that follow keep theirs."""
        follow = {bound.by_difference for bound in self._schema.differences()}
        front = [name for name in columns if name not in follow]
        return DifferenceModel(self.inner.first(front), self._schema)

    def log_likelihood(self, table: pa.Table) -> Floats:
        """Return nats per row of the learned columns and differences."""
        return self.inner.log_likelihood(as_differences(table, self._schema))


def _others(bound: RelationSchema) -> set[str]:
    return {bound.column, *bound.of} - {str(bound.by_difference)}


def _spread(values: Floats) -> float:
    known = values[~np.isnan(values)]
    if not known.size:
        return 0.0
    low, high = np.quantile(known, SPREAD)
    return float(high - low)


def _width(values: Mapping[str, Floats], bound: RelationSchema) -> float:
    low, high = values[bound.column], values[bound.of[0]]
    least = min(_spread(low), _spread(high))
    return _spread(high - low) / least if least else np.inf


def _can_follow(
    schema: TableSchema,
    values: Mapping[str, Floats],
    name: str,
    other: str,
    base: Mapping[str, str],
) -> bool:
    """Return whether a column can be learned by its difference to the other one."""
    column = schema.column(name)
    if column.role is not None or few_values(values[name]) is not None:
        return False
    if (np.isnan(values[other]) & ~np.isnan(values[name])).any():
        return False
    while other in base:
        other = base[other]
        if other == name:
            return False
    return True


def _unit(table: pa.Table, values: Mapping[str, Floats], bound: RelationSchema) -> float:
    """Return the microseconds in a unit of the difference of two moments; 1 for numbers."""
    if not pa.types.is_timestamp(table.schema.field(bound.column).type):
        return 1.0
    apart = values[bound.of[0]] - values[bound.column]
    return float(coarsest_unit(apart[~np.isnan(apart)]))


def _difference_schema(
    schema: TableSchema, column: ColumnSchema, bound: RelationSchema
) -> ColumnSchema:
    pair = [schema.column(name) for name in (bound.column, *bound.of)]
    is_whole = all(one.kind in ("datetime", "integer") for one in pair)
    decimals = [one.decimals for one in pair]
    most = None if None in decimals else max(one for one in decimals if one is not None)
    update: dict[str, object] = {
        "kind": "integer" if is_whole else "numeric",
        "decimals": 0 if is_whole else most,
        "levels": [],
        "minimum": None,
        "maximum": None,
        "text_format": None,
    }
    return column.model_copy(update=update)


def _as_numbers(values: Floats, column: ColumnSchema) -> pa.Array:
    """Return numbers or moments in the clean type of a column, rounded as it is."""
    if column.kind == "numeric" and column.decimals is not None:
        values = np.round(values, column.decimals)
    return from_floats(values, NUMBERS[column.kind])
