"""How much of the dependences between columns a model keeps, measured on unseen real rows.

The rows of a half-model are compared with the half that it has not seen. For levels a of one column
and b of another, the shares q of b within a differ by the error of the k unseen rows and by that of
the model. In units of the first, the mean square z^2 is 1 + 1 / ratio if the model knows the
dependence as well as `ratio` times the seen rows would tell it. So ratio = 1 / (D - 1), with D the
mean over pairs of columns that depend on one another: the many pairs that do not would hide those
that the model has lost. Any family can be measured so.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.rows_of_persons import one_row_a_person
from simulacra_intake.survey_weights import as_population
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_schema.worth import ENOUGH_TO_SEE
from simulacra_trainer.evidence import LEAST_RATIO
from simulacra_trainer.report.comparison.columns import IntArray, bin_codes
from simulacra_trainer.report.comparison.differences import Differences
from simulacra_trainer.report.comparison.discrepancy import depend, discrepancies, without_rare
from simulacra_trainer.report.comparison.pair_tables import Coded, of_one_shape, tables_of_pairs
from simulacra_trainer.report.comparison.strength import (
    LEAST_TREND,
    Bools,
    Strength,
    Word,
    has_order,
    no_chance,
    strengths,
    trends_of,
    word_of_share,
)

MAX_PAIRS = 4_000
"""A random set of pairs of wide tables, which limits the time to about a second."""
MAX_CODES = 32
"""Codes of a column; its rarer levels share the last one."""
WORST_FIRST: tuple[Word, ...] = ("lost", "weakened", "kept")
Trial = tuple[pa.Table, pa.Table, pa.Table]
"""Seen rows, unseen rows, and rows of two equal draws from a model of the seen ones."""


@dataclass(frozen=True)
class Dependence:
    """A pair of columns that depend on one another among all real rows.

    Attributes:
        discrepancy: mean D of the trials; None where the answers have too few unseen rows in each.
        strength: of the trend or of the main axis, real and generated; None if not measured.
        difference: share of the rows whose difference of two numbers or dates is as among real
            rows, 0..1; None where it does not matter.
        in_cells: whether their cells show it; else only their trend does.
    """

    columns: tuple[str, str]
    discrepancy: float | None
    strength: Strength | None = None
    difference: float | None = None
    in_cells: bool = True

    @property
    def word(self) -> Word:
        """Return whether rows keep the dependence, by the worst of its figures.

        One pair's D is noisy: of the rows of an ideal model, 5 % of the pairs would be lost by it.
        So it alone makes no pair lost whose strength is kept.
        """
        share = None if self.strength is None else self.strength.share
        words = [word_of_share(of) for of in (share, self.difference) if of is not None]
        by_cells = word_for(self.discrepancy)
        is_kept = share is not None and word_of_share(share) == "kept"
        words.append("weakened" if by_cells == "lost" and is_kept else by_cells)
        return next((of for of in WORST_FIRST if of in words), "not measured")

    def to_json(self) -> dict[str, Any]:
        """Return what the report says of the pair."""
        found: dict[str, Any] = {"columns": [*self.columns], "kept": self.word}
        if self.strength is not None:
            found["real"] = round(self.strength.real, 2)
            found["generated"] = round(self.strength.generated, 2)
        if self.difference is not None:
            found["difference"] = round(self.difference, 2)
        return found


def word_for(discrepancy: float | None) -> Word:
    """Return the word for a mean square difference."""
    return "not measured" if discrepancy is None else word_of_share(ratio_for(discrepancy))


def ratio_for(discrepancy: float) -> float:
    """Return 1 / (D - 1), at most 1 and at least `LEAST_RATIO`."""
    return float(np.clip(1.0 / max(discrepancy - 1.0, 1e-3), LEAST_RATIO, 1.0))


def measured_ratio(found: Sequence[Dependence], respondents: float) -> float | None:
    """Return the ratio of a model; None if it is not known.

    Where columns depend on one another, it is measured if half of these pairs are. Where none does,
    nothing can be lost, but a small table does not show that.

    found: the pairs of columns that depend on one another; respondents: behind the table.
    """
    if not found:
        return 1.0 if respondents >= ENOUGH_TO_SEE else None
    counted = [one for one in found if one.in_cells] or found
    unmeasured = sum(one.word == "not measured" for one in counted)
    if 2 * unmeasured > len(counted):
        return None
    known = [one.discrepancy for one in counted if one.discrepancy is not None]
    shares = [one.strength.share for one in counted if one.strength is not None]
    strong = [share for share in shares if share is not None]
    kept = float(np.clip(np.mean(strong), LEAST_RATIO, 1.0)) if strong else None
    if not known:
        # One column decides the other: the shares of their cells are 0 and 1, and have no error.
        return kept
    ratio = ratio_for(float(np.mean(known)))
    # Few rows do not show a loss in cells; what most pairs lost of their strength still is lost.
    most_kept = 2 * sum(one.word == "kept" for one in counted) >= len(counted) - unmeasured
    return ratio if kept is None or most_kept else min(ratio, kept)


def find_dependences(
    trials: Sequence[Trial],
    schema: TableSchema,
    names: Sequence[str],
    *,
    seed: int,
    is_asked: Callable[[str, str], bool] = lambda *_: True,
    picks: int = 1,
) -> list[Dependence]:
    """Return the pairs of columns that depend on one another among the real rows of the table.

    Their figures are means over the trials, which share their real rows. Survey weights are
    resolved by a sample in proportion to them, and of each person one row is compared.

    is_asked: says of two names whether the pair is compared; picks: times that other rows of the
    same persons are compared.
    """
    rng = np.random.default_rng([seed, 29])
    pairs = _pairs(names, is_asked, rng)
    columns = [schema.find(name) for name in names]
    chosen: _Chosen | None = None
    for seen, unseen, synthetic in [*trials] * picks:
        real = [_independent(table, schema, rng) for table in (unseen, seen)]
        half = synthetic.num_rows // 2
        tables = [*real, synthetic.slice(0, half), synthetic.slice(half)]
        coded = [_few_codes(*bin_codes(tables, name)) for name in names]
        ordered = np.array(
            [c is not None and has_order(c, of[1]) for c, of in zip(columns, coded, strict=True)],
            np.bool_,
        )
        if chosen is None:
            chosen = _choose(coded, pairs, ordered)
        chosen.measure(coded, ordered, real[0].num_rows)
        chosen.compare_differences(names, columns, tables)
    return [] if chosen is None else chosen.dependences(names, picks)


class _Chosen:
    """Pairs of columns that depend on one another, with sums of their figures over the trials."""

    def __init__(self, pairs: npt.NDArray[np.intp], in_cells: Bools) -> None:
        self.pairs, self.in_cells = pairs, in_cells
        self.squares, self.measured = np.zeros(len(pairs)), np.zeros(len(pairs), np.int64)
        self.real, self.generated = np.zeros(len(pairs)), np.zeros(len(pairs))
        self.rows, self.drawn, self.trials = 0, 0, 0
        self.shared: dict[int, list[float]] = {}

    def measure(self, coded: Sequence[Coded], ordered: Bools, unseen: int) -> None:
        """Add the figures of one trial: counts of unseen, seen and two times drawn rows."""
        self.trials += 1
        self.rows += unseen
        self.drawn += sum(codes.size for codes in coded[0][0][2:]) if coded else 0
        both = ordered[self.pairs].all(axis=1)
        for is_ordered in (False, True):
            of_kind = np.flatnonzero(both == is_ordered)
            for alike in of_one_shape(coded, self.pairs[of_kind]):
                at = of_kind[alike]
                unseen_, seen, *draws = (
                    tables_of_pairs(coded, self.pairs[at], which) for which in range(4)
                )
                squares = discrepancies(unseen_, *draws)
                known = ~np.isnan(squares)
                self.squares[at[known]] += squares[known]
                self.measured[at[known]] += 1
                real, drawn = strengths(seen, [unseen_, draws[0] + draws[1]], is_ordered)
                self.real[at] += real
                self.generated[at] += drawn

    def compare_differences(
        self,
        names: Sequence[str],
        columns: Sequence[ColumnSchema | None],
        tables: Sequence[pa.Table],
    ) -> None:
        """Add how the differences of two numbers or of two dates agree in one trial."""
        unseen, _, *draws = tables
        differences = Differences(unseen, pa.concat_tables(draws), columns)
        for at, (i, j) in enumerate(self.pairs):
            share = differences.shared(names[i], names[j])
            if share is not None:
                self.shared.setdefault(at, []).append(share)

    def dependences(self, names: Sequence[str], picks: int) -> list[Dependence]:
        """Return the pairs with their mean figures; the rows of a person count as one."""
        found = []
        for at, (i, j) in enumerate(self.pairs):
            real, drawn = self.real[at] / self.trials, self.generated[at] / self.trials
            # Exchanged halves: each real row was unseen in one of two trials.
            noise = (1 - real**2) ** 2 * picks / self.rows + (1 - drawn**2) ** 2 / max(
                self.drawn, 1
            )
            counted = self.measured[at]
            found.append(
                Dependence(
                    (names[i], names[j]),
                    float(self.squares[at] / counted) if counted else None,
                    Strength(float(real), float(drawn), float(np.sqrt(noise))),
                    float(np.mean(self.shared[at])) if at in self.shared else None,
                    bool(self.in_cells[at]),
                )
            )
        return found


def _choose(coded: Sequence[Coded], pairs: npt.NDArray[np.intp], ordered: Bools) -> _Chosen:
    """Return the pairs that depend on one another among all real rows, by cells or by trend."""
    in_cells = np.zeros(len(pairs), np.bool_)
    trends, chances = np.zeros(len(pairs)), np.ones(len(pairs))
    both: Bools = np.asarray(ordered[pairs].all(axis=1))
    for alike in of_one_shape(coded, pairs):
        counts = sum(tables_of_pairs(coded, pairs[alike], which) for which in (0, 1))
        counts = without_rare(np.asarray(counts))
        in_cells[alike] = depend(counts)
        inner = both[alike]
        trends[alike[inner]], chances[alike[inner]] = trends_of(counts[inner])
    trending = np.zeros(len(pairs), np.bool_)
    trending[both] = no_chance(chances[both])
    kept = in_cells | (trending & (np.abs(trends) >= LEAST_TREND))
    return _Chosen(pairs[kept], in_cells[kept])


def _independent(table: pa.Table, schema: TableSchema, rng: np.random.Generator) -> pa.Table:
    return as_population(one_row_a_person(table, schema, rng), schema, rng)


def _pairs(
    names: Sequence[str], is_asked: Callable[[str, str], bool], rng: np.random.Generator
) -> npt.NDArray[np.intp]:
    """Return the pairs of places of names that are compared, int64 [pairs, 2]."""
    pairs = np.array(
        [
            (i, j)
            for i, j in itertools.combinations(range(len(names)), 2)
            if is_asked(names[i], names[j])
        ],
        np.intp,
    ).reshape(-1, 2)
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
