"""Training batches of the coded table: rows and column orders, fixed by seed and step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from simulacra_intake.rows_of_persons import split_persons
from simulacra_intake.survey_weights import draw_in_proportion
from simulacra_trainer.families.neural.coding import INPUTS, ColumnCoding, Floats, Ints
from simulacra_trainer.families.neural.network import Batch

GROUPS = 8
"""Column orders in a batch: one half is the causal order, the other half random."""
VALIDATION_SHARE, VALIDATION_ROWS, MAX_VALIDATION_SHARE, MAX_VALIDATION_ROWS = 0.05, 200, 0.2, 4096
BIG_TABLE = 15_000


@dataclass(frozen=True)
class CodedTable:
    """Coded rows in compact types, columns in the network's order.

    Attributes:
        codes: int16 [n, columns].
        cells: int8 [n, columns].
        inputs: float16 [n, columns, INPUTS].
        order: the causal order, as positions in the network's order.
    """

    codes: Tensor
    cells: Tensor
    inputs: Tensor
    order: list[int]


def code_table(
    codings: Sequence[ColumnCoding],
    values: Sequence[Floats],
    layout: Sequence[int],
    order: Sequence[int],
) -> CodedTable:
    """Return all rows coded; layout is the network's column order, order the causal one."""
    n, c = values[0].size, len(codings)
    codes, cells = np.empty((n, c), np.int16), np.empty((n, c), np.int8)
    inputs = np.empty((n, c, INPUTS), np.float16)
    for i, j in enumerate(layout):
        coded = codings[j].encode(values[j])
        codes[:, i], cells[:, i], inputs[:, i] = coded.codes, coded.cells, coded.inputs
    place = {j: i for i, j in enumerate(layout)}
    causal = [place[j] for j in order]
    return CodedTable(
        torch.from_numpy(codes), torch.from_numpy(cells), torch.from_numpy(inputs), causal
    )


class TableBatches(pl.LightningDataModule):
    """Training batches by interval, and validation batches of fixed and random orders."""

    def __init__(
        self,
        table: CodedTable,
        *,
        seed: int,
        weights: Floats | None = None,
        persons: Ints | None = None,
        interval: int | None = None,
        part: Callable[[int], slice] | None = None,
    ) -> None:
        """Make the batches; `part` returns this worker's slice of their groups, None for all.

        persons: of each row, int64 [n]; whole persons are held out for validation.
        """
        super().__init__()
        n = len(table.codes)
        held = int(max(VALIDATION_SHARE * n, min(VALIDATION_ROWS, MAX_VALIDATION_SHARE * n), 1))
        shuffled = split_persons(persons, n, np.random.default_rng([seed, 31]))
        self.table = table
        self.seed = seed
        self._weights = weights
        self._part = slice(0, GROUPS) if part is None else part(GROUPS)
        self.held = np.sort(shuffled[: min(held, MAX_VALIDATION_ROWS)])
        self.rows = np.sort(shuffled[held:])
        self.each = int(np.clip(self.rows.size // (4 * GROUPS), 1, 32 if n < BIG_TABLE else 64))
        """Rows per column order."""
        self.interval = interval or int(np.clip(self.rows.size // self.batch_rows, 40, 150))
        """Steps between two validations."""

    @property
    def batch_rows(self) -> int:
        """Rows in a batch of all workers together."""
        return self.each * GROUPS

    def train_dataloader(self) -> DataLoader:
        """Return the batches of the trainer's next interval."""
        assert self.trainer is not None
        begin = self.trainer.current_epoch * self.interval
        return DataLoader(_Interval(self, begin), batch_size=None)

    def val_dataloader(self) -> DataLoader:
        """Return the held-out rows under the fixed order, then under random ones."""
        rng = np.random.default_rng([self.seed, 32])
        held = self.held if self._weights is None else self._in_proportion(self.held, rng)
        parts = np.array_split(held, max(held.size // 512, 1))
        fixed = [self._batch(part, [self.table.order]) for part in parts]
        whole = [part[: part.size // GROUPS * GROUPS] for part in parts if part.size >= GROUPS]
        mixed = [self._batch(part, self._random_orders(rng, GROUPS)) for part in whole]
        return DataLoader([*fixed, *mixed], batch_size=None)

    def batch(self, step: int) -> Batch:
        """Return this worker's groups of the batch of a training step."""
        size = self.batch_rows
        first, last = step * size // self.rows.size, ((step + 1) * size - 1) // self.rows.size
        parts = []
        for epoch in range(first, last + 1):
            begin = epoch * self.rows.size
            rng = np.random.default_rng([self.seed, 33, epoch])
            rows = self.rows if self._weights is None else self._in_proportion(self.rows, rng)
            shuffled = rng.permutation(rows)
            parts.append(shuffled[max(step * size - begin, 0) : (step + 1) * size - begin])
        rng = np.random.default_rng([self.seed, 34, step])
        orders = [self.table.order] * (GROUPS // 2) + self._random_orders(rng, GROUPS - GROUPS // 2)
        rows = np.concatenate(parts).reshape(GROUPS, self.each)[self._part]
        return self._batch(rows.ravel(), orders[self._part])

    def _in_proportion(self, rows: Ints, rng: np.random.Generator) -> Ints:
        """Return as many rows, resampled in proportion to their survey weights."""
        assert self._weights is not None
        return rows[draw_in_proportion(self._weights[rows], rows.size, rng)]

    def _random_orders(self, rng: np.random.Generator, count: int) -> list[list[int]]:
        return [rng.permutation(len(self.table.order)).tolist() for _ in range(count)]

    def _batch(self, rows: Ints, orders: Sequence[Sequence[int]]) -> Batch:
        at = torch.from_numpy(rows)
        return Batch(
            codes=self.table.codes[at].T.long().contiguous(),
            cells=self.table.cells[at].T.long().contiguous(),
            inputs=self.table.inputs[at].transpose(0, 1).float().contiguous(),
            sees=torch.from_numpy(np.stack([mask_of(order) for order in orders])),
        )


class _Interval(Dataset):
    """The batches of one interval, from step `begin`."""

    def __init__(self, batches: TableBatches, begin: int) -> None:
        self._batches, self._begin = batches, begin

    def __len__(self) -> int:
        return self._batches.interval

    def __getitem__(self, index: int) -> Batch:
        return self._batches.batch(self._begin + index)


def mask_of(order: Sequence[int]) -> npt.NDArray[np.float32]:
    """Return 1 where column a comes after b in the order, float32 [a, b]."""
    place = np.argsort(order)
    return (place[:, None] > place[None, :]).astype(np.float32)
