"""Yes/no columns of which exactly one, or at most one, is yes: the dummies of a category.

Neighbors that share out all rows are a group, if by chance at least 20 persons would break it.
Others join a group if no row has two of them, though by chance 20 persons would have.
Rare ones that fill the rows which the group leaves over make it complete.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.arrow_values import with_words
from simulacra_schema.base import level_of
from simulacra_schema.table import ColumnSchema, RelationSchema, TableSchema
from simulacra_trainer.relations.bounds import EXPECTED_VIOLATIONS
from simulacra_trainer.relations.different import repeated, with_different

GROUPS = ("exactly_one", "at_most_one", "all_different")
MAX_COLUMNS = 300
Bools = npt.NDArray[np.bool_]


def group_relations(
    table: pa.Table, schema: TableSchema, computed: Collection[str], persons: int
) -> Iterator[RelationSchema]:
    """Yield groups of yes/no columns, each column in one of them.

    computed: columns that other relations give; they are left out, as are options of several
    answers.
    """
    columns = [c for c in schema.columns if c.learned and is_yes_no(c) and c.name not in computed]
    columns = columns[:MAX_COLUMNS]
    if len(columns) < 2:
        return
    yes = np.stack([is_yes(table, column) for column in columns])
    share = yes.mean(axis=1)
    both = (yes.astype(np.float32) @ yes.T.astype(np.float32)) > 0
    free = [i for i in range(len(columns)) if share[i] > 0]
    runs = list(_runs(yes, share, persons))
    while free:
        members = next((run for run in runs if free[0] in run), None)
        if members is None:
            members = _group(free, share, both, persons)
            rest: Bools = np.asarray(~yes[members].any(axis=0))
            if len(members) > 1 and rest.any():
                members += _filling(free, members, yes, both, rest)
        free = [i for i in free if i not in members]
        if len(members) > 1:
            names = [columns[i].name for i in sorted(members)]
            kind: Literal["exactly_one", "at_most_one"] = (
                "exactly_one" if yes[members].any(axis=0).all() else "at_most_one"
            )
            yield RelationSchema(kind=kind, column=names[0], of=names[1:])


def _runs(yes: Bools, share: npt.NDArray[np.float64], persons: int) -> Iterator[list[int]]:
    """Yield neighboring columns of which exactly one is yes in every row."""
    first = 0
    while first < len(yes):
        taken = yes[first].copy()
        last = first
        while last + 1 < len(yes) and not taken.all() and not (taken & yes[last + 1]).any():
            last += 1
            taken |= yes[last]
        chances = share[first : last + 1]
        if last > first and taken.all():
            by_chance = np.prod(1 - chances) * np.sum(chances / (1 - chances))
            if (1 - by_chance) * persons >= EXPECTED_VIOLATIONS:
                yield list(range(first, last + 1))
                first = last
        first += 1


def is_yes_no(column: ColumnSchema) -> bool:
    """Return whether a column says yes or no."""
    levels = column.level_values()
    return len(levels) == 2 and (
        column.kind == "boolean" or (column.kind == "integer" and levels == ["0", "1"])
    )


def no_yes(column: ColumnSchema) -> list[str]:
    """Return no and yes of a yes/no column; of a number few persons may have one of them."""
    return ["0", "1"] if column.kind == "integer" else column.level_values()


def is_yes(table: pa.Table, column: ColumnSchema) -> Bools:
    """Return where a yes/no column is yes, bool [n]; missing is not."""
    values = table.column(column.name).cast(pa.string())
    found = pc.fill_null(pc.equal(values, no_yes(column)[1]), False)
    return np.asarray(found.to_numpy(), np.bool_)


def members_of(relation: RelationSchema) -> list[str]:
    """Return the columns of a group."""
    return [relation.column, *relation.of]


def faults(rows: pa.Table, relation: RelationSchema, schema: TableSchema) -> Bools:
    """Return where too many columns of a group are yes or alike, or none is that must, bool [n]."""
    if relation.kind == "all_different":
        return np.asarray(repeated(rows, relation, schema)[1].any(axis=0))
    yes = _yes_of(rows, relation, schema)
    count = yes.sum(axis=0)
    if relation.kind == "at_most_one":
        return np.asarray(count > 1)
    gaps = [np.asarray(rows.column(name).is_null().to_numpy()) for name in members_of(relation)]
    return (count > 1) | ((count == 0) & ~np.any(gaps, axis=0))


def settled(
    rows: pa.Table, relation: RelationSchema, schema: TableSchema, fixed: Collection[str]
) -> pa.Table:
    """Return rows with one yes where there were several, and with the last one where none was.

    A column that is held stays.
    """
    if relation.kind == "all_different":
        return with_different(rows, relation, schema, fixed)
    names = members_of(relation)
    wrong = faults(rows, relation, schema)
    if not wrong.any():
        return rows
    yes = _yes_of(rows, relation, schema)
    is_held = np.array([name in fixed for name in names])
    rank = np.where(is_held, 0, 1)[:, None] * len(names) + np.arange(len(names))[:, None]
    keep = np.argmin(np.where(yes, rank, 9 * len(names)), axis=0)
    free = [i for i, held in enumerate(is_held) if not held]
    none = ~yes.any(axis=0)
    for i in free:
        becomes = np.where(none, i == free[-1], keep == i) & wrong
        changed = (yes[i] != becomes) & wrong
        if changed.any():
            words = np.where(becomes, *reversed(no_yes(schema.column(names[i])))).tolist()
            rows = with_words(rows, names[i], changed, pa.array(words, pa.string()))
    return rows


def with_others(
    do: Mapping[str, float | str], relations: Sequence[RelationSchema], schema: TableSchema
) -> dict[str, float | str]:
    """Return interventions with those they imply: where one column is yes, its others are no."""
    out = dict(do)
    for relation in (one for one in relations if one.kind != "all_different"):
        names = members_of(relation)
        set_yes = [name for name in names if name in do and _is_set(schema.column(name), do[name])]
        if len(set_yes) == 1:
            for name in names:
                column = schema.column(name)
                no: float | str = 0.0 if column.kind == "integer" else column.level_values()[0]
                out.setdefault(name, no)
    return out


def _group(free: Sequence[int], share: npt.NDArray[np.float64], both: Bools, n: int) -> list[int]:
    """Return a first column and those that would often be yes together with the group."""
    first, *others = free
    members, joint = [first], float(share[first])
    for i in others:
        if not both[i, members].any() and joint * float(share[i]) * n >= EXPECTED_VIOLATIONS:
            members.append(i)
            joint += float(share[i])
    return members


def _filling(
    free: Sequence[int], members: Sequence[int], yes: Bools, both: Bools, rest: Bools
) -> list[int]:
    """Return rarer columns that are yes in exactly the rows where none of the members is."""
    more: list[int] = []
    for i in free:
        if i not in members and not both[i, [*members, *more]].any():
            more.append(i)
    return more if more and (yes[more].any(axis=0) == rest).all() else []


def _yes_of(rows: pa.Table, relation: RelationSchema, schema: TableSchema) -> Bools:
    return np.stack([is_yes(rows, schema.column(name)) for name in members_of(relation)])


def _is_set(column: ColumnSchema, value: float | str) -> bool:
    if column.kind == "integer":
        return float(value) == 1.0
    return level_of(value) == no_yes(column)[1]
