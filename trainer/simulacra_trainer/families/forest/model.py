"""The forest family: fit, draw, reorder, judge, save and load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
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
from simulacra_trainer.families.forest.do_response import follows_scores, columns_used, under_do
from simulacra_trainer.families.forest.feature_screen import Screen
from simulacra_trainer.families.forest.grow import ColumnGrower, TrainingRows
from simulacra_trainer.families.forest.likelihood import cell_probabilities
from simulacra_trainer.families.forest.samplers import (
    Context,
    Ints,
    Lookup,
    Monotone,
    Sampler,
    Switch,
)
from simulacra_trainer.families.forest.store import load_samplers, save_samplers
from simulacra_trainer.families.grid import level_grid, number_grid
from simulacra_trainer.families.gumbel import gumbel_twins
from simulacra_trainer.survey_weights import row_weights

PENALTY, SCORED = "penalty", "scored"
DEFAULT_PENALTY = 3.0


class ForestModel:
    """Penalized sequential trees in one order of the columns."""

    def __init__(
        self,
        data: TrainingRows,
        order: Sequence[int],
        samplers: Mapping[int, Sampler],
        structure: Structure | None = None,
    ) -> None:
        self.data, self.order, self.samplers, self._structure = (
            data,
            list(order),
            dict(samplers),
            structure,
        )
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
        fixed = (
            {self._position[name]: given.column(name) for name in given.column_names}
            if given is not None
            else {}
        )
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
        names = [self.data.codecs[j].name for j in drawn]
        return pa.table(
            [self.data.codecs[j].to_arrow(context.values[j]) for j in drawn], names=names
        )

    def counterfactual(
        self, facts: pa.Table, do: Mapping[str, float | str], rng: np.random.Generator
    ) -> pa.Table:
        """Return each row's twin under do(); see `families.base.FittedModel.counterfactual`."""
        n, codecs = facts.num_rows, self.data.codecs
        rows = np.arange(n, dtype=np.int32)
        values = [codec.values(facts.column(codec.name)) for codec in codecs]
        fact = Context(
            np.stack([codec.encode(v) for codec, v in zip(codecs, values, strict=True)]), values
        )
        twin = Context(fact.codes.copy(), list(values))
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
        """Return the column in the twins' world, float64 [rows], drawn from changed causes."""
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
        # what the drawn value has beyond its draw (the smooth sampler, values of another order) goes
        # with it
        known = ~(np.isnan(before) | np.isnan(after) | np.isnan(seen))
        return np.where(same, seen, np.where(known, seen + (after - before), after))

    def _under_do(self, column: int) -> Sampler:
        """Return what draws a column that do() reaches, found when first asked for.

        Of a column that follows normal scores it begins with what leaves alone would be: a
        regression on the numbers' own scale takes the place of the one of scores.
        """
        if column not in self._responses:
            sampler, before = self.samplers[column], self.order[: self.order.index(column)]
            predictors = self.structure.screen.of(column, before)
            grower = ColumnGrower(self.data, column, predictors, scored=False)
            self._responses[column] = under_do(
                grower.grow(None) if follows_scores(sampler) else sampler, grower
            )
        return self._responses[column]

    def first(self, columns: Sequence[str]) -> ForestModel:
        """Return a model with these columns first; only changed columns are fit again."""
        front = [self._position[name] for name in columns]
        order = [*front, *(j for j in self.order if j not in set(front))]
        before: dict[int, frozenset[int]] = {
            j: frozenset(self.order[:i]) for i, j in enumerate(self.order)
        }
        kept = {
            j: self.samplers[j] for i, j in enumerate(order) if frozenset(order[:i]) == before[j]
        }
        return grow_samplers(self.data, order, kept, self.structure, no_progress, self._scored())

    @property
    def scored(self) -> dict[str, bool]:
        """By name, which columns follow normal scores, of those whose rows were asked."""
        return {self.data.codecs[j].name: says for j, says in self._scored().items()}

    def _scored(self) -> dict[int, bool]:
        mute = {
            self.order[0],
            *(
                j
                for j, sampler in self.samplers.items()
                if isinstance(sampler, Lookup | Switch | Monotone)
            ),
        }
        return {j: follows_scores(sampler) for j, sampler in self.samplers.items() if j not in mute}

    def with_penalty(self, penalty: float) -> ForestModel:
        """Return a model of the same rows and order that was grown with another penalty.

        Rows are not asked again which columns follow scores: at other penalties they say the same
        but for a column or two that both ways suit alike, and asking costs several times what
        growing does.
        """
        if penalty == self.data.penalty:
            return self
        data = replace(self.data, penalty=penalty)
        return grow_samplers(data, self.order, {}, self.structure, no_progress, self._scored())

    def log_likelihood(self, table: pa.Table) -> Floats:
        """Return nats per row on the grid of `families.grid`, float64 [n]."""
        rows = np.arange(table.num_rows, dtype=np.int32)
        values = [codec.values(table.column(codec.name)) for codec in self.data.codecs]
        codes = np.stack(
            [codec.encode(v) for codec, v in zip(self.data.codecs, values, strict=True)]
        )
        context = Context(codes, values)
        total = np.zeros(table.num_rows)
        for j, codec in enumerate(self.data.codecs):
            grid = (
                level_grid(codec.levels) if codec.is_category else number_grid(self.data.values[j])
            )
            total += np.log(
                cell_probabilities(self.samplers[j], grid, context, rows, grid.cells(values[j]))
            )
        return total

    def save(self, directory: Path) -> None:
        """Write the trees and what they were grown with."""
        header = {PENALTY: self.data.penalty, "order": self.order}
        save_samplers(self.samplers, header, directory)

    @property
    def structure(self) -> Structure:
        """Structure of the whole training table; a loaded model finds it again to reorder."""
        if self._structure is None:
            self._structure = find_structure(self.data)
        return self._structure


@dataclass(frozen=True)
class Structure:
    """Structure independent of column order: dependencies and pairwise information."""

    dependencies: Dependencies
    screen: Screen


def find_structure(data: TrainingRows) -> Structure:
    """Look for functional dependencies and, in wide tables, for what informs what."""
    return Structure(
        Dependencies(data.values, [not codec.is_category for codec in data.codecs]),
        Screen(data.codes),
    )


def grow_samplers(
    data: TrainingRows,
    order: Sequence[int],
    kept: Mapping[int, Sampler],
    structure: Structure,
    progress: Progress,
    scored: Mapping[int, bool] | None = None,
) -> ForestModel:
    """Grow the columns of the order that are not kept, on all cores; the result does not depend on
    their number.

    scored: columns of which it is known whether normal scores suit them; of others it is asked.
    """
    known = scored or {}

    def grow(place: int) -> Sampler:
        j, before = order[place], order[:place]
        grower = ColumnGrower(data, j, structure.screen.of(j, before), scored=known.get(j))
        return grower.grow(structure.dependencies.of(j, before))

    # the later a column, the more predictors: the longest work comes first
    places = [i for i, j in enumerate(order) if j not in kept][::-1]
    samplers = dict(kept)
    with ThreadPoolExecutor(threads()) as pool:
        for done, (place, sampler) in enumerate(
            zip(places, pool.map(grow, places), strict=True), start=1
        ):
            samplers[order[place]] = sampler
            progress(done / len(places))
    return ForestModel(data, order, samplers, structure)


def training_rows(table: pa.Table, schema: TableSchema, penalty: float) -> TrainingRows:
    """Code the clean table."""
    codecs: list[ColumnCodec] = [fit_codec(table.column(c.name), c) for c in schema.learned()]
    values: list[Floats] = [codec.values(table.column(codec.name)) for codec in codecs]
    codes: Codes = np.empty((len(codecs), table.num_rows), np.uint8)
    for j, codec in enumerate(codecs):
        codes[j] = codec.encode(values[j])
    functions = [functions_of(of, codec) for of, codec in zip(codes, codecs, strict=True)]
    return TrainingRows(codes, values, codecs, functions, penalty, row_weights(table, schema))


class Forest:
    """The family (see `families.base.Family`).

    Options: penalty, nats a split must gain beyond its parameters; scored, by name, whether a
    column is to follow normal scores (of others their rows are asked).
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
        """Fit on the clean table. The trees use no randomness, so the seed is not used."""
        data = training_rows(table, schema, float(options.get(PENALTY, DEFAULT_PENALTY)))
        position = {codec.name: j for j, codec in enumerate(data.codecs)}
        scored = {position[name]: says for name, says in options.get(SCORED, {}).items()}
        return grow_samplers(
            data, [position[name] for name in order], {}, find_structure(data), progress, scored
        )

    def load(self, directory: Path, table: pa.Table, schema: TableSchema) -> ForestModel:
        """Load a saved model; table is the clean training table. Raises `ModelFileError`."""
        samplers, header = load_samplers(directory, len(schema.learned()))
        order = header.get("order")
        if (
            not isinstance(order, list)
            or sorted(order) != sorted(samplers)
            or sorted(samplers) != list(range(len(samplers)))
        ):
            raise ModelFileError("the order of the columns does not fit the samplers of the model")
        if len(samplers) != len(schema.learned()):
            raise ModelFileError("the model has another number of columns than the schema")
        return ForestModel(training_rows(table, schema, float(header[PENALTY])), order, samplers)


FOREST = Forest()
