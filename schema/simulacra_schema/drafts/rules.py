"""Rules of a description in a draft: which rows break one, and what a row needs to hold it."""

import math
import operator
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from simulacra_schema.quota_checks import Values
from simulacra_schema.rule_checks import in_schema
from simulacra_schema.rules import Rule, RulePart
from simulacra_schema.table import ColumnSchema, TableSchema

Value = str | float | None
Answer = Callable[[str], Value]
"""The answer to a question in a row, None if it is skipped."""
Wanted = Values | bool | float
"""Levels, the ends of a range, whether it is missing, or the number to come nearest to."""
Change = tuple[str, Wanted, bool]
"""A column, and values that it gets (true) or leaves (false)."""
T = TypeVar("T")
LAST = 0.8
"""Share of the changes that are to the last column of a rule."""
CLOSE = 1e-6
_OF_UPLOAD = "Without combinations these are those of the upload, which a draft has not: list them."
_UNIQUE = "A draft keeps this with a key among the columns: name one, or leave the rule out."
_SEVERAL = "A column of several answers has no combinations in a draft; use if and then."
_SIGNS = {"<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt}


@dataclass(frozen=True)
class DraftRule:
    """A rule on the answers of one row.

    Attributes:
        path: where it is in the request.
        rule: on the levels of the schema.
        plus: of `compare`, in the unit of the answers.
        step: of `compare`, the smaller step of both columns.
        cells: of `if_`, `then` and `forbidden`, what they ask of each column.
    """

    path: tuple[str | int, ...]
    rule: Rule
    columns: list[str]
    plus: float
    step: float
    cells: Mapping[str, Mapping[str, Wanted]]
    allowed: frozenset[tuple[str, ...]]

    def is_broken(self, answer: Answer) -> bool:
        """Return whether a row breaks the rule. A skipped answer only breaks one that asks."""
        rule = self.rule
        if rule.then is not None or rule.forbidden is not None:
            cell = self.cells["if_" if rule.then is not None else "forbidden"]
            inside = all(meets(answer(name), wanted) for name, wanted in cell.items())
            return inside and (rule.then is None or bool(self._lacks(answer)))
        values = [answer(name) for name in self.columns]
        if None in values:
            return False
        if rule.allowed is not None:
            return tuple(values) not in self.allowed
        if rule.sum is not None:
            total = values.pop() if isinstance(rule.equals, str) else rule.equals
            return abs(sum(map(float, values)) - float(total)) > CLOSE  # type: ignore[arg-type]
        assert rule.compare is not None
        low, high = round(float(values[0]) + self.plus, 9), round(float(values[1]), 9)  # type: ignore[arg-type]
        return not _SIGNS[rule.compare[1]](low, high)

    def _lacks(self, answer: Answer) -> list[tuple[str, Wanted]]:
        """Return the parts of `then` that an answer breaks: a gap only those that ask for it."""
        parts = [(name, wanted, answer(name)) for name, wanted in self.cells["then"].items()]
        return [
            (name, wanted)
            for name, wanted, value in parts
            if not meets(value, wanted) and (value is not None or isinstance(wanted, bool))
        ]

    def changes(self, answer: Answer, rng: random.Random) -> list[Change]:
        """Return what to change in a row that breaks the rule, most often its last column."""
        rule = self.rule
        if rule.then is not None:
            left = list(self.cells["if_"].items())
            if not left or rng.random() < LAST:
                return [(name, wanted, True) for name, wanted in self._lacks(answer)]
            return [(*rng.choice(left), False)]
        if rule.forbidden is not None:
            return [(*_mostly_last(list(self.cells["forbidden"].items()), rng), False)]
        names = self.columns
        if rule.allowed is not None:
            at = rng.randrange(len(names))
            listed = rule.combinations or []
            near = [one for one in listed if one[at] == answer(names[at])] or listed
            pairs = zip(names, rng.choice(near), strict=True)
            return [(name, frozenset([word]), True) for name, word in pairs]
        name = _mostly_last(names, rng)
        if rule.sum is not None:
            parts = {one: float(answer(one) or 0) for one in rule.sum}
            total = answer(rule.equals) if isinstance(rule.equals, str) else rule.equals
            rest = sum(parts.values()) - parts.get(name, 0.0)
            return [(name, float(total or 0) - rest if name in parts else rest, True)]
        assert rule.compare is not None
        first, sign, second = rule.compare
        end = float(answer(first if name == second else second) or 0)
        end += self.plus if name == second else -self.plus
        gap = self.step / 2 if len(sign) == 1 else 0.0
        is_above = (name == second) == (sign[0] == "<")
        return [(name, (end + gap, math.inf) if is_above else (-math.inf, end - gap), True)]


def draft_rule(
    path: tuple[str | int, ...], rule: Rule, schema: TableSchema, steps: Mapping[str, float]
) -> DraftRule:
    """Return a checked rule as a draft keeps it; steps: by column, in the unit of its answers."""
    own = in_schema(rule, schema)
    cells = {
        name: {column: _wanted(part) for column, part in (getattr(own, name) or {}).items()}
        for name in ("if_", "then", "forbidden")
    }
    columns = own.columns()
    first = schema.find(columns[0])
    plus = own.added(of_dates=first is not None and first.kind == "datetime")
    step = min(steps.get(name, 1) for name in columns)
    allowed = frozenset(map(tuple, own.combinations or ()))
    return DraftRule(path, own, columns, plus, step, cells, allowed)


def not_in_drafts(rule: Rule, columns: Sequence[ColumnSchema]) -> str | None:
    """Return why a draft cannot keep a valid rule of these columns, or None."""
    if rule.allowed is not None and rule.combinations is None:
        return _OF_UPLOAD
    if rule.allowed is not None and any(one.kind == "multi" for one in columns):
        return _SEVERAL
    if rule.unique is not None and all(one.learned for one in columns):
        return _UNIQUE
    return None


def meets(value: Value, wanted: Wanted) -> bool:
    """Return whether an answer is one of the levels, in the range, or missing if that is asked."""
    if isinstance(wanted, bool):
        return (value is None) == wanted
    if isinstance(wanted, frozenset):
        return value in wanted
    assert isinstance(wanted, tuple)
    return isinstance(value, float | int) and wanted[0] <= value <= wanted[1]


def _wanted(part: RulePart) -> Wanted:
    if part.missing is not None:
        return part.missing
    return part.ends() if part.levels is None else frozenset(part.levels)


def _mostly_last(found: Sequence[T], rng: random.Random) -> T:
    return found[-1] if rng.random() < LAST else rng.choice(found)
