"""Interface between the pipeline and the families of generative models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_schema.table import TableSchema

if TYPE_CHECKING:
    from simulacra_trainer.families.codec import ColumnCodec

Progress = Callable[[float], None]
"""Called with the share of the work that is done, 0..1."""
Options = Mapping[str, Any]
Do = Mapping[str, float | str]
"""Interventions: the number or level of each column that is set."""


def no_progress(_done: float) -> None:
    """Ignore progress."""


class FittedModel(Protocol):
    """A joint distribution over the learned columns, factorized along a causally valid order."""

    @property
    def columns(self) -> list[str]:
        """Names of the columns in generation order."""

    def codec(self, name: str) -> ColumnCodec | None:
        """Return how a column is coded; None if it is not learned itself."""

    def sample(
        self,
        n: int,
        rng: np.random.Generator,
        *,
        given: pa.Table | None = None,
        do: Do | None = None,
        only: int | None = None,
    ) -> pa.Table:
        """Draw n rows in the types of the clean table, columns in generation order.

        Args:
            n: number of rows.
            rng: the only source of randomness.
            given: n rows of values for the first columns of the order; they are copied unchanged.
            do: interventions, the number or level of each column that is set.
            only: draw only the first columns of the order, this many.
        """

    def counterfactual(self, facts: pa.Table, do: Do, rng: np.random.Generator) -> pa.Table:
        """Return the counterfactual twin of each row under do(), with all columns.

        Abduction, action and prediction (Pearl, 2009). The noise of each column is inferred from
        the row: numbers and ordered levels keep their rank among the values that the same causes
        allow, other levels follow Gumbel-max noise (`families.gumbel`). A column whose causes do
        not change keeps its value.

        Args:
            facts: rows of all columns in clean types, such as `sample` draws.
            do: interventions, as in `sample`.
            rng: draws the noise that the rows do not determine.
        """

    def first(self, columns: Sequence[str]) -> FittedModel:
        """Return the same distribution with these columns first; others keep their order."""

    def log_likelihood(self, table: pa.Table) -> npt.NDArray[np.float64]:
        """Return nats per row, shape [n], on the grid that all families share (`families.grid`)."""

    def save(self, directory: Path) -> None:
        """Write the family's own files (weights and config) into an existing directory."""


Draw = Callable[..., pa.Table]
"""`FittedModel.sample` with all but the number of rows, and those that are given."""


def redrawn(draw: Draw, rows: pa.Table, places: npt.NDArray[np.int64]) -> pa.Table:
    """Draw the columns of each row from its place on again; past the last one, none."""
    stay = np.flatnonzero(places >= rows.num_columns)
    parts, order = [rows.take(pa.array(stay))], [stay]
    for place in np.unique(places[places < rows.num_columns]):
        chosen = np.flatnonzero(places == place)
        before = rows.select(rows.column_names[:place]).take(pa.array(chosen))
        parts.append(draw(chosen.size, given=before if place else None))
        order.append(chosen)
    return in_order(parts, order)


def in_order(parts: Sequence[pa.Table], order: Sequence[npt.NDArray[np.int64]]) -> pa.Table:
    """Return the rows of all parts by their index, int64 [rows of the part]."""
    back = np.argsort(np.concatenate(order), kind="stable")
    tables = [part.select(parts[0].column_names) for part in parts]
    return pa.concat_tables(tables).take(pa.array(back)).combine_chunks()


class AroundModel:
    """What a model around another one has from it, unless it says otherwise."""

    def __init__(self, inner: FittedModel, schema: TableSchema) -> None:
        self.inner = inner
        self._schema = schema

    @property
    def columns(self) -> list[str]:
        """Names of the columns in generation order."""
        return self.inner.columns

    def codec(self, name: str) -> ColumnCodec | None:
        """Return how a column is coded; see `FittedModel.codec`."""
        return self.inner.codec(name)

    def log_likelihood(self, table: pa.Table) -> npt.NDArray[np.float64]:
        """Return nats per row, as the inner model gives them."""
        return self.inner.log_likelihood(table)

    def save(self, directory: Path) -> None:
        """Write the inner model's files; what is around it follows from the schema."""
        self.inner.save(directory)


class Family(Protocol):
    """Fits and loads one kind of model."""

    @property
    def name(self) -> str:
        """Its name in the spec of a Model."""

    def fit(
        self,
        table: pa.Table,
        schema: TableSchema,
        order: Sequence[str],
        *,
        seed: int,
        options: Options,
        progress: Progress = no_progress,
    ) -> FittedModel:
        """Fit on the clean table; deterministic for a seed on one platform."""

    def load(self, directory: Path, table: pa.Table, schema: TableSchema) -> FittedModel:
        """Load what `FittedModel.save` wrote.

        table: the clean training table, which `FittedModel.first` needs.

        Raises:
            ModelFileError: a file is missing, too large or does not match the schema.
        """


class ModelFileError(Exception):
    """A missing, oversized or inconsistent model file; the message holds no customer data."""
