"""A model whose rows keep the relations of the upload, around the model of any family.

Computed columns stand last: they follow from the others, so nothing is drawn for them. Where one
column is never above another, or two decide a third, the last of them is drawn again, with all that
comes after it, until it fits: that is the learned distribution given the relation. A column that
another one decides alone (the village of a hamlet) is set, and what comes after both drawn again: a
hamlet drawn again until it lies in an earlier village would too often be in the level of rare ones.

Where real rows lie on the bound itself (the total of a first month is its charge), a draw beyond
the bound stands for one of these and is set to it, as often as real rows are there. Drawing it
again would raise all larger totals, and move the shares of all questions that depend on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.arrow_values import as_floats, from_floats, with_values
from simulacra_schema.table import COMPUTED, RelationSchema, TableSchema
from simulacra_trainer.families.base import AroundModel, Do, Draw, FittedModel, in_order, redrawn
from simulacra_trainer.relations.compute import above, breaks, sources_of, with_computed
from simulacra_trainer.relations.decided import (
    broken,
    is_set_free,
    with_decided,
    with_decider,
)
from simulacra_trainer.relations.different import among, repeated
from simulacra_trainer.relations.groups import GROUPS, members_of, settled, with_others
from simulacra_trainer.relations.years import with_years

REDRAWS = {"not_above": 20, "years": 20, "decided": 60, "few": 20} | dict.fromkeys(GROUPS, 40)
"""Rows that no draw fits, as an intervention may ask for, get the bound itself."""
Floats = npt.NDArray[np.float64]
Bound = tuple[str, str]
"""A column that is never above another, and this other."""


class RelatedModel(AroundModel):
    """A fitted model with the relations of its schema; see `families.base.FittedModel`."""

    def __init__(
        self,
        inner: FittedModel,
        schema: TableSchema,
        on_bound: Mapping[Bound, float] | None = None,
        few: Mapping[str, Floats] | None = None,
    ) -> None:
        super().__init__(inner, schema)
        self._on_bound = dict(on_bound or {})
        self._few = dict(few or {})
        self._sources = sources_of(schema)
        self._computed = [relation.column for relation in schema.computed()]
        self._rules = [
            one
            for one in schema.relations
            if one.kind not in COMPUTED and one.by_difference is None
        ]
        self._groups = [one for one in self._rules if one.kind in GROUPS]

    @property
    def columns(self) -> list[str]:
        """Names of the columns in generation order."""
        return [*self.inner.columns, *self._computed]

    def sample(
        self,
        n: int,
        rng: np.random.Generator,
        *,
        given: pa.Table | None = None,
        do: Do | None = None,
        only: int | None = None,
    ) -> pa.Table:
        """Draw n rows in which all relations hold."""
        learned = self.inner.columns
        do = with_others(do or {}, self._groups, self._schema)
        if given is not None:
            given = given.select([name for name in given.column_names if name in set(learned)])
        rows = self.inner.sample(n, rng, given=given, do=do, only=only)
        fixed = {*do, *(given.column_names if given is not None else ())}
        draw = partial(self.inner.sample, rng=rng, do=do, only=only)
        rows = self._kept(rows, draw, rng, do, fixed)
        complete = only is None or only >= len(learned)
        return with_computed(rows, self._schema) if complete else rows

    def counterfactual(self, facts: pa.Table, do: Do, rng: np.random.Generator) -> pa.Table:
        """Return each row's twin under do().

        A number above its bound becomes the bound, a decided column what its pair says.
        """
        do = with_others(do, self._groups, self._schema)
        twins = self.inner.counterfactual(facts.select(self.inner.columns), do, rng)
        rules = self._under_do(set(do), self.inner.columns)
        return with_computed(self._all_settled(twins, rules, set(do)), self._schema)

    def first(self, columns: Sequence[str]) -> RelatedModel:
        """Return the same distribution with these columns first; computed ones stay last."""
        computed = set(self._computed)
        return RelatedModel(
            self.inner.first([name for name in columns if name not in computed]),
            self._schema,
            self._on_bound,
            self._few,
        )

    def log_likelihood(self, table: pa.Table) -> npt.NDArray[np.float64]:
        """Return nats per row of the learned columns; the others follow from these."""
        return self.inner.log_likelihood(table.select(self.inner.columns))

    def _kept(
        self, rows: pa.Table, draw: Draw, rng: np.random.Generator, do: Do, fixed: set[str]
    ) -> pa.Table:
        """Draw columns again until every relation between drawn columns holds.

        An intervention on a decided column sets it free from what decides it; a hamlet after its
        village still fits it. After one on what decides it, the column follows; another column that
        decides it too is not drawn again to fit it.
        Later tries draw from an earlier column on: the last may fit no value that the others have.
        """
        drawn = rows.column_names
        rules = self._under_do(set(do), drawn)
        for rule in rules:
            rows = self._put_on_bound(rows, rule, draw, rng, fixed)
        kept: list[pa.Table] = []
        order: list[npt.NDArray[np.int64]] = []
        # A row without faults stays so: only those with some are looked at again.
        open_rows, index = rows, np.arange(rows.num_rows)
        for attempt in range(max(REDRAWS.values())):
            open_rows, followed = _followed(open_rows, rules, fixed)
            places = _places(open_rows, rules, self._schema, attempt, fixed, set(do))
            places = np.minimum(places, followed)
            if attempt < REDRAWS["few"]:
                places = np.minimum(places, self._unseen(open_rows, attempt, fixed, do))
            wrong = places < len(drawn)
            if not wrong.any():
                break
            kept.append(open_rows.filter(pa.array(~wrong)))
            order.append(index[~wrong])
            index = index[wrong]
            open_rows = redrawn(draw, open_rows.filter(pa.array(wrong)), places[wrong])
        rows = in_order([*kept, open_rows], [*order, index]) if kept else open_rows
        return self._all_settled(rows, rules, fixed)

    def _unseen(
        self, rows: pa.Table, attempt: int, fixed: set[str], do: Do
    ) -> npt.NDArray[np.int64]:
        """Return from where rows are drawn again whose computed columns have values of their own.

        A column of few values gets no new ones, another one that is never below 0 none below it,
        except from an intervention on what gives it.
        """
        drawn = rows.column_names
        places = np.full(rows.num_rows, len(drawn))
        wanted = {
            name: sorted((drawn.index(one) for one in of if one not in fixed), reverse=True)
            for name, of in self._sources.items()
            if name in self._few and set(of) <= set(drawn) and not set(of) & set(do)
        }
        if not wanted:
            return places
        complete = with_computed(rows, self._schema, set(drawn))
        for name, free in wanted.items():
            if free:
                values = as_floats(complete.column(name))
                few = self._few[name]
                wrong = ~np.isin(values, few) & ~np.isnan(values) if few.size else values < 0
                place = free[attempt * len(free) // REDRAWS["few"]]
                places[wrong] = np.minimum(places[wrong], place)
        return places

    def _put_on_bound(
        self,
        rows: pa.Table,
        rule: RelationSchema,
        draw: Draw,
        rng: np.random.Generator,
        fixed: set[str],
    ) -> pa.Table:
        """Set numbers beyond a bound to it, as often as real rows lie there.

        The columns after the later of the two are drawn again.
        """
        share = self._on_bound.get((rule.column, rule.of[0]), 0.0)
        drawn = rows.column_names
        place = max(drawn.index(name) for name in (rule.column, *rule.of))
        if not share or drawn[place] in fixed:
            return rows
        wrong = above(rows, rule)
        if not wrong.any():
            return rows
        chance = share * wrong.size / np.count_nonzero(wrong)
        chosen = wrong & (rng.random(wrong.size) < chance)
        if not chosen.any():
            return rows
        moved = _moved_inside(rows.filter(pa.array(chosen)), rule, fixed, drawn)
        if place + 1 < len(drawn):
            moved = redrawn(draw, moved, np.full(moved.num_rows, place + 1))
        others = rows.filter(pa.array(~chosen))
        return in_order([others, moved], [np.flatnonzero(~chosen), np.flatnonzero(chosen)])

    def _under_do(self, do: set[str], order: Sequence[str]) -> list[RelationSchema]:
        """Return the relations of drawn columns that stay under do(): all but what it sets free.

        A hamlet that is drawn after a village that is set still lies in it.
        """
        rules = [among(one, order) for one in self._rules]
        rules = [one for one in rules if one.of and {one.column, *one.of} <= set(order)]
        place = {name: at for at, name in enumerate(order)}
        return [
            one
            for one in rules
            if not is_set_free(one, rules, do)
            or (one.is_nested and one.column in do and place[one.column] < place[one.of[0]])
        ]

    def _all_settled(
        self, rows: pa.Table, rules: Sequence[RelationSchema], fixed: set[str]
    ) -> pa.Table:
        """Return rows whose last faults of relations are put right, if columns are free."""
        for rule in rules:
            if rule.kind == "not_above":
                rows = _moved_inside(rows, rule, fixed, rows.column_names)
            elif rule.kind == "years":
                rows = with_years(rows, rule, fixed, rows.column_names)
            elif rule.kind in GROUPS:
                rows = settled(rows, rule, self._schema, fixed)
            elif rule.column not in fixed:
                rows = with_decided(rows, rule)
        for rule in rules:  # what is held, or what two columns say of a third, decides the decider
            if rule.is_nested and rule.of[0] not in fixed:
                rows = with_decider(rows, rule)
        return rows


def _followed(
    rows: pa.Table, rules: Sequence[RelationSchema], fixed: set[str]
) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """Set columns that another one decides alone, the first one where several do.

    Returns the rows and the column from which each is drawn again, int64 [n].
    """
    drawn = rows.column_names
    places = np.full(rows.num_rows, len(drawn))
    found = [one for one in rules if one.is_nested and one.column not in fixed]
    rank = {one.column: k for k, one in enumerate(found)}
    for rule in sorted(found, key=lambda r: (rank[r.column], -drawn.index(r.of[0]))):
        wrong, _ = broken(rows, rule)
        if wrong.any():
            rows = with_decided(rows, rule)
            place = max(drawn.index(name) for name in (rule.column, *rule.of)) + 1
            places[wrong] = np.minimum(places[wrong], place)
    return rows, places


def _places(
    rows: pa.Table,
    rules: Sequence[RelationSchema],
    schema: TableSchema,
    attempt: int,
    fixed: set[str],
    moved_by_do: set[str],
) -> npt.NDArray[np.int64]:
    """Return the column from which each row is drawn again, int64 [n]; past the last for none."""
    drawn = rows.column_names
    places = np.full(rows.num_rows, len(drawn))
    for rule in (one for one in rules if attempt < REDRAWS[one.kind]):
        is_moved = rule.kind == "decided" and bool(set(rule.of) & moved_by_do)
        held = fixed | set(rule.of) if is_moved else fixed
        for names, wrong in _faults(rows, rule, schema, fixed):
            names = rule.of if rule.is_nested and rule.column not in fixed else names
            last, *others = sorted((drawn.index(name) for name in names), reverse=True)
            if drawn[last] not in held:
                free = [last, *(place for place in others if drawn[place] not in held)]
                place = free[attempt * len(free) // REDRAWS[rule.kind]]
                places[wrong] = np.minimum(places[wrong], place)
    return places


def _faults(
    rows: pa.Table, rule: RelationSchema, schema: TableSchema, fixed: set[str]
) -> Iterator[tuple[list[str], npt.NDArray[np.bool_]]]:
    """Yield columns of which the last is drawn again, and the rows in which it is."""
    if rule.kind == "all_different":
        names, wrongs = repeated(rows, rule, schema, fixed)
        for place, (name, wrong) in enumerate(zip(names, wrongs, strict=True)):
            if name not in fixed:
                yield [one for one in names[: place + 1] if one not in fixed], wrong
        return
    yield members_of(rule), breaks(rows, rule, schema)
    if rule.kind == "decided" and not rule.is_nested:
        yield rule.of, broken(rows, rule)[1]


def _moved_inside(
    rows: pa.Table, bound: RelationSchema, fixed: set[str], order: Sequence[str]
) -> pa.Table:
    """Set the later of the two columns to the other where it lies beyond; whole numbers inside."""
    wrong = above(rows, bound)
    names = sorted((bound.column, bound.of[0]), key=order.index)
    changed = names[0] if names[1] in fixed else names[1]
    other = names[1] if changed == names[0] else names[0]
    if not wrong.any() or changed in fixed:
        return rows
    column, limit = rows.column(changed), as_floats(rows.column(other))
    if not pa.types.is_floating(column.type):
        limit = np.floor(limit) if changed == bound.column else np.ceil(limit)
    values = np.where(wrong, limit, as_floats(column))
    return with_values(rows, changed, from_floats(values, column.type))
