"""The network: the distribution of every column given any set of the others.

Each value is embedded as a vector. The input of a target column is the sum of the vectors of the
columns that it may see (a row of a binary matrix). A small MLP with the target's own weights
follows, then a softmax over the column's codes and, for numbers, one over the cells of the code.
All columns are computed together as batched products. After NADE (Uria et al., 2016) and
TabularARGN (Tiwald et al., 2025).
"""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from simulacra_trainer.families.neural.coding import CELLS, INPUTS, ColumnCoding, Floats

WIDTH = 128
FINE_WIDTH = 64
HAT_WIDTHS = (4, 16)
NEVER = -1e4
"""Logit of a code or cell without training rows; half precision can represent it."""
SIZES = (2, 4, 8, 16, 32, 48, 64, 80, 100, 128, 160, 192, 256, 320, 448, 640)


class Batch(NamedTuple):
    """Rows in groups that share a mask; columns in the network's order.

    Attributes:
        codes, cells: int64 [columns, groups * rows].
        inputs: float32 [columns, groups * rows, INPUTS].
        sees: float32 [groups, columns, columns]; [g, a, b] is 1 where column a may see b.
    """

    codes: Tensor
    cells: Tensor
    inputs: Tensor
    sees: Tensor


class CodeTables(nn.Module):
    """Embeddings and output weights of columns of similar size, padded to one size."""

    def __init__(
        self, codings: Sequence[ColumnCoding], total: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        c, k, self.is_ordered = len(codings), padded(codings[0].codes), codings[0].is_ordered
        scale = 0.5 / math.sqrt(total)
        self.embed = _normal((c, k, WIDTH), scale, generator)
        self.head = _normal((c, k, WIDTH), 0.02, generator)
        self.bias = nn.Parameter(
            torch.stack([_log_shares(coding.code_rows(), k) for coding in codings])
        )
        if self.is_ordered:
            bases = [code_basis(coding) for coding in codings]
            basis = np.zeros((c, k, max(b.shape[1] for b in bases)), np.float32)
            for i, b in enumerate(bases):
                basis[i, : b.shape[0], : b.shape[1]] = b
            self.register_buffer("basis", torch.from_numpy(basis), persistent=False)
            shape = (c, basis.shape[2], WIDTH)
            self.embed_shared = _normal(shape, scale, generator)
            self.head_shared = _normal(shape, 0.02, generator)
            self.slope = nn.Parameter(torch.zeros(c, k, WIDTH))
            self.slope_shared = nn.Parameter(torch.zeros(shape))

    def vectors(self) -> tuple[Tensor, Tensor | None]:
        """Return embeddings and slopes [columns, codes, WIDTH]; slopes None for categories."""
        if not self.is_ordered:
            return self.embed, None
        tied = torch.bmm(self.basis, torch.cat([self.embed_shared, self.slope_shared], 2))
        return self.embed + tied[..., :WIDTH], self.slope + tied[..., WIDTH:]

    def outputs(self) -> Tensor:
        """Return the output weights, [columns, codes, WIDTH]."""
        return self.head + torch.bmm(self.basis, self.head_shared) if self.is_ordered else self.head


class CellTables(nn.Module):
    """The output layer for cells given the code, of columns that have cells."""

    def __init__(self, codings: Sequence[ColumnCoding], generator: torch.Generator) -> None:
        super().__init__()
        c, k = len(codings), max(coding.codes for coding in codings)
        self.k = k
        self.inner = _normal((c, WIDTH, FINE_WIDTH), WIDTH**-0.5, generator)
        self.gate = nn.Parameter(torch.ones(c, k, FINE_WIDTH))
        self.shift = _normal((c, k, FINE_WIDTH), 0.1, generator)
        self.outer = _normal((c, FINE_WIDTH, CELLS), 0.02, generator)
        rows = [
            torch.stack([_log_shares(row, CELLS) for row in coding.cell_rows()])
            for coding in codings
        ]
        self.bias = nn.Parameter(
            torch.stack([functional.pad(b, (0, 0, 0, k - b.shape[0])) for b in rows])
        )

    def nll(self, h: Tensor, codes: Tensor, cells: Tensor) -> Tensor:
        """Return mean nats [columns]; codes, cells [columns, rows]; h [columns, rows, WIDTH]."""
        at = codes + self.k * torch.arange(codes.shape[0], device=codes.device)[:, None]
        gate, shift, bias = (
            functional.embedding(at, table.flatten(0, 1))
            for table in (self.gate, self.shift, self.bias)
        )
        f = functional.silu(torch.bmm(h, self.inner) * gate + shift)
        logits = torch.bmm(f, self.outer) + bias
        return _nats(logits, cells)


class Network(nn.Module):
    """The whole network (see the module).

    Attributes:
        order: positions in the codings, in the network's own order, which groups columns with
            similar numbers of codes.
        sizes: number of columns of each entry of `tables`.
        fine: positions in the network's order of the columns that have cells.
    """

    def __init__(self, codings: Sequence[ColumnCoding], generator: torch.Generator) -> None:
        super().__init__()
        self.order = sorted(range(len(codings)), key=lambda j: (_kind(codings[j]), j))
        ordered = [codings[j] for j in self.order]
        c = len(codings)
        alike = [list(group) for _, group in groupby(ordered, _kind)]
        self.sizes = [len(group) for group in alike]
        self.tables = nn.ModuleList(CodeTables(group, c, generator) for group in alike)
        self.fine = [i for i, coding in enumerate(ordered) if coding.has_cells]
        self.cells = CellTables([ordered[i] for i in self.fine], generator) if self.fine else None
        self.wide = _normal((c, INPUTS - 1, WIDTH), 0.25 / math.sqrt(c), generator)
        self.w1 = _normal((c, WIDTH, WIDTH), WIDTH**-0.5, generator)
        self.w2 = _normal((c, WIDTH, WIDTH), WIDTH**-0.5, generator)
        self.b1 = nn.Parameter(torch.zeros(c, 1, WIDTH))
        self.b2 = nn.Parameter(torch.zeros(c, 1, WIDTH))

    def nll(self, batch: Batch, keep: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Return mean nats [columns]; keep: dropout factors [columns, rows, WIDTH]."""
        h1 = functional.silu(torch.baddbmm(self.b1, self.mixed(batch), self.w1))
        h1 = h1 if keep is None else h1 * keep[0]
        h = h1 + functional.silu(torch.baddbmm(self.b2, h1, self.w2))
        h = h if keep is None else h * keep[1]
        parts = []
        for hidden, codes, table in zip(
            h.split(self.sizes), batch.codes.split(self.sizes), self.tables, strict=True
        ):
            logits = torch.baddbmm(table.bias[:, None], hidden, table.outputs().transpose(1, 2))
            parts.append(_nats(logits, codes))
        total = torch.cat(parts)
        if self.cells is not None:
            at = torch.tensor(self.fine, device=total.device)
            total = total.index_add(0, at, self.cells.nll(h[at], batch.codes[at], batch.cells[at]))
        return total

    def mixed(self, batch: Batch) -> Tensor:
        """Return each target's sum of visible vectors, [columns, rows, WIDTH]."""
        vectors = []
        columns = (tensor.split(self.sizes) for tensor in (batch.codes, batch.inputs, self.wide))
        for codes, inputs, wide, table in zip(*columns, self.tables, strict=True):
            embed, slope = table.vectors()
            c, k = embed.shape[:2]
            at = codes + k * torch.arange(c, device=embed.device)[:, None]
            vector = functional.embedding(at, embed.flatten(0, 1))
            if slope is not None:
                vector = vector + inputs[..., :1] * functional.embedding(at, slope.flatten(0, 1))
                vector = vector + torch.bmm(inputs[..., 1:], wide)
            vectors.append(vector)
        g, c, _ = batch.sees.shape
        each = torch.cat(vectors).view(c, g, -1).transpose(0, 1)
        sums = torch.bmm(batch.sees, each).view(g, c, -1, WIDTH)
        return sums.transpose(0, 1).reshape(c, -1, WIDTH)


def code_basis(coding: ColumnCoding) -> Floats:
    """Return smooth functions of an ordered column's codes, float64 [codes, functions].

    They tie the weights of neighboring bins: hat functions of two widths (in codes), and value and
    rank with their halved squares, so that a softmax over the codes can express a discretized
    normal distribution. Missing has zeros.
    """
    places = np.arange(coding.codes - 1)
    hats = []
    for width in HAT_WIDTHS:
        apart = np.abs(places[:, None] - np.arange(0, coding.codes + width - 1, width))
        hats.append(np.clip(1.0 - apart / width, 0.0, None))
    middles = coding.middles()
    known = np.concatenate([*hats, middles, middles**2 / 2.0], axis=1)
    return np.concatenate([np.zeros((1, known.shape[1])), known])


def padded(codes: int) -> int:
    """Return the padded size of the tables of a column with this many codes."""
    return next(size for size in SIZES if size >= codes)


def _kind(coding: ColumnCoding) -> tuple[bool, int]:
    return coding.is_ordered, padded(coding.codes)


def _nats(logits: Tensor, chosen: Tensor) -> Tensor:
    """Return mean nats [columns]; logits [columns, rows, choices], chosen [columns, rows]."""
    nats = functional.cross_entropy(
        logits.float().flatten(0, 1), chosen.flatten(), reduction="none"
    )
    return nats.view_as(chosen).mean(1)


def _normal(shape: tuple[int, ...], scale: float, generator: torch.Generator) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape, generator=generator) * scale)


def _log_shares(rows: np.ndarray, size: int) -> Tensor:
    """Return the log of each share of the rows, float32 [size]; `NEVER` where there are none."""
    out = np.full(size, NEVER)
    seen = np.flatnonzero(rows)
    out[seen] = np.log(rows[seen] / rows.sum())
    return torch.from_numpy(out.astype(np.float32))
