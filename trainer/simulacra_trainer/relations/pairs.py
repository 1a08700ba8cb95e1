"""Identities of three columns: one is the sum or difference, product or ratio of two others.

An identity has up to three forms, one for each column that the others give. A form counts only if
it gives its column in every row, up to the rounding of that column: a price gives its percentage
to six places, but a rounded percentage need not give the price.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from simulacra_crds.contract.schema import RelationSchema
from simulacra_trainer.relations.numbers import Floats, Numbers
from simulacra_trainer.relations.totals import sum_of

FACTORS = (1.0, 100.0)
"""Of ratios: plain or percent."""
FIRST_ROWS = 8
"""Rows of the sample that are compared for all candidates at once."""
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
    """Yield the identities of three columns, sums first."""
    for a, b, total in _sums(numbers):
        yield Identity(tuple(_forms_of_sum(numbers, a, b, total)))
    for factor, (a, b, product) in _products(numbers):
        forms = tuple(_forms_of_product(numbers, a, b, product, factor))
        if forms:
            yield Identity(forms)


def _sums(numbers: Numbers) -> list[Triple]:
    """Return (part, other part, total), the parts in file order."""
    found: dict[Triple, None] = {}
    for a, b, total in _triples(numbers, np.add, symmetric=True):
        found[a, b, total] = None
    for total, a, b in _triples(numbers, np.subtract, symmetric=False):
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
        for a, b, product in _triples(numbers, _product_by(factor), symmetric=True):
            if _is_product(numbers, a, b):
                found[factor, (a, b, product)] = None
    for factor in FACTORS:
        for product, a, b in _triples(numbers, _ratio_by(factor), symmetric=False):
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
    """Return whether a factor is more than a switch; of two switches it is a selection."""
    return bool(numbers.varied[a] or numbers.varied[b])


def _product_by(factor: float) -> Combine:
    return lambda first, second: np.asarray(first * second / factor)


def _ratio_by(factor: float) -> Combine:
    def ratio(above: Floats, below: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            result = factor * above / below
        return np.where(np.isfinite(result), result, np.nan)

    return ratio


def _triples(numbers: Numbers, combine: Combine, *, symmetric: bool) -> Iterator[Triple]:
    """Yield (first, second, column) where the combination of two columns gives the third."""
    glance = numbers.values[:, numbers.glance]
    all_columns = np.arange(len(numbers.names))
    for first in all_columns:
        seconds = all_columns[first + 1 :] if symmetric else all_columns[all_columns != first]
        computed = combine(glance[first][None, :], glance[seconds])
        for at, column in _candidates(numbers, glance, computed):
            second = int(seconds[at])
            if column in (first, second):
                continue
            if numbers.gives(combine(numbers.values[first], numbers.values[second]), column):
                yield int(first), second, column


def _candidates(numbers: Numbers, glance: Floats, computed: Floats) -> Iterator[tuple[int, int]]:
    """Yield (row of computed, column) that agree in the sampled rows."""
    varied = np.flatnonzero(numbers.varied)
    near = np.ones((computed.shape[0], varied.size), np.bool_)
    for row in range(min(FIRST_ROWS, glance.shape[1])):
        results, seen = computed[:, row][:, None], glance[varied, row][None, :]
        near &= numbers.alike(results, seen, numbers.steps[varied])
        if row and not near.any():
            return
    for at, place in np.argwhere(near):
        column = varied[place]
        if numbers.alike(computed[at], glance[column], numbers.steps[column]).all():
            yield int(at), int(column)
