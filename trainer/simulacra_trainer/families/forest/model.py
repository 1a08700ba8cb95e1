"""The forest family: fit, draw, reorder, judge, save and load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from simulacra_crds.contract.schema import TableSchema
from simulacra_trainer.cpus import threads
from simulacra_trainer.families.base import ModelFileError, Options, Progress, no_progress
from simulacra_trainer.families.codec import Codes, ColumnCodec, Floats, fit_codec
from simulacra_trainer.families.forest.abduct import abduct, level_shares
from simulacra_trainer.families.forest.additive import functions_of
from simulacra_trainer.families.forest.dependencies import Dependencies
from simulacra_trainer.families.forest.do_response import (
    columns_used,
    follows_scores,
    regression_in,
    under_do,
)
from simulacra_trainer.families.forest.feature_screen import Screen
from simulacra_trainer.families.forest.grow import ColumnGrower, Method
from simulacra_trainer.families.forest.likelihood import cell_probabilities
from simulacra_trainer.families.forest.samplers import (
    Context,
    Ints,
    Lookup,
    Monotone,
    Pool,
    Sampler,
    Switch,
)
from simulacra_trainer.families.forest.store import load_samplers, save_samplers
from simulacra_trainer.families.forest.training_rows import DEFAULT_SCALE, TrainingRows
from simulacra_trainer.families.grid import ColumnGrid, level_grid, number_grid
from simulacra_trainer.families.gumbel import gumbel_twins
from simulacra_trainer.persons import persons_in
from simulacra_trainer.survey_weights import row_weights

PENALTY, SCALE, METHODS, TABLE_ROWS = "penalty", "scale", "methods", "table_rows"
GIVEN, INDEPENDENT = "given", "independent"
DEFAULT_PENALTY = 3.0
_NEVER_DRAWN = Pool(np.full(1, np.nan), np.full(1, np.nan))
"""Stands for the sampler of a column that callers always give."""


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
        for j in drawn:
            codec, u = self.data.codecs[j], rng.random(n)
            if j in held:
                values = np.full(n, codec.value_of(held[j]))
            elif j in fixed:
                values = codec.values(fixed[j])
            else:
                sampler = self.samplers[j]
                if moved and moved & columns_used(sampler):
                    moved.add(j)
                    sampler = self._under_do(j)
                values = codec.tidy(sampler.draw(context, rows, u))
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
        rows = np.arange(n, dtype=np.int32)
        fact = _context_of(codecs, facts)
        twin = Context(fact.codes.copy(), list(fact.values))
        held = {self._position[name]: value for name, value in do.items()}
        moved = set(held)
        for j in self.order:
            if j in held:
                twin.values[j] = np.full(n, codecs[j].value_of(held[j]))
            elif moved & columns_used(self.samplers[j]):
                moved.add(j)
                twin.values[j] = codecs[j].tidy(self._twin(j, fact, twin, rows, rng))
            twin.codes[j] = codecs[j].encode(twin.values[j])
        names = [codecs[j].name for j in self.order]
        return pa.table([codecs[j].to_arrow(twin.values[j]) for j in self.order], names=names)

    def _twin(
        self, column: int, fact: Context, twin: Context, rows: Ints, rng: np.random.Generator
    ) -> Floats:
        """Return the column's values under changed causes, float64 [rows]."""
        sampler, codec, seen = self.samplers[column], self.data.codecs[column], fact.values[column]
        if codec.is_category and not codec.ordered and len(codec.levels) > 2:
            size = len(codec.levels) + 1
            p, q = (level_shares(sampler, context, rows, size) for context in (fact, twin))
            at = gumbel_twins(p, q, np.where(np.isnan(seen), 0, seen + 1).astype(np.int64), rng) - 1
            return np.where(at < 0, np.nan, at)
        u = abduct(sampler, fact, rows, seen, rng.random(rows.size))
        responding = self._under_do(column)
        before, after = (responding.draw(context, rows, u.copy()) for context in (fact, twin))
        same = (before == after) | (np.isnan(before) & np.isnan(after))
        if codec.is_category:
            return np.where(same, seen, after)
        # Move the observed value by the difference, so that what it has beyond its draw is kept.
        known = ~(np.isnan(before) | np.isnan(after) | np.isnan(seen))
        return np.where(same, seen, np.where(known, seen + (after - before), after))

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
        return grow_samplers(self.data, order, kept, self.structure, no_progress, self._methods())

    @property
    def methods(self) -> dict[str, Method]:
        """Method of each column, by name, where held-out rows decided it."""
        return {self.data.codecs[j].name: method for j, method in self._methods().items()}

    def _methods(self) -> dict[int, Method]:
        return {
            j: _method_of(sampler)
            for j, sampler in self.samplers.items()
            if j != self.order[0]
            and (j in self.data.codes_of or not isinstance(sampler, Lookup | Switch | Monotone))
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
            if _is_given(sampler)
            or (penalty == self.data.penalty and regression_in(sampler) is None)
        }
        return grow_samplers(data, self.order, kept, self.structure, no_progress, self._methods())

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
            total += np.log(cell_probabilities(self.samplers[j], grid, context, rows, cells))
        return total

    def save(
        self, directory: Path, prefix: str = "", marks: Mapping[str, bool] | None = None
    ) -> None:
        """Write the samplers, penalty, scale and column order into the directory.

        prefix: of the names of the files; marks: about the training table, for `read_outline`.
        """
        header = {PENALTY: self.data.penalty, SCALE: self.data.scale, "order": self.order}
        header |= {INDEPENDENT: True} if self.data.independent else {}
        save_samplers(self.samplers, header | dict(marks or {}), directory, prefix)

    @property
    def structure(self) -> Structure:
        """Structure of the training table; a loaded model computes it when it is reordered."""
        if self._structure is None:
            self._structure = find_structure(self.data)
        return self._structure


@dataclass(frozen=True)
class Structure:
    """Structure independent of column order: dependencies and pairwise information."""

    dependencies: Dependencies
    screen: Screen


def find_structure(data: TrainingRows) -> Structure:
    """Return the dependencies and, in wide tables, the pairwise information of the columns."""
    return Structure(
        Dependencies(data.values, [not codec.is_category for codec in data.codecs], data.persons),
        Screen(data.codes),
    )


def grow_samplers(
    data: TrainingRows,
    order: Sequence[int],
    kept: Mapping[int, Sampler],
    structure: Structure,
    progress: Progress,
    methods: Mapping[int, Method] | None = None,
) -> ForestModel:
    """Return a model whose missing samplers are grown on all CPUs; their number has no influence.

    Args:
        data: training rows.
        order: of the columns, causal.
        kept: samplers to take over, by column.
        structure: of the table.
        progress: called with the share done.
        methods: of the columns, where known; held-out rows decide the others.
    """
    known = methods or {}
    _ = data.factors, data.context  # once, before threads grow columns

    def grow(place: int) -> Sampler:
        j, before = order[place], order[:place]
        candidates = structure.screen.candidates(j, before)
        grower = ColumnGrower(data, j, candidates, before=before, method=known.get(j))
        return grower.grow(structure.dependencies.of(j, before))

    # Later columns have more predictors: start with the longest work.
    places = [i for i, j in enumerate(order) if j not in kept][::-1]
    samplers = dict(kept)
    with ThreadPoolExecutor(threads()) as pool:
        for done, sampler in enumerate(pool.map(grow, places)):
            samplers[order[places[done]]] = sampler
            progress((done + 1) / len(places))
    return ForestModel(data, order, samplers, structure)


def _context_of(codecs: Sequence[ColumnCodec], table: pa.Table) -> Context:
    """Return all rows of a clean table, coded."""
    values = [codec.values(table.column(codec.name)) for codec in codecs]
    return Context(np.stack([c.encode(v) for c, v in zip(codecs, values, strict=True)]), values)


def _is_given(sampler: Sampler) -> bool:
    return isinstance(sampler, Pool) and bool(np.isnan(sampler.low).all())


def _method_of(sampler: Sampler) -> Method:
    if follows_scores(sampler):
        return "scores"
    return "trees" if regression_in(sampler) is None else "loglinear"


def training_rows(
    table: pa.Table,
    schema: TableSchema,
    penalty: float,
    scale: float,
    table_rows: int = 0,
    *,
    independent: bool = False,
) -> TrainingRows:
    """Return the clean table coded for the trees; independent: see `TrainingRows`."""
    codecs: list[ColumnCodec] = [fit_codec(table.column(c.name), c) for c in schema.modeled()]
    values: list[Floats] = [codec.values(table.column(codec.name)) for codec in codecs]
    codes: Codes = np.empty((len(codecs), table.num_rows), np.uint8)
    for j, codec in enumerate(codecs):
        codes[j] = codec.encode(values[j])
    functions = [functions_of(of, codec) for of, codec in zip(codes, codecs, strict=True)]
    weights, persons = row_weights(table, schema), persons_in(table, schema)
    return TrainingRows(
        codes,
        values,
        codecs,
        functions,
        penalty,
        weights,
        persons,
        scale,
        independent,
        table_rows=table_rows,
    )


class Forest:
    """The family (see `families.base.Family`).

    Options: penalty, nats a split must gain beyond its parameters; scale, of the standard
    deviations of log-linear regressions; methods, of columns by name (held-out rows decide the
    others); table_rows, of the table that the rows are a part of; given, names of columns that are
    only causes, given whenever rows are drawn; independent, whether regressions take rows of a
    person as independent given the columns.
    """

    name = "forest"

    def fit(
        self,
        table: pa.Table,
        schema: TableSchema,
        order: Sequence[str],
        *,
        seed: int,
        options: Options,
        progress: Progress,
    ) -> ForestModel:
        """Fit on the clean table. It uses no randomness, so the seed is not used."""
        penalty, scale = options.get(PENALTY, DEFAULT_PENALTY), options.get(SCALE, DEFAULT_SCALE)
        whole, independent = options.get(TABLE_ROWS, table.num_rows), bool(options.get(INDEPENDENT))
        data = training_rows(
            table, schema, float(penalty), float(scale), whole, independent=independent
        )
        position = {codec.name: j for j, codec in enumerate(data.codecs)}
        methods = {position[name]: method for name, method in options.get(METHODS, {}).items()}
        places = [position[name] for name in schema.with_codes(order)]
        given: dict[int, Sampler] = {
            position[name]: _NEVER_DRAWN for name in options.get(GIVEN, ())
        }
        return grow_samplers(data, places, given, find_structure(data), progress, methods)

    def load(
        self, directory: Path, table: pa.Table, schema: TableSchema, prefix: str = ""
    ) -> ForestModel:
        """Load a saved model; table is the clean training table. Raises `ModelFileError`."""
        samplers, header = load_samplers(directory, len(schema.modeled()), prefix)
        order = header.get("order")
        columns = list(range(len(samplers)))
        if not isinstance(order, list) or sorted(order) != columns or sorted(samplers) != columns:
            raise ModelFileError("the column order in forest.json does not match its columns")
        if len(samplers) != len(schema.modeled()):
            raise ModelFileError("forest.json and the schema have different numbers of columns")
        penalty, scale = float(header[PENALTY]), float(header.get(SCALE, DEFAULT_SCALE))
        independent = bool(header.get(INDEPENDENT))
        data = training_rows(table, schema, penalty, scale, independent=independent)
        return ForestModel(data, order, samplers)


FOREST = Forest()
