"""Columns that two others give: their sum or difference, product or ratio."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from simulacra_crds.contract.schema import RelationSchema
from simulacra_trainer.relations.numbers import Floats, Numbers

FACTORS = (1.0, 100.0)
"""Of ratios: plain or percent."""
FIRST_ROWS = 2
Combine = Callable[[Floats, Floats], Floats]


def pair_relations(numbers: Numbers) -> Iterator[RelationSchema]:
    """Yield the sums, products and ratios of two columns that give a third in every row."""
    names = numbers.names
    for a, b, column in _triples(numbers, np.add, symmetric=True):
        yield _sum_or_difference(numbers, a, b, column)
    for a, b, column in _triples(numbers, np.multiply, symmetric=True):
        if _is_product(numbers, a, b):
            yield RelationSchema(kind="product", column=names[column], of=[names[a], names[b]])
    for factor in FACTORS:
        for a, b, column in _triples(numbers, _ratio_by(factor), symmetric=False):
            of = [names[a], names[b]]
            yield RelationSchema(kind="ratio", column=names[column], of=of, factor=factor)


def _sum_or_difference(numbers: Numbers, a: int, b: int, total: int) -> RelationSchema:
    """Return the relation with the last column of the file computed, if that makes sense.

    A difference that is never negative is not computed from numbers that vary freely.
    """
    names, last = numbers.names, max(a, b)
    if last > total and np.nanmin(numbers.values[last]) < 0 and numbers.varied[last]:
        of = [names[total], names[min(a, b)]]
        return RelationSchema(kind="linear", column=names[last], of=of, coefficients=[1, -1])
    of = [names[a], names[b]]
    return RelationSchema(kind="linear", column=names[total], of=of, coefficients=[1, 1])


def _is_product(numbers: Numbers, a: int, b: int) -> bool:
    """Return whether a factor is more than a switch; of two switches it is a selection."""
    return bool(numbers.varied[a] or numbers.varied[b])


def _ratio_by(factor: float) -> Combine:
    def ratio(above: Floats, below: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            result = factor * above / below
        return np.where(np.isfinite(result), result, np.nan)

    return ratio


def _triples(
    numbers: Numbers, combine: Combine, *, symmetric: bool
) -> Iterator[tuple[int, int, int]]:
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
    for at, place in np.argwhere(near):
        column = varied[place]
        if numbers.alike(computed[at], glance[column], numbers.steps[column]).all():
            yield int(at), int(column)
