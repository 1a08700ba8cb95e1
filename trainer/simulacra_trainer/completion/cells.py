"""The cells of donors and given rows as numbers, with the gaps that are to be filled.

Questions that a filter question leaves out have no gaps. The form of a split questionnaire leaves
out questions as well, and these are to be filled: it is assigned at random, and each of its values
leaves out something; a filter question is answered, and so depends on other answers.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.rows_of_persons import MIN_PERSONS
from simulacra_trainer.families.codec import Codes, ColumnCodec, Floats
from simulacra_trainer.families.forest.growth.feature_screen import Screen
from simulacra_trainer.graph.skips import chance

Booleans = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]
ANSWERED = 0.5
"""Share of some rows that answered a column, from which it is a common one."""
MISSING = 0.95
"""Share of a value's rows without an answer, from which it skips the question."""
ELSEWHERE = 0.3
"""Share of the other rows with an answer, at least."""
MAX_VALUES = 30
UNLIKELY = 0.001
BY_CHANCE = 1e-6
"""Probability below which gaps of a value are no chance, given the share of gaps elsewhere."""


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
        return encoded(self.codecs, self.values)

    def table(
        self, places: Sequence[int], values: Sequence[Floats], rows: Indices | slice
    ) -> pa.Table:
        """Return some columns of values, float64 [p][n], in some rows."""
        codecs = [self.codecs[k] for k in places]
        both = zip(codecs, places, strict=True)
        return pa.table({codec.name: codec.to_arrow(values[k][rows]) for codec, k in both})

    def blanked(self, at: Booleans) -> Cells:
        """Return the cells with further gaps, bool [p, n]."""
        both = zip(self.values, at, strict=True)
        values = [np.where(gap, np.nan, of) for of, gap in both]
        return replace(self, values=values, gaps=self.gaps | at)


def encoded(codecs: Sequence[ColumnCodec], values: Sequence[Floats]) -> Codes:
    """Return the predictor codes of columns, uint8 [p, n]."""
    return np.stack([codec.encode(of) for codec, of in zip(codecs, values, strict=True)])


def find_skips(
    codecs: Sequence[ColumnCodec], values: Sequence[Floats], codes: Codes
) -> dict[int, Skip]:
    """Return the filter question of each column that has one, by place.

    codecs: in the order of the table; values: of the donors, float64 [p][n]; codes: of the donors,
    uint8 [p, n].
    """
    missing = np.stack([np.isnan(of) for of in values])
    found: dict[int, list[tuple[int, Skip]]] = {}
    for s, codec in enumerate(codecs):
        known = np.unique(values[s][~missing[s]])
        if not 1 < known.size <= MAX_VALUES or not (codec.is_category or codec.few is not None):
            continue
        for j in range(s + 1, len(codecs)):
            skip = _skip(s, values[s], known, missing[s], missing[j])
            if skip is not None:
                found.setdefault(s, []).append((j, skip))
    best: dict[int, Skip] = {}
    for s, skips in found.items():
        if _is_form(s, values[s], [skip for _, skip in skips], missing, codes):
            continue
        for j, skip in skips:
            rows = int((skip.rows(values[s]) & missing[j]).sum())
            held = best.get(j)
            if held is None or rows > int((held.rows(values[held.filter]) & missing[j]).sum()):
                best[j] = skip
    return best


def _skip(
    place: int, values: Floats, known: Floats, unasked: Booleans, missing: Booleans
) -> Skip | None:
    """Return the values of a filter at which a column is missing; None if it is no filter."""
    if missing.sum() < MIN_PERSONS:
        return None
    at = [(value, values == value) for value in known]
    skipped = [v for v, rows in at if rows.sum() >= MIN_PERSONS and missing[rows].mean() >= MISSING]
    others = ~np.isin(values, skipped) & ~unasked
    if not skipped or others.sum() < MIN_PERSONS or (~missing[others]).mean() < ELSEWHERE:
        return None
    base = max(float(missing[others].mean()), 0.02)
    skipped = [v for v, rows in at if v in skipped and base ** rows.sum() < BY_CHANCE]
    if not skipped:
        return None
    of_missing = unasked.sum() >= MIN_PERSONS and missing[unasked].mean() >= MISSING
    return Skip(place, tuple(skipped), bool(of_missing))


def _is_form(
    place: int, values: Floats, skips: Sequence[Skip], missing: Booleans, codes: Codes
) -> bool:
    """Return whether a column is the form of a split questionnaire."""
    skipping = {value for skip in skips for value in skip.values}
    if skipping != set(np.unique(values[~np.isnan(values)]).tolist()):
        return False
    asked_all = [j for j in range(len(codes)) if j != place and missing[j].mean() < 1 - MISSING]
    if not asked_all:
        return False
    tables = (_counts(codes[place], codes[j]) for j in asked_all)
    return all(
        chance(table) >= UNLIKELY / len(asked_all) for table in tables if min(table.shape) > 1
    )


def _counts(first: Codes, other: Codes) -> Floats:
    """Return how often values meet, with numbers in groups of about a tenth of the rows."""
    ranks = np.unique(other, return_inverse=True)[1].reshape(-1)
    if ranks.max(initial=0) > 10:
        share = np.cumsum(np.bincount(ranks)) / ranks.size
        ranks = np.minimum((share * 10).astype(np.int64), 9)[ranks]
    counts = np.zeros((int(first.max(initial=0)) + 1, int(ranks.max(initial=0)) + 1))
    np.add.at(counts, (first, ranks), 1)
    return counts[counts.any(axis=1)][:, counts.any(axis=0)]
