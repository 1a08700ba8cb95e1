"""Random answers to a questionnaire, with shares of levels and cells met to the row."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

from simulacra_schema.conditions import ConditionSet
from simulacra_schema.description_parts import EXTENSION
from simulacra_schema.drafts.questions import Questionnaire, condition_faults
from simulacra_schema.drafts.rules import DraftRule, Value, Wanted, draft_rule, meets
from simulacra_schema.faults import Fault, Wrong
from simulacra_schema.quota_checks import Cell, Values, cells_of
from simulacra_schema.rules import SHOWN
from simulacra_schema.several_answers import expand_conditions
from simulacra_schema.table import YES, ColumnSchema

T = TypeVar("T")
ROUNDING = 1e-9
PATIENCE = 5_000
"""Trials without progress, beside three a row, after which shares count as impossible."""
LOOKS = 30
"""Rows that are tried at random before all are searched."""


class DraftRefused(ValueError):
    """Conditions or rules cannot be met; errors: each with its pointer in the request."""

    def __init__(self, errors: Sequence[Fault]) -> None:
        super().__init__(" ".join(one.detail for one in errors[:5]))
        self.errors = tuple(errors)


def draw(
    asked: Questionnaire, conditions: ConditionSet, rows: int, seed: int
) -> dict[str, list[Value]]:
    """Return the answers by column, an option of several answers as yes or no; None if skipped.

    Levels come equally often and numbers are uniform, each column alone, as far as neither
    conditions, rules nor skips say otherwise. Numbers are in their unit, moments in microseconds.

    Raises:
        DraftRefused: conditions name no column or level, or cannot be met in this number of rows
            or together with the rules.
    """
    schema = asked.schema
    if faults := [*condition_faults(conditions, schema)]:
        raise DraftRefused(faults)
    wanted = expand_conditions(conditions, schema)
    skips = ConditionSet.model_construct(quotas=list(asked.asked_if.values()))
    cells = cells_of(expand_conditions(skips, schema), schema)
    asked_if = dict(zip(asked.asked_if, (cell.values for cell in cells), strict=True))
    steps = _steps(asked)
    domains: dict[str, _Domain] = {}
    answers: dict[str, list[Value]] = {}
    for question in asked.questions:
        where = asked_if.get(question.column.name, {})
        for column in question.column.parts() if question.column.learned else ():
            step = steps[question.column.name]
            domain = domains[column.name] = _domain(column, wanted, step, where)
            shares = wanted.categorical.get(column.name, {})
            rng = random.Random(f"{seed} {column.name}")
            answers[column.name] = domain.spread(rows, rng, shares)
    _choose_some(answers, asked, random.Random(f"{seed} options"))
    path = ("description", *asked.description.prefix, EXTENSION, "rules")
    rules = [
        draft_rule((*path, at), rule, schema, steps)
        for at, rule in enumerate(asked.description.extension.rules or ())
        if rule.multiple is None and rule.unique is None  # the steps and the keys hold them
    ]
    targets: list[Cell | DraftRule] = [*cells_of(wanted, schema), *rules]
    search = _Search(answers, domains, targets, rows, random.Random(seed))
    search.run()
    return {
        name: [value if search.is_asked(name, row) else None for row, value in enumerate(column)]
        for name, column in answers.items()
    }


def _steps(asked: Questionnaire) -> dict[str, float]:
    """Return the steps by column; where rules ask for multiples, those of all steps."""
    steps = {question.column.name: question.step for question in asked.questions}
    for rule in asked.description.extension.rules or ():
        if rule.multiple is not None:
            own, of = Fraction(str(steps[rule.multiple])), Fraction(str(rule.of))
            both = math.lcm(own.numerator * of.denominator, of.numerator * own.denominator)
            step = Fraction(both, own.denominator * of.denominator)
            steps[rule.multiple] = float(min(step, Fraction(10**18)))  # beyond all ranges
    return steps


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

    def nearest(self, number: float) -> float:
        return self.number(min(max(round(number / self.step), self.first), self.last))

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
    low, high = column.minimum * scale, column.maximum * scale
    if column.name in wanted.numeric:
        ends = wanted.numeric[column.name].ends()
        low, high = max(low, ends[0]), min(high, ends[1])
    first, last = _up(low / step), _down(high / step)
    if column.kind != "datetime" and step > 1:  # of which ROUNDING is much
        first, last = first + (first * step < low), last - (last * step > high)
    if first > last:
        of = f" is a multiple of {step:.12g} and" if step > 1 else ""
        detail = f"No value of it{of} lies in the range; widen it."
        wrong = Wrong("no value in the range", detail)
        raise DraftRefused([wrong.at("conditions", "numeric", column.name)])
    return _Domain({}, first, last, step, asked_if)


class _Search:
    """Moves of single answers until every cell has its rows (min-conflicts: Minton et al., 1992).

    A move changes an answer, or exchanges it with another row's, and stays unless more rows are
    missing or too many afterwards. A rule is a cell of the rows that break it, and has none.
    """

    def __init__(
        self,
        answers: dict[str, list[Value]],
        domains: dict[str, _Domain],
        cells: list[Cell | DraftRule],
        rows: int,
        rng: random.Random,
    ) -> None:
        self._answers = answers
        self._domains = domains
        self._cells = cells
        self._rows = rows
        self._rng = rng
        self._bounds = [
            (0, 0) if isinstance(cell, DraftRule) else _bounds(cell, rows) for cell in cells
        ]
        self._touched = {name: self._cells_of(name) for name in domains}
        everywhere = range(len(cells))
        self._in = [self._cells_with(row, everywhere) for row in range(rows)]
        self._rows_in = [{r for r in range(rows) if at in self._in[r]} for at in everywhere]
        self._counts = [*map(len, self._rows_in)]

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
        cell = self._cells[at]
        if isinstance(cell, DraftRule):
            for name, wanted, inside in cell.changes(self._answer(row), self._rng):
                self._change(name, row, wanted, before, inside=inside)
        elif is_short:
            self._enter(cell.values, row, before)
        else:
            name = self._rng.choice(list(cell.values))
            self._set(name, row, cell.values[name], before, inside=False)
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
                for one in cells - self._in[row]:
                    self._rows_in[one].add(row)
                for one in self._in[row] - cells:
                    self._rows_in[one].remove(row)
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
        if is_in:
            return _pick(sorted(self._rows_in[at]), self._rng)
        return _pick([r for r in range(self._rows) if at not in self._in[r]], self._rng)

    def _answer(self, row: int) -> Callable[[str], Value]:
        """Return the answers of a row by column, None for a skipped one."""

        def answer(name: str) -> Value:
            is_skipped = self._domains[name].asked_if and not self.is_asked(name, row)
            return None if is_skipped else self._answers[name][row]

        return answer

    def _change(
        self,
        name: str,
        row: int,
        wanted: Wanted,
        before: list[tuple[str, int, Value]],
        *,
        inside: bool,
    ) -> None:
        """Give a row what a rule asks of a column, or another answer than that."""
        if isinstance(wanted, bool):
            if wanted != inside:
                levels = self._domains[name].levels
                present = frozenset(levels) if levels else (-math.inf, math.inf)
                self._enter({name: present}, row, before)
                return
            value: Value = None
        elif isinstance(wanted, float):
            value = self._domains[name].nearest(wanted)
        else:
            self._set(name, row, wanted, before, inside=inside)
            return
        before.append((name, row, self._answers[name][row]))
        self._answers[name][row] = value

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
            if meets(answers[other], values) == inside:
                before += [(name, row, answers[row]), (name, other, answers[other])]
                answers[row], answers[other] = answers[other], answers[row]
                return
        value = self._domains[name].some(values, self._rng, inside=inside)
        if value is not None:
            before.append((name, row, answers[row]))
            answers[row] = value

    def _has(self, name: str, values: Values, row: int) -> bool:
        if not meets(self._answers[name][row], values):
            return False
        return not self._domains[name].asked_if or self.is_asked(name, row)

    def _cells_of(self, name: str) -> set[int]:
        """Return the cells that an answer decides, itself or by the questions asked after it."""
        after = [other for other, domain in self._domains.items() if name in domain.asked_if]
        found = {at for at, cell in enumerate(self._cells) if name in _columns(cell)}
        return found.union(*map(self._cells_of, after))

    def _cells_with(self, row: int, cells: Iterable[int]) -> frozenset[int]:
        """Return those of the cells that a row is in."""
        found = []
        for at in cells:
            cell = self._cells[at]
            if isinstance(cell, DraftRule):
                found += [at] if cell.is_broken(self._answer(row)) else []
                continue
            for name, values in cell.values.items():
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
        for at in filter(self._off, range(len(self._cells))):
            low, high = self._bounds[at]
            wanted = f"{low}" if low == high else f"{low} to {high}"
            cell = self._cells[at]
            if isinstance(cell, DraftRule):
                detail = (
                    f"The rule {cell.rule.words()} is broken in {self._counts[at]} of {self._rows} "
                    "rows. Change it or what stands against it: a share, a range or another rule."
                )
                yield Wrong("a rule that cannot be kept", detail).at(*cell.path)
                continue
            rules = [
                one.rule.words()
                for one in self._cells
                if isinstance(one, DraftRule) and not _columns(one).isdisjoint(cell.values)
            ]
            detail = (
                f"{cell.words} has {self._counts[at]} of {self._rows} rows and needs {wanted}. "
                "Lower it or what stands against it: another share, a range or a skip"
                f"{', or a rule: ' + '; '.join(rules[:SHOWN]) if rules else ''}."
            )
            yield Wrong("a share that cannot be met", detail).at(*cell.path)


def _columns(cell: Cell | DraftRule) -> set[str]:
    return set(cell.columns if isinstance(cell, DraftRule) else cell.values)


def _bounds(cell: Cell, rows: int) -> tuple[int, int]:
    """Return the least and the most rows of a cell."""
    low, high = cell.low * rows, cell.high * rows
    ends = math.ceil(low - ROUNDING), math.floor(high + ROUNDING)
    return ends if ends[0] <= ends[1] else (ends[1], ends[0])
