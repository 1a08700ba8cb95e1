"""The search for answers that meet shares, cells and rules to the row."""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from simulacra_schema.drafts.domain import ROUNDING, Domain, DraftRefused, pick
from simulacra_schema.drafts.rules import DraftRule, Value, Wanted, meets
from simulacra_schema.faults import Fault, Wrong
from simulacra_schema.quota_checks import Cell, Values
from simulacra_schema.rules import SHOWN

PATIENCE = 5_000
"""Trials without progress, beside three a row, after which shares count as impossible."""
LOOKS = 30
"""Rows that are tried at random before all are searched."""


class Search:
    """Moves of single answers until every cell has its rows (min-conflicts: Minton et al., 1992).

    A move changes an answer, or exchanges it with another row's, and stays unless more rows are
    missing or too many afterwards. A rule is a cell of the rows that break it, and has none.
    """

    def __init__(
        self,
        answers: dict[str, list[Value]],
        domains: dict[str, Domain],
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
            return pick(sorted(self._rows_in[at]), self._rng)
        return pick([r for r in range(self._rows) if at not in self._in[r]], self._rng)

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
        elif isinstance(wanted, tuple) and not self._domains[name].reaches(*wanted):
            # The other column of the bound has to move too: come as near as can be first.
            value = self._domains[name].nearest(next(filter(math.isfinite, wanted)))
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
