"""The cells of donors and given rows as numbers, with the gaps that are to be filled."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from simulacra_trainer.families.codec import Codes, ColumnCodec, Floats
from simulacra_trainer.families.forest.growth.feature_screen import Screen

Booleans = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]
ANSWERED = 0.5
"""Share of some rows that answered a column, from which it is a common one."""


@dataclass(frozen=True)
class Skip:
    """Rows in which a question is skipped, by a filter question.

    Attributes:
        filter: place of the filter question.
        values: of it at which the question is skipped.
        of_missing: whether a skipped filter question skips this one, too.
    """

    filter: int
    values: tuple[float, ...]
    of_missing: bool = False

    def rows(self, values: Floats) -> Booleans:
        """Return where the question is skipped, bool [n]; values: of the filter question."""
        found = np.isin(values, self.values)
        return found | np.isnan(values) if self.of_missing else found


@dataclass(frozen=True)
class Cells:
    """Donors and, behind them, given rows; without given rows, the donors are completed.

    Attributes:
        codecs: of the p columns that are used.
        values: float64 [p][n]; NaN for missing.
        gaps: cells to fill, bool [p, n].
        donors: the first rows, from which models learn.
        weights: survey weights of the donors, or None.
        skips: of each place that has a filter question.
        screen: the best predictors of each column in a wide table.
    """

    codecs: Sequence[ColumnCodec]
    values: list[Floats]
    gaps: Booleans
    donors: int
    weights: Floats | None
    skips: dict[int, Skip]
    screen: Screen

    @property
    def rows(self) -> int:
        """Donors and given rows."""
        return int(self.gaps.shape[1])

    @property
    def targets(self) -> list[int]:
        """Places of the columns with gaps, fewest gaps first, and filters before what they skip."""
        counts = self.gaps.sum(axis=1)
        order = [int(j) for j in np.argsort(counts, kind="stable") if counts[j]]
        out: list[int] = []

        def add(j: int) -> None:
            skip = self.skips.get(j)
            if skip is not None and skip.filter in order and skip.filter not in out:
                add(skip.filter)
            if j not in out:
                out.append(j)

        for j in order:
            add(j)
        return out

    @property
    def is_nested(self) -> bool:
        """Whether each set of gaps holds the one before, so that one pass is exact."""
        order = self.targets
        return all(not (self.gaps[a] & ~self.gaps[b]).any() for a, b in pairwise(order))

    def answered_by_most(self, parts: Sequence[Booleans], but: Collection[str] = ()) -> list[int]:
        """Return places of the columns that most rows of each part answered.

        parts: of the rows, bool [n] each; but: names of columns that are left out.
        """
        return [
            j
            for j, (codec, values) in enumerate(zip(self.codecs, self.values, strict=True))
            if codec.name not in but
            and all((~np.isnan(values[part])).mean() >= ANSWERED for part in parts)
        ]

    def coded(self) -> Codes:
        """Return the predictor codes of all cells, uint8 [p, n]."""
        both = zip(self.codecs, self.values, strict=True)
        return np.stack([codec.encode(values) for codec, values in both])

    def blanked(self, at: Booleans) -> Cells:
        """Return the cells with further gaps, bool [p, n]."""
        both = zip(self.values, at, strict=True)
        values = [np.where(gap, np.nan, of) for of, gap in both]
        return replace(self, values=values, gaps=self.gaps | at)
