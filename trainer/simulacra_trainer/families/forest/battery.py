"""Items of a wide battery, and the sums over earlier items from which factor scores are computed.

The posterior mean of K factors, given the items before a column, is A^-1 b with A = I + sum l l' /
psi and b = sum z l / psi (Thomson's regression scores), where z is an item's normal score, l its
loadings and psi its uniqueness. b is a sum over items of a table of the item's code, so all columns
share the tables, and a column needs A^-1 b times its own weights alone. A last sum counts missing
answers; its logarithm counts, because the first one says most about those that follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulacra_trainer.families.codec import Codes, Floats
from simulacra_trainer.families.forest.kernels import F8, I4, U1, compiled

Ints = npt.NDArray[np.int32]
BLOCK_ROWS = 2048
"""Rows per block, so that their sums stay in the first-level cache while items are added."""


@dataclass(frozen=True, eq=False)
class Battery:
    """The items of a table.

    Attributes:
        columns: positions in the schema, int32 [items].
        starts: first row of each item in `tables`, and their number, int32 [items + 1].
        tables: what each code of each item adds to the sums, float64 [codes of all items, sums];
            the last code of an item stands for all that follow.
    """

    columns: Ints
    starts: Ints
    tables: Floats

    def sums(self, codes: Codes, rows: Ints, items: Ints) -> Floats:
        """Return the sums of each row over some items, float64 [rows, sums].

        The last is the logarithm of 1 + the missing answers.

        Args:
            codes: predictor codes, uint8 [columns, n].
            rows: indices into n, int32 [m].
            items: positions in `columns`, int32 [k].
        """
        out = item_sums(codes, rows, items, self.columns, self.starts, self.tables)
        out[:, -1] = np.log1p(out[:, -1])
        return out

    def table(self, item: int) -> Floats:
        """Return what each code of an item adds, float64 [codes, sums]."""
        return self.tables[self.starts[item] : self.starts[item + 1]]


@compiled
def item_sums(X: U1, rows: I4, items: I4, columns: I4, starts: I4, tables: F8) -> F8:
    """Return the plain sums of `Battery.sums`, float64 [m, sums]."""
    width = tables.shape[1]
    out = np.zeros((rows.shape[0], width))
    for begin in range(0, rows.shape[0], BLOCK_ROWS):
        end = min(begin + BLOCK_ROWS, rows.shape[0])
        for i in range(items.shape[0]):
            item = items[i]
            codes, first, last = X[columns[item]], starts[item], starts[item + 1] - 1
            for r in range(begin, end):
                at = min(first + codes[rows[r]], last)
                for k in range(width):
                    out[r, k] += tables[at, k]
    return out
