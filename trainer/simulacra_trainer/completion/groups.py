"""Answers of a column in few groups, of which the cells of a pair are made."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from simulacra_intake.rows_of_persons import MIN_PERSONS
from simulacra_trainer.effects.words import number_or_day
from simulacra_trainer.families.codec import Floats

MAX_KEPT = 5
"""Most frequent levels that stay; the others are one group."""
FEW, PARTS = 4, 3
"""Values of a number that stay as they are; else it is cut into parts of equal size."""
DIGITS = (2, 3, 4)
"""Of the cuts: as few as keep the parts apart, so that a cut is nobody's number."""
DAY = 86_400e6
OTHERS = "other answers"


@dataclass(frozen=True)
class Groups:
    """A column in groups of five persons or more.

    Attributes:
        levels: names of the groups.
        values: place of each row's group, float64 [n]; NaN where it is not answered.
        ordered: whether the groups have an order.
    """

    name: str
    levels: tuple[str, ...]
    values: Floats
    ordered: bool


def of_levels(name: str, values: Floats, levels: Sequence[str], *, ordered: bool) -> Groups:
    """Return levels as groups: the most frequent ones, and the others together.

    values: places of levels, float64 [n].
    """
    known = ~np.isnan(values)
    counts = np.bincount(values[known].astype(np.int64), minlength=len(levels))
    order = np.argsort(-counts, kind="stable")
    kept = [int(k) for k in order[:MAX_KEPT] if counts[k] >= MIN_PERSONS]
    while kept and 0 < counts.sum() - counts[kept].sum() < MIN_PERSONS:
        kept.pop()  # the rare ones need company
    kept.sort()
    at = np.full(len(levels), len(kept), np.float64)
    at[kept] = np.arange(len(kept))
    names = [levels[k] for k in kept]
    has_others = bool(counts.sum() > counts[kept].sum())
    if has_others:
        names.append(OTHERS if OTHERS not in names else f"{OTHERS}_")
    groups = np.where(known, at[np.where(known, values, 0).astype(np.int64)], np.nan)
    return Groups(name, tuple(names), groups, ordered and not has_others)


def of_numbers(name: str, values: Floats, *, dates: bool) -> Groups:
    """Return a number as groups: its few values, or thirds.

    dates: values are microseconds since 1970, and groups begin with a day.
    """
    seen = values[~np.isnan(values)]
    distinct, counts = np.unique(seen, return_counts=True)
    few = distinct.size <= FEW and counts.min(initial=MIN_PERSONS) >= MIN_PERSONS
    cuts = distinct[1:] if few else _cuts(seen, dates=dates)
    places = np.searchsorted(cuts, values, side="right").astype(np.float64)
    groups = np.where(np.isnan(values), np.nan, places)
    shown = [number_or_day(one, 6, is_day=dates) for one in (distinct if few else cuts)]
    if not few:
        between = (f"{low} to {high}" for low, high in pairwise(shown))
        shown = [f"below {shown[0]}", *between, f"{shown[-1]} and above"] if shown else ["any"]
    return Groups(name, tuple(shown), groups, ordered=True)


def _cuts(seen: Floats, *, dates: bool) -> Floats:
    """Return where thirds begin, rounded; above a heap at the low end. Empty if none is possible.

    seen: float64 [n], at least one.
    """
    cuts = np.quantile(seen, np.arange(1, PARTS) / PARTS)
    above = seen[seen > seen.min()]
    if above.size and cuts[0] <= seen.min():
        cuts[0] = np.quantile(above, 0.02)
    best = np.empty(0)
    for digits in DIGITS:
        rounded = np.round(cuts / DAY) * DAY if dates else [float(f"{c:.{digits}g}") for c in cuts]
        found = np.unique(rounded)
        sizes = np.bincount(np.searchsorted(found, seen, side="right"), minlength=found.size + 1)
        if sizes.min() >= MIN_PERSONS and found.size > best.size:
            best = found
    return best
