"""Terms of a log-linear regression: functions of predictors, classes of a column and their scores.

A predictor that is a name gives an indicator of each level; an ordered one its normal score, the
square of it, and smaller free deviations of its levels or bins. A response is cut into classes: the
levels, or quantile bins of a number, in which a frequent value has its own. Missing is a class.
Names have unit scores; ordered classes have a line, a square and small deviations, so that mean and
spread follow the predictors and the column's own distribution gives spikes and skips.

Support: what fewer than five persons share has no indicator, bins of fewer are merged with a
neighbor, and rare names form one class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from simulacra_intake.rows_of_persons import MIN_PERSONS, persons_a_group
from simulacra_intake.rows_of_persons import Ints as Persons
from simulacra_trainer.families.codec import CODES, Booleans, Codes, ColumnCodec, Floats, Indices
from simulacra_trainer.families.grid import bin_edges

CLASS_BINS = 16
"""Quantile bins of a number, as a response and in the deviations of a predictor."""
MAX_INDICATORS = 30
MAX_CLASSES = 64
SQUARE, DEVIATION, CLASS_DEVIATION = 0.5, 0.5, 0.35
"""Standard deviations of squares and deviations at first, relative to that of a line."""
PRIOR_ROWS = 0.5


@dataclass(frozen=True)
class Functions:
    """Functions of a predictor.

    Attributes:
        table: value at each predictor code, float64 [codes, functions]; the last code stands for
            all that follow.
        sizes: how many functions share a prior, in their order.
        ordered: whether the first two are a line and a square.
    """

    table: Floats
    sizes: list[int]
    ordered: bool = False

    @property
    def smooth(self) -> Functions:
        """Line and square alone, for an ordered column."""
        return Functions(self.table[:, :2], [2]) if self.ordered else self


@dataclass(frozen=True)
class Scores:
    """Scores of the classes of a response.

    Attributes:
        values: float64 [classes, scores], with mean 0 under the shares.
        sizes: how many scores share a prior, in their order.
        share: of each class, float64 [classes].
    """

    values: Floats
    sizes: list[int]
    share: Floats

    @property
    def variance(self) -> Floats:
        """Variance of each score, float64 [scores]."""
        return self.share @ self.values**2


@dataclass(frozen=True)
class Grouping:
    """The classes of a column's rows.

    Attributes:
        y: class of each row, int64 [n]; ordered classes ascend, missing is the last.
        rank: place of each class in the order, -1 for missing; None if the classes are names.
        is_tied: whether a class may depend on predictors, bool [classes]: five persons share it.
    """

    y: Indices
    rank: Indices | None
    is_tied: Booleans


def functions_of(codes: Codes, codec: ColumnCodec, persons: Persons | None) -> Functions:
    """Return the functions of a column with these predictor codes, uint8 [n]."""
    size = table_size(codes)
    counts = np.bincount(codes, minlength=size).astype(np.float64)
    share, known = counts / max(codes.size, 1), np.append(0.0, counts[1:])
    if not codec.has_natural_order or np.count_nonzero(known) <= 2:
        members = np.eye(size)
        return _indicators(members, codes, share, persons, 1.0)
    below = (np.cumsum(known) - known / 2.0) / known.sum()
    line, square = _line_and_square(below, known / known.sum())
    members = np.eye(size)
    if np.count_nonzero(known) > CLASS_BINS:
        bins = np.minimum((below * CLASS_BINS).astype(np.int64), CLASS_BINS - 1)
        members = np.zeros((size, CLASS_BINS + 1))
        members[np.arange(1, size), bins[1:] + 1] = 1.0
        members[0, 0] = 1.0
    free = _indicators(members, codes, share, persons, DEVIATION)
    smooth = np.column_stack([line, SQUARE * square])
    smooth[0] = 0.0
    return Functions(np.hstack([smooth, free.table]), [2, *free.sizes], ordered=True)


def table_size(codes: Codes) -> int:
    """Return the rows of a table by predictor code: those seen, and one for all that follow."""
    return min(int(codes.max(initial=0)) + 2, CODES)


def _indicators(
    members: Floats, codes: Codes, share: Floats, persons: Persons | None, sd: float
) -> Functions:
    """Return centered indicators of the groups that five persons share.

    members: whether each code is in each group, float64 [codes, groups].
    """
    group = members.argmax(axis=1)[codes]
    people = persons_a_group(group, persons, members.shape[1])
    frequent = np.argsort(-people, kind="stable")[:MAX_INDICATORS]
    chosen = np.sort(frequent[people[frequent] >= MIN_PERSONS])
    table = members[:, chosen] - share @ members[:, chosen]
    return Functions(sd * table, [chosen.size] if chosen.size else [])


def group_names(values: Floats, persons: Persons | None) -> Grouping:
    """Return classes of levels without an order; rare ones share a class."""
    distinct, inverse = np.unique(values, return_inverse=True)
    inverse = inverse.reshape(-1)
    people = persons_a_group(inverse, persons, distinct.size)
    rare = (people < MIN_PERSONS) & ~np.isnan(distinct)
    recode = np.cumsum(~rare) - 1
    if rare.any():  # after the frequent levels, before missing
        place = np.count_nonzero(~rare & ~np.isnan(distinct))
        recode[np.isnan(distinct)] += 1
        recode[rare] = place
    y = recode[inverse]
    return Grouping(y, None, _is_tied(y, persons))


def group_ordered(values: Floats, codec: ColumnCodec, persons: Persons | None) -> Grouping:
    """Return classes of ordered levels or numbers; rare ones are merged with a neighbor."""
    missing = np.isnan(values)
    known = values[~missing]
    if codec.is_category:
        y = np.unique(known, return_inverse=True)[1].reshape(-1)
    else:
        y = np.searchsorted(bin_edges(known, CLASS_BINS), known, side="right")
    y = _merged(y, None if persons is None else persons[~missing])
    classes = int(y.max(initial=-1)) + 1
    out = np.full(values.size, classes)
    out[~missing] = y
    rank = np.arange(classes + bool(missing.any()))
    rank[classes:] = -1
    return Grouping(out, rank, _is_tied(out, persons))


def _merged(y: Indices, persons: Persons | None) -> Indices:
    """Merge each class of fewer than five persons with the smaller of its neighbors."""
    while (classes := int(y.max(initial=-1)) + 1) > 1:
        people = persons_a_group(y, persons, classes)
        least = int(np.argmin(people))
        if people[least] >= MIN_PERSONS:
            break
        sides = [k for k in (least - 1, least + 1) if 0 <= k < classes]
        other = min(sides, key=lambda k: people[k])
        y = y - (y >= max(least, other))
    return y


def _is_tied(y: Indices, persons: Persons | None) -> Booleans:
    return persons_a_group(y, persons, int(y.max(initial=-1)) + 1) >= MIN_PERSONS


def scores_of(grouping: Grouping, weight: Floats) -> Scores:
    """Return the scores of the classes; weight: of each row, float64 [n]."""
    classes = grouping.is_tied.size
    counts = np.bincount(grouping.y, weight, classes) * (weight.size / weight.sum()) + PRIOR_ROWS
    share = counts / counts.sum()
    parts = [np.eye(classes)]
    if classes == 2:  # one column of the same prior: the difference of two weights
        parts = [np.array([[0.5], [-0.5]]) * np.sqrt(2.0)]
    elif grouping.rank is not None and np.count_nonzero(grouping.rank >= 0) > 2:
        among = np.where(grouping.rank >= 0, share, 0.0)
        among /= among.sum()
        line, square = _line_and_square(np.cumsum(among) - among / 2.0, among)
        smooth = np.column_stack([line, SQUARE * square]) * (grouping.rank >= 0)[:, None]
        parts = [smooth, CLASS_DEVIATION * parts[0]]
    values = np.hstack(parts)
    tied = np.where(grouping.is_tied, share, 0.0)
    centered = values - tied @ values / max(float(tied.sum()), PRIOR_ROWS / counts.sum())
    centered *= grouping.is_tied[:, None]  # what others lose, it does not gain
    return Scores(centered, [part.shape[1] for part in parts], share)


def _line_and_square(below: Floats, share: Floats) -> tuple[Floats, Floats]:
    """Return the standardized normal score at ranks `below` and its square, orthogonal to it.

    Codes without rows stand between their neighbors, beyond the outermost ones with these.
    """
    present = below[share > 0]
    line = ndtri(np.clip(below, present.min(), present.max()))
    line = line - share @ line
    line /= max(np.sqrt(share @ line**2), 1e-9)
    square = line**2 - line * (share @ line**3) - 1.0
    return line, square / max(np.sqrt(share @ square**2), 1e-9)
