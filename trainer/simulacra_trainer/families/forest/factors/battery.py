"""Items of a wide battery, and the sums over earlier items from which factor scores are computed.

The posterior mean of K factors, given the items before a column, is A^-1 b with A = I + sum l l' /
psi and b = sum z l / psi (Thomson's regression scores), where z is an item's normal score, l its
loadings and psi its uniqueness. b is a sum over items of a table of the item's code, so all columns
share the tables, and a column needs A^-1 b times its own weights alone. A last sum counts missing
answers; its logarithm counts, because the first one says most about those that follow.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulacra_trainer.families.codec import Codes, Floats
from simulacra_trainer.families.forest.trees.kernels import F8, I4, U1, compiled

Ints = npt.NDArray[np.int32]
BLOCK_ROWS = 2048
"""Rows per block, so that their sums stay in the first-level cache while items are added."""
STRIDE = 8
"""Items between two sums that a fit keeps, which bounds their memory."""


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

    def table(self, item: int) -> Floats:
        """Return what each code of an item adds, float64 [codes, sums]."""
        return self.tables[self.starts[item] : self.starts[item + 1]]


class RunningSums:
    """Sums of rows over items, extended from column to column instead of summed again.

    Args:
        keeps_all: whether columns ask in any order, as in a fit, or in that of the items, as rows
            are drawn. Then codes of later items may still change, and the last sums are enough.
    """

    def __init__(self, *, keeps_all: bool = False) -> None:
        self._keeps_all = keeps_all
        self._known: dict[bytes, Floats] = {}
        self._last: tuple[bytes, Floats] = (b"", np.empty(0))

    def of(self, battery: Battery, codes: Codes, items: Ints) -> Floats:
        """Return the sums of each row over some items, float64 [n, sums]; not to be changed.

        The last is the logarithm of 1 + the missing answers.

        Args:
            battery: always the same.
            codes: predictor codes, uint8 [columns, n]; always the same for the same items.
            items: positions in the columns of the battery, int32 [k], one or more.
        """
        key = items.tobytes()
        last, found = self._last  # of the same column, whose rows are drawn in blocks
        if last == key:
            return found
        done = next((k for k in range(items.size, 0, -1) if items[:k].tobytes() in self._known), 0)
        if done:
            out = self._known[items[:done].tobytes()].copy()
        else:
            out = np.zeros((codes.shape[1], battery.tables.shape[1]))
        while done < items.size:
            upto = min(done - done % STRIDE + STRIDE, items.size)
            add_items(out, codes, items[done:upto], battery.columns, battery.starts, battery.tables)
            done = upto
            if self._keeps_all and done % STRIDE == 0:
                self._known[items[:done].tobytes()] = out.copy()
        if not self._keeps_all:
            self._known = {key: out.copy()}
        out[:, -1] = np.log1p(out[:, -1])
        self._last = key, out
        return out


@compiled
def add_items(out: F8, X: U1, items: I4, columns: I4, starts: I4, tables: F8) -> None:
    """Add the tables of items to the plain sums of each row, float64 [n, sums], one by one."""
    rows, width = out.shape
    for begin in range(0, rows, BLOCK_ROWS):
        end = min(begin + BLOCK_ROWS, rows)
        for i in range(items.shape[0]):
            item = items[i]
            codes, first, last = X[columns[item]], starts[item], starts[item + 1] - 1
            for r in range(begin, end):
                at = min(first + codes[r], last)
                for k in range(width):
                    out[r, k] += tables[at, k]
