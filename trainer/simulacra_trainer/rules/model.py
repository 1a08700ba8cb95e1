"""A model whose rows hold the rules of a description, around the model of any family.

Rows that break a rule are drawn again, from the last column of the rule that is free on, then from
earlier ones, then as a whole: the learned distribution given the rule, with the other columns
disturbed as little as can be. Rows that no draw helps are moved (`settle`). Rows that even that
cannot help, because a condition or do() contradicts the rule, are returned as they are: the caller
leaves them out of a pool, or refuses the request (`plan`). `unique` is kept by the plan of a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pyarrow as pa

from simulacra_schema.rules import Rule
from simulacra_schema.table import TableSchema
from simulacra_trainer.families.base import AroundModel, Do, Draw, FittedModel, redrawn
from simulacra_trainer.relations.compute import sources_of
from simulacra_trainer.rules.check import Ints, any_broken, applicable, broken, rules_of
from simulacra_trainer.rules.settle import replaced, rounded, settled

REDRAWS = 40
WHOLE_ROWS = 30
"""Tries from which on whole rows are drawn."""
PATIENCE = 6
"""Tries in a row that help no row, after which none is likely to."""


class RuledModel(AroundModel):
    """A fitted model with the rules of its schema; see `families.base.FittedModel`."""

    def __init__(self, inner: FittedModel, schema: TableSchema) -> None:
        super().__init__(inner, schema)
        self._rules = [rule for rule in rules_of(schema) if rule.unique is None]
        self._sources = sources_of(schema)

    def sample(
        self,
        n: int,
        rng: np.random.Generator,
        *,
        given: pa.Table | None = None,
        do: Do | None = None,
        only: int | None = None,
    ) -> pa.Table:
        """Draw n rows that hold the rules of the columns that are drawn, where some can."""
        rows = self.inner.sample(n, rng, given=given, do=do, only=only)
        rules = applicable(self._rules, rows.column_names)
        if not rules:
            return rows
        fixed = {*(do or {}), *(given.column_names if given is not None else ())}
        start = 0 if given is None else given.num_columns
        draw = partial(self.inner.sample, rng=rng, do=do, only=only)
        return self._kept(rows, rules, draw, fixed, start)

    def counterfactual(self, facts: pa.Table, do: Do, rng: np.random.Generator) -> pa.Table:
        """Return each row's twin under do(), moved to the rules where do() allows it."""
        twins = self.inner.counterfactual(facts, do, rng)
        rules = applicable(self._rules, twins.column_names)
        return settled(rounded(twins, rules, self._schema, do), rules, self._schema, set(do))

    def first(self, columns: Sequence[str]) -> RuledModel:
        """Return the same distribution with these columns first."""
        return RuledModel(self.inner.first(columns), self._schema)

    def _kept(
        self, rows: pa.Table, rules: Sequence[Rule], draw: Draw, fixed: set[str], start: int
    ) -> pa.Table:
        """Draw rows again until they hold the rules, then move those that do not.

        start: the first column that is not given.
        """
        free = [self._free_places(rule, rows.column_names, fixed) for rule in rules]
        rows = rounded(rows, rules, self._schema, fixed)
        open_rows = np.flatnonzero(any_broken(rows, rules))
        attempt = idle = 0
        while open_rows.size and attempt < REDRAWS:
            some = rows.take(pa.array(open_rows))
            places = _places(some, rules, free, attempt, start)
            some = rounded(redrawn(draw, some, places), rules, self._schema, fixed)
            rows = replaced(rows, some, open_rows)
            wrong = any_broken(some, rules)
            open_rows = open_rows[wrong]
            idle = idle + 1 if wrong.all() else 0
            attempt += 1
            if idle == PATIENCE and attempt >= WHOLE_ROWS:
                break
            if idle == PATIENCE:
                attempt, idle = WHOLE_ROWS, 0
        if not open_rows.size:
            return rows
        some = settled(rows.take(pa.array(open_rows)), rules, self._schema, fixed)
        return replaced(rows, some, open_rows)

    def _free_places(self, rule: Rule, drawn: Sequence[str], fixed: set[str]) -> list[int]:
        """Return the places of columns of a rule that can be drawn, the last one first."""
        learned = {one for name in rule.columns() for one in self._sources.get(name, {name})}
        places = [drawn.index(name) for name in learned if name in drawn and name not in fixed]
        return sorted(places, reverse=True)


def _places(
    rows: pa.Table, rules: Sequence[Rule], free: Sequence[Sequence[int]], attempt: int, start: int
) -> Ints:
    """Return the column from which each row is drawn again, int64 [n]; past the last for none."""
    places = np.full(rows.num_rows, rows.num_columns)
    for rule, own in zip(rules, free, strict=True):
        if own:
            place = own[attempt * len(own) // WHOLE_ROWS] if attempt < WHOLE_ROWS else start
            wrong = broken(rows, rule)
            places[wrong] = np.minimum(places[wrong], place)
    return places
