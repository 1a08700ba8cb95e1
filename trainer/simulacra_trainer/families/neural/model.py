"""The neural family: fit, sample, reorder, score, save and load."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from simulacra_intake.rows_of_persons import persons_in
from simulacra_intake.survey_weights import row_weights
from simulacra_schema.table import TableSchema
from simulacra_trainer.cpus import threads
from simulacra_trainer.families.base import Do, ModelFileError, Options, Progress, no_progress
from simulacra_trainer.families.codec import ColumnCodec
from simulacra_trainer.families.neural.coding import ColumnCoding, Floats, fit_coding
from simulacra_trainer.families.neural.mechanisms import mechanisms, nothing_seen
from simulacra_trainer.families.neural.weights import Weights, fold, load_weights, save_weights

GPUS, CHECKPOINTS, KEPT, GROUP = "gpu", "checkpoints", "kept", "group"
CHUNK_ROWS = 4096
LIKELIHOOD_ROWS = 512
SLIP = 1e-4
"""Share of a uniform distribution in the likelihood, so that unseen values are possible."""


class NeuralModel:
    """The network in one column order; models of other orders share the same weights."""

    def __init__(
        self, weights: Weights, codings: Sequence[ColumnCoding], order: Sequence[int]
    ) -> None:
        self.weights = weights
        self.codings = list(codings)
        self.order = list(order)
        self._mechanisms = mechanisms(weights, codings)
        self._position = {coding.codec.name: j for j, coding in enumerate(codings)}

    @property
    def columns(self) -> list[str]:
        """Names of the columns in generation order."""
        return [self.codings[j].codec.name for j in self.order]

    def codec(self, name: str) -> ColumnCodec | None:
        """Return how a column is coded; see `families.base.FittedModel.codec`."""
        return self.codings[self._position[name]].codec if name in self._position else None

    def sample(
        self,
        n: int,
        rng: np.random.Generator,
        *,
        given: pa.Table | None = None,
        do: Do | None = None,
        only: int | None = None,
    ) -> pa.Table:
        """Draw n rows; see `families.base.FittedModel.sample`. Each chunk has its own seed."""
        held = {self._position[name]: value for name, value in (do or {}).items()}
        known = {}
        for j in self.order[:only]:
            codec = self.codings[j].codec
            if j in held:
                known[j] = np.full(n, codec.value_of(held[j]))
            elif given is not None and codec.name in given.column_names:
                known[j] = codec.values(given.column(codec.name))
        seeds = rng.integers(0, 2**63, -(-n // CHUNK_ROWS))

        def draw(chunk: int) -> list[Floats]:
            begin, stop = chunk * CHUNK_ROWS, min((chunk + 1) * CHUNK_ROWS, n)
            part = {j: values[begin:stop] for j, values in known.items()}
            rng = np.random.default_rng(seeds[chunk])
            return self._draw(stop - begin, rng, part, self.order[:only])

        return self._table(_in_parallel(draw, len(seeds)), self.order[:only])

    def _table(self, chunks: Sequence[Sequence[Floats]], order: Sequence[int]) -> pa.Table:
        """Return chunks of column values as one clean table, columns in the given order."""
        table = {}
        for i, j in enumerate(order):
            codec = self.codings[j].codec
            values = np.concatenate([np.empty(0), *(chunk[i] for chunk in chunks)])
            table[codec.name] = codec.to_arrow(values)
        return pa.table(table)

    def _draw(
        self, n: int, rng: np.random.Generator, known: Mapping[int, Floats], order: Sequence[int]
    ) -> list[Floats]:
        seen, out = nothing_seen(n), []
        for j in order:
            mechanism = self._mechanisms[j]
            if j in known:
                values = known[j]
            else:
                values = mechanism.draw(mechanism.hidden(seen), rng.random((3, n)))
            seen += mechanism.vector(self.codings[j].encode(values))
            out.append(values)
        return out

    def counterfactual(self, facts: pa.Table, do: Do, rng: np.random.Generator) -> pa.Table:
        """Return each row's twin under do(); see `families.base.FittedModel.counterfactual`."""
        n = facts.num_rows
        held = {self._position[name]: value for name, value in do.items()}
        values = _values_of(self.codings, facts)
        seeds = rng.integers(0, 2**63, -(-n // CHUNK_ROWS))

        def twins(chunk: int) -> list[Floats]:
            part = [v[chunk * CHUNK_ROWS : (chunk + 1) * CHUNK_ROWS] for v in values]
            return self._twins(part, held, np.random.default_rng(seeds[chunk]))

        return self._table(_in_parallel(twins, len(seeds)), self.order)

    def _twins(
        self, facts: Sequence[Floats], held: Mapping[int, float | str], rng: np.random.Generator
    ) -> list[Floats]:
        n = facts[0].size
        fact, twin = nothing_seen(n), nothing_seen(n)
        out = list[Floats]()
        moved = False
        for j in self.order:
            mechanism, values = self._mechanisms[j], facts[j]
            if j in held:
                values, moved = np.full(n, self.codings[j].codec.value_of(held[j])), True
            elif moved:
                same = (fact == twin).all(1).numpy()  # rows whose visible columns do not differ
                values = np.where(same, values, mechanism.twin((fact, twin), values, rng))
            fact += mechanism.vector(self.codings[j].encode(facts[j]))
            twin += mechanism.vector(self.codings[j].encode(values))
            out.append(values)
        return out

    def first(self, columns: Sequence[str]) -> NeuralModel:
        """Return a model with these columns first and the same weights."""
        front = [self._position[name] for name in columns]
        return NeuralModel(
            self.weights, self.codings, [*front, *(j for j in self.order if j not in set(front))]
        )

    def log_likelihood(self, table: pa.Table) -> Floats:
        """Return nats per row on the grid of `families.grid`, float64 [n]."""
        values = _values_of(self.codings, table)
        shares = [torch.from_numpy(c.grid_shares().astype(np.float32)) for c in self.codings]

        def score(chunk: int) -> Floats:
            rows = slice(chunk * LIKELIHOOD_ROWS, (chunk + 1) * LIKELIHOOD_ROWS)
            part = [v[rows] for v in values]
            seen, total = nothing_seen(part[0].size), np.zeros(part[0].size)
            for j in self.order:
                mechanism, coding = self._mechanisms[j], self.codings[j]
                cells = coding.grid.cells(part[j])
                p = mechanism.grid_shares(mechanism.hidden(seen), shares[j], cells).numpy()
                total += np.log((1.0 - SLIP) * p + SLIP / coding.grid.size)
                seen += mechanism.vector(coding.encode(part[j]))
            return total

        chunks = -(-table.num_rows // LIKELIHOOD_ROWS)
        return np.concatenate([np.empty(0), *_in_parallel(score, chunks)])

    def save(self, directory: Path) -> None:
        """Write the weights and the column order into the directory."""
        save_weights(self.weights, {"order": self.order}, directory)


class Neural:
    """The family (see `families.base.Family`).

    Options:
        gpu: train on a GPU if above 0 and one is available.
        checkpoints: directory (Path) from which an interrupted training of the same table, order
            and seed continues; the caller removes it.
        kept: called without arguments after a file there was written or removed.
        group: `WorkerGroup` of the workers that train together; only the leader's model is usable.
    """

    name = "neural"

    def fit(
        self,
        table: pa.Table,
        schema: TableSchema,
        order: Sequence[str],
        *,
        seed: int,
        options: Options,
        progress: Progress = no_progress,
    ) -> NeuralModel:
        """Fit on the clean table; deterministic for a seed on one platform."""
        from simulacra_trainer.families.neural.batches import TableBatches, code_table
        from simulacra_trainer.families.neural.network import Network
        from simulacra_trainer.families.neural.training import plan_training, train
        from simulacra_trainer.families.neural.training_context import (
            TrainingContext,
            checkpoint_directory,
        )

        weights, persons = row_weights(table, schema), persons_in(table, schema)
        codings = [fit_coding(table.column(c.name), c, weights, persons) for c in schema.modeled()]
        values = _values_of(codings, table)
        position = {coding.codec.name: j for j, coding in enumerate(codings)}
        places = [position[name] for name in schema.with_codes(order)]
        network = Network(codings, torch.Generator().manual_seed(seed))
        group = options.get(GROUP)
        part = None if group is None else group.workers.part
        coded = code_table(codings, values, network.order, places)
        batches = TableBatches(coded, seed=seed, weights=weights, persons=persons, part=part)
        seen = values if weights is None else [*values, weights]
        plan = plan_training(batches, seed=seed, gpus=int(options.get(GPUS, 0)))
        name = _fingerprint(seen, repr((places, plan)))
        with checkpoint_directory(options.get(CHECKPOINTS), name) as directory:
            on_change = options.get(KEPT) or (lambda: None)
            train(network, batches, plan, TrainingContext(directory, on_change, group), progress)
        progress(1.0)
        return NeuralModel(fold(network, codings), codings, places)

    def load(self, directory: Path, table: pa.Table, schema: TableSchema) -> NeuralModel:
        """Load a saved model; table is the clean training table. Raises `ModelFileError`."""
        weights, persons = row_weights(table, schema), persons_in(table, schema)
        codings = [fit_coding(table.column(c.name), c, weights, persons) for c in schema.modeled()]
        tensors, config = load_weights(directory, codings)
        order = config.get("order")
        places = sorted(map(str, range(len(codings))))
        if not isinstance(order, list) or sorted(map(str, order)) != places:
            raise ModelFileError("the column order in neural.json does not match the schema")
        return NeuralModel(tensors, codings, [int(j) for j in order])


def _values_of(codings: Sequence[ColumnCoding], table: pa.Table) -> list[Floats]:
    return [coding.codec.values(table.column(coding.codec.name)) for coding in codings]


def _in_parallel(work: Callable[[int], Any], chunks: int) -> list[Any]:
    """Return work(0), work(1), ...; one thread per chunk, so threads do not change results."""

    def alone(chunk: int) -> Any:
        with torch.inference_mode():
            return work(chunk)

    with ThreadPoolExecutor(threads(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return list(pool.map(alone, range(chunks)))


def _fingerprint(values: Sequence[Floats], plan: str) -> str:
    """Return an opaque name that is the same for the same table and plan."""
    digest = hashlib.sha256(plan.encode())
    for column in values:
        digest.update(column.tobytes())
    return f"neural-{digest.hexdigest()[:16]}"


NEURAL = Neural()
