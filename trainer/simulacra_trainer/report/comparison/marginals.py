"""Shares of the answers of each column, real beside generated, for the pictures of the report.

A real share is shown for five persons or more, as values are emitted (`MIN_PERSONS`): rarer
answers are summed up, and bins of numbers are joined with their neighbors. Ends of bins are round
numbers, never values of the table. With the persons' keys, counts have their noise (`cell_keys`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.arrow_values import places_of
from simulacra_intake.rows_of_persons import MIN_PERSONS, Ints, persons_a_group
from simulacra_intake.survey_weights import Floats, effective_rows
from simulacra_schema.table import ColumnSchema
from simulacra_trainer.cell_keys import Keys, noise_of, summed
from simulacra_trainer.report.comparison.columns import FloatArray, IntArray, is_category, numbers

MAX_LEVELS = 10
"""Levels of a column that are shown; the rarer ones are summed up."""
BINS = 12
ENDS = (0.01, 0.99)
"""Quantiles between which numbers are cut; those outside are in the first and last bin."""
WIDTHS = (1e-300, 5e307)
"""Least and largest width of a bin: numbers beyond have no digits left, or are infinite."""
DAY = 86_400e6
NICE = (1.0, 2.0, 2.5, 5.0, 10.0)
BoolArray = npt.NDArray[np.bool_]
Groups = list[tuple[int, int]]


def marginals(
    real: pa.Table,
    generated: pa.Table,
    columns: Sequence[ColumnSchema],
    *,
    persons: Ints | None = None,
    weights: Floats | None = None,
    keys: Keys | None = None,
) -> list[dict[str, Any]]:
    """Return the shares of each column's answers among the rows that have one, rounded.

    `cells` are levels, `edges` the ends of bins (datetimes: microseconds since 1970); both are
    empty where fewer than five persons answered. `others` counts the levels of the last cell;
    values that no real row has count as one.
    `missing` are the shares of all rows, the real one None where it is that of one to four persons.

    persons, weights, keys: of the real rows, [n]; None if each is its own person, all weigh the
    same, without noise.
    """
    counts = np.ones(real.num_rows) if weights is None else weights
    return [_column(real, generated, column, persons, counts, keys) for column in columns]


def _column(
    real: pa.Table,
    generated: pa.Table,
    column: ColumnSchema,
    persons: Ints | None,
    counts: Floats,
    keys: Keys | None,
) -> dict[str, Any]:
    name, ordered = column.name, column.ordered
    found: dict[str, Any] = {"kind": "levels", "edges": []}
    if is_category(real, name):
        names = _levels(real, column)
        codes = [_level_codes(table, name, names) for table in (real, generated)]
    else:
        values = [numbers(table, name) for table in (real, generated)]
        few = _few_values(values[0]) if column.kind == "integer" else None
        if few is not None:
            names, ordered = [f"{value:.0f}" for value in few], True
            codes = [_value_codes(of, few) for of in values]
        else:
            edges = _edges(values[0], column.kind)
            codes = [_bins(of, edges) for of in values]
            found = {"kind": "dates" if column.kind == "datetime" else "numbers", "cells": []}
            found["whole"] = found["kind"] == "numbers" and _is_whole(values[0])
    known = codes[0] >= 0
    size = len(names) + 1 if found["kind"] == "levels" else len(edges) - 1
    who = persons_a_group(codes[0][known], None if persons is None else persons[known], size)
    shares = [_shares(codes[0], size, counts), _shares(codes[1], size, np.ones(codes[1].size))]
    if keys is not None:
        noise = noise_of(summed(keys[known], codes[0][known], size))
        who = np.maximum(who + noise * (who > 0), 0).astype(np.int64)
        real_share = np.maximum(shares[0] + noise * (shares[0] > 0) / _worth(counts[known]), 0.0)
        shares[0] = real_share / max(float(real_share.sum()), 1e-300)
    if found["kind"] == "levels":
        order, others = _shown(who, *shares, ordered=ordered)
        groups = [[at] for at in order] + ([others] if others else [])
        labels = [level_label(column, names[at]) for at in order]
        found |= {"cells": labels, "others": len(others)}
    else:
        spans = _joined(who)
        groups = [list(range(a, b)) for a, b in spans]
        found |= {"edges": [edges[0], *(edges[b] for _, b in spans)] if spans else [], "others": 0}
    real_shares, drawn = ([round(float(of[g].sum()), 4) for g in groups] for of in shares)
    missing = [_missing(codes[0], counts, persons, keys), round(float((codes[1] < 0).mean()), 4)]
    return {"column": name, **found, "real": real_shares, "generated": drawn, "missing": missing}


def level_label(column: ColumnSchema, value: str) -> str:
    """Return the upload's label of a level, or the level itself."""
    return next((one.label for one in column.levels if one.value == value and one.label), value)


def has_cell(table: pa.Table, column: ColumnSchema, cell: str) -> BoolArray:
    """Return whether each row has the answer of a cell of `marginals` of levels, bool [n]."""
    if not is_category(table, column.name):
        codes = [one.value for one in column.levels if one.label == cell] or [cell]
        return np.isin(numbers(table, column.name), [float(code) for code in codes])
    names = _levels(table, column)
    places = _level_codes(table, column.name, names)
    of_cell = [at for at, name in enumerate(names) if level_label(column, name) == cell]
    return np.isin(places, of_cell)


def _levels(real: pa.Table, column: ColumnSchema) -> list[str]:
    if column.levels:
        return column.level_values()
    return [str(one) for one in real.column(column.name).combine_chunks().dictionary.to_pylist()]


def _level_codes(table: pa.Table, name: str, names: list[str]) -> IntArray:
    """Return the place of each row's level, int64 [n]; -1 for missing, the last for unknown."""
    place = {level: at for at, level in enumerate(names)}
    return places_of(table.column(name), place, unknown=len(names), missing=-1)


def _few_values(values: FloatArray) -> FloatArray | None:
    """Return the values of whole numbers with few of them, ascending; None with more."""
    present = values[~np.isnan(values)]
    if np.unique(present[:1_000]).size > MAX_LEVELS:  # saves a sort of all
        return None
    present = np.unique(present)
    return present if present.size <= MAX_LEVELS else None


def _value_codes(values: FloatArray, known: FloatArray) -> IntArray:
    """Return the place of each value, int64 [n]; -1 for missing, the last for unknown."""
    at = np.searchsorted(known, values)
    is_known = np.append(known, np.nan)[at] == values
    return np.where(np.isnan(values), -1, np.where(is_known, at, known.size)).astype(np.int64)


def _edges(values: FloatArray, kind: str) -> list[float]:
    """Return round ends of at most `BINS` bins of one width, one more than the bins.

    One bin where floating-point numbers are too coarse for several.
    """
    present = values[~np.isnan(values)]
    if not present.size:
        return [0.0, 1.0]
    unit = DAY if kind == "datetime" else 1.0
    low, high = np.quantile(present / unit, ENDS)
    # Divided first, because the difference of huge numbers is infinite.
    width = (high / (BINS - 2) - low / (BINS - 2)) or abs(low) or 1.0
    step = _nice(float(np.clip(width, *WIDTHS)))
    if kind in ("integer", "datetime"):
        step = max(np.ceil(step), 1.0)
    places = np.floor(low / step) + np.arange(BINS + 1)
    # The last bin of fractions is closed: numbers from 0 to 10 are not drawn to 11. Whole numbers
    # have a bin of their own at the end, and the picture names its last number.
    last = np.ceil(high / step) if not _is_whole(present / unit) else np.floor(high / step) + 1
    places = places[places <= max(last, places[0] + 1)]
    digits = max(0, 2 - int(np.floor(np.log10(step))))
    with np.errstate(over="ignore", invalid="ignore"):  # ends past the largest number
        edges = np.unique([round(float(at * step), digits) * unit for at in places])
    edges = edges[np.isfinite(edges)]
    return edges.tolist() if edges.size > 1 else _one_bin(low * unit)


def _is_whole(values: FloatArray) -> bool:
    """Return whether all numbers that are not missing are whole."""
    present = values[~np.isnan(values)]
    return bool((present == np.floor(present)).all())


def _one_bin(value: float) -> list[float]:
    """Return the ends of a bin around a number, three digits of it wide."""
    step = _nice(max(abs(value) / 1_000, WIDTHS[0]))
    place = np.floor(value / step)
    most = np.finfo(np.float64).max
    with np.errstate(over="ignore"):
        ends = np.clip([place * step, (place + 1) * step], -most, most)
    return [float(at) for at in ends]


def _nice(width: float) -> float:
    """Return the next round number of one or two digits."""
    power = 10.0 ** np.floor(np.log10(width))
    return float(next(n for n in NICE if n * power >= width * (1 - 1e-9)) * power)


def _bins(values: FloatArray, edges: list[float]) -> IntArray:
    """Return the bin of each number, int64 [n]; -1 for missing."""
    inner = np.searchsorted(np.array(edges[1:-1]), values, side="right")
    return np.where(np.isnan(values), -1, inner).astype(np.int64)


def _shares(codes: IntArray, size: int, counts: Floats) -> FloatArray:
    """Return the share of each code among the rows that have one, float64 [size]."""
    known = codes >= 0
    sums = np.bincount(codes[known], counts[known], minlength=size)
    return sums / max(sums.sum(), 1e-300)


def _missing(
    codes: IntArray, counts: Floats, persons: Ints | None, keys: Keys | None
) -> float | None:
    absent = codes < 0
    nobody = np.zeros(absent.sum(), np.int64)
    who = int(persons_a_group(nobody, None if persons is None else persons[absent], 1)[0])
    share = float(counts[absent].sum() / max(counts.sum(), 1e-300))
    if keys is not None and 0 < who < absent.size:
        noise = float(noise_of(summed(keys[absent], nobody, 1))[0])
        who, share = max(who + int(noise), 1), min(max(share + noise / _worth(counts), 0.0), 1.0)
    return None if 0 < who < MIN_PERSONS else round(share, 4)


def _worth(counts: Floats) -> float:
    """Return the effective number of rows with these weights, at least 1."""
    return max(effective_rows(counts), 1.0) if np.any(counts > 0) else 1.0


def _shown(
    who: Ints, shares: FloatArray, drawn: FloatArray, *, ordered: bool
) -> tuple[list[int], list[int]]:
    """Return the levels to show and those to sum up, which five persons share or none."""
    by_size = [int(at) for at in np.argsort(-shares, kind="stable")]
    shown = [at for at in by_size if who[at] >= MIN_PERSONS and at < who.size - 1][:MAX_LEVELS]
    rest = [at for at in by_size if at not in shown and (drawn[at] or who[at])]
    while shown and 0 < sum(who[at] for at in rest) < MIN_PERSONS:
        rest.append(shown.pop())
    if not shown:
        return [], []
    return sorted(shown) if ordered else shown, rest


def _joined(who: Ints) -> Groups:
    """Return runs of bins that five persons or none share; none if fewer answered."""
    groups: Groups = []
    start = total = 0
    for at, count in enumerate(who):
        total += int(count)
        if total == 0 or total >= MIN_PERSONS:
            groups.append((start, at + 1))
            start, total = at + 1, 0
    while groups and 0 < total < MIN_PERSONS:
        before, _ = groups.pop()
        total += int(who[before:start].sum())
        start = before
    if 0 < total < MIN_PERSONS:
        return []
    return [*groups, (start, len(who))] if total else groups
