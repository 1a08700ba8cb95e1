"""A fitted forest: draw, counterfactual twins, reorder, judge, save and load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from simulacra_schema.table import TableSchema
from simulacra_trainer.families.base import ModelFileError
from simulacra_trainer.families.codec import ColumnCodec, Floats
from simulacra_trainer.families.forest.growth.grow import ColumnGrower
from simulacra_trainer.families.forest.growth.structure import (
    Structure,
    find_structure,
    grow_samplers,
)
from simulacra_trainer.families.forest.growth.training_rows import (
    DEFAULT_SCALE,
    TrainingRows,
    code_rows,
)
from simulacra_trainer.families.forest.model.do_response import under_do
from simulacra_trainer.families.forest.model.store import load_samplers, save_samplers
from simulacra_trainer.families.forest.model.twins import level_twins, rank_twins
from simulacra_trainer.families.forest.samplers import Context, Method, Pool, Sampler
from simulacra_trainer.families.grid import ColumnGrid, level_grid, number_grid
from simulacra_trainer.families.spread import spread_uniforms

PENALTY, SCALE, INDEPENDENT = "penalty", "scale", "independent"


class ForestModel:
    """Penalized sequential trees in one order of the columns."""

    def __init__(
        self,
        data: TrainingRows,
        order: Sequence[int],
        samplers: Mapping[int, Sampler],
        structure: Structure | None = None,
    ) -> None:
        self.data = data
        self.order = list(order)
        self.samplers = dict(samplers)
        self._structure = structure
        self._position = {codec.name: i for i, codec in enumerate(data.codecs)}
        self._responses: dict[int, Sampler] = {}

    @property
    def columns(self) -> list[str]:
        """Names of the columns in generation order."""
        return [self.data.codecs[j].name for j in self.order]

    def codec(self, name: str) -> ColumnCodec | None:
        """Return how a column is coded; see `families.base.FittedModel.codec`."""
        return self.data.codecs[self._position[name]] if name in self._position else None

    def sample(
        self,
        n: int,
        rng: np.random.Generator,
        *,
        given: pa.Table | None = None,
        do: Mapping[str, float | str] | None = None,
        only: int | None = None,
    ) -> pa.Table:
        """Draw n rows; see `families.base.FittedModel.sample`."""
        rows = np.arange(n, dtype=np.int32)
        held = {self._position[name]: value for name, value in (do or {}).items()}
        fixed = {}
        if given is not None:
            fixed = {self._position[name]: given.column(name) for name in given.column_names}
        context = Context(np.zeros((len(self.order), n), np.uint8), [np.empty(0)] * len(self.order))
        drawn, moved = self.order[:only], set(held)
        # Columns of do() take numbers too, so that the others have the same under every value.
        uniforms = spread_uniforms(n, sum(j not in fixed for j in drawn), rng)
        for j in drawn:
            codec = self.data.codecs[j]
            u = None if j in fixed else next(uniforms)
            if j in held:
                values = np.full(n, codec.value_of(held[j]))
            elif u is None:
                values = codec.values(fixed[j])
            else:
                sampler = self.samplers[j]
                if moved and moved & sampler.columns_used:
                    moved.add(j)
                    sampler = self._under_do(j)
                values = codec.tidy(sampler.draw(context, rows, u), follows=sampler.follows)
            context.values[j] = values
            context.codes[j] = codec.encode(values)
        codecs = [self.data.codecs[j] for j in drawn]
        return pa.table(
            {c.name: c.to_arrow(context.values[j]) for j, c in zip(drawn, codecs, strict=True)}
        )

    def counterfactual(
        self, facts: pa.Table, do: Mapping[str, float | str], rng: np.random.Generator
    ) -> pa.Table:
        """Return each row's twin under do(); see `families.base.FittedModel.counterfactual`."""
        n, codecs = facts.num_rows, self.data.codecs
        fact = _context_of(codecs, facts)
        twin = Context(fact.codes.copy(), list(fact.values))
        held = {self._position[name]: value for name, value in do.items()}
        moved = set(held)
        for j in self.order:
            if j in held:
                twin.values[j] = np.full(n, codecs[j].value_of(held[j]))
            elif moved & self.samplers[j].columns_used:
                moved.add(j)
                drawn, seen = self._twins(j, fact, twin, rng), fact.values[j]
                tidy = codecs[j].tidy(drawn, follows=self.samplers[j].follows)
                twin.values[j] = np.where(drawn == seen, seen, tidy)  # rounding twice moves values
            twin.codes[j] = codecs[j].encode(twin.values[j])
        names = [codecs[j].name for j in self.order]
        return pa.table([codecs[j].to_arrow(twin.values[j]) for j in self.order], names=names)

    def _twins(self, column: int, fact: Context, twin: Context, rng: np.random.Generator) -> Floats:
        """Return the column's values under changed causes, float64 [n]."""
        sampler, codec, seen = self.samplers[column], self.data.codecs[column], fact.values[column]
        if codec.is_category and not codec.ordered and len(codec.levels) > 2:
            return level_twins(sampler, len(codec.levels), fact, twin, seen, rng)
        responding, is_category = self._under_do(column), codec.is_category
        return rank_twins(sampler, responding, fact, twin, seen, rng, is_category=is_category)

    def _under_do(self, column: int) -> Sampler:
        """Return the sampler of a column whose causes do() changed; it is fit on first use."""
        if column not in self._responses:
            before = self.order[: self.order.index(column)]
            predictors = self.structure.screen.candidates(column, before)
            grower = ColumnGrower(self.data, column, predictors, method="trees")
            self._responses[column] = under_do(self.samplers[column], grower)
        return self._responses[column]

    def first(self, columns: Sequence[str]) -> ForestModel:
        """Return a model with these columns first; only changed columns are fit again."""
        front = [self._position[name] for name in columns]
        order = [*front, *(j for j in self.order if j not in set(front))]
        before = {j: set(self.order[:i]) for i, j in enumerate(self.order)}
        kept = {j: self.samplers[j] for i, j in enumerate(order) if set(order[:i]) == before[j]}
        return self._grown(self.data, order, kept)

    @property
    def methods(self) -> dict[str, Method]:
        """Method of each column, by name, where held-out rows decided it."""
        return {self.data.codecs[j].name: method for j, method in self._methods().items()}

    def _methods(self) -> dict[int, Method]:
        return {
            j: sampler.method
            for j, sampler in self.samplers.items()
            if j != self.order[0] and (j in self.data.codes_of or not sampler.is_dependency)
        }

    def with_strength(self, penalty: float, scale: float) -> ForestModel:
        """Return a model of the same rows and order, grown with another penalty and scale.

        The method of each column is taken over. The comparison on held-out rows takes several
        times as long as growing, and at other penalties it gives another answer only for columns
        that both methods suit equally well.
        """
        if (penalty, scale) == (self.data.penalty, self.data.scale):
            return self
        data = self.data.with_strength(penalty, scale)
        kept = {
            j: sampler
            for j, sampler in self.samplers.items()
            if (isinstance(sampler, Pool) and sampler.is_never_drawn)
            or (penalty == self.data.penalty and sampler.regression is None)
        }
        return self._grown(data, self.order, kept)

    def with_chosen_methods(self) -> ForestModel:
        """Return a model whose methods held-out rows decide, where this one has trees alone."""
        samplers = grow_samplers(self.data, self.order, {}, self.structure, {}, trees=self.samplers)
        return ForestModel(self.data, self.order, samplers, self.structure)

    def _grown(
        self, data: TrainingRows, order: Sequence[int], kept: Mapping[int, Sampler]
    ) -> ForestModel:
        samplers = grow_samplers(data, order, kept, self.structure, self._methods())
        return ForestModel(data, order, samplers, self.structure)

    @property
    def grids(self) -> list[ColumnGrid]:
        """Grid of each column, in schema order."""
        return [
            level_grid(codec.levels) if codec.is_category else number_grid(seen)
            for codec, seen in zip(self.data.codecs, self.data.values, strict=True)
        ]

    def log_likelihood(self, table: pa.Table, grids: Sequence[ColumnGrid] | None = None) -> Floats:
        """Return nats per row on the grid of `families.grid`, float64 [n].

        grids: those of another model, to compare with it.
        """
        rows = np.arange(table.num_rows, dtype=np.int32)
        context = _context_of(self.data.codecs, table)
        total = np.zeros(table.num_rows)
        for j, grid in enumerate(self.grids if grids is None else grids):
            cells = grid.cells(context.values[j])
            total += np.log(self.samplers[j].probabilities(grid, context, rows, cells))
        return total

    def save(self, directory: Path, prefix: str = "") -> None:
        """Write samplers, penalty, scale and column order; prefix: of the names of the files."""
        header = {PENALTY: self.data.penalty, SCALE: self.data.scale, "order": self.order}
        header |= {INDEPENDENT: True} if self.data.independent else {}
        save_samplers(self.samplers, header, directory, prefix, self.data.codecs)

    @classmethod
    def load(
        cls, directory: Path, table: pa.Table, schema: TableSchema, prefix: str = ""
    ) -> ForestModel:
        """Load a saved model; table is the clean training table. Raises `ModelFileError`."""
        samplers, codecs, header = load_samplers(directory, schema.modeled(), prefix)
        order = header.get("order")
        columns = list(range(len(samplers)))
        if not isinstance(order, list) or sorted(order) != columns or sorted(samplers) != columns:
            raise ModelFileError("the column order in forest.json does not match its columns")
        if len(samplers) != len(schema.modeled()):
            raise ModelFileError("forest.json and the schema have different numbers of columns")
        penalty, scale = float(header[PENALTY]), float(header.get(SCALE, DEFAULT_SCALE))
        independent = bool(header.get(INDEPENDENT))
        data = code_rows(table, schema, penalty, scale, independent=independent, codecs=codecs)
        return cls(data, order, samplers)

    @property
    def structure(self) -> Structure:
        """Structure of the training table; a loaded model computes it when it is reordered."""
        if self._structure is None:
            self._structure = find_structure(self.data)
        return self._structure


def _context_of(codecs: Sequence[ColumnCodec], table: pa.Table) -> Context:
    """Return all rows of a clean table, coded."""
    values = [codec.values(table.column(codec.name)) for codec in codecs]
    return Context(np.stack([c.encode(v) for c, v in zip(codecs, values, strict=True)]), values)
