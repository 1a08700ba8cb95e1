"""Conditional distributions of the columns, for sampling and likelihoods."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from simulacra_trainer.families.gumbel import gumbel_twins
from simulacra_trainer.families.neural.coding import CELLS, ColumnCoding, Encoded, Floats, Ints
from simulacra_trainer.families.neural.network import WIDTH
from simulacra_trainer.families.neural.weights import Weights

SMALLEST_U = 2.0**-24
"""Lower bound of uniforms, so that a code of probability 0 is never drawn."""


class Mechanism:
    """p(column | sum of the visible columns' vectors), and the vectors of the column's values."""

    def __init__(
        self, weights: Weights, coding: ColumnCoding, j: int, codes: slice, f: int, fine: slice
    ) -> None:
        self.coding = coding
        self._embed = weights["embed"][codes]
        self._slope = weights["slope"][codes]
        self._wide = weights["wide"][j]
        self._layers = [(weights["w1"][j], weights["b1"][j]), (weights["w2"][j], weights["b2"][j])]
        self._head, self._bias = weights["head"][codes].T.contiguous(), weights["bias"][codes]
        self._cells = None
        if coding.has_cells:
            by_code = [weights[name][fine] for name in ("gate", "shift", "cell_bias")]
            self._cells = (weights["inner"][f], weights["outer"][f], *by_code)

    def vector(self, coded: Encoded) -> Tensor:
        """Return the vectors of values, [n, WIDTH]."""
        codes = torch.from_numpy(coded.codes)
        out = self._embed[codes]
        if not self.coding.codec.is_category:
            inputs = torch.from_numpy(coded.inputs)
            out = out + inputs[:, :1] * self._slope[codes] + inputs[:, 1:] @ self._wide
        return out

    def hidden(self, seen: Tensor) -> Tensor:
        """Return the last hidden layer from the sum of earlier vectors, both [n, WIDTH]."""
        (w1, b1), (w2, b2) = self._layers
        h = functional.silu(torch.addmm(b1, seen, w1))
        return h + functional.silu(torch.addmm(b2, h, w2))

    def code_shares(self, h: Tensor) -> Tensor:
        """Return the probability of each code, [n, codes]."""
        return torch.softmax(torch.addmm(self._bias, h, self._head), 1)

    def cell_shares(self, h: Tensor, codes: Tensor) -> Tensor | None:
        """Return cell probabilities given the code, [n, CELLS]; None if all have one cell."""
        if self._cells is None:
            return None
        inner, outer, gate, shift, bias = self._cells
        f = functional.silu((h @ inner) * gate[codes] + shift[codes])
        return torch.softmax(f @ outer + bias[codes], 1)

    def draw(self, h: Tensor, u: Floats) -> Floats:
        """Draw values, float64 [n]; u: uniform, [3, n]."""
        codes = _pick(self.code_shares(h), u[0])
        shares = self.cell_shares(h, codes)
        cells = torch.zeros_like(codes) if shares is None else _pick(shares, u[1])
        return self.coding.decode(codes.numpy(), cells.numpy(), u[2])

    def twin(self, seen: tuple[Tensor, Tensor], values: Floats, rng: np.random.Generator) -> Floats:
        """Return the counterfactual values, float64 [n] (see `families.gumbel`).

        Args:
            seen: sums of the earlier columns' vectors in the factual and counterfactual world,
                [n, WIDTH] each.
            values: factual values, float64 [n].
            rng: draws the noise that the values do not determine.
        """
        coded, hidden = self.coding.encode(values), [self.hidden(one) for one in seen]
        shares = [self.code_shares(h) for h in hidden]
        if not self.coding.is_ordered and len(self.coding.codec.levels) > 2:
            wide = [one.double().numpy() for one in shares]
            wide = [one / one.sum(axis=1, keepdims=True) for one in wide]
            codes = gumbel_twins(wide[0], wide[1], coded.codes, rng)
            drawn = self.coding.decode(codes, np.zeros_like(codes), rng.random(codes.size))
            return np.where(codes == coded.codes, values, drawn)
        u = np.stack(
            [_abduct(shares[0], coded.codes, rng), rng.random(values.size), rng.random(values.size)]
        )
        inside = self.cell_shares(hidden[0], torch.from_numpy(coded.codes))
        if inside is not None:
            u[1] = _abduct(inside, coded.cells, rng)
        before, after = (self.draw(h, u) for h in hidden)
        same = (before == after) | (np.isnan(before) & np.isnan(after))
        known = ~(np.isnan(before) | np.isnan(after) | np.isnan(values))
        codec = self.coding.codec
        moved = after if codec.is_category else np.where(known, values + (after - before), after)
        return np.where(same, values, codec.tidy(moved))

    def grid_shares(self, h: Tensor, shares: Tensor, cells: Ints) -> Tensor:
        """Return the probability of each row's grid cell, [n], by `coding.grid_shares()`."""
        p = self.code_shares(h)
        n, k = p.shape
        wanted = shares[:, :, torch.from_numpy(cells)].permute(2, 0, 1)
        inside = self.cell_shares(h.repeat_interleave(k, 0), torch.arange(k).repeat(n))
        if inside is None:
            return (p * wanted[:, :, 0]).sum(1)
        return (p * (inside.view(n, k, CELLS) * wanted).sum(2)).sum(1)


def mechanisms(weights: Weights, codings: Sequence[ColumnCoding]) -> list[Mechanism]:
    """Return the mechanism of each column."""
    starts = list(accumulate((coding.codes for coding in codings), initial=0))
    fine_starts = list(accumulate((c.codes * c.has_cells for c in codings), initial=0))
    places = list(accumulate((int(coding.has_cells) for coding in codings), initial=0))
    codes = [slice(*pair) for pair in pairwise(starts)]
    fine = [slice(*pair) for pair in pairwise(fine_starts)]
    return [
        Mechanism(weights, coding, j, codes[j], places[j], fine[j])
        for j, coding in enumerate(codings)
    ]


def nothing_seen(n: int) -> Tensor:
    """Return the sum of no vectors, [n, WIDTH]."""
    return torch.zeros(n, WIDTH)


def _abduct(shares: Tensor, chosen: Ints, rng: np.random.Generator) -> Floats:
    """Return uniforms from which `_pick` draws the given choices, float64 [n]."""
    up_to = torch.cumsum(shares, 1).double().numpy()
    at = np.arange(chosen.size)
    low = np.where(chosen > 0, up_to[at, np.maximum(chosen - 1, 0)], 0.0)
    inside = 0.001 + 0.998 * rng.random(chosen.size)
    return (low + inside * (up_to[at, chosen] - low)) / up_to[:, -1]


def _pick(shares: Tensor, u: Floats) -> Tensor:
    """Return a draw from each row of probabilities by inversion, int64 [n]."""
    up_to = torch.cumsum(shares, 1)
    level = torch.from_numpy(np.maximum(u, SMALLEST_U).astype(np.float32))[:, None] * up_to[:, -1:]
    return torch.searchsorted(up_to, level)[:, 0].clamp_(max=shares.shape[1] - 1)
