"""Random answers to a questionnaire, with shares of levels and cells met to the row."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from simulacra_schema.conditions import ConditionSet
from simulacra_schema.drafts.questions import Questionnaire, condition_faults
from simulacra_schema.faults import Fault, Wrong
from simulacra_schema.quota_checks import Cell, Values, cells_of
from simulacra_schema.several_answers import expand_conditions
from simulacra_schema.table import YES, ColumnSchema

Value = str | float | None
T = TypeVar("T")
ROUNDING = 1e-9
PATIENCE = 5_000
"""Trials without progress, beside three a row, after which shares count as impossible."""
LOOKS = 30
"""Rows that are tried at random before all are searched."""


class DraftRefused(ValueError):
    """The conditions cannot be met; errors: each with its pointer in the request."""

    def __init__(self, errors: Sequence[Fault]) -> None:
        super().__init__(" ".join(one.detail for one in errors[:5]))
        self.errors = tuple(errors)


def draw(
    asked: Questionnaire, conditions: ConditionSet, rows: int, seed: int
) -> dict[str, list[Value]]:
    """Return the answers by column, an option of several answers as yes or no; None if skipped.

    Levels come equally often and numbers are uniform, each column alone, as far as neither
    conditions nor skips say otherwise. Numbers are in their unit, moments in microseconds.

    Raises:
        DraftRefused: conditions name no column or level, or cannot be met in this number of rows.
    """
    schema = asked.schema
    if faults := [*condition_faults(conditions, schema)]:
        raise DraftRefused(faults)
    wanted = expand_conditions(conditions, schema)
    skips = ConditionSet.model_construct(quotas=list(asked.asked_if.values()))
    cells = cells_of(expand_conditions(skips, schema), schema)
    asked_if = dict(zip(asked.asked_if, (cell.values for cell in cells), strict=True))
    domains: dict[str, _Domain] = {}
    answers: dict[str, list[Value]] = {}
    for question in asked.questions:
        where = asked_if.get(question.column.name, {})
        for column in question.column.parts() if question.column.learned else ():
            domain = domains[column.name] = _domain(column, wanted, question.step, where)
            shares = wanted.categorical.get(column.name, {})
            rng = random.Random(f"{seed} {column.name}")
            answers[column.name] = domain.spread(rows, rng, shares)
    _choose_some(answers, asked, random.Random(f"{seed} options"))
    search = _Search(answers, domains, cells_of(wanted, schema), rows, random.Random(seed))
    search.run()
    return {
        name: [value if search.is_asked(name, row) else None for row, value in enumerate(column)]
        for name, column in answers.items()
    }


def _choose_some(answers: dict[str, list[Value]], asked: Questionnaire, rng: random.Random) -> None:
    """Choose an option of several answers in the rows that have none: no answer is a skip."""
    for question in asked.questions:
        if question.column.kind == "multi":
            options = [answers[part.name] for part in question.column.parts()]
            for row, chosen in enumerate(zip(*options, strict=True)):
                if YES not in chosen:
                    rng.choice(options)[row] = YES


@dataclass(frozen=True)
class _Domain:
    """What a column can hold: levels with their natural shares, or the steps of a range."""

    levels: dict[str, float]
    first: int
    last: int
    step: float
    asked_if: dict[str, Values]

    def number(self, at: int) -> float:
        return at * self.step if self.step >= 1 else round(at * self.step, 9)

    def some(self, values: Values, rng: random.Random, *, inside: bool) -> Value:
        """Return a random value inside or outside of the values, None if there is none."""
        if isinstance(values, frozenset):
            return _pick([one for one in self.levels if (one in values) == inside], rng)
        low = max(self.first, _up(values[0] / self.step))
        high = min(self.last, _down(values[1] / self.step))
        below, above = min(self.last, low - 1), max(self.first, high + 1)
        parts = [(low, high)] if inside else [(self.first, below), (above, self.last)]
        part = _pick([one for one in parts if one[0] <= one[1]], rng)
        return None if part is None else self.number(rng.randint(*part))

    def spread(self, rows: int, rng: random.Random, stated: dict[str, float]) -> list[Value]:
        """Return values in random order; levels as often as stated, the rest by natural shares."""
        if not self.levels:
            return [self.number(rng.randint(self.first, self.last)) for _ in range(rows)]
        open_levels = {one: share for one, share in self.levels.items() if one not in stated}
        rest = max(1 - sum(stated.values()), 0.0) / (sum(open_levels.values()) or 1)
        shares = {**stated, **{one: rest * share for one, share in open_levels.items()}}
        total = sum(shares.values()) or 1
        found: list[Value] = []
        reached = 0.0
        for level, share in shares.items():
            reached += share / total
            found += [level] * (round(reached * rows) - len(found))
        rng.shuffle(found)
        return found


def _up(number: float) -> int:
    return -(10**18) if number == -math.inf else math.ceil(number - ROUNDING)


def _down(number: float) -> int:
    return 10**18 if number == math.inf else math.floor(number + ROUNDING)


def _pick(found: Sequence[T], rng: random.Random) -> T | None:
    return rng.choice(found) if found else None


def _domain(
    column: ColumnSchema, wanted: ConditionSet, step: float, asked_if: dict[str, Values]
) -> _Domain:
    levels = {one.value: one.share for one in column.levels}
    if levels:
        return _Domain(levels, 0, 0, step, asked_if)
    scale = 1e6 if column.kind == "datetime" else 1  # the schema has seconds
    assert column.minimum is not None
    assert column.maximum is not None
    first, last = _up(column.minimum * scale / step), _down(column.maximum * scale / step)
    if column.name in wanted.numeric:
        low, high = wanted.numeric[column.name].ends()
        first, last = max(first, _up(low / step)), min(last, _down(high / step))
    if first > last:
        wrong = Wrong("no value in the range", "No value of it lies in the range; widen it.")
        raise DraftRefused([wrong.at("conditions", "numeric", column.name)])
    return _Domain({}, first, last, step, asked_if)


class _Search:
    """Moves of single answers until every cell has its rows (min-conflicts: Minton et al., 1992).

    A move changes an answer, or exchanges it with another row's, and stays unless more rows are
    missing or too many afterwards.
    """

    def __init__(
        self,
        answers: dict[str, list[Value]],
        domains: dict[str, _Domain],
        cells: list[Cell],
        rows: int,
        rng: random.Random,
    ) -> None:
        self._answers = answers
        self._domains = domains
        self._cells = cells
        self._rows = rows
        self._rng = rng
        self._bounds = [_bounds(cell, rows) for cell in cells]
        self._touched = {name: self._cells_of(name) for name in domains}
        everywhere = range(len(cells))
        self._in = [self._cells_with(row, everywhere) for row in range(rows)]
        self._counts = [sum(at in found for found in self._in) for at in everywhere]

    def is_asked(self, name: str, row: int) -> bool:
        """Return whether a question is asked in a row, by its earlier answers there."""
        where = self._domains[name].asked_if
        return all(self._has(other, values, row) for other, values in where.items())

    def run(self) -> None:
        """Meet all cells. Raises DraftRefused when there is no progress any more."""
        waited, distance = 0, sum(map(self._off, range(len(self._cells))))
        least = distance
        while least and waited < PATIENCE + 3 * self._rows:
            waited += 1
            distance += self._move()
            if distance < least:
                waited, least = 0, distance
        if distance:
            raise DraftRefused(list(self._unmet()))

    def _move(self) -> int:
        """Try a move; return by how many rows more are missing or too many, 0 at most."""
        at = self._rng.choice([at for at in range(len(self._cells)) if self._off(at)])
        is_short = self._counts[at] < self._bounds[at][0]
        row = self._row(at, not is_short)
        if row is None:
            return 0
        before: list[tuple[str, int, Value]] = []
        if is_short:
            self._enter(self._cells[at].values, row, before)
        else:
            name = self._rng.choice(list(self._cells[at].values))
            self._set(name, row, self._cells[at].values[name], before, inside=False)
        touched = {at for name in {name for name, _, _ in before} for at in self._touched[name]}
        changed = Counter[int]()
        found = {}
        for row in {row for _, row, _ in before}:
            found[row] = (self._in[row] - touched) | self._cells_with(row, touched)
            changed.update(found[row] - self._in[row])
            changed.subtract(self._in[row] - found[row])
        moved = -sum(map(self._off, changed))
        for one, more in changed.items():
            self._counts[one] += more
        moved += sum(map(self._off, changed))
        if moved <= 0:
            for row, cells in found.items():
                self._in[row] = cells
            return moved
        for one, more in changed.items():
            self._counts[one] -= more
        for name, row, value in reversed(before):
            self._answers[name][row] = value
        return 0

    def _row(self, at: int, is_in: bool) -> int | None:
        """Return a random row that is in a cell or not."""
        for _ in range(LOOKS):
            row = self._rng.randrange(self._rows)
            if (at in self._in[row]) == is_in:
                return row
        return _pick([r for r in range(self._rows) if (at in self._in[r]) == is_in], self._rng)

    def _enter(
        self, where: dict[str, Values], row: int, before: list[tuple[str, int, Value]]
    ) -> None:
        """Give a row what a cell asks of it, and the earlier answers after which it is asked."""
        for name, values in where.items():
            self._enter(self._domains[name].asked_if, row, before)
            if not self._has(name, values, row):
                self._set(name, row, values, before, inside=True)

    def _set(
        self,
        name: str,
        row: int,
        values: Values,
        before: list[tuple[str, int, Value]],
        *,
        inside: bool,
    ) -> None:
        """Give a row another answer, a new one or another row's."""
        answers = self._answers[name]
        if self._rng.random() < 0.5:
            other = self._rng.randrange(self._rows)
            if _lies_in(answers[other], values) == inside:
                before += [(name, row, answers[row]), (name, other, answers[other])]
                answers[row], answers[other] = answers[other], answers[row]
                return
        value = self._domains[name].some(values, self._rng, inside=inside)
        if value is not None:
            before.append((name, row, answers[row]))
            answers[row] = value

    def _has(self, name: str, values: Values, row: int) -> bool:
        if not _lies_in(self._answers[name][row], values):
            return False
        return not self._domains[name].asked_if or self.is_asked(name, row)

    def _cells_of(self, name: str) -> set[int]:
        """Return the cells that an answer decides, itself or by the questions asked after it."""
        after = [other for other, domain in self._domains.items() if name in domain.asked_if]
        found = {at for at, cell in enumerate(self._cells) if name in cell.values}
        return found.union(*map(self._cells_of, after))

    def _cells_with(self, row: int, cells: Iterable[int]) -> frozenset[int]:
        """Return those of the cells that a row is in."""
        found = []
        for at in cells:
            for name, values in self._cells[at].values.items():
                if not self._has(name, values, row):
                    break
            else:
                found.append(at)
        return frozenset(found)

    def _off(self, at: int) -> int:
        """Return how many rows a cell has too few or too many."""
        count, (low, high) = self._counts[at], self._bounds[at]
        return low - count if count < low else max(count - high, 0)

    def _unmet(self) -> Iterator[Fault]:
        for at in range(len(self._cells)):
            if self._off(at):
                low, high = self._bounds[at]
                wanted = f"{low}" if low == high else f"{low} to {high}"
                cell = self._cells[at]
                detail = (
                    f"{cell.words} has {self._counts[at]} of {self._rows} rows and needs {wanted}. "
                    "Lower it or what stands against it: another share, a range or a skip."
                )
                yield Wrong("a share that cannot be met", detail).at(*cell.path)


def _bounds(cell: Cell, rows: int) -> tuple[int, int]:
    """Return the least and the most rows of a cell."""
    low, high = cell.low * rows, cell.high * rows
    ends = math.ceil(low - ROUNDING), math.floor(high + ROUNDING)
    return ends if ends[0] <= ends[1] else (ends[1], ends[0])


def _lies_in(value: Value, values: Values) -> bool:
    if isinstance(values, frozenset):
        return value in values
    return isinstance(value, float | int) and values[0] <= value <= values[1]
