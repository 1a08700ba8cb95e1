"""Columns that two others decide together: a code of a region and a type, a tariff of age and plan.

A functional dependency with a pair on its left side (Huhtala et al., TANE, 1999). The rule lists
the pairs of levels that at least five persons have, with the value of each. It is taken only where
these are nearly all rows, no row breaks it, and neither column decides alone: by chance at least 20
persons would have broken it. Pairs of fewer persons are in no rule and are not drawn because of it.
"""

import itertools
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.arrow_values import codes_of, with_words, words_of
from simulacra_intake.rows_of_persons import MIN_PERSONS, Ints, persons_a_group, persons_in
from simulacra_schema.table import ColumnSchema, DecidedCase, RelationSchema, TableSchema
from simulacra_trainer.relations.bounds import EXPECTED_VIOLATIONS
from simulacra_trainer.relations.numbers import spread_rows

KINDS = ("categorical", "ordinal", "boolean")
MAX_COLUMNS = 60
MAX_CASES = 2_000
FIRST_LOOK_ROWS, GLANCE_ROWS, LOOK_ROWS = 200, 2_000, 20_000
"""Samples that reject nearly all candidates: of rows in all columns, twice, then of one candidate.
"""
LISTED_SHARE = 0.95
Bools = npt.NDArray[np.bool_]


def decided_relations(
    table: pa.Table, schema: TableSchema, computed: Collection[str]
) -> list[RelationSchema]:
    """Return at most one relation for each column, columns late in the file first.

    computed: columns that other relations give; they are left out.
    """
    columns = with_levels(schema, computed)[:MAX_COLUMNS]
    if len(columns) < 3:
        return []
    codes = np.stack([codes_of(table.column(c.name)) for c in columns])
    persons = persons_in(table, schema)
    persons = np.arange(table.num_rows) if persons is None else persons
    best: dict[int, tuple[int, int, int]] = {}
    for a, b, column in _candidates(codes):
        pairs = _pairs_of(codes, a, b, column, persons)
        if pairs is not None and (column not in best or pairs < best[column][0]):
            best[column] = (pairs, a, b)
    return [
        _relation(table, columns, (a, b, column), codes, persons)
        for column, (_, a, b) in sorted(best.items(), reverse=True)
    ]


def broken(rows: pa.Table, relation: RelationSchema) -> tuple[Bools, Bools]:
    """Return where the column has another value than its case says, and where no case is listed.

    Rows with a gap in what decides are neither.
    """
    expected, listed, known = _expected(rows, relation)
    actual = words_of(rows.column(relation.column))
    same = pc.or_(
        pc.fill_null(pc.equal(expected, actual), False),
        pc.and_(pc.or_(pc.is_null(expected), relation.gaps), pc.is_null(actual)),
    )
    return listed & ~_as_bools(same), known & ~listed


def with_decided(rows: pa.Table, relation: RelationSchema) -> pa.Table:
    """Return rows in which the column has the value that its case says, where one is listed."""
    wrong, _ = broken(rows, relation)
    if not wrong.any():
        return rows
    return with_words(rows, relation.column, wrong, _expected(rows, relation)[0])


def with_decider(rows: pa.Table, relation: RelationSchema) -> pa.Table:
    """Return rows in which one deciding column has the first level listed for a wrong value."""
    wrong, _ = broken(rows, relation)
    if not wrong.any():
        return rows
    given = pa.array([case.value for case in relation.cases], pa.string())
    levels = pa.array([case.of[0] for case in relation.cases], pa.string())
    found = pc.index_in(words_of(rows.column(relation.column)), value_set=given)
    return with_words(rows, relation.of[0], wrong, levels.take(found))


def is_set_free(
    relation: RelationSchema, relations: Sequence[RelationSchema], do: Collection[str]
) -> bool:
    """Return whether do() sets a column free from what decides it.

    It is set itself, or follows from one that is: after do(village) the district is that of the
    village and no longer that of the hamlet.
    """
    if not relation.is_nested or relation.column in do:
        return relation.kind == "decided" and relation.column in do
    pairs = {(one.of[0], one.column) for one in relations if one.is_nested}
    found = ({(relation.of[0], name), (name, relation.column)} <= pairs for name in do)
    return any(found)


def has_levels(column: ColumnSchema) -> bool:
    """Return whether a column has levels, also as a whole number of few values."""
    return column.kind in KINDS or (column.kind == "integer" and bool(column.levels))


def with_levels(schema: TableSchema, computed: Collection[str]) -> list[ColumnSchema]:
    """Return the learned columns that have levels, without those that other relations give."""
    return [c for c in schema.learned() if has_levels(c) and c.name not in computed]


def _as_bools(values: pa.Array) -> Bools:
    return np.asarray(values.to_numpy(zero_copy_only=False), np.bool_)


def _candidates(codes: Ints) -> Iterator[tuple[int, int, int]]:
    """Yield (first, second, column) where samples of rows show no contradiction."""
    glance = codes[:, spread_rows(codes.shape[1], GLANCE_ROWS)]
    first_look = glance[:, spread_rows(glance.shape[1], FIRST_LOOK_ROWS)]
    alone = np.array([_follow(x, glance) for x in glance])
    for a, b in itertools.combinations(range(len(codes)), 2):
        is_open = ~alone[a] & ~alone[b]
        is_open[[a, b]] = False
        for look in (first_look, glance):
            is_open[is_open] = _follow(_pair_codes(look[a], look[b]), look[is_open])
            if not is_open.any():
                break
        for column in np.flatnonzero(is_open):
            yield a, b, int(column)


def _follow(given: Ints, columns: Ints) -> Bools:
    """Return which columns have one value for each value of `given`, bool [columns]."""
    _, first, inverse = np.unique(given, return_index=True, return_inverse=True)
    found: Bools = (columns == columns[:, first[inverse.reshape(-1)]]).all(axis=1)
    return found


def _unlike(given: Ints, column: Ints) -> float:
    """Return how often two rows with the same `given` differ in the column, 0..1."""
    size = int(column.max()) + 2
    cells, counts = np.unique((given + 1) * size + column + 1, return_counts=True)
    totals = np.bincount(given + 1)
    return float(1 - np.sum(counts**2 / totals[cells // size]) / given.size)


def _pairs_of(codes: Ints, a: int, b: int, column: int, persons: Ints) -> int | None:
    """Return how many pairs decide the column, None if the rule does not hold or may be chance."""
    rows = spread_rows(persons.size, LOOK_ROWS)
    first, second, value, who = codes[a, rows], codes[b, rows], codes[column, rows], persons[rows]
    known = (first >= 0) & (second >= 0)
    first, second, value, who = first[known], second[known], value[known], who[known]
    pairs, inverse = _grouped(first, second)
    counts = persons_a_group(inverse, who, pairs)
    if known.mean() < LISTED_SHARE or not _is_constant(value, inverse, pairs):
        return None
    if (counts >= MIN_PERSONS).sum() > MAX_CASES:
        return None
    if (counts[inverse] >= MIN_PERSONS).mean() < LISTED_SHARE:
        return None
    checks = int(counts.sum()) - pairs
    if min(_unlike(first, value), _unlike(second, value)) * checks < EXPECTED_VIOLATIONS:
        return None
    both = (codes[a] >= 0) & (codes[b] >= 0)
    all_pairs, all_rows = _grouped(codes[a, both], codes[b, both])
    listed = persons_a_group(all_rows, persons[both], all_pairs) >= MIN_PERSONS
    if listed.sum() > MAX_CASES or not _is_constant(codes[column, both], all_rows, all_pairs):
        return None
    return pairs


def _grouped(first: Ints, second: Ints) -> tuple[int, Ints]:
    """Return the number of pairs, and the pair of each row from 0 on."""
    found, inverse = np.unique(_pair_codes(first, second), return_inverse=True)
    return found.size, inverse.reshape(-1)


def _pair_codes(first: Ints, second: Ints) -> Ints:
    """Return a number for each pair of codes, which are -1 or more."""
    return first * (second.max() + 2) + second


def _is_constant(value: Ints, groups: Ints, count: int) -> bool:
    low, high = np.full(count, np.iinfo(np.int64).max), np.full(count, -2)
    np.minimum.at(low, groups, value)
    np.maximum.at(high, groups, value)
    seen = high >= -1
    return bool((low[seen] == high[seen]).all())


def _relation(
    table: pa.Table,
    columns: list[ColumnSchema],
    found: tuple[int, int, int],
    codes: Ints,
    persons: Ints,
) -> RelationSchema:
    a, b, column = found
    known = np.flatnonzero((codes[a] >= 0) & (codes[b] >= 0))
    pairs, inverse = _grouped(codes[a, known], codes[b, known])
    counts = persons_a_group(inverse, persons[known], pairs)
    row = np.empty(pairs, np.int64)
    row[inverse[::-1]] = known[::-1]
    listed = table.take(pa.array(row[counts >= MIN_PERSONS]))
    names = [columns[i].name for i in (a, b, column)]
    words = [words_of(listed.column(name)).to_pylist() for name in names]
    return RelationSchema(
        kind="decided",
        column=names[2],
        of=names[:2],
        cases=[DecidedCase(of=[x, y], value=value) for x, y, value in zip(*words, strict=True)],
    )


def _expected(rows: pa.Table, relation: RelationSchema) -> tuple[pa.Array, Bools, Bools]:
    """Return the value that the case of each row says, where it is listed, where it has no gap."""
    pair = pc.binary_join_element_wise(*(words_of(rows.column(n)) for n in relation.of), "\x1f")
    keys = pa.array(["\x1f".join(case.of) for case in relation.cases], pa.string())
    place = pc.index_in(pair, value_set=keys)
    values = pa.array([case.value for case in relation.cases], pa.string())
    listed = _as_bools(pc.and_(pc.is_valid(pair), pc.is_valid(place)))
    return values.take(place), listed, _as_bools(pc.is_valid(pair))
