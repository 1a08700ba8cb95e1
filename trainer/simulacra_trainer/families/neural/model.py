"""The neural family: fit, draw, reorder, judge, save and load."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from simulacra_crds.contract.schema import TableSchema
from simulacra_trainer.cpus import threads
from simulacra_trainer.families.base import ModelFileError, Options, Progress
from simulacra_trainer.families.neural.coding import ColumnCoding, Floats, fit_coding
from simulacra_trainer.families.neural.mechanisms import mechanisms, nothing_seen
from simulacra_trainer.families.neural.weights import Weights, fold, load_weights, save_weights
from simulacra_trainer.survey_weights import row_weights

GPUS, CHECKPOINTS, KEPT, GROUP = "gpu", "checkpoints", "kept", "group"
CHUNK_ROWS, JUDGED_ROWS = 4096, 512
SLIP = 1e-4
"""Uniform share of the likelihood, so that values unseen in training have some."""


class NeuralModel:
    """The network in one order of the columns; other orders are views of the same weights."""

    def __init__(
        self, weights: Weights, codings: Sequence[ColumnCoding], order: Sequence[int]
    ) -> None:
        self.weights, self.codings, self.order = weights, list(codings), list(order)
        self._mechanisms = mechanisms(weights, codings)
        self._position = {coding.codec.name: j for j, coding in enumerate(codings)}

    @property
    def columns(self) -> list[str]:
        """Names of the columns in generation order."""
        return [self.codings[j].codec.name for j in self.order]

    def sample(
        self,
        n: int,
        rng: np.random.Generator,
        *,
        given: pa.Table | None = None,
        do: Mapping[str, float | str] | None = None,
        only: int | None = None,
    ) -> pa.Table:
        """Draw n rows (`families.base.FittedModel.sample`); chunks have their own streams."""
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
            return self._draw(
                stop - begin, np.random.default_rng(seeds[chunk]), part, self.order[:only]
            )

        chunks = _in_parallel(draw, len(seeds))
        drawn = [self.codings[j].codec for j in self.order[:only]]
        columns = [
            np.concatenate([np.empty(0), *(chunk[i] for chunk in chunks)])
            for i in range(len(drawn))
        ]
        arrays = [codec.to_arrow(values) for codec, values in zip(drawn, columns, strict=True)]
        return pa.table(arrays, names=[codec.name for codec in drawn])

    def _draw(
        self, n: int, rng: np.random.Generator, known: Mapping[int, Floats], order: Sequence[int]
    ) -> list[Floats]:
        seen, out = nothing_seen(n), []
        for j in order:
            mechanism = self._mechanisms[j]
            values = (
                known[j]
                if j in known
                else mechanism.draw(mechanism.hidden(seen), rng.random((3, n)))
            )
            seen += mechanism.vector(self.codings[j].encode(values))
            out.append(values)
        return out

    def counterfactual(
        self, facts: pa.Table, do: Mapping[str, float | str], rng: np.random.Generator
    ) -> pa.Table:
        """Return each row's twin under do(); see `families.base.FittedModel.counterfactual`."""
        n = facts.num_rows
        held = {self._position[name]: value for name, value in do.items()}
        values = [coding.codec.values(facts.column(coding.codec.name)) for coding in self.codings]
        seeds = rng.integers(0, 2**63, -(-n // CHUNK_ROWS))

        def twins(chunk: int) -> list[Floats]:
            part = [v[chunk * CHUNK_ROWS : (chunk + 1) * CHUNK_ROWS] for v in values]
            return self._twins(part, held, np.random.default_rng(seeds[chunk]))

        chunks = _in_parallel(twins, len(seeds))
        codecs = [self.codings[j].codec for j in self.order]
        columns = [
            np.concatenate([np.empty(0), *(chunk[i] for chunk in chunks)])
            for i in range(len(codecs))
        ]
        arrays = [codec.to_arrow(values) for codec, values in zip(codecs, columns, strict=True)]
        return pa.table(arrays, names=[codec.name for codec in codecs])

    def _twins(
        self, facts: Sequence[Floats], held: Mapping[int, float | str], rng: np.random.Generator
    ) -> list[Floats]:
        n = facts[0].size
        fact, twin, out, moved = nothing_seen(n), nothing_seen(n), list[Floats](), False
        for j in self.order:
            mechanism, values = self._mechanisms[j], facts[j]
            if j in held:
                values, moved = np.full(n, self.codings[j].codec.value_of(held[j])), True
            elif moved:
                same = (fact == twin).all(1).numpy()  # nothing that this column sees differs
                values = np.where(same, values, mechanism.twin((fact, twin), values, rng))
            fact += mechanism.vector(self.codings[j].encode(facts[j]))
            twin += mechanism.vector(self.codings[j].encode(values))
            out.append(values)
        return out

    def first(self, columns: Sequence[str]) -> NeuralModel:
        """Return the same weights with these columns first; nothing is fit again."""
        front = [self._position[name] for name in columns]
        return NeuralModel(
            self.weights, self.codings, [*front, *(j for j in self.order if j not in set(front))]
        )

    def log_likelihood(self, table: pa.Table) -> Floats:
        """Return nats per row on the grid of `families.grid`, float64 [n]."""
        values = [coding.codec.values(table.column(coding.codec.name)) for coding in self.codings]
        shares = [
            torch.from_numpy(coding.grid_shares().astype(np.float32)) for coding in self.codings
        ]

        def judge(chunk: int) -> Floats:
            rows = slice(chunk * JUDGED_ROWS, (chunk + 1) * JUDGED_ROWS)
            part = [v[rows] for v in values]
            seen, total = nothing_seen(part[0].size), np.zeros(part[0].size)
            for j in self.order:
                mechanism, coding = self._mechanisms[j], self.codings[j]
                p = mechanism.grid_shares(
                    mechanism.hidden(seen), shares[j], coding.grid.cells(part[j])
                ).numpy()
                total += np.log((1.0 - SLIP) * p + SLIP / coding.grid.size)
                seen += mechanism.vector(coding.encode(part[j]))
            return total

        return np.concatenate(
            [np.empty(0), *_in_parallel(judge, -(-table.num_rows // JUDGED_ROWS))]
        )

    def save(self, directory: Path) -> None:
        """Write weights and config."""
        save_weights(self.weights, {"order": self.order}, directory)


class Neural:
    """The family (see `families.base.Family`).

    Options: gpu, train on a GPU if above 0 and there is one; checkpoints, a directory (Path) in
    which a training leaves what the next one of the same table, order and seed continues from, for
    the caller to remove; kept, called (without arguments) after something was written or removed
    there; group, the `WorkerGroup` of workers to train with: only in the leader is the model that is
    returned of use.
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
        progress: Progress,
    ) -> NeuralModel:
        """Fit on the clean table; deterministic for a seed on one platform."""
        from simulacra_trainer.families.neural.batches import TableBatches, code_table
        from simulacra_trainer.families.neural.network import Network
        from simulacra_trainer.families.neural.training import plan_training, train
        from simulacra_trainer.families.neural.training_context import TrainingContext, scratch

        weights = row_weights(table, schema)
        codings = [
            fit_coding(table.column(column.name), column, weights) for column in schema.learned()
        ]
        values = [coding.codec.values(table.column(coding.codec.name)) for coding in codings]
        position = {coding.codec.name: j for j, coding in enumerate(codings)}
        places = [position[name] for name in order]
        network = Network(codings, torch.Generator().manual_seed(seed))
        group = options.get(GROUP)
        part = None if group is None else group.workers.part
        coded = code_table(codings, values, network.order, places)
        batches = TableBatches(coded, seed=seed, weights=weights, part=part)
        seen = values if weights is None else [*values, weights]
        plan = plan_training(batches, seed=seed, gpus=int(options.get(GPUS, 0)))
        with scratch(
            options.get(CHECKPOINTS), _fingerprint(seen, repr((places, plan)))
        ) as directory:
            kept = options.get(KEPT) or (lambda: None)
            train(network, batches, plan, TrainingContext(directory, kept, group), progress)
        progress(1.0)
        return NeuralModel(fold(network, codings), codings, places)

    def load(self, directory: Path, table: pa.Table, schema: TableSchema) -> NeuralModel:
        """Load a saved model; table is the clean training table. Raises `ModelFileError`."""
        weights = row_weights(table, schema)
        codings = [
            fit_coding(table.column(column.name), column, weights) for column in schema.learned()
        ]
        tensors, config = load_weights(directory, codings)
        order = config.get("order")
        if not isinstance(order, list) or sorted(map(str, order)) != sorted(
            map(str, range(len(codings)))
        ):
            raise ModelFileError("the order of the columns does not fit the schema")
        return NeuralModel(tensors, codings, [int(j) for j in order])


def _in_parallel(work: Callable[[int], Any], chunks: int) -> list[Any]:
    """Return work(0), work(1), ...; a chunk has one thread, so results do not depend on them."""

    def alone(chunk: int) -> Any:
        with torch.inference_mode():
            return work(chunk)

    with ThreadPoolExecutor(threads(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return list(pool.map(alone, range(chunks)))


def _fingerprint(values: Sequence[Floats], plan: str) -> str:
    """Return an opaque name of a training: the same for the same table and plan."""
    digest = hashlib.sha256(plan.encode())
    for column in values:
        digest.update(column.tobytes())
    return f"neural-{digest.hexdigest()[:16]}"


NEURAL = Neural()
