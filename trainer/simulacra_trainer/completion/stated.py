"""Rules of the description in filled rows: given cells stay, and gaps no draw helps stay empty."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from simulacra_schema.rules import Rule
from simulacra_schema.table import TableSchema
from simulacra_trainer.completion.cells import Booleans, Indices
from simulacra_trainer.completion.fill import TRIES, Filling
from simulacra_trainer.conditions.quota_cells import in_cell
from simulacra_trainer.families.codec import Floats
from simulacra_trainer.rules.check import applicable, broken, repeated, rules_of


def hold_stated(filling: Filling, schema: TableSchema) -> Booleans:
    """Draw the gaps of rows that break a stated rule again; leave empty what no draw helps.

    All gaps of a row are drawn, so rows follow the learned distribution given the rules.

    filling: the last one of an implicate; it is changed.

    Returns:
        the rows whose given cells alone break a rule, bool [n]; they are filled as learned.
    """
    cells = filling.filler.cells
    names = [codec.name for codec in cells.codecs]
    stated = [_StatedRule(filling, rule, names) for rule in applicable(rules_of(schema), names)]
    of_rows = [one for one in stated if one.rule.unique is None]
    answer = np.arange(cells.donors if cells.donors < cells.rows else 0, cells.rows)
    rows = answer
    for attempt in range(TRIES + 1):
        if attempt:
            for j in filling.filler.rules.rank:
                filling.draw(j, rows[cells.gaps[j, rows]])
        for one in of_rows:
            one.leave_out(rows)
        rows = _any_of([one.breaking(rows)[0] for one in of_rows])
        if not rows.size:
            break
    for one in stated:
        if one.rule.unique is not None:
            one.empty(one.repeating(answer))
    while found := [(one, at) for one in of_rows if (at := one.breaking(answer)[0]).size]:
        for one, at in found:  # an empty cell may break another rule, which asks for a value
            one.empty(at)
    unhelped = np.zeros(cells.rows, np.bool_)
    unhelped[_any_of([one.breaking(answer)[1] for one in of_rows])] = True
    return unhelped


class _StatedRule:
    """A rule in the rows of a filling; a row without a gap in its columns is never looked at."""

    def __init__(self, filling: Filling, rule: Rule, names: Sequence[str]) -> None:
        self.filling, self.rule, self.cells = filling, rule, filling.filler.cells
        self.places = [names.index(name) for name in rule.columns()]
        self.names = names

    def breaking(self, rows: Indices) -> tuple[Indices, Indices]:
        """Return the rows that break the rule by what was filled, and by given cells alone."""
        rows = rows[self._has_gap(rows)]
        now = broken(self._table(self.filling.values, rows), self.rule)
        alone = broken(self._table(self.cells.values, rows), self.rule)
        return rows[now & ~alone], rows[now & alone]

    def repeating(self, rows: Indices) -> Indices:
        """Return the rows that repeat a given row, or a filled one before them."""
        gap = self._has_gap(rows)
        rows = np.concatenate([rows[~gap], rows[gap]])
        again = repeated(self._table(self.filling.values, rows), self.rule.unique or ())
        return rows[again & self._has_gap(rows)]

    def leave_out(self, rows: Indices) -> None:
        """Leave gaps empty that the rule wants missing; totals of them follow."""
        for name, part in (self.rule.then or {}).items():
            j = self.names.index(name)
            at = rows[self.cells.gaps[j, rows]]
            if not part.missing or not at.size:
                continue
            if self.rule.if_ is not None:
                at = at[in_cell(self._table(self.filling.values, at), self.rule.if_)]
            self.filling.set(j, at, np.full(at.size, np.nan))
            for total in self._totals([j]):
                self.filling.draw(total, at[self.cells.gaps[total, at]])

    def empty(self, rows: Indices) -> None:
        """Leave the gaps of the rule's columns empty, and those that would tell them."""
        parts = self.filling.filler.rules.parts
        told = [k for total in self._totals(self.places) for k in (total, *parts(total))]
        for j in {*self.places, *told}:
            at = rows[self.cells.gaps[j, rows]]
            self.filling.set(j, at, np.full(at.size, np.nan))

    def _totals(self, places: Sequence[int]) -> list[int]:
        """Return the computed columns that are among some columns or follow from one of them."""
        rules = self.filling.filler.rules
        return [one for one in rules.computed if {one, *rules.parts(one)} & set(places)]

    def _has_gap(self, rows: Indices) -> Booleans:
        return np.asarray(self.cells.gaps[self.places][:, rows].any(axis=0))

    def _table(self, values: Sequence[Floats], rows: Indices) -> pa.Table:
        return self.cells.table(self.places, values, rows)


def _any_of(found: Sequence[Indices]) -> Indices:
    """Return the rows that are in any of the lists, ascending."""
    return np.unique(np.concatenate([np.empty(0, np.int64), *found]))
