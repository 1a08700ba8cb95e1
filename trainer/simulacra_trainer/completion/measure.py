"""What a completion is worth, and how its rows compare with the donors.

Before it: whether the common columns tell anything about what is to be filled.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from simulacra_schema.completion import (
    MAX_NEARNESS,
    MAX_STRICT_NEARNESS,
    CommonColumn,
    SeenHalf,
    SharePair,
)
from simulacra_schema.table import ColumnSchema
from simulacra_trainer.completion.cells import Indices
from simulacra_trainer.completion.fill import Filler
from simulacra_trainer.completion.gaps import Plan
from simulacra_trainer.completion.models import Fillings
from simulacra_trainer.completion.rules import Rules
from simulacra_trainer.effects.words import listed, number_or_day
from simulacra_trainer.families.codec import ColumnCodec, Floats
from simulacra_trainer.families.forest.growth.likelihood import SELECTION_SLIP
from simulacra_trainer.families.grid import level_grid, number_grid
from simulacra_trainer.report import equal_halves_dcr

PARTS = 5
MAX_LEVELS = 20
DIGITS = 2
"""Of shares that stand side by side: a person more or less does not show."""
SHOWN, STREAM = 5, 59


def worth(plan: Plan, fillings: Fillings, j: int) -> float | None:
    """Return the respondents that a filled column is worth, by Rubin's rules.

    The rows times U / T, median over the shares of its levels (of a number, of fifths), where U is
    the variance of a share in complete rows and T that of the pooled one. Answers of another
    table's donors are worth no more than these.
    """
    of = plan.cells.values[j]
    edges = _edges(of[: plan.cells.donors], plan.cells.codecs[j])
    shares = []
    answered = 0.0
    for i in range(len(fillings.packed)):
        column = fillings.column(plan.cells, i, j)[plan.first :]
        column = column[~np.isnan(column)]
        if not column.size:
            return None
        answered += column.size / len(fillings.packed)
        groups = np.searchsorted(edges, column)  # the edge of a heap, such as 0, is in the heap
        shares.append(np.bincount(groups, minlength=edges.size + 1) / column.size)
    p, between = np.mean(shares, axis=0), np.var(shares, axis=0, ddof=1)
    within = p * (1 - p) / answered
    total = within + (1 + 1 / len(shares)) * between
    asked = within > 0
    if not asked.any():
        return None
    found = answered * float(np.median(within[asked] / total[asked]))
    donors = float((~np.isnan(of[: plan.cells.donors])).sum())
    return found if plan.is_own else min(found, donors)


def common_columns(plan: Plan) -> Iterator[CommonColumn]:
    """Yield the columns that both tables answer, with the shares of both."""
    cells, donors = plan.cells, plan.cells.donors
    for column, codec, values in zip(plan.schema.columns, cells.codecs, cells.values, strict=True):
        known = [~np.isnan(values[:donors]), ~np.isnan(values[donors:])]
        if not (known[0].any() and known[1].any()):
            continue
        edges, names = _groups(column, codec)
        weights = cells.weights if cells.weights is not None else np.ones(donors)
        both = []
        for part, of, weight in zip(
            known, (values[:donors], values[donors:]), (weights, np.ones(plan.rows)), strict=True
        ):
            groups = np.searchsorted(edges, of[part], side="right")
            counts = np.bincount(groups, weight[part], minlength=len(names))
            both.append(counts / counts.sum())
        difference = float(np.abs(both[0] - both[1]).sum() / 2)
        order = (
            np.argsort(-both[0], kind="stable")[:MAX_LEVELS]
            if codec.is_category
            else range(len(names))
        )
        shares = [
            SharePair(
                level=names[k],
                donors=round(float(both[0][k]), DIGITS),
                given=round(float(both[1][k]), DIGITS),
            )
            for k in order
        ]
        yield CommonColumn(column=column.name, shares=shares, difference=round(difference, DIGITS))


def seen_half(plan: Plan, fillings: Fillings, *, strict: bool, seed: int) -> SeenHalf:
    """Return whether filled rows are nearer to the half of the donors that their model saw."""
    cells, found = plan.cells, []
    for i, half in enumerate(fillings.halves):
        values, every = [*cells.values], range(len(cells.codecs))
        for j in fillings.places:
            values[j] = fillings.column(cells, i, j)
        given = cells.table(every, values, slice(plan.first, None))
        other_half = np.delete(np.arange(cells.donors), half)
        seen, other = (cells.table(every, cells.values, rows) for rows in (half, other_half))
        rng = np.random.default_rng([seed, 43, i])
        found.append(equal_halves_dcr(seen, other, given, plan.schema, rng)[0])
    share, bar = float(np.mean(found)), MAX_STRICT_NEARNESS if strict else MAX_NEARNESS
    passed = round(share, 3) <= bar
    return SeenHalf(nearness=round(share, 3), bar=bar, verdict="passed" if passed else "failed")


def _edges(donors: Floats, codec: ColumnCodec) -> Floats:
    """Return where groups of a column begin: each level, or fifths of a number."""
    if codec.is_category:
        return np.arange(0.5, len(codec.levels) - 1, 1.0)
    known = donors[~np.isnan(donors)]
    return np.unique(np.quantile(known, np.arange(1, PARTS) / PARTS))


def _groups(column: ColumnSchema, codec: ColumnCodec) -> tuple[Floats, list[str]]:
    """Return where groups begin and their names: levels, or fifths of a number's range."""
    if codec.is_category:
        return np.arange(0.5, len(codec.levels) - 1, 1.0), list(codec.levels)
    edges = np.linspace(codec.low, codec.high, PARTS + 1)[1:-1]
    shown = [number_or_day(edge, 4, is_day=column.kind == "datetime") for edge in edges]
    names = [f"below {shown[0]}"]
    names += [f"{low} to {high}" for low, high in pairwise(shown)]
    return edges, [*names, f"{shown[-1]} and above"]


def untold(plan: Plan, strength: tuple[float, float], seed: int) -> list[str]:
    """Return a warning if the common columns tell nothing about any column to fill, else nothing.

    Answers of one half of the donors are predicted by models of the other half, and the other way
    round. Their mean log-likelihood must exceed that of the shares alone by a standard error.
    """
    cells, first = plan.cells, plan.first
    filler = Filler(cells, Rules(cells, plan.schema), *strength)
    is_given = np.arange(cells.rows) >= first
    common = cells.answered_by_most((~is_given, is_given))
    if not common:  # rows of many forms: each has columns of its own
        return []
    asked = [j for j in plan.asked if j not in filler.rules.computed and j not in common]
    for j in asked:
        known = np.flatnonzero(~np.isnan(cells.values[j][:first]))
        rows = np.random.default_rng([seed, STREAM]).permutation(known)
        halves = np.sort(rows[::2]), np.sort(rows[1::2])
        gains = np.concatenate(
            [_gains(filler, j, common, learned, held) for learned, held in (halves, halves[::-1])]
        )
        if gains.mean() > gains.std() / np.sqrt(gains.size):
            return []
    if not asked:
        return []
    names = listed([cells.codecs[j].name for j in asked], SHOWN)
    one = len(common) == 1
    count = f"{len(common)} {'column' if one else 'columns'} in common, which"
    tell = f"{count} {'tells' if one else 'tell'} nothing about {names}"
    return [f"{tell}: they are filled by their shares alone. Give rows with more of the columns."]


def _gains(
    filler: Filler, j: int, common: Sequence[int], learned: Indices, held: Indices
) -> Floats:
    """Return the nats of held-out answers over those of the shares alone, float64 [held]."""
    cells = filler.cells
    codec, values, codes = cells.codecs[j], cells.values, cells.coded()
    hidden = filler.rules.hidden_from(j)
    drawer = filler.grow(j, [k for k in common if k not in hidden], values, codes, learned)
    grid = level_grid(codec.levels) if codec.is_category else number_grid(values[j][learned])
    at = grid.cells(values[j][held])
    context = drawer.context(values, codes, held)
    found = drawer.sampler.probabilities(grid, context, np.arange(held.size, dtype=np.int32), at)
    shares = np.bincount(grid.cells(values[j][learned]), minlength=grid.size) / learned.size
    slip = SELECTION_SLIP / grid.size
    both = ((1 - SELECTION_SLIP) * of + slip for of in (found, shares[at]))
    with_common, alone = both
    return np.asarray(np.log(with_common / alone))
