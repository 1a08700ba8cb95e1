"""Names inside one another: a hamlet lies in one village, a product is of one category.

A functional dependency of levels (Huhtala et al., TANE, 1999). The rule lists the levels that at
least five persons have, with the value of each; a level that stands for rare words, an answer
apart and a gap decide nothing. Chance would have let 20 persons break it.
"""

from collections.abc import Collection, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.arrow_values import codes_of, words_of
from simulacra_intake.columns.recognizers.postcodes import masked
from simulacra_intake.rows_of_persons import MIN_PERSONS, Ints, persons_a_group, persons_in
from simulacra_schema.table import ColumnSchema, DecidedCase, RelationSchema, TableSchema
from simulacra_trainer.relations.bounds import EXPECTED_VIOLATIONS
from simulacra_trainer.relations.decided import FIRST_LOOK_ROWS, LOOK_ROWS, Bools, with_levels
from simulacra_trainer.relations.numbers import spread_rows

MAX_COLUMNS = 300
MAX_CASES = 50_000
"""Of all relations of a table, whose schema is read as a whole."""


def nested_relations(
    table: pa.Table, schema: TableSchema, computed: Collection[str]
) -> list[RelationSchema]:
    """Return a relation for each column and each other one whose levels lie in its own.

    computed: columns that other relations give; they are left out.
    """
    columns = with_levels(schema, computed)[:MAX_COLUMNS]
    persons = persons_in(table, schema)
    found, cases = [], 0
    for column, of in _candidates(table, columns):
        relation = _relation(table, column, of, persons)
        if relation is not None and cases + len(relation.cases) <= MAX_CASES:
            cases += len(relation.cases)
            found.append(relation)
    return found


def _candidates(
    table: pa.Table, columns: list[ColumnSchema]
) -> Iterator[tuple[ColumnSchema, ColumnSchema]]:
    """Yield a column and another one, which decides it in a sample of rows."""
    if len(columns) < 2:
        return
    looks = [
        table.take(pa.array(spread_rows(table.num_rows, most)))
        for most in (FIRST_LOOK_ROWS, LOOK_ROWS)
    ]
    values = [np.stack([codes_of(look.column(c.name)) for c in columns]) for look in looks]
    for of in columns:
        is_open = np.array([column is not of for column in columns])
        for look, codes in zip(looks, values, strict=True):
            is_open[is_open] = _hold(_deciding(look.column(of.name), of), codes[is_open])
        for i in np.flatnonzero(is_open):
            yield columns[i], of


def _deciding(values: pa.ChunkedArray, column: ColumnSchema) -> Ints:
    """Return a number for each level from 0 on, -1 where it decides nothing, int64 [n]."""
    codes = codes_of(values)
    apart = [one.value for one in column.levels if one.pooled or one.special]
    if column.prefix is not None:
        apart += [word for word in column.level_values() if word == masked(word)]
    if apart:
        codes[np.asarray(pc.is_in(words_of(values), value_set=pa.array(apart, pa.string())))] = -1
    return codes


def _hold(of: Ints, values: Ints) -> Bools:
    """Return where each level of a column comes with one level of another, bool [columns].

    Args:
        of: levels of the column, -1 where it decides nothing, int64 [n].
        values: levels of the others, -1 for a gap, which contradicts nothing, int64 [columns, n].
    """
    rows = np.argsort(of, kind="stable")
    rows = rows[of[rows] >= 0]
    if not rows.size:
        return np.zeros(len(values), np.bool_)
    starts = np.flatnonzero(np.diff(of[rows], prepend=-1))
    high = np.maximum.reduceat(values[:, rows], starts, axis=1)
    known = np.where(values < 0, np.iinfo(np.int64).max, values)
    low = np.minimum.reduceat(known[:, rows], starts, axis=1)
    return np.asarray((low >= high).all(axis=1), np.bool_)


def _relation(
    table: pa.Table, column: ColumnSchema, of: ColumnSchema, persons: Ints | None
) -> RelationSchema | None:
    """Return the relation of two columns, None if it does not hold or may be chance."""
    codes = _deciding(table.column(of.name), of)
    values = codes_of(table.column(column.name))
    size = int(codes.max(initial=-1)) + 1
    known, gap = (codes >= 0) & (values >= 0), (codes >= 0) & (values < 0)
    of_known, of_gap = (
        persons_a_group(codes[at], None if persons is None else persons[at], size)
        for at in (known, gap)
    )
    listed = (of_known >= MIN_PERSONS) | ((of_known == 0) & (of_gap >= MIN_PERSONS))
    known &= np.append(listed, False)[codes]
    if not _hold(np.where(known, codes, -1), values[None]).all():
        return None
    shares = np.bincount(values[known]) / np.count_nonzero(known)
    checks = int((of_known - 1)[listed & (of_known > 0)].sum())
    if (1 - np.sum(shares**2)) * checks < EXPECTED_VIOLATIONS:
        return None
    row = np.zeros(size, np.int64)
    row[codes[gap]] = np.flatnonzero(gap)
    row[codes[known]] = np.flatnonzero(known)
    rows = table.take(pa.array(row[listed]))
    words = (words_of(rows.column(name)).to_pylist() for name in (of.name, column.name))
    return RelationSchema(
        kind="decided",
        column=column.name,
        of=[of.name],
        cases=[DecidedCase(of=[level], value=value) for level, value in zip(*words, strict=True)],
        gaps=bool((of_known[codes[gap]] > 0).any()),
    )
