"""Draw a number as a normal score that follows a regression."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from simulacra_trainer.families.codec import BELOW_ONE, Floats, Ints
from simulacra_trainer.families.forest.samplers.base import Context, Sampler
from simulacra_trainer.families.forest.samplers.numbers import Numbers
from simulacra_trainer.families.forest.samplers.pool import Pool
from simulacra_trainer.families.forest.samplers.stored import Outline, Reader, Writer
from simulacra_trainer.families.forest.trees.traversal import mass_below, table_sums
from simulacra_trainer.families.forest.trees.tree import PRIOR_ROWS
from simulacra_trainer.families.grid import Cells, ColumnGrid


@dataclass(frozen=True)
class Latent(Sampler):
    """Draw a normal score: regression on earlier columns plus residual (`regression.latent`).

    Attributes:
        columns: positions in the schema, int32 [k].
        tables: what each predictor code of a column adds, float64 [k, 256].
        residual: number tree that draws the residual.
        margin: turns the score's rank into a value.
    """

    kind = "latent"
    columns: Ints
    tables: Floats
    residual: Numbers
    margin: Pool

    def draw(self, context: Context, rows: Ints, u: Floats) -> Floats:
        score = self.expected(context, rows) + self.residual.draw(context, rows, u)
        return self.margin.draw(context, rows, np.minimum(ndtr(score), BELOW_ONE))

    def expected(self, context: Context, rows: Ints) -> Floats:
        """Return the regression's prediction for each row, float64 [rows]."""
        return table_sums(context.codes, rows, self.columns, self.tables)

    def abduct(self, context: Context, rows: Ints, values: Floats, v: Floats) -> Floats:
        """Return the rank of the residual; v picks one where several scores give the value."""
        low, high = self.residual.low, self.residual.high
        start, stop = self.residual.tree.segments(context.codes, rows)
        expected = self.expected(context, rows)
        first, last = (
            mass_below(start, stop, low, high, self._scores(end) - expected)
            for end in (values, np.nextafter(values, np.inf))
        )
        return np.minimum(first + v * (last - first), BELOW_ONE)

    def _scores(self, values: Floats) -> Floats:
        """Return the normal score of the margin's mass below each value, float64 [m]."""
        whole = self.margin.whole(values.size)
        return ndtri(mass_below(*whole, self.margin.low, self.margin.high, values))

    def probabilities(self, grid: ColumnGrid, context: Context, rows: Ints, cells: Cells) -> Floats:
        """Return the leaf's smoothed mass between the scores of each row's cell, float64 [rows]."""
        low, high = self.residual.low, self.residual.high
        bounds = self._scores(np.empty(0) if grid.edges is None else grid.edges)
        bounds = np.concatenate([[-np.inf, -np.inf], bounds, [np.inf]])  # missing has no mass
        expected = self.expected(context, rows)
        first, last = bounds[cells] - expected, bounds[cells + 1] - expected

        def mass(start: Ints, stop: Ints, low: Floats, high: Floats) -> Floats:
            inside = mass_below(start, stop, low, high, last) - mass_below(
                start, stop, low, high, first
            )
            return inside * (stop - start)

        everywhere = np.zeros(rows.size, np.int32), np.full(rows.size, low.size, np.int32)
        root = (mass(*everywhere, np.sort(low), np.sort(high)) + PRIOR_ROWS / grid.size) / (
            low.size + PRIOR_ROWS
        )
        start, stop = self.residual.tree.segments(context.codes, rows)
        return (mass(start, stop, low, high) + PRIOR_ROWS * root) / (stop - start + PRIOR_ROWS)

    @property
    def columns_used(self) -> set[int]:
        return {*map(int, self.columns), *self.residual.columns_used}

    @property
    def span(self) -> tuple[float, float]:
        return self.margin.span

    @property
    def follows_scores(self) -> bool:
        return True

    def outline(self, writer: Writer) -> Outline:
        inner = {"residual": writer.sampler(self.residual), "margin": writer.sampler(self.margin)}
        return {**writer.regression(self.columns, self.tables), **inner}

    @classmethod
    def load(cls, node: Outline, reader: Reader) -> Latent:
        columns, tables = reader.regression(node)
        residual = reader.sampler_of(Numbers, node["residual"])
        return cls(columns, tables, residual, reader.sampler_of(Pool, node["margin"]))
