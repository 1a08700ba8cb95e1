"""Which rows break a rule.

A gap breaks no rule, unless the rule asks for `missing`. It is in no cell of `if` and `forbidden`.
"""

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.arrow_values import as_coded, as_floats, codes_of, words_of
from simulacra_schema.rules import Rule, RulePart
from simulacra_schema.table import TableSchema
from simulacra_trainer.conditions.quota_cells import in_cell, meets_part

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
CLOSE = 1e-9
SEPARATOR = "\x1f"


def broken(rows: pa.Table, rule: Rule) -> Bools:
    """Return which rows break a rule, bool [n].

    Of `unique`, the rows that repeat an earlier one. The rule is on the names of the schema.
    """
    if rule.then is not None:
        inside = np.ones(rows.num_rows, np.bool_) if rule.if_ is None else in_cell(rows, rule.if_)
        held = [holds_part(rows, name, part) for name, part in rule.then.items()]
        return inside & ~np.logical_and.reduce(held)
    if rule.forbidden is not None:
        return in_cell(rows, rule.forbidden)
    if rule.sum is not None:
        return _unequal(rows, rule)
    if rule.compare is not None:
        return _unordered(rows, rule)
    if rule.allowed is not None:
        words = joined(rows, rule.allowed)
        listed = pc.is_in(words, value_set=listed_words(rule))
        return np.asarray(pc.and_(pc.is_valid(words), pc.invert(listed)).to_numpy(False), np.bool_)
    if rule.unique is not None:
        return repeated(rows, rule.unique)
    values = as_floats(rows.column(str(rule.multiple)))
    return off_multiple(values, float(rule.of or 1.0))


def any_broken(rows: pa.Table, rules: Sequence[Rule]) -> Bools:
    """Return which rows break one of the rules of single rows, bool [n]."""
    wrong = np.zeros(rows.num_rows, np.bool_)
    for rule in rules:
        if rule.unique is None:
            wrong |= broken(rows, rule)
    return wrong


def applicable(rules: Sequence[Rule], names: Collection[str]) -> list[Rule]:
    """Return the rules of which all columns are among these names."""
    known = set(names)
    return [rule for rule in rules if known.issuperset(rule.columns())]


def rules_of(schema: TableSchema) -> list[Rule]:
    """Return the stated rules of a schema."""
    return [one.rule for one in schema.rules]


def holds_part(rows: pa.Table, name: str, part: RulePart) -> Bools:
    """Return which rows do not break one part of `then`, bool [n]: also those with a gap."""
    held = meets_part(rows, name, part)
    return held if part.missing is not None else held | rows.column(name).is_null().to_numpy()


def compared(rows: pa.Table, rule: Rule) -> tuple[Floats, Floats, bool, bool]:
    """Return what must not be above what, float64 [n] each, whether equal is too much, and dates.

    `plus` is added already.
    """
    assert rule.compare is not None
    first, sign, second = rule.compare
    is_date = pa.types.is_timestamp(rows.schema.field(first).type)
    low, high = as_floats(rows.column(first)), as_floats(rows.column(second))
    low = low + rule.added(of_dates=is_date)
    if sign[0] == ">":
        low, high = high, low
    return low, high, len(sign) == 1, is_date


def _unordered(rows: pa.Table, rule: Rule) -> Bools:
    low, high, is_strict, is_date = compared(rows, rule)
    with np.errstate(invalid="ignore"):
        close = np.zeros(1) if is_date else CLOSE * np.maximum(1.0, np.abs(high))
        return np.asarray(low >= high - close if is_strict else low > high + close)


def sum_gap(rows: pa.Table, rule: Rule) -> Floats:
    """Return the total less the sum of its parts, float64 [n]; NaN where one is missing."""
    parts = np.stack([as_floats(rows.column(name)) for name in rule.sum or ()])
    return total_of(rows, rule) - parts.sum(axis=0)


def total_of(rows: pa.Table, rule: Rule) -> Floats:
    """Return the total that the parts of a sum have to give, float64 [n]."""
    if isinstance(rule.equals, str):
        return as_floats(rows.column(rule.equals))
    return np.full(rows.num_rows, float(rule.equals or 0.0))


def _unequal(rows: pa.Table, rule: Rule) -> Bools:
    gap, total = sum_gap(rows, rule), total_of(rows, rule)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(gap) > 1e-6 * np.maximum(1.0, np.abs(total)))


def off_multiple(values: Floats, step: float) -> Bools:
    """Return which numbers are no multiples of a step, bool [n]; missing ones are."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(values / step - np.round(values / step)) > 1e-6)


def joined(rows: pa.Table, names: Sequence[str]) -> pa.Array:
    """Return the values of several columns of each row as one text, null with a gap."""
    return pc.binary_join_element_wise(*(words_of(rows.column(n)) for n in names), SEPARATOR)


def listed_words(rule: Rule) -> pa.Array:
    """Return the allowed combinations as `joined` writes them."""
    return pa.array([SEPARATOR.join(one) for one in rule.combinations or ()], pa.string())


def repeated(rows: pa.Table, names: Sequence[str]) -> Bools:
    """Return which rows have the same values in these columns as an earlier row, bool [n]."""
    key, known = keys_of(rows, names)
    wrong = np.zeros(rows.num_rows, np.bool_)
    chosen = np.flatnonzero(known)
    first = np.unique(key[chosen], return_index=True)[1]
    wrong[chosen] = True
    wrong[chosen[first]] = False
    return wrong


def keys_of(rows: pa.Table, names: Sequence[str]) -> tuple[Ints, Bools]:
    """Return a number for the values of these columns in each row, and which rows lack none.

    Rows with the same values have the same number, int64 [n].
    """
    key = np.zeros(rows.num_rows, np.int64)
    known = np.ones(rows.num_rows, np.bool_)
    for name in names:
        coded = as_coded(rows.column(name))
        code = codes_of(coded)
        known &= code >= 0
        key = key * (len(coded.dictionary) + 1) + np.maximum(code, 0)
        key = np.unique(key, return_inverse=True)[1].reshape(-1)
    return key, known
