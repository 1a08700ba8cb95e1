"""Identities of two columns: one is the logarithm, the square or the root of the other.

Tables of economists and of scores often hold both `wage` and `log_wage`, `age` and `age_squared`.
Learned apart, the pair contradicts itself in every row.
"""

from collections.abc import Iterator
from itertools import product

import numpy as np

from simulacra_schema.table import RelationSchema
from simulacra_trainer.relations.numbers import Floats, Numbers
from simulacra_trainer.relations.pairs import Identity, candidates

FORMS = (
    RelationSchema(kind="logarithm", column="", of=[]),
    RelationSchema(kind="logarithm", column="", of=[], constant=1.0),
    RelationSchema(kind="logarithm", column="", of=[], factor=float(1 / np.log(10))),
    RelationSchema(kind="square", column="", of=[]),
    RelationSchema(kind="root", column="", of=[]),
)
"""Natural logarithm, that of one more where there are zeros, decimal one; square and its root."""


def transformed(relation: RelationSchema, values: Floats) -> Floats:
    """Return the formula of values, NaN where it has no result.

    Statistics programs store numbers in single precision (IEEE 754), and write all of their digits.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        if relation.kind == "square":
            found = values**2
        elif relation.kind == "root":
            found = np.sqrt(values)
        else:
            # log10 for its last digit, which a factor of the natural logarithm misses.
            log = np.log if relation.factor == 1 else np.log10
            found = log(values + relation.constant)
    found = np.where(np.isfinite(found), found, np.nan)
    return found.astype(np.float32).astype(np.float64) if relation.single_precision else found


def inverse(relation: RelationSchema, values: Floats) -> Floats:
    """Return the numbers, never below 0, of which these are the formula."""
    if relation.kind == "square":
        return np.asarray(np.sqrt(values))
    if relation.kind == "root":
        return np.asarray(values**2)
    return np.asarray(np.exp(values / relation.factor) - relation.constant)


def transform_identities(numbers: Numbers) -> Iterator[Identity]:
    """Yield each pair of columns of which one is a formula of the other, which is never below 0.

    A negative number has no logarithm, and a square does not say its sign. What has more digits is
    computed: no square is sought of a root, whose digits a model would not hit.
    """
    sources = np.flatnonzero(numbers.varied & (np.nanmin(numbers.values, axis=1) >= 0))
    glance = numbers.values[:, numbers.glance]
    found: set[tuple[int, int]] = set()
    for plain, single in product(FORMS, (False, True)):
        form = plain.model_copy(update={"single_precision": single})
        computed = transformed(form, glance[sources])
        at, columns = candidates(numbers, numbers.varied, glance, computed)
        for source, column in zip(sources[at].tolist(), columns.tolist(), strict=True):
            is_back = form.kind == "square" and numbers.steps[source] < numbers.steps[column]
            if source == column or is_back or (source, column) in found:
                continue
            if numbers.gives(transformed(form, numbers.values[source]), column):
                found.add((source, column))
                names = {"column": numbers.names[column], "of": [numbers.names[source]]}
                yield Identity((form.model_copy(update=names),))
