"""Columns of which no two have one value in a row: ranks, first and second choice, best and worst.

A gap, an answer apart and the level of rare words are like no other. Chance would have given 20
persons a value twice. A row that repeats one is drawn again from the column that repeats it, so
each column follows what those before it leave.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.arrow_values import with_words, words_of
from simulacra_intake.rows_of_persons import Ints
from simulacra_schema.table import ColumnSchema, RelationSchema, TableSchema
from simulacra_trainer.relations.bounds import EXPECTED_VIOLATIONS, MAX_COLUMNS
from simulacra_trainer.relations.decided import GLANCE_ROWS, Bools, has_levels
from simulacra_trainer.relations.numbers import Floats, spread_rows

MIN_LEVELS = 3
"""Of two columns with two levels that differ, one decides the other."""


def different_relations(
    table: pa.Table, schema: TableSchema, given: Mapping[str, Sequence[str]], persons: int
) -> Iterator[RelationSchema]:
    """Yield groups of columns that all differ.

    given: the columns that other relations give, with what gives them. They belong to a group if
    the rest of it gives them, as the last rank.
    """
    columns = [c for c in schema.learned() if has_levels(c) and len(_words([c])) >= MIN_LEVELS]
    columns = columns[:MAX_COLUMNS]
    if len(columns) < 2:
        return
    glance = table.take(pa.array(spread_rows(table.num_rows, GLANCE_ROWS)))
    chance = _chance(_codes(glance, columns), persons)
    for i, j in np.argwhere(np.triu(chance > 0)):
        codes = _codes(table, [columns[i], columns[j]])
        # A question that only some are asked: chance is what these alone answer.
        both = codes[:, (codes >= 0).all(axis=0)]
        chance[i, j] = chance[j, i] = _chance(both, persons * both.shape[1] / codes.shape[1])[0, 1]
    for members in sorted(_groups(chance)):
        names = [columns[i].name for i in members]
        names = [name for name in names if set(given.get(name, ())) <= set(names)]
        if len(names) > 1:
            there = _there(table, names)
            counts = {*there.sum(axis=0).tolist()}
            count = max(counts) if len(counts - {0}) == 1 and not there.all() else 0
            yield RelationSchema(
                kind="all_different",
                column=names[0],
                of=names[1:],
                constant=float(count),
                gaps=count > 0 and 0 in counts,
            )


def among(relation: RelationSchema, names: Collection[str]) -> RelationSchema:
    """Return what columns that all differ say of some of them, other relations as they are."""
    of = [relation.column, *relation.of]
    kept = [name for name in of if name in names]
    if relation.kind != "all_different" or not kept or kept == of:
        return relation
    answered = float(len(kept)) if relation.constant == len(of) else 0.0
    return relation.model_copy(update={"column": kept[0], "of": kept[1:], "constant": answered})


def repeated(
    rows: pa.Table, relation: RelationSchema, schema: TableSchema, held: Collection[str] = ()
) -> tuple[list[str], Bools]:
    """Return the columns, held ones first, and where each has a value of those before it.

    The first column with which too many or too few are answered is wrong too; bool [columns, n].
    """
    places = {name: at for at, name in enumerate(rows.column_names)}
    names = sorted([relation.column, *relation.of], key=lambda one: (one not in held, places[one]))
    codes = _codes(rows, [schema.column(name) for name in names])
    wrong = np.stack([_repeats(codes, at) for at in range(len(names))])
    if relation.constant:
        there = _there(rows, names)
        seen, behind = there.cumsum(axis=0), np.arange(len(names))[::-1, None]
        needed = ~there & (seen + behind < relation.constant)
        wrong |= there & (seen > relation.constant)
        wrong |= needed & ((seen[-1] > 0) | (not relation.gaps))
    return names, wrong


def with_different(
    rows: pa.Table, relation: RelationSchema, schema: TableSchema, held: Collection[str]
) -> pa.Table:
    """Return rows with the most frequent values left instead of those that repeat others."""
    names, wrong = repeated(rows, relation, schema, held)
    columns = [schema.column(name) for name in names]
    words = np.array([*_words(columns), None])
    for j, name in enumerate(names if wrong.any() else ()):
        at = repeated(rows, relation, schema, held)[1][j]
        some, chosen = rows.filter(pa.array(at)), np.full(at.size, None)
        if name in held or not at.any():
            continue
        codes, shares = _codes(some, columns), {one.value: one.share for one in columns[j].levels}
        left = np.array([[shares.get(word, -1.0)] for word in words]) * np.ones(codes.shape[1])
        left[(codes[:, None] == np.arange(words.size)[:, None]).any(axis=0)] = -1.0
        is_extra = some.column(name).is_valid().to_numpy() & ~_repeats(codes, j)
        chosen[at] = words[np.where(is_extra | (left.max(axis=0) < 0), -1, left.argmax(axis=0))]
        rows = with_words(rows, name, at, pa.array(chosen, pa.string()))
    return rows


def _words(columns: Sequence[ColumnSchema]) -> list[str]:
    """Return the levels of columns, without answers apart and the levels of rare words."""
    levels = (level for column in columns for level in column.levels)
    return [*dict.fromkeys(one.value for one in levels if not (one.special or one.pooled))]


def _codes(rows: pa.Table, columns: Sequence[ColumnSchema]) -> Ints:
    """Return the place of each value among the words of all columns, int64 [columns, n], or -1."""
    words = pa.array(_words(columns), pa.string())
    found = (pc.index_in(words_of(rows.column(c.name)), value_set=words) for c in columns)
    return np.stack([pc.fill_null(one, -1).to_numpy().astype(np.int64) for one in found])


def _there(rows: pa.Table, names: Sequence[str]) -> Bools:
    return np.stack([rows.column(name).is_valid().to_numpy() for name in names])


def _repeats(codes: Ints, at: int) -> Bools:
    """Return where a column has a value of one of those before it, bool [n]."""
    return np.asarray((codes[at] >= 0) & (codes[:at] == codes[at]).any(axis=0))


def _chance(codes: Ints, persons: float) -> Floats:
    """Return how many persons would have one value in two columns by chance, -inf if some do."""
    known = (codes >= 0).astype(np.float32)
    shares = np.stack([np.bincount(row[row >= 0], minlength=codes.max() + 1) for row in codes])
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1)
    chance = (shares @ shares.T) * (known @ known.T) * persons / codes.shape[1]
    has, levels = (shares > 0).astype(np.float32), (shares > 0).sum(axis=1)
    common = has @ has.T
    chance[3 * common < levels[:, None] + levels] = -np.inf
    for i, row in enumerate(codes):
        chance[i, ((codes == row) & (row >= 0)).any(axis=1)] = -np.inf
    return np.asarray(chance)


def _groups(chance: Floats) -> Iterator[list[int]]:
    """Yield groups in which each column has likely had a value of the others, each pair in one."""
    open_ = np.triu(chance, 1)
    while open_.size and open_.max() >= EXPECTED_VIOLATIONS:
        members = [int(i) for i in np.unravel_index(open_.argmax(), open_.shape)]
        while True:
            joint = chance[members].sum(axis=0)
            joint[members] = -np.inf
            if joint.max() < EXPECTED_VIOLATIONS:
                break
            members.append(int(joint.argmax()))
        open_[np.ix_(members, members)] = 0
        yield sorted(members)
