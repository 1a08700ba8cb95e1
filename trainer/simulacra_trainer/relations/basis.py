"""Choose the columns that are learned, so that identities give all others.

Identities are a system: a sale price is price less discount, and a percentage is discount by price,
so three of the four columns follow from two. Columns of few values are learned first, because a sum
of two learned ones may have a value that nobody has seen, and a price list has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simulacra_schema.table import RelationSchema
from simulacra_trainer.relations.pairs import Identity


def with_basis(
    identities: Sequence[Identity], few: Mapping[str, int], names: Sequence[str], limit: int
) -> list[RelationSchema]:
    """Return the relations that compute columns, operands first, then the implied ones.

    Args:
        identities: all that were found.
        few: how many values the columns of few values have.
        names: of all columns, in file order.
        limit: at most this many columns are computed.
    """
    place = {name: i for i, name in enumerate(names)}
    depth = _depths(identities)
    joined = {name for one in identities for form in one.forms for name in (form.column, *form.of)}
    # What one form alone gives is computed, whatever values it has.
    given = {one.forms[0].column for one in identities if len(one.forms) == 1}
    few = {name: count for name, count in few.items() if name not in given}
    many = len(few) + max(few.values(), default=0) + 1
    ranked = sorted(joined, key=lambda name: (few.get(name, many), depth.get(name, 0), place[name]))
    known: set[str] = set()
    computed: dict[str, RelationSchema] = {}
    used: set[int] = set()
    for name in ranked:
        if name in known:
            continue
        known.add(name)
        while len(computed) < limit and (step := _next(identities, known)) is not None:
            number, form = step
            computed[form.column] = form
            known.add(form.column)
            used.add(number)
    implied = [
        one.forms[0].model_copy(update={"implied": True})
        for number, one in enumerate(identities)
        if number not in used
    ]
    return [*computed.values(), *implied]


def _next(identities: Sequence[Identity], known: set[str]) -> tuple[int, RelationSchema] | None:
    """Return the first form that gives a column that is not known from known ones."""
    for number, one in enumerate(identities):
        for form in one.forms:
            if form.column not in known and known.issuperset(form.of):
                return number, form
    return None


def _depths(identities: Sequence[Identity]) -> dict[str, int]:
    """Return how many natural forms stand between each column and columns that none gives."""
    given: dict[str, Sequence[str]] = {}
    for one in identities:
        form = one.forms[0]
        if form.column not in given and not _needs(given, form.of, form.column):
            given[form.column] = form.of
    depth: dict[str, int] = {}

    def of(name: str) -> int:
        if name not in depth:
            depth[name] = 1 + max(map(of, given[name])) if name in given else 0
        return depth[name]

    return {name: of(name) for name in given}


def _needs(given: Mapping[str, Sequence[str]], names: Sequence[str], column: str) -> bool:
    """Return whether one of the names is this column or follows from it."""
    seen, open_names = set(names), list(names)
    while open_names:
        for name in given.get(open_names.pop(), ()):
            if name not in seen:
                seen.add(name)
                open_names.append(name)
    return column in seen
