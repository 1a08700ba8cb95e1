"""The seam between the pipeline and the families of generative models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_crds.contract.schema import TableSchema

Progress = Callable[[float], None]
"""Called with the share of the work that is done, 0..1."""
Options = Mapping[str, Any]


class FittedModel(Protocol):
    """A joint distribution over the learned columns, factorised along a causally valid order."""

    @property
    def columns(self) -> list[str]:
        """Names of the columns in generation order."""

    def sample(
        self,
        n: int,
        rng: np.random.Generator,
        *,
        given: pa.Table | None = None,
        do: Mapping[str, float | str] | None = None,
        only: int | None = None,
    ) -> pa.Table:
        """Draw n rows in the types of the clean table, columns in generation order.

        Args:
            n: number of rows.
            rng: the only source of randomness.
            given: n rows of values for the first columns of the order; they are kept as they are.
            do: columns held at a value (number, or level) while the mechanisms of the others are
                kept.
            only: stop after this many columns of the order.
        """

    def counterfactual(
        self, facts: pa.Table, do: Mapping[str, float | str], rng: np.random.Generator
    ) -> pa.Table:
        """Return what each row would have been under do(), all columns: abduction, action,
        prediction (Pearl, 2009).

        The noise of each column is abducted from the row: numbers and ordered levels keep their
        rank among those that the same causes allow, other levels follow Gumbel-max noise
        (`families.coupling`). A column that nothing changes for keeps its value.

        Args:
            facts: rows of all columns in clean types, such as `sample` draws.
            do: columns held at a value.
            rng: what the rows leave open of their noise.
        """

    def first(self, columns: Sequence[str]) -> FittedModel:
        """Return the same joint with these columns first; the others keep their order."""

    def log_likelihood(self, table: pa.Table) -> npt.NDArray[np.float64]:
        """Return nats per row, shape [n], on the grid that all families share (`families.grid`)."""

    def save(self, directory: Path) -> None:
        """Write the family's own files (weights and config) into an existing directory."""


class Family(Protocol):
    """How a kind of model is fit and loaded."""

    @property
    def name(self) -> str:
        """What it is called in a Model's spec."""

    def fit(
        self,
        table: pa.Table,
        schema: TableSchema,
        order: Sequence[str],
        *,
        seed: int,
        options: Options,
        progress: Progress,
    ) -> FittedModel:
        """Fit on the clean table; deterministic for a seed on one platform."""

    def load(self, directory: Path, table: pa.Table, schema: TableSchema) -> FittedModel:
        """Load what `FittedModel.save` wrote; table is the clean training table, needed for
        `FittedModel.first`.

        Raises:
            ModelFileError: if a file is missing, too large or does not hold what the schema says.
        """


class ModelFileError(Exception):
    """A missing, oversized or inconsistent file of a model directory. No customer data in it."""


def no_progress(_done: float) -> None:
    """Ignore progress."""
