"""Rows moved to the nearest values that hold the rules, where no draw did.

Under a narrow condition or do() hardly any draw may hold a rule. What is fixed stays; of the other
columns of a rule the last one moves first, no farther than needed, and within its own range.
"""

from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.arrow_values import as_floats, from_floats, with_values, with_words, words_of
from simulacra_schema.rules import DAY, Rule, RulePart
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.conditions.quota_cells import meets_part
from simulacra_trainer.relations.compute import computed_values
from simulacra_trainer.relations.decided import with_decided
from simulacra_trainer.rules.check import (
    Bools,
    Floats,
    Ints,
    any_broken,
    broken,
    compared,
    holds_part,
    off_multiple,
    sum_gap,
)

ROUNDS = 5
SECOND = 1e6


def settled(
    rows: pa.Table, rules: Sequence[Rule], schema: TableSchema, fixed: Collection[str]
) -> pa.Table:
    """Return rows that hold the rules where moving columns that are not fixed can make them.

    fixed: columns under a condition or do(). Bounds, decided and computed columns follow what is
    moved.
    """
    follow = {relation.column for relation in schema.computed()}
    held = {*fixed, *follow}
    bounds = [
        Rule(compare=(one.column, "<=", one.of[0]))
        for one in schema.relations
        if one.kind == "not_above" and {one.column, *one.of} <= set(rows.column_names)
    ]
    for attempt in range(ROUNDS):
        wrong = any_broken(rows, rules)
        if not wrong.any():
            break
        some = rows.filter(pa.array(wrong))
        for rule in (*rules, *bounds):
            if rule.unique is None:
                some = _moved(some, rule, schema, held, first=attempt % 2 == 1)
        some = _followed(some, schema, held)
        rows = replaced(rows, some, np.flatnonzero(wrong))
    return rows


def replaced(rows: pa.Table, some: pa.Table, at: Ints) -> pa.Table:
    """Return the rows with those at some places, int64 [m], replaced by m others."""
    order = np.arange(rows.num_rows)
    order[at] = rows.num_rows + np.arange(at.size)
    both = pa.concat_tables([rows, some.select(rows.column_names)])
    return both.take(pa.array(order)).combine_chunks()


def rounded(
    rows: pa.Table, rules: Sequence[Rule], schema: TableSchema, fixed: Collection[str]
) -> pa.Table:
    """Return rows with numbers at the nearest multiple, where a rule asks for multiples."""
    for rule in rules:
        if rule.multiple is not None and rule.multiple not in fixed:
            rows = _to_multiple(rows, rule, schema)
    return rows


def _moved(
    rows: pa.Table, rule: Rule, schema: TableSchema, held: Collection[str], *, first: bool
) -> pa.Table:
    """Return rows of which columns of one rule were moved, the first or last of the table first."""
    wrong = broken(rows, rule)
    if not wrong.any():
        return rows
    names = sorted(rule.columns(), key=rows.column_names.index, reverse=not first)
    free = [name for name in names if name not in held]
    if rule.allowed is not None:
        return _to_listed(rows, rule, wrong, free)
    if rule.multiple is not None:
        return _to_multiple(rows, rule, schema) if free else rows
    for name in free:
        wrong = broken(rows, rule)
        if not wrong.any():
            return rows
        column = schema.column(name)
        if rule.compare is not None:
            rows = _to_bound(rows, rule, wrong, column)
        elif rule.sum is not None:
            rows = _to_total(rows, rule, wrong, column)
        elif rule.then is not None and name in rule.then:
            rows = _into(rows, column, rule.then[name], wrong)
        elif (cell := rule.if_ or rule.forbidden) is not None and name in cell:
            rows = _outside(rows, column, cell[name], wrong)
    return rows


def _to_bound(rows: pa.Table, rule: Rule, wrong: Bools, column: ColumnSchema) -> pa.Table:
    """Set one of two compared columns to the other one, a step off where they must differ."""
    low, high, is_strict, _ = compared(rows, rule)
    values = as_floats(rows.column(column.name))
    step = _step(values, column)
    assert rule.compare is not None
    is_low = (rule.compare[0] == column.name) != (rule.compare[1][0] == ">")
    move = high - low if is_low else low - high
    away = move - step * is_strict if is_low else move + step * is_strict
    moved = _on_grid(values + away, step, down=is_low)
    return _put_numbers(rows, column, moved, wrong)


def _to_total(rows: pa.Table, rule: Rule, wrong: Bools, column: ColumnSchema) -> pa.Table:
    values, gap = as_floats(rows.column(column.name)), sum_gap(rows, rule)
    moved = values - gap if column.name == rule.equals else values + gap
    return _put_numbers(rows, column, moved, wrong)


def _to_multiple(rows: pa.Table, rule: Rule, schema: TableSchema) -> pa.Table:
    column = schema.column(str(rule.multiple))
    step = float(rule.of or 1.0)
    values = as_floats(rows.column(column.name))
    wrong = off_multiple(values, step)
    low, high = _ends(column)
    near = np.round(values / step)
    with np.errstate(invalid="ignore"):
        near = np.where(near * step < low, np.ceil(low / step), near)
        near = np.where(near * step > high, np.floor(high / step), near)
    return _put_numbers(rows, column, np.round(near * step, 12), wrong)


def _to_listed(rows: pa.Table, rule: Rule, wrong: Bools, free: Sequence[str]) -> pa.Table:
    """Set free columns to the allowed combination that differs in the fewest of them."""
    names, listed = list(rule.allowed or ()), rule.combinations or ()
    words = [words_of(rows.column(name)).to_pylist() for name in names]
    chosen: dict[str, list[str]] = {name: [] for name in free}
    at = wrong.copy()
    for row in np.flatnonzero(wrong):
        own = [of[row] for of in words]
        best = min(
            listed,
            key=lambda one: sum(
                (1 if name in chosen else len(names) + 1) * (a != b)
                for name, a, b in zip(names, one, own, strict=True)
            ),
        )
        for name, word in zip(names, best, strict=True):
            if name in chosen:
                chosen[name].append(word)
    for name, of in chosen.items():
        rows = _put_words(rows, name, of, at)
    return rows


def _into(rows: pa.Table, column: ColumnSchema, part: RulePart, wrong: Bools) -> pa.Table:
    """Set a column to the nearest value that a part of a cell asks for."""
    at = wrong & ~holds_part(rows, column.name, part)
    if part.missing is not None:
        return _without(rows, column, at) if part.missing else _filled(rows, column, at)
    if part.levels is not None:
        shares = {level.value: level.share for level in column.levels}
        best = max(part.levels, key=lambda one: shares.get(one, 0.0))
        return _put_words(rows, column.name, [best] * int(at.sum()), at)
    values = as_floats(rows.column(column.name))
    step, (low, high), (least, most) = _step(values, column), part.ends(), _ends(column)
    low, high = max(low, least), min(high, most)
    ends = [_on_grid(np.array([low]), step, down=False)[0], _on_grid(np.array([high]), step)[0]]
    return _put_numbers(rows, column, np.clip(values, *ends), at)


def _outside(rows: pa.Table, column: ColumnSchema, part: RulePart, wrong: Bools) -> pa.Table:
    """Set a column to the nearest value that is not in a part of a cell."""
    at = wrong & meets_part(rows, column.name, part)
    if part.missing is not None:
        return _filled(rows, column, at) if part.missing else _without(rows, column, at)
    if part.levels is not None:
        others = [level for level in column.levels if level.value not in part.levels]
        if not others:
            return rows
        best = max(others, key=lambda one: one.share).value
        return _put_words(rows, column.name, [best] * int(at.sum()), at)
    values = as_floats(rows.column(column.name))
    step, (low, high) = _step(values, column), part.ends()
    below, above = low - step, high + step
    least, most = _ends(column)
    is_down = (values - below <= above - values) & (below >= least) | (above > most)
    return _put_numbers(rows, column, np.where(is_down, below, above), at)


def _without(rows: pa.Table, column: ColumnSchema, at: Bools) -> pa.Table:
    values = rows.column(column.name).combine_chunks()
    empty = pc.if_else(pa.array(at), pa.scalar(None, values.type), values)
    return with_values(rows, column.name, empty)


def _filled(rows: pa.Table, column: ColumnSchema, at: Bools) -> pa.Table:
    """Fill gaps with the values of other rows in turn; with one end of the column without any."""
    known = np.flatnonzero(rows.column(column.name).is_valid().to_numpy())
    if not known.size:
        if column.levels:
            best = max(column.levels, key=lambda one: one.share).value
            return _put_words(rows, column.name, [best] * int(at.sum()), at)
        return _put_numbers(rows, column, np.full(rows.num_rows, _ends(column)[0]), at)
    place = np.arange(rows.num_rows)
    place[at] = np.resize(known, int(at.sum()))
    values = rows.column(column.name).take(pa.array(place)).combine_chunks()
    return with_values(rows, column.name, values)


def _put_numbers(rows: pa.Table, column: ColumnSchema, values: Floats, at: Bools) -> pa.Table:
    """Set numbers where they lie within the range of the column."""
    low, high = _ends(column)
    old = rows.column(column.name)
    if column.decimals is not None and column.kind == "numeric":
        values = np.round(values, column.decimals)
    with np.errstate(invalid="ignore"):
        at = at & (values >= low) & (values <= high)
    new = np.where(at, values, as_floats(old))
    return with_values(rows, column.name, from_floats(new, old.type))


def _put_words(rows: pa.Table, name: str, words: Sequence[str], at: Bools) -> pa.Table:
    place = np.zeros(rows.num_rows, np.int64)
    place[at] = np.arange(int(at.sum()))
    given = pa.array(list(words) or [""], pa.string()).take(pa.array(place))
    return with_words(rows, name, at, given)


def _followed(rows: pa.Table, schema: TableSchema, held: Collection[str]) -> pa.Table:
    """Return rows whose computed and decided columns follow the others again."""
    names = set(rows.column_names)
    for relation in schema.relations:
        if relation.implied or not {relation.column, *relation.of} <= names:
            continue
        if relation.kind == "decided" and relation.column not in held:
            rows = with_decided(rows, relation)
    for relation in schema.computed():
        if {relation.column, *relation.of} <= names:
            values = computed_values(rows, relation, schema)
            rows = with_values(rows, relation.column, values)
    return rows


def _ends(column: ColumnSchema) -> tuple[float, float]:
    """Return the range of a column, moments in microseconds; open where it is not known."""
    scale = SECOND if column.kind == "datetime" else 1.0
    low = -np.inf if column.minimum is None else column.minimum * scale
    return low, np.inf if column.maximum is None else column.maximum * scale


def _step(values: Floats, column: ColumnSchema) -> float:
    """Return the least difference of two values of a column that is no rounding."""
    if column.kind == "datetime":
        known = values[~np.isnan(values)]
        return DAY if bool((known % DAY == 0).all()) else SECOND
    if column.kind == "integer":
        return 1.0
    return 10.0**-column.decimals if column.decimals is not None else 1e-6


def _on_grid(values: Floats, step: float, *, down: bool = True) -> Floats:
    """Return numbers on the grid of a step, inside of their limit."""
    scaled = np.round(values / step, 6)
    return (np.floor(scaled) if down else np.ceil(scaled)) * step
