"""Conditions and do() that no row can meet, because a rule or a found relation forbids it.

Only what is certain is refused here, before a Job starts: a row has a value of each column that is
named, so a rule of such columns alone, or a total of columns with known ends, can be decided.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from simulacra_schema.conditions import ConditionSet, value_in
from simulacra_schema.faults import Fault, Wrong
from simulacra_schema.quota_checks import Values, is_apart, is_in, values_of
from simulacra_schema.rules import Rule, RulePart
from simulacra_schema.several_answers import expand_conditions
from simulacra_schema.table import RelationSchema, TableSchema

CLOSE = 1e-9
SHOWN = 5
Known = Mapping[str, Values]
Path = tuple[str | int, ...]


def impossible(
    conditions: ConditionSet, interventions: Mapping[str, Any], schema: TableSchema, rows: int
) -> Iterator[Fault]:
    """Yield the first rule or relation that the conditions and do() of all rows, or a quota, break.

    conditions: checked; interventions: numbers or levels; rows: a quota below one row asks for
    none.
    """
    if not (schema.rules or schema.relations):
        return
    conditions = expand_conditions(conditions, schema)
    known: dict[str, Values] = {}
    paths: dict[str, Path] = {}
    for name, part in conditions.numeric.items():
        known[name], paths[name] = values_of(part, name, schema), ("conditions", "numeric", name)
    for name, shares in conditions.categorical.items():
        if sum(shares.values()) >= 1 - CLOSE:
            known[name] = frozenset(level for level, share in shares.items() if share > 0)
            paths[name] = ("conditions", "categorical", name)
    for name, given in interventions.items():
        if (value := value_in(given, schema.column(name))) is not None:
            known[name] = frozenset([value]) if isinstance(value, str) else (value, value)
            paths[name] = ("interventions", name)
    yield from _first(known, paths, schema)
    for at, quota in enumerate(conditions.quotas):
        if quota.bounds[0] * rows >= 1:
            own = {name: values_of(part, name, schema) for name, part in quota.where.items()}
            here = dict.fromkeys(own, ("conditions", "quotas", at))
            if found := next(_first(known | own, paths | here, schema, set(own)), None):
                yield found
                return


def _first(
    known: Known, paths: Mapping[str, Path], schema: TableSchema, some: set[str] | None = None
) -> Iterator[Fault]:
    """Yield the first rule or relation that cannot hold; with `some`, one that has one of these."""
    for words, columns in _broken(known, schema):
        named = [name for name in columns if name in known]
        if some is None or some.intersection(named):
            listed = ", ".join(f'"{name}"' for name in named[:SHOWN])
            of = " and do()" if any(path[0] == "interventions" for path in paths.values()) else ""
            text = f"{words} cannot hold under the conditions{of} on {listed}. Change these"
            at = paths[next((one for one in named if one in (some or named)), named[0])]
            wrong = Wrong("a rule that cannot hold", f"{text}, or the rule in the description.")
            yield wrong.at(*at)
            return


def _broken(known: Known, schema: TableSchema) -> Iterator[tuple[str, list[str]]]:
    for one in schema.rules:
        if _breaks(one.rule, known, schema):
            yield f'The rule "{one.rule.words()}"', one.rule.columns()
    for relation in schema.relations:
        names = [relation.column, *relation.of]
        if relation.kind == "not_above":
            order = Rule(compare=(relation.column, "<=", relation.of[0]))
            if _breaks(order, known, schema):
                yield f'The found rule "{order.words()}"', names
        elif relation.kind == "all_different":
            values = [known[name] for name in names if name in known]
            alone = [one for one in values if len(set(one)) == 1]
            if len(set(alone)) < len(alone):
                yield f'The found rule "no two of {", ".join(names[:SHOWN])} are alike"', names
        elif (
            relation.kind == "linear"
            and not relation.implied
            and relation.column in known
            and is_apart(known[relation.column], _reach(relation, known, schema))
        ):
            of = ", ".join(relation.of[:SHOWN])
            yield f'The found rule "{relation.column} is computed from {of}"', names


def _breaks(rule: Rule, known: Known, schema: TableSchema) -> bool:
    """Return whether every row with the known values breaks a rule."""
    if rule.then is not None:
        then = rule.then.items()
        return _all_in(rule.if_ or {}, known, schema) and any(
            _is_out(name, part, known, schema) for name, part in then
        )
    if rule.forbidden is not None:
        return _all_in(rule.forbidden, known, schema)
    if rule.allowed is not None:
        if not rule.combinations or not known.keys() >= set(rule.allowed):
            return False
        values = [known[name] for name in rule.allowed]
        return all(
            any(is_apart(one, frozenset([word])) for one, word in zip(values, row, strict=True))
            for row in rule.combinations
        )
    if rule.sum is not None and isinstance(rule.equals, str) and rule.equals in known:
        there = (name in known or not schema.column(name).missing_share for name in rule.sum)
        ones = [1.0] * len(rule.sum)
        total = RelationSchema(kind="linear", column=rule.equals, of=rule.sum, coefficients=ones)
        return all(there) and is_apart(known[rule.equals], _reach(total, known, schema))
    if rule.compare is None:
        return False
    first, sign, second = rule.compare
    a, b = known.get(first), known.get(second)
    if not (isinstance(a, tuple) and isinstance(b, tuple)):
        return False
    is_date = schema.column(first).kind == "datetime"
    plus = rule.added(of_dates=is_date)
    low, high = (a[0] + plus, b[1]) if sign[0] == "<" else (b[0], a[1] + plus)
    close = 0.0 if is_date or math.isinf(high) else CLOSE * max(1.0, abs(high))
    return low >= high - close if len(sign) == 1 else low > high + close


def _all_in(cell: Mapping[str, RulePart], known: Known, schema: TableSchema) -> bool:
    """Return whether all rows with the known values are in a cell; they lack none of these."""
    for name, part in cell.items():
        inside = part.missing is False
        if part.missing is None and name in known:
            inside = is_in(known[name], values_of(part, name, schema))
        if name not in known or not inside:
            return False
    return True


def _is_out(name: str, part: RulePart, known: Known, schema: TableSchema) -> bool:
    if name not in known or part.missing is not None:
        return name in known and bool(part.missing)
    return is_apart(known[name], values_of(part, name, schema))


def _reach(relation: RelationSchema, known: Known, schema: TableSchema) -> tuple[float, float]:
    """Return the ends of a computed column; columns without a condition have those of the table."""
    low = high = 0.0
    following = schema.following()
    for name, times in zip(relation.of, relation.coefficients, strict=True):
        column, ends = schema.column(name), known.get(name)
        if not isinstance(ends, tuple):
            ends = (-math.inf, math.inf)
            if name not in following and column.minimum is not None and column.maximum is not None:
                ends = (column.minimum, column.maximum)
            if relation.missing_as_zero:
                ends = (min(ends[0], 0.0), max(ends[1], 0.0))
        of_ends = (times * ends[0], times * ends[1])
        low, high = low + min(of_ends), high + max(of_ends)
    of_sum = [relation.constant + relation.factor * one for one in (low, high)]
    slack = 10.0 ** -(schema.column(relation.column).decimals or 0)
    return min(of_sum) - slack, max(of_sum) + slack
