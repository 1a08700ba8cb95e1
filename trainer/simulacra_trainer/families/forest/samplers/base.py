"""What every sampler answers, and the rows that it reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from simulacra_trainer.families.codec import Codes, Floats, Ints
from simulacra_trainer.families.forest.factors.battery import RunningSums
from simulacra_trainer.families.forest.samplers.stored import Outline, Reader, Writer
from simulacra_trainer.families.grid import Cells, ColumnGrid

if TYPE_CHECKING:
    from simulacra_trainer.families.forest.samplers.loglinear import LogLinear
    from simulacra_trainer.families.forest.samplers.numbers import Numbers

SLIP = 1e-3
"""Probability that a row breaks a functional dependency."""
TINY = float(np.finfo(np.float64).tiny)
Method = Literal["trees", "scores", "loglinear"]


@dataclass(frozen=True)
class Context:
    """Rows drawn so far: predictor codes uint8 [columns, n], values float64 [columns][n].

    sums: of these rows over the items of a battery.
    """

    codes: Codes
    values: list[Floats]
    sums: RunningSums = field(default_factory=RunningSums)


class Sampler(ABC):
    """Draws the values of one column given the columns before it.

    In all methods `rows` are indices into the context, int32 [m]; of its columns only those before
    this one are read.
    """

    kind: ClassVar[str]
    """Its name in the stored outline."""
    is_dependency: ClassVar[bool] = False
    """Whether another column alone says how to draw, so that no method was chosen."""
    follows: ClassVar[bool] = False
    """Whether the value follows from that of another column."""

    @abstractmethod
    def draw(self, context: Context, rows: Ints, u: Floats) -> Floats:
        """Draw one value per row from u, uniform float64 [m], which may change; float64 [m]."""

    @abstractmethod
    def abduct(self, context: Context, rows: Ints, values: Floats, v: Floats) -> Floats:
        """Return u in [0, 1), float64 [m], from which it draws the values or its nearest.

        Counterfactuals need the noise behind an observed value (Pearl, Causality, 2009, ch. 7).
        One uniform number becomes a value by rank, because leaf donors are sorted by value. So the
        noise is the rank of the value among the donors of the row's leaf.

        Args:
            context: all rows.
            rows: see the class.
            values: observed values of these rows, float64 [m].
            v: uniform, float64 [m]; picks u where several would draw the value.
        """

    @abstractmethod
    def probabilities(self, grid: ColumnGrid, context: Context, rows: Ints, cells: Cells) -> Floats:
        """Return the probability of each row's cell of the grid, float64 [m]; above 0."""

    def level_shares(self, context: Context, rows: Ints, size: int) -> Floats:
        """Return the probability of each level, float64 [m, size]: 0 is missing, k + 1 level k."""
        raise TypeError(f"no category is drawn by a sampler of kind {self.kind}")

    @property
    @abstractmethod
    def columns_used(self) -> set[int]:
        """Columns (schema order) that it reads, also through inner samplers."""

    @property
    def span(self) -> tuple[float, float]:
        """Smallest and largest value that it draws."""
        raise TypeError(f"no class is drawn by a sampler of kind {self.kind}")

    @property
    def regression(self) -> LogLinear | None:
        """The log-linear regression that draws the column, None without."""
        return None

    @property
    def follows_scores(self) -> bool:
        """Whether the column is drawn as a normal score."""
        return False

    @property
    def method(self) -> Method:
        """How the column is drawn: by trees, as a normal score, or by the regression."""
        if self.follows_scores:
            return "scores"
        return "trees" if self.regression is None else "loglinear"

    @property
    def draws_each_value(self) -> bool:
        """Whether each value is a class of a tree, or in a pool of rare ones."""
        return False

    def with_responses(self, values: Floats, respond: Respond) -> Sampler:
        """Return it with number trees replaced by `respond`; values: of the column, float64 [n]."""
        return self

    @abstractmethod
    def outline(self, writer: Writer) -> Outline:
        """Add its arrays to the writer; return its outline, without its kind."""

    @classmethod
    @abstractmethod
    def load(cls, node: Outline, reader: Reader) -> Sampler:
        """Return the sampler of a checked outline; ValueError or KeyError if it is unsound."""


def first_regression(samplers: Iterable[Sampler]) -> LogLinear | None:
    """Return the log-linear regression of the first sampler that has one, None without."""
    return next((found for of in samplers if (found := of.regression) is not None), None)


Respond = Callable[["Numbers", Ints], "Numbers"]
"""Returns the response under do() of a number tree, fitted to these rows."""
