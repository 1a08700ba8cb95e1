"""How much of the dependences between columns a model keeps, measured on unseen real rows.

The rows of a half-model are compared with the half that it has not seen. For levels a of one column
and b of another, the shares q of b within a differ by the error of the k unseen rows and by that of
the model. In units of the first, the mean square z^2 is 1 + 1 / ratio if the model knows the
dependence as well as `ratio` times the seen rows would tell it. So ratio = 1 / (D - 1), with D the
mean over pairs of columns that depend on one another: the many pairs that do not would hide those
that the model has lost. Any family can be measured so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.special import chdtrc

from simulacra_crds.contract.schema import TableSchema
from simulacra_crds.contract.verdicts import KEPT_FAIR, KEPT_GOOD
from simulacra_trainer.evidence import LEAST_RATIO
from simulacra_trainer.persons import one_row_a_person
from simulacra_trainer.report.columns import IntArray, bin_codes
from simulacra_trainer.report.pair_tables import of_one_shape, tables_of_pairs
from simulacra_trainer.survey_weights import Floats, as_population

MAX_PAIRS = 4_000
"""A random set of pairs of wide tables, which limits the time to about a second."""
MAX_CODES = 32
"""Codes of a column; its rarer levels share the last one."""
LEAST_ROWS = 10
LEAST_CELL = 5
SIGNIFICANCE = 0.001
INNER = (0.03, 0.97)
"""Shares outside are left out: their error is not normal."""
Word = Literal["kept", "weakened", "lost"]
Trial = tuple[pa.Table, pa.Table, pa.Table]
"""Seen rows, unseen rows, and rows of two equal draws from a model of the seen ones."""


@dataclass(frozen=True)
class Dependence:
    """A pair of columns that depend on one another, and the D of each trial that has one."""

    columns: tuple[str, str]
    discrepancy: float

    @property
    def word(self) -> Word:
        """Return whether rows keep the dependence, without digits: one pair's D is noisy."""
        return word_for(self.discrepancy)


def word_for(discrepancy: float) -> Word:
    """Return the word for a mean square difference."""
    ratio = ratio_for(discrepancy)
    return "kept" if ratio >= KEPT_GOOD else "weakened" if ratio >= KEPT_FAIR else "lost"


def ratio_for(discrepancy: float) -> float:
    """Return 1 / (D - 1), at most 1 and at least `LEAST_RATIO`."""
    return float(np.clip(1.0 / max(discrepancy - 1.0, 1e-3), LEAST_RATIO, 1.0))


def measured_ratio(found: Sequence[Dependence]) -> float:
    """Return the ratio of a model; 1 if no columns depend on one another: nothing can be lost."""
    if not found:
        return 1.0
    return ratio_for(float(np.mean([one.discrepancy for one in found])))


def find_dependences(
    trials: Sequence[Trial], schema: TableSchema, names: Sequence[str], *, seed: int
) -> list[Dependence]:
    """Return the pairs of columns that depend on one another, with their mean D over the trials.

    Trials share their real rows. Survey weights are resolved by a sample in proportion to them, and
    of each person one row is compared.

    Args:
        trials: half-models of one table.
        schema: its schema.
        names: learned columns to compare.
        seed: of the samples.
    """
    rng = np.random.default_rng([seed, 29])
    pairs = _pairs(len(names), rng)
    sums = np.zeros(len(pairs))
    counts = np.zeros(len(pairs), np.int64)
    depend: npt.NDArray[np.bool_] | None = None
    for seen, unseen, synthetic in trials:
        real = [_independent(table, schema, rng) for table in (unseen, seen)]
        half = synthetic.num_rows // 2
        draws = [synthetic.slice(0, half), synthetic.slice(half)]
        coded = [_few_codes(*bin_codes([*real, *draws], name)) for name in names]
        if depend is None:
            depend = np.zeros(len(pairs), np.bool_)
            for alike in of_one_shape(coded, pairs):
                of_half = [tables_of_pairs(coded, pairs[alike], which) for which in (0, 1)]
                depend[alike] = _depend(of_half[0] + of_half[1])
        dependent = np.flatnonzero(depend)
        for alike in of_one_shape(coded, pairs[dependent]):
            at = dependent[alike]
            squares = _discrepancies(*(tables_of_pairs(coded, pairs[at], of) for of in (0, 2, 3)))
            known = ~np.isnan(squares)
            sums[at[known]] += squares[known]
            counts[at[known]] += 1
    return [
        Dependence((names[int(i)], names[int(j)]), float(sums[at] / counts[at]))
        for at, (i, j) in enumerate(pairs)
        if counts[at]
    ]


def _independent(table: pa.Table, schema: TableSchema, rng: np.random.Generator) -> pa.Table:
    return as_population(one_row_a_person(table, schema, rng), schema, rng)


def _pairs(columns: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    i, j = np.triu_indices(columns, k=1)
    pairs = np.column_stack([i, j])
    if len(pairs) > MAX_PAIRS:
        pairs = pairs[np.sort(rng.choice(len(pairs), MAX_PAIRS, replace=False))]
    return pairs


def _few_codes(codes: list[IntArray], size: int) -> tuple[list[IntArray], int]:
    if size <= MAX_CODES:
        return codes, size
    counts = np.bincount(np.concatenate(codes[:2]), minlength=size)
    rank = np.empty(size, np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(size)
    return [np.minimum(rank[of], MAX_CODES - 1) for of in codes], MAX_CODES


def _depend(counts: Floats) -> npt.NDArray[np.bool_]:
    """Return in which pairs a chi-squared test of all real rows finds a dependence, bool [pairs].

    counts: float64 [pairs, left, right].
    """
    rows, columns = counts.sum(axis=2) >= LEAST_CELL, counts.sum(axis=1) >= LEAST_CELL
    counts = counts * rows[:, :, None] * columns[:, None, :]
    total = np.maximum(counts.sum(axis=(1, 2)), 1.0)[:, None, None]
    expected = counts.sum(axis=2)[:, :, None] * counts.sum(axis=1)[:, None, :] / total
    # A floor of half a row keeps single rows in cells of next to none from deciding the test.
    statistic = np.sum((counts - expected) ** 2 / np.maximum(expected, 0.5), axis=(1, 2))
    freedom = (rows.sum(axis=1) - 1) * (columns.sum(axis=1) - 1)
    found: npt.NDArray[np.bool_] = chdtrc(np.maximum(freedom, 1), statistic) < SIGNIFICANCE
    return found & (rows.sum(axis=1) > 1) & (columns.sum(axis=1) > 1)


def _discrepancies(unseen: Floats, *draws: Floats) -> Floats:
    """Return the mean of z^2 over both directions of each pair; NaN where rows are too few.

    unseen, draws: counts, float64 [pairs, left, right]; two draws.
    """
    across = (of.mT for of in (unseen, *draws))
    both = np.stack([_mean_squares(unseen, *draws), _mean_squares(*across)])
    return _means(both, ~np.isnan(both), 0)


def _mean_squares(unseen: Floats, first: Floats, second: Floats) -> Floats:
    drawn = first + second
    k, drawn_k = unseen.sum(axis=2), drawn.sum(axis=2)
    most = k.sum(axis=1, keepdims=True) - LEAST_ROWS
    enough = (k >= LEAST_ROWS) & (k <= most) & (drawn_k >= 5 * LEAST_ROWS)
    k, drawn_k = (np.where(enough, of, 1.0)[:, :, None] for of in (k, drawn_k))
    q, of_model = unseen / k, drawn / drawn_k
    inner = enough[:, :, None] & (of_model > INNER[0]) & (of_model < INNER[1])
    variance = np.where(inner, of_model * (1.0 - of_model), 1.0) / k
    square = ((q - of_model) ** 2 - _noise(first, second)) / variance
    return _means(square, inner, (1, 2))


def _noise(first: Floats, second: Floats) -> Floats:
    """Return the squared error of the shares of two draws together, by their difference.

    Unbiased however the rows of one draw depend on one another, as long as the draws do not. first,
    second: as in `_discrepancies`.
    """
    counts = [np.maximum(of.sum(axis=2, keepdims=True), 1.0) for of in (first, second)]
    part = counts[0] / (counts[0] + counts[1])
    noise: Floats = part * (1.0 - part) * (first / counts[0] - second / counts[1]) ** 2
    return noise


def _means(
    values: Floats, is_counted: npt.NDArray[np.bool_], axis: int | tuple[int, ...]
) -> Floats:
    """Return means over axes of the values that count; NaN where none does."""
    counts = is_counted.sum(axis=axis)
    sums = np.where(is_counted, values, 0.0).sum(axis=axis)
    found: Floats = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return found
