"""The m fillings of a table, each by models of another random half of the donors."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from simulacra_schema.table import TableSchema
from simulacra_trainer.completion.cells import Booleans, Cells, Indices
from simulacra_trainer.completion.fill import Filler, Filling
from simulacra_trainer.completion.rules import Rules
from simulacra_trainer.completion.stated import hold_stated
from simulacra_trainer.cpus import threads
from simulacra_trainer.families.base import Progress
from simulacra_trainer.families.codec import Floats

SWEEPS = 3
"""After a sequential start; as many more where the figures still move."""
MOVED, BY_CHANCE = 0.1, 0.001
"""How far means may move in the last sweep, in deviations between the models, and the probability
below which a move is no chance (a t-test)."""
STREAM = 41
DRAWS, HELD, BLANKED, MAX_CHECKED = 50, 0.8, 0.1, 2_000
"""Of the check: draws of each cell, what their set holds, the share of answers, and most rows."""

_Run = tuple[list[Floats], list[Floats], list[Floats], Booleans]
"""Cells before and after the last sweep and with stated rules, and rows that cannot hold these."""


@dataclass(frozen=True)
class Fillings:
    """The fillings of all gaps.

    Attributes:
        packed: cells of each filling, by column in the order of `places`.
        places: of the columns with gaps.
        halves: rows that each filling learned from.
        sweeps: after the start.
        moving: places of the columns whose figures had not settled.
        unhelped: rows whose given cells alone break a stated rule, bool [n].
    """

    packed: list[list[Floats]]
    places: list[int]
    halves: list[Indices]
    sweeps: int
    moving: set[int]
    unhelped: Booleans

    def column(self, cells: Cells, i: int, j: int) -> Floats:
        """Return a column with gaps in a filling, float64 [n]."""
        found = cells.values[j].copy()
        found[cells.gaps[j]] = self.packed[i][self.places.index(j)]
        return found


def fill_all(
    cells: Cells,
    schema: TableSchema,
    strength: tuple[float, float],
    m: int,
    seed: int,
    progress: Progress,
) -> Fillings:
    """Return m fillings; the first decides methods and priors, the others run on all CPUs.

    strength: scale and penalty of the models.
    """
    rules = Rules(cells, schema)
    filler = Filler(cells, rules, *strength)
    halves = [_half(cells, seed, i) for i in range(m)]
    rounds = 0 if cells.is_nested else SWEEPS
    done = iter(range(1, 3 * m + 1))

    def run(i: int, packed: Sequence[Floats] | None = None) -> _Run:
        rng = np.random.default_rng([seed, STREAM, i, packed is not None])
        if packed is None:
            filling = filler.start(halves[i], rng)
        else:
            filling = filler.resume(packed, halves[i], rng)
        before = filling.packed()
        for _ in range(rounds):
            before = filling.packed()
            filling.sweep()
        progress(min(next(done) / (m + 1), 0.95))
        after = filling.packed()
        unhelped = hold_stated(filling, schema)
        return before, after, filling.packed(), unhelped

    def run_all(packed: Sequence[Sequence[Floats]] | None = None) -> list[_Run]:
        held = [None] * m if packed is None else packed
        found = [run(0, held[0])]
        with ThreadPoolExecutor(threads()) as pool:
            return found + list(pool.map(run, range(1, m), held[1:]))

    found, sweeps = run_all(), rounds
    moving = _moving(found, rules, cells)
    if moving:
        found, sweeps = run_all([after for _, after, _, _ in found]), 2 * rounds
        moving = _moving(found, rules, cells)
    unhelped = np.any([one for *_, one in found], axis=0)
    held = [cells for _, _, cells, _ in found]
    return Fillings(held, list(rules.rank), halves, sweeps, moving, unhelped)


def _half(cells: Cells, seed: int, i: int) -> Indices:
    """Return a random half of the donors, ascending, int64 [donors / 2]."""
    rng = np.random.default_rng([seed, STREAM, i])
    return np.sort(rng.permutation(cells.donors)[: max(cells.donors // 2, 1)])


def _moving(found: Sequence[_Run], rules: Rules, cells: Cells) -> set[int]:
    """Return the columns whose means moved in the last sweep, more than by chance."""
    moving = set()
    for at, j in enumerate(rules.rank):
        common = np.nan
        if cells.codecs[j].is_category:
            donors = cells.values[j][: cells.donors]
            common = float(np.bincount(donors[~np.isnan(donors)].astype(np.int64)).argmax())
        before, after = (
            np.array([_mean(one[which][at], common) for one in found]) for which in (0, 1)
        )
        moved, m = after - before, len(found)
        between = after.std(ddof=1)
        error = moved.std(ddof=1) / np.sqrt(m)
        least = max(MOVED * between, float(stdtrit(m - 1, 1 - BY_CHANCE / 2)) * error)
        if abs(moved.mean()) > least:
            moving.add(j)
    return moving


def _mean(values: Floats, common: float) -> float:
    known = values[~np.isnan(values)]
    if not known.size:
        return 0.0
    return float(known.mean() if np.isnan(common) else (known == common).mean())


def check(
    cells: Cells, schema: TableSchema, strength: tuple[float, float], seed: int, *, rows: bool
) -> dict[int, tuple[float, int]]:
    """Return the share of blanked answers that 80 % sets hold and their count, by column.

    A tenth of the donors' answers is blanked out and filled in a run of its own. The set of a
    number lies between the percentiles 10 and 90 of the draws; that of levels has the most
    frequent ones, until it holds 80 % of the draws.

    rows: whether whole rows lose all these columns, as given rows of another table do.
    """
    rng = np.random.default_rng([seed, STREAM, 1_000])
    donors = np.arange(cells.rows) < cells.donors
    known = np.stack([~np.isnan(of) for of in cells.values])
    at = np.zeros(cells.gaps.shape, np.bool_)
    targets = cells.targets
    chosen = rng.random((1 if rows else len(targets), cells.rows)) < BLANKED
    at[targets] = chosen
    at &= known & donors & ~cells.gaps
    at[:, np.flatnonzero(at.any(axis=0))[MAX_CHECKED:]] = False
    blanked = cells.blanked(at)
    rules = Rules(blanked, schema)
    filler = Filler(blanked, rules, *strength)
    filling = filler.start(_half(cells, seed, 1_000), rng)
    for _ in range(0 if blanked.is_nested else SWEEPS):
        filling.sweep()
    drawn = _draws(filling, at)
    found = {}
    for j in rules.rank:
        if at[j].any() and j not in rules.computed:
            held = _held(
                drawn[j], cells.values[j][at[j]], is_number=not cells.codecs[j].is_category
            )
            found[j] = (float(held.mean()), int(held.size))
    return found


def _draws(filling: Filling, at: Booleans) -> dict[int, Floats]:
    """Return draws of the blanked cells, float64 [cells, DRAWS] by column, without a new fit.

    All columns of their rows are drawn again each time: given one draw of the others, a set would
    be too narrow.
    """
    rows = np.flatnonzero(at.any(axis=0))
    gaps = filling.filler.cells.gaps
    found: dict[int, list[Floats]] = {int(j): [] for j in np.flatnonzero(at.any(axis=1))}
    for _ in range(DRAWS):
        for j in filling.filler.rules.rank:
            filling.draw(j, rows[gaps[j, rows]])
        for column, draws in found.items():
            draws.append(filling.values[column][at[column]])
    return {column: np.stack(draws, axis=1) for column, draws in found.items()}


def _held(drawn: Floats, truth: Floats, *, is_number: bool) -> Booleans:
    """Return whether the 80 % set of each cell holds its answer, bool [cells]."""
    drawn = np.where(np.isnan(drawn), np.inf, drawn)  # a skip holds no answer
    if is_number:
        low, high = np.quantile(drawn, [(1 - HELD) / 2, (1 + HELD) / 2], axis=1, method="lower")
        return np.asarray((truth >= low) & (truth <= high))
    held = np.zeros(truth.size, np.bool_)
    for i, of in enumerate(drawn):
        levels, counts = np.unique(of, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        enough = int(np.searchsorted(np.cumsum(counts[order]), HELD * of.size)) + 1
        held[i] = truth[i] in levels[order[:enough]]
    return held
