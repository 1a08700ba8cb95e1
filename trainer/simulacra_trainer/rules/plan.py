"""Rules in the plan of a generation: columns drawn together, distinct rows, and refusals."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from simulacra_crds.reasons import Reason
from simulacra_intake.errors import InputError, invalid_request
from simulacra_schema.faults import pointer
from simulacra_schema.rules import Rule
from simulacra_schema.table import TableSchema
from simulacra_trainer.rules.check import (
    Ints,
    any_broken,
    applicable,
    broken,
    keys_of,
    repeated,
    rules_of,
)

if TYPE_CHECKING:
    from simulacra_crds.tasks import GenerateRequest
    from simulacra_schema.conditions import ConditionSet
    from simulacra_trainer.conditions import AttainmentDetail

SHOWN = 5
NO_ROW = "No row can hold a rule of the description together with the conditions or do()."
ALONE = "The model has no rows that hold a rule of the description."
NOT_DISTINCT = (
    "There are fewer different rows than were asked for, and a rule asks for unique ones."
)


def together(schema: TableSchema, names: Iterable[str]) -> list[str]:
    """Return these columns and the learned ones that share a rule with them or with one another."""
    found = list(dict.fromkeys(names))
    for name in found:  # grows while it is read
        for rule in rules_of(schema):
            if name in (columns := _learned(rule, schema)):
                found += [one for one in columns if one not in found]
    return found


def unique_rules(schema: TableSchema) -> list[Rule]:
    """Return the rules of different rows; with a key among their columns they hold anyway."""
    unique = [rule for rule in rules_of(schema) if rule.unique is not None]
    return [rule for rule in unique if len(_learned(rule, schema)) == len(rule.unique or ())]


def holding(rows: pa.Table, schema: TableSchema, held: Collection[str]) -> pa.Table:
    """Return the rows that hold all rules of their columns.

    Raises:
        InputError: none does.
    """
    rules = applicable(rules_of(schema), rows.column_names)
    wrong = any_broken(rows, rules)
    if not wrong.any():
        return rows
    kept = rows.filter(pa.array(~wrong))
    if not kept.num_rows:
        refuse_broken(rows, schema, held)
    return kept


def refuse_broken(rows: pa.Table, schema: TableSchema, held: Collection[str]) -> None:
    """Raise an InputError that names the rule that some rows break, and what contradicts it.

    held: columns under a condition or do().
    """
    for rule in applicable(rules_of(schema), rows.column_names):
        if rule.unique is not None or not broken(rows, rule).any():
            continue
        near = [name for name in held if name in together(schema, rule.columns())]
        if not near:
            detail = f'The model has no rows that hold the rule "{rule.words()}". Change the rule.'
            raise InputError(Reason.CONDITIONS_INFEASIBLE, ALONE, detail, None)
        named = ", ".join(f'"{name}"' for name in near[:SHOWN])
        detail = (
            f'The rule "{rule.words()}" cannot hold under the conditions and do() on {named}. '
            "Change these, or the rule in the description."
        )
        raise InputError(Reason.CONDITIONS_INFEASIBLE, NO_ROW, detail, None)


def refuse_unique(request: GenerateRequest, schema: TableSchema) -> None:
    """Raise an InputError where a request cannot keep rows different: twins and linked rows."""
    unique = unique_rules(schema)
    if not unique or not (request.counterfactual or request.persons is not None):
        return
    at = "counterfactual" if request.counterfactual else "persons"
    message = f"Rows that a rule makes unique cannot be asked for with {at}. Leave it out."
    detail = f'The rule "{unique[0].words()}" is not kept with {at}. Leave one of the two out.'
    raise invalid_request(message, detail, pointer(at))


@contextmanager
def rules_named(schema: TableSchema, held: Collection[str]) -> Iterator[None]:
    """Let an error that no row meets the conditions name the rules of their columns."""
    try:
        yield
    except InputError as error:
        near = [rule for rule in rules_of(schema) if set(held) & set(rule.columns())]
        if error.reason != Reason.CONDITIONS_INFEASIBLE or not near:
            raise
        words = " and ".join(f'"{rule.words()}"' for rule in near[:SHOWN])
        if near[0].words() in error.detail:
            raise
        detail = f"{error.detail} In every row holds {words}."
        raise InputError(error.reason, error.message, detail, error.pointer) from None


def refuse_unattained(
    attainment: AttainmentDetail, conditions: ConditionSet, schema: TableSchema
) -> None:
    """Raise an InputError for a quota without a row whose columns a rule joins."""
    for place, found in enumerate(attainment.quotas or ()):
        if found.met or found.attained > 0:
            continue
        quota = conditions.quotas[place]
        for rule in rules_of(schema):
            if rule.unique is None and set(rule.columns()) <= set(quota.where):
                detail = (
                    f'The rule "{rule.words()}" leaves no row of {quota.words()}. Change the '
                    "quota, or the rule in the description."
                )
                at = pointer("conditions", "quotas", place)
                raise InputError(Reason.CONDITIONS_INFEASIBLE, NO_ROW, detail, at)


def distinct_rows(rows: pa.Table, unique: Sequence[Rule], n: int) -> Ints:
    """Return n rows, int64 [n], that differ from one another as the rules ask.

    Raises:
        InputError: there are fewer.
    """
    kept = np.arange(rows.num_rows)
    for rule in unique:
        kept = kept[~repeated(rows.take(pa.array(kept)), rule.unique or ())]
    if kept.size < n:
        _refuse_repeated(kept.size, n, unique)
    return kept[:n]


def distinct_picks(
    rows: pa.Table, picks: Ints, of_row: Ints, unique: Sequence[Rule], rng: np.random.Generator
) -> Ints:
    """Return picks from the same cells that differ from one another as the rules ask.

    Cells that can spare the fewest rows choose first.

    picks: rows of the pool, int64 [n]; of_row: the cell of each row, int64 [rows]; -1 in none.

    Raises:
        InputError: a cell has fewer different rows than it needs.
    """
    keys = [keys_of(rows, rule.unique or ()) for rule in unique]
    taken = [np.zeros(int(key.max(initial=0)) + 1, np.bool_) for key, _ in keys]
    needed = np.bincount(of_row[picks], minlength=int(of_row.max(initial=0)) + 1)
    there = np.bincount(of_row[of_row >= 0], minlength=needed.size)
    chosen = np.full(picks.size, -1)
    for cell in np.argsort(there / np.maximum(needed, 1), kind="stable"):
        if not needed[cell]:
            continue
        free = rng.permutation(np.flatnonzero(of_row == cell))
        for (key, known), used in zip(keys, taken, strict=True):
            free = free[~(known[free] & used[key[free]])]
            first = np.zeros(free.size, np.bool_)
            first[np.unique(key[free], return_index=True)[1]] = True
            free = free[first | ~known[free]]
        if free.size < needed[cell]:
            _refuse_repeated(int((chosen >= 0).sum()) + free.size, picks.size, unique)
        free = free[: needed[cell]]
        for (key, known), used in zip(keys, taken, strict=True):
            used[key[free[known[free]]]] = True
        chosen[np.flatnonzero(of_row[picks] == cell)] = free
    return chosen


def _refuse_repeated(found: int, n: int, unique: Sequence[Rule]) -> None:
    words = " and ".join(f'"{rule.words()}"' for rule in unique)
    detail = f"About {found:,} rows hold {words} here, and {n:,} were asked for. Ask for fewer."
    raise InputError(Reason.CONDITIONS_INFEASIBLE, NOT_DISTINCT, detail, "/row_count")


def _learned(rule: Rule, schema: TableSchema) -> list[str]:
    found = [(name, schema.find(name)) for name in rule.columns()]
    return [name for name, column in found if column is not None and column.learned]
