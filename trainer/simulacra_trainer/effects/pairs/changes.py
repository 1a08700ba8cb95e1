"""The change of single pairs: measured, and shrunk to what halves of the data agree on.

A number keeps its residual: it moves by its change. Ordered levels and yes/no have a change of each
cumulative share, and keep their quantile. `change_fit` measures both. Where the reliability is 0,
everybody with the same treatment changes by the mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from simulacra_intake.arrow_values import sample_rows
from simulacra_intake.rows_of_persons import Ints, persons_in, split_persons
from simulacra_intake.survey_weights import row_weights
from simulacra_schema.table import TableSchema
from simulacra_trainer.design import units_in
from simulacra_trainer.effects.models.base_choice import Bases
from simulacra_trainer.effects.models.features import Floats, build_features
from simulacra_trainer.effects.models.nuisance import fit_nuisance
from simulacra_trainer.effects.pairs.fit import RIDGE, ChangeFit, ridge
from simulacra_trainer.effects.treated import columns_before
from simulacra_trainer.families.base import FittedModel
from simulacra_trainer.families.codec import ColumnCodec
from simulacra_trainer.graph import CausalGraph

MAX_ROWS, MIN_ROWS, BLOCK = 10_000, 100, 8_192
MAX_CAUSES = 30
"""Columns that outcomes are expected from and changes may differ by, direct causes first."""
MAX_LEVELS, MAX_INDICATORS = 25, 12
MAX_SCALED = 8.0
KNOTS, DOSE_KNOTS = (0.1, 0.3, 0.5, 0.7, 0.9), (1 / 3, 2 / 3)
LEAST_LOOSE, MOST_HEAPED = 0.5, 0.1
"""Least share of a number's rows that repeat no value, and most of one value, to move it freely."""
MARGIN = 0.02
"""Share of the marginal levels in the fitted ones, so that every level has a share."""


@dataclass(frozen=True)
class _Column:
    """A number with its center, scale and knots, or a category with its frequent levels.

    Attributes:
        at: knots, or levels but the fixed one, most frequent first.
        center: mean of the number or value that do() fixes; or shares of the levels.
    """

    codec: ColumnCodec
    at: Floats
    center: Floats
    scale: float

    def of(self, table: pa.Table) -> tuple[Floats, Floats]:
        """Return what changes may differ by, centered, float64 [n, a], and bends, [n, b]."""
        values = self.codec.values(table.column(self.codec.name))
        if self.codec.is_category:
            return (values[:, None] == self.at) - self.center, np.empty((values.size, 0))
        gaps = np.isnan(values)
        z = np.clip((values - self.center) / self.scale, -MAX_SCALED, MAX_SCALED)
        z = np.where(gaps, 0.0, z)[:, None]
        knots = (self.at - self.center) / self.scale
        return z, np.hstack([np.maximum(z - knots, 0.0), gaps[:, None]])

    def terms(self, table: pa.Table) -> Floats:
        """Return how rows differ from the fixed value, float64 [n, k], 0 without; NaN in gaps."""
        t = self.codec.values(table.column(self.codec.name))
        if self.codec.is_category:
            other = np.where(np.isnan(t), np.nan, t != self.center)
            return np.column_stack([other, *(other * (t == k) for k in self.at[1:])])
        bends = [np.maximum(t - k, 0.0) - np.maximum(self.center - k, 0.0) for k in self.at]
        return np.column_stack([t - self.center, *bends]) / self.scale


def _column(codec: ColumnCodec, table: pa.Table, fixed: float | None = None) -> _Column:
    values = codec.values(table.column(codec.name))
    known = values[~np.isnan(values)]
    if codec.is_category:
        levels, counts = np.unique(known[known != fixed], return_counts=True)
        often = np.argsort(-counts, kind="stable")[:MAX_INDICATORS]
        shares = counts[often] / max(values.size, 1)
        return _Column(codec, levels[often], shares if fixed is None else np.array(fixed), 1.0)
    known = known if known.size else np.zeros(1)
    knots = np.unique(np.quantile(known, KNOTS if fixed is None else DOSE_KNOTS))
    center = known.mean() if fixed is None else fixed
    return _Column(codec, knots, np.array(center), float(known.std()) or 1.0)


@dataclass(frozen=True)
class _Change:
    """The fitted change of one column.

    Attributes:
        mean: slopes of the treatments' terms, float64 [k, targets].
        differing: slopes of their products, after shrinking, float64 [products, targets].
        expected: slopes of design and terms for the targets, float64 [1 + d + k, targets].
        values: the levels, float64 [targets + 1]; None of a number.
        margin: shares of rows at each level but the first or above, float64 [targets].
        reliability: 0..1.
    """

    codec: ColumnCodec
    mean: Floats
    differing: Floats
    expected: Floats
    values: Floats | None
    margin: Floats
    reliability: float

    def after(self, seen: Floats, moves: Floats, inputs: Floats, v: Floats) -> Floats:
        """Return the changed values, float64 [n]; v: uniform, places each within its level."""
        if self.values is None:
            return self.codec.tidy(seen + moves[:, 0])
        above = np.minimum.accumulate(np.clip(inputs @ self.expected, 0.0, 1.0), axis=1)
        above = (1.0 - MARGIN) * above + MARGIN * self.margin
        ends = np.column_stack([np.ones(v.size), above, np.zeros(v.size)])
        at, rows = np.searchsorted(self.values[1:], seen, side="right"), np.arange(v.size)
        quantile = ends[rows, at + 1] + v * (ends[rows, at] - ends[rows, at + 1])
        moved = np.minimum.accumulate(above + moves, axis=1)
        return self.values[np.sum(moved >= quantile[:, None], axis=1)]


@dataclass(frozen=True)
class PairChanges:
    """The changes of all columns that they are measured of.

    unmeasured: columns after the treatment whose twins come from the model alone.
    """

    treatments: list[_Column]
    causes: list[_Column]
    changes: list[_Change]
    unmeasured: list[str]

    @property
    def reliability(self) -> dict[str, float]:
        """Reliability of the differences between single changes, by column, to two digits."""
        return {one.codec.name: round(one.reliability, 2) for one in self.changes}

    def applied(self, facts: pa.Table, twins: pa.Table, rng: np.random.Generator) -> pa.Table:
        """Return twins with the measured changes; rows with a gap stay as they are."""
        starts = range(0, facts.num_rows, BLOCK)
        return pa.concat_tables(
            self._moved(facts.slice(start, BLOCK), twins.slice(start, BLOCK), rng)
            for start in starts
        )

    def _moved(self, facts: pa.Table, twins: pa.Table, rng: np.random.Generator) -> pa.Table:
        crossed, design = _designs(self.causes, facts)
        terms = [one.terms(facts) for one in self.treatments]
        every, products = np.hstack(terms), _products(terms, crossed)
        inputs = np.nan_to_num(np.hstack([design, every]))
        for one in self.changes:
            at = twins.column_names.index(one.codec.name)
            seen, drawn = (one.codec.values(of.column(one.codec.name)) for of in (facts, twins))
            moves = -(every @ one.mean + products @ one.differing)
            after = one.after(seen, moves, inputs, rng.random(seen.size))
            after = np.where(moves.any(axis=1), after, seen)
            stays = np.isnan(moves).any(axis=1) | np.isnan(seen) | np.isnan(drawn)
            column = one.codec.to_arrow(np.where(stays, drawn, after))
            twins = twins.set_column(at, twins.schema.field(at), column)
        return twins


def fit_changes(
    model: FittedModel,
    table: pa.Table,
    schema: TableSchema,
    graph: CausalGraph,
    do: Mapping[str, float | str],
    *,
    seed: int,
) -> PairChanges | None:
    """Return the changes under do() that the clean training table measures.

    None without columns whose changes can be measured, or with fewer than MIN_ROWS rows.
    """
    rng = np.random.default_rng([seed, 33])
    table = sample_rows(table, MAX_ROWS, rng)
    codecs = {name: c for name in model.columns if (c := model.codec(name))}
    after = {name for column in do for name in graph.descendants(column)} - set(do)
    asked, tied = [name for name in codecs if name in after], _tied(schema)
    held = [name for name in asked if name not in tied and _is_measurable(codecs[name])]
    if not (held and set(do) <= set(codecs)) or table.num_rows < MIN_ROWS:
        return None
    treatments = [_column(codecs[name], table, codecs[name].value_of(do[name])) for name in do]
    gaps = np.isnan(np.hstack([one.terms(table) for one in treatments])).any(axis=1)
    table = table.filter(pa.array(~gaps))
    before = {name for column in do for name in columns_before(schema, graph, column)}
    before &= set(codecs) - after - set(do)
    direct = {cause for name in held for cause in graph.parents(name)}
    nearest = sorted(before, key=lambda name: (name not in direct, list(codecs).index(name)))
    causes = [_column(codecs[name], table) for name in nearest[:MAX_CAUSES]]
    crossed, design = _designs(causes, table)
    terms = [one.terms(table) for one in treatments]
    order = split_persons(persons_in(table, schema), table.num_rows, rng)
    halves = [np.sort(part) for part in np.array_split(order, 2)]
    left = [_left(table, schema, nearest, one, halves, rng) for one in terms]
    fit = ChangeFit(
        design, np.hstack(left), _products(left, crossed), halves, units_in(table, schema)
    )
    inputs = np.hstack([design, *terms])
    weights = row_weights(table, schema)
    root = np.sqrt(np.ones(table.num_rows) if weights is None else weights)
    changes = (_change(codecs[name], table, fit, inputs, root) for name in held)
    rest = [name for name in asked if name not in held]
    return PairChanges(treatments, causes, [one for one in changes if one is not None], rest)


def _change(
    codec: ColumnCodec, table: pa.Table, fit: ChangeFit, inputs: Floats, root: Floats
) -> _Change | None:
    """Return the fitted change of a column; None with too few known rows in a half."""
    seen = codec.values(table.column(codec.name))
    known = ~np.isnan(seen)
    if min(known[half].sum() for half in fit.halves) < MIN_ROWS / 2:
        return None
    y = index = np.where(known, seen, 0.0)[:, None]
    values = np.arange(float(len(codec.levels))) if codec.is_category else codec.few
    if values is not None:
        index = np.searchsorted(values, y).astype(np.float64)
        y = (index >= np.arange(1, values.size)).astype(np.float64)
    root = np.where(known, root, 0.0)[:, None]
    mean, differing, reliability = fit.slopes(np.hstack([y, index]), root)
    expected = ridge(root * inputs, root * y, RIDGE)
    margin = np.average(y, axis=0, weights=root[:, 0] ** 2)
    return _Change(codec, mean, differing, expected, values, margin, reliability)


def _tied(schema: TableSchema) -> set[str]:
    """Return columns that rules, relations or special codes tie to others."""
    tied = {name for one in schema.relations for name in (one.column, *one.of)}
    tied |= {name for one in schema.rules for name in one.rule.columns()}
    return tied | {
        name for c in schema.learned() if c.code_column for name in (c.name, c.code_column)
    }


def _is_measurable(codec: ColumnCodec) -> bool:
    if codec.is_category:
        return 2 <= len(codec.levels) <= MAX_LEVELS and (codec.ordered or len(codec.levels) == 2)
    if codec.kind == "datetime" or codec.curve is None:
        return False
    if codec.few is not None:
        return 2 <= codec.few.size <= MAX_LEVELS
    loose, heaps = codec.curve.loose, codec.curve.heap_mass
    return bool(loose >= LEAST_LOOSE and heaps.max(initial=0.0) <= MOST_HEAPED)


def _designs(causes: Sequence[_Column], table: pa.Table) -> tuple[Floats, Floats]:
    """Return what changes may differ by, float64 [n, a], and an additive design, [n, 1 + d]."""
    parts = [one.of(table) for one in causes]
    crossed = np.hstack([np.empty((table.num_rows, 0)), *(first for first, _ in parts)])
    one = np.ones((table.num_rows, 1))
    return crossed, np.hstack([one, crossed, *(bends for _, bends in parts)])


def _products(terms: Sequence[Floats], crossed: Floats) -> Floats:
    """Return the first term of each treatment times each column, float64 [n, products]."""
    return np.hstack([one[:, :1] * crossed for one in terms])


def _left(
    table: pa.Table,
    schema: TableSchema,
    causes: list[str],
    terms: Floats,
    halves: Sequence[Ints],
    rng: np.random.Generator,
) -> Floats:
    """Return what causes leave of a treatment's terms, by models that were fit without the row."""
    if not causes:
        return np.asarray(terms - terms.mean(axis=0))
    features, left = build_features(table, schema, causes), terms.copy()
    bases: Bases = {}
    for k, term in enumerate(terms.T):
        for learn, held in (halves, halves[::-1]):
            model = fit_nuisance(features.rows(learn), term[learn], rng, bases, str(k))
            left[held, k] -= model.predict(features.rows(held))
    return left
