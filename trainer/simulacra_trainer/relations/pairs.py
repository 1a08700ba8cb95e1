"""Identities of three columns: one is the sum or difference, product or ratio of two others.

An identity has up to three forms, one for each column that the others give. A form counts only if
it gives its column in every row, up to the rounding of that column: a price gives its percentage
to six places, but a rounded percentage need not give the price.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from simulacra_schema.table import RelationSchema
from simulacra_trainer.relations.numbers import Floats, Numbers, Rows
from simulacra_trainer.relations.totals import sum_of

FACTORS = (1.0, 100.0)
"""Of ratios: plain or percent."""
SWITCH = 2
"""Values of a switch at most, such as 0 and 1."""
FIRST_ROWS, LOOK_ROWS = 6, 500
"""Rows that are compared for all candidates at once, and for one before all rows are."""
Combine = Callable[[Floats, Floats], Floats]
Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Identity:
    """What holds in every row.

    Attributes:
        forms: the relations that give one of its columns, the natural one first: what a person
            would write, if that form holds.
    """

    forms: tuple[RelationSchema, ...]


def pair_identities(numbers: Numbers) -> Iterator[Identity]:
    """Yield equal columns, then the identities of three columns, sums first."""
    yield from _equals(numbers)
    for a, b, total in _sums(numbers):
        yield Identity(tuple(_forms_of_sum(numbers, a, b, total)))
    for factor, (a, b, product) in _products(numbers):
        forms = tuple(_forms_of_product(numbers, a, b, product, factor))
        if forms:
            yield Identity(forms)


def _equals(numbers: Numbers) -> Iterator[Identity]:
    """Yield each pair of columns that are the same in every row."""
    glance, names = numbers.values[:, numbers.glance], numbers.names
    varied = np.flatnonzero(numbers.varied)
    for place, first in enumerate(varied):
        others = varied[place + 1 :]
        same = numbers.alike(glance[first], glance[others], numbers.steps[others][:, None])
        for second in others[same.all(axis=1)]:
            pairs = ((int(second), int(first)), (int(first), int(second)))
            forms = tuple(
                RelationSchema(kind="linear", column=names[a], of=[names[b]], coefficients=[1.0])
                for a, b in pairs
                if numbers.gives(numbers.values[b], a)
            )
            if forms:
                yield Identity(forms)


def _sums(numbers: Numbers) -> list[Triple]:
    """Return (part, other part, total), the parts in file order."""
    found: dict[Triple, None] = {}
    for a, b, total in _triples(numbers, np.add, numbers.can_be_sum, symmetric=True):
        found[a, b, total] = None
    for total, a, b in _triples(numbers, np.subtract, numbers.can_be_sum, symmetric=False):
        found[min(a, b), max(a, b), total] = None
    return list(found)


def _forms_of_sum(numbers: Numbers, a: int, b: int, total: int) -> Iterator[RelationSchema]:
    """Yield the forms that hold.

    The natural one gives the total, or the last column of the file if that can be negative: profit
    is revenue less cost.
    """
    names, values, last = numbers.names, numbers.values, max(a, b)
    ways = [(total, (a, b), (1.0, 1.0)), (b, (total, a), (1.0, -1.0)), (a, (total, b), (1.0, -1.0))]
    if last > total and np.nanmin(values[last]) < 0 and numbers.varied[last]:
        ways.sort(key=lambda way: way[0] != last)
    for column, of, signs in ways:
        if numbers.gives(sum_of(values[list(of)], np.array(signs), as_zero=False), column):
            yield RelationSchema(
                kind="linear",
                column=names[column],
                of=[names[i] for i in of],
                coefficients=list(signs),
            )


def _products(numbers: Numbers) -> Iterator[tuple[float, Triple]]:
    """Yield each factor and (first, second, product): product = first x second / factor."""
    found: dict[tuple[float, Triple], None] = {}
    for factor in FACTORS:
        for a, b, product in _triples(numbers, _product_by(factor), numbers.varied, symmetric=True):
            if _is_product(numbers, a, b):
                found[factor, (a, b, product)] = None
    for factor in FACTORS:
        for product, a, b in _triples(numbers, _ratio_by(factor), numbers.varied, symmetric=False):
            found.setdefault((factor, (min(a, b), max(a, b), product)))
    yield from found


def _forms_of_product(
    numbers: Numbers, a: int, b: int, product: int, factor: float
) -> Iterator[RelationSchema]:
    """Yield the forms that hold, the product first, or the percentage if it is last in the file."""
    names, values = numbers.names, numbers.values
    ways: list[tuple[int, tuple[int, int], bool]] = [(product, (a, b), True)]
    ways += [(one, (product, other), False) for one, other in ((b, a), (a, b))]
    if max(a, b) > product and factor != 1:
        ways = [*ways[1:], ways[0]]
    for column, (first, second), is_product in ways:
        combine = _product_by(factor) if is_product else _ratio_by(factor)
        if is_product and not _is_product(numbers, a, b):
            continue
        if numbers.gives(combine(values[first], values[second]), column):
            yield RelationSchema(
                kind="product" if is_product else "ratio",
                column=names[column],
                of=[names[first], names[second]],
                factor=1 / factor if is_product else factor,
            )


def _is_product(numbers: Numbers, a: int, b: int) -> bool:
    """Return whether this is more than a selection, the product of a switch and few values."""
    return bool(numbers.varied[a] or numbers.varied[b]) or not (
        _is_switch(numbers.values[a]) or _is_switch(numbers.values[b])
    )


def _is_switch(values: Floats) -> bool:
    """Return whether there are two different values at most."""
    return bool(np.unique(values[~np.isnan(values)]).size <= SWITCH)


def _product_by(factor: float) -> Combine:
    return lambda first, second: np.asarray(first * second / factor)


def _ratio_by(factor: float) -> Combine:
    def ratio(above: Floats, below: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            result = factor * above / below
        return np.where(np.isfinite(result), result, np.nan)

    return ratio


def _triples(
    numbers: Numbers, combine: Combine, thirds: npt.NDArray[np.bool_], *, symmetric: bool
) -> Iterator[Triple]:
    """Yield (first, second, column) where the combination of two columns gives one of `thirds`."""
    glance = numbers.values[:, numbers.glance]
    all_columns = np.arange(len(numbers.names))
    for first in all_columns:
        seconds = all_columns[first + 1 :] if symmetric else all_columns[all_columns != first]
        computed = combine(glance[first][None, :], glance[seconds])
        at, columns = candidates(numbers, thirds, glance, computed)
        others = seconds[at]
        is_third = (columns != first) & (columns != others)
        for second, column in zip(others[is_third], columns[is_third], strict=True):
            if _gives(numbers, combine, int(first), int(second), int(column)):
                yield int(first), int(second), int(column)


def _gives(numbers: Numbers, combine: Combine, first: int, second: int, column: int) -> bool:
    """Return whether the combination gives the column, by more and more rows."""
    every = numbers.values.shape[1]
    for rows in (slice(None, None, -(-every // LOOK_ROWS)), slice(None)):
        computed = combine(numbers.values[first, rows], numbers.values[second, rows])
        real = numbers.values[column, rows]
        if not numbers.alike(computed, real, numbers.steps[column]).all():
            return False
    return True


def candidates(
    numbers: Numbers, thirds: npt.NDArray[np.bool_], glance: Floats, computed: Floats
) -> tuple[Rows, Rows]:
    """Return (rows of computed, columns) that agree in the sampled rows, int64 [k] each.

    computed: float64 [m, glance]; thirds: the columns to compare with, bool [columns].
    """
    places = np.flatnonzero(thirds)
    near = np.ones((computed.shape[0], places.size), np.bool_)
    for row in range(min(FIRST_ROWS, glance.shape[1])):
        results, seen = computed[:, row][:, None], glance[places, row][None, :]
        near &= numbers.alike(results, seen, numbers.steps[places])
        if not near.any():
            break
    at, place = np.nonzero(near)
    columns = places[place]
    for row in range(FIRST_ROWS, glance.shape[1]):
        if not at.size:
            break
        same = numbers.alike(computed[at, row], glance[columns, row], numbers.steps[columns])
        at, columns = at[same], columns[same]
    return at, columns
