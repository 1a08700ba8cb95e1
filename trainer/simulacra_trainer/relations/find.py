"""Find the relations that hold in every row of a table.

A column is computed from others if that gives its value in all rows, up to the rounding of the
column: the sum or difference, product or ratio of two columns, the logarithm, square or root of
one, the total or mean of a battery of neighboring columns, or a constant plus a sum of scattered
columns. With at least 50 persons and 8 different values chance gives no such relation; nor does it
a sum of fewer values that is right in many rows, such as how many of four stations somebody
watches. Bounds, names inside one another and codes that two columns decide are sought in `bounds`,
`nested` and `decided`.

Identities are a system: a sale price is price less discount, and a percentage is discount by price,
so three of the four columns follow from two. Columns of few values are learned first, because a sum
of two learned ones may have a value that nobody has seen, and a price list has none.
"""

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from simulacra_schema.table import RelationSchema, TableSchema
from simulacra_trainer.few_values import few_values
from simulacra_trainer.relations.bounds import bounds_of
from simulacra_trainer.relations.decided import decided_relations
from simulacra_trainer.relations.differences import with_differences
from simulacra_trainer.relations.different import different_relations
from simulacra_trainer.relations.groups import group_relations
from simulacra_trainer.relations.nested import nested_relations
from simulacra_trainer.relations.numbers import Numbers, numbers_of
from simulacra_trainer.relations.pairs import Identity, pair_identities
from simulacra_trainer.relations.picks import picked_relations
from simulacra_trainer.relations.totals import other_sum, run_totals
from simulacra_trainer.relations.transforms import transform_identities
from simulacra_trainer.relations.years import year_relations

MAX_RELATIONS = 200
MIN_LEARNED = 2


def find_relations(
    table: pa.Table,
    schema: TableSchema,
    exact: pa.Table | None = None,
    stated: Sequence[Identity] = (),
) -> list[RelationSchema]:
    """Return the relations of a clean table, each after those that give its operands.

    exact: the numbers before extreme ones were moved, which breaks products and sums; stated: sums
    that the description states, whether or not all rows have them.
    """
    numbers = numbers_of(table if exact is None else exact, schema)
    computed: list[RelationSchema] = []
    if numbers is not None:
        limit = min(MAX_RELATIONS, len(schema.learned()) - MIN_LEARNED)
        picked = [Identity((one,)) for one in picked_relations(table, schema, numbers)]
        names = [column.name for column in schema.learned()]
        computed = _computed(numbers, stated, picked, names, limit)
    given = {relation.column: relation.of for relation in computed if not relation.implied}
    computed_names = {*given}
    persons = schema.persons or table.num_rows
    bounds = list(bounds_of(table, schema, computed_names, persons))[:MAX_RELATIONS]
    bounds = with_differences(table, schema, bounds)
    groups = list(group_relations(table, schema, computed_names, persons))[:MAX_RELATIONS]
    groups += [*different_relations(table, schema, given, persons)][:MAX_RELATIONS]
    ages = year_relations(table if exact is None else exact, schema, computed_names, persons)
    nested = nested_relations(table, schema, computed_names)[:MAX_RELATIONS]
    pairs = _not_in_circles(decided_relations(table, schema, computed_names), MAX_RELATIONS)
    return [*computed, *bounds, *groups, *ages, *_in_order([*nested, *pairs])]


def _computed(
    numbers: Numbers,
    stated: Sequence[Identity],
    picked: Sequence[Identity],
    names: Sequence[str],
    limit: int,
) -> list[RelationSchema]:
    """Return what computes columns, operands first, and the other identities as implied."""
    identities = [*picked, *(Identity((one,)) for one in run_totals(numbers))]
    identities += [*pair_identities(numbers), *transform_identities(numbers)]
    known = {_columns_of(one) for one in stated}  # as it was stated, if it was found too
    identities = [*stated, *(one for one in identities if _columns_of(one) not in known)]
    few = {}
    for name, values in zip(numbers.names, numbers.values, strict=True):
        if (distinct := few_values(values)) is not None:
            few[name] = distinct.size
    while True:
        found = with_basis(identities, few, names, limit)
        more = other_sum(numbers, {one.column for one in found if not one.implied})
        if more is None:
            return found
        identities.append(Identity((more,)))


def _columns_of(identity: Identity) -> frozenset[str]:
    return frozenset((identity.forms[0].column, *identity.forms[0].of))


def _not_in_circles(found: Iterable[RelationSchema], limit: int) -> list[RelationSchema]:
    """Keep one relation a column, none in a circle."""
    chosen: dict[str, RelationSchema] = {}
    given: dict[str, Sequence[str]] = {}
    for relation in found:
        is_open = relation.column not in chosen and len(chosen) < limit
        if is_open and not _follows(given, relation.of, relation.column):
            chosen[relation.column] = relation
            given[relation.column] = relation.of
    return [*chosen.values()]


def _in_order(relations: Sequence[RelationSchema]) -> list[RelationSchema]:
    """Sort relations operands first; columns that decide one another come in any order."""
    ordered: list[RelationSchema] = []
    seen: set[str] = set()

    def place(column: str) -> None:
        if column not in seen:
            seen.add(column)
            own = [one for one in relations if one.column == column]
            for name in dict.fromkeys(name for one in own for name in one.of):
                place(name)
            ordered.extend(own)

    for relation in relations:
        place(relation.column)
    return ordered


def with_basis(
    identities: Sequence[Identity], few: Mapping[str, int], names: Sequence[str], limit: int
) -> list[RelationSchema]:
    """Return the relations that compute columns, operands first, then the implied ones.

    few: how many values the columns of few values have; limit: at most this many are computed.
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
        if form.column not in given and not _follows(given, form.of, form.column):
            given[form.column] = form.of
    depth: dict[str, int] = {}

    def of(name: str) -> int:
        if name not in depth:
            depth[name] = 1 + max(map(of, given[name])) if name in given else 0
        return depth[name]

    return {name: of(name) for name in given}


def _follows(given: Mapping[str, Sequence[str]], names: Sequence[str], column: str) -> bool:
    """Return whether one of the names is this column or follows from it."""
    seen, open_names = set(names), list(names)
    while open_names:
        for name in given.get(open_names.pop(), ()):
            if name not in seen:
                seen.add(name)
                open_names.append(name)
    return column in seen
