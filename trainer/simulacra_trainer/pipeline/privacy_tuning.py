"""Privacy tuning: the choice of the forest's strength by tests of half-models.

Exact copies may not be more frequent than among unseen real rows (within one standard error). In
small tables with log-linear regressions, attackers may gain no more than a tolerance
(`disclosure`). In other tables, synthetic rows may be no nearer to the seen half than the bar of
the copying test allows.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from simulacra_intake.rows_of_persons import persons_in
from simulacra_schema.table import TableSchema
from simulacra_trainer.families.base import Progress, no_progress
from simulacra_trainer.families.forest import FOREST, METHODS, PENALTY, SCALE, TABLE_ROWS
from simulacra_trainer.families.forest.growth.training_rows import DEFAULT_SCALE, MAX_COLUMNS
from simulacra_trainer.families.forest.model.forest_model import ForestModel
from simulacra_trainer.families.forest.samplers import Method
from simulacra_trainer.pipeline.disclosure import (
    Disclosure,
    practical_disclosure,
    strong_disclosure,
)
from simulacra_trainer.pipeline.holdout import HalfModelRows, Halves, draw_rows, exchanged_halves
from simulacra_trainer.report import equal_halves_dcr, exact_copies, is_within_bar
from simulacra_trainer.strengths import TOLERANCE, search_strength

PENALTIES = (
    1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.5, 8.0, 10.0, 12.0, 15.0, 18.0, 22.0, 27.0, 33.0, 40.0
)  # fmt: skip
"""In nats. Of a table of a few hundred rows the last keeps little but the columns' own
distributions. Such tables pass near the end, where a step costs most realism, so steps are small.
"""
START = PENALTIES.index(3.0)
STRENGTHS = ((2.0, 2.0), (1.5, 2.5), (1.0, 3.0), (0.7, 5.0), (0.5, 10.0), (0.35, 22.0))
"""Scale of log-linear regressions, and the penalty of the columns that keep trees beside them."""


@dataclass(frozen=True)
class PrivacyTuning:
    """One strength with its share of synthetic rows nearer to the seen half.

    Attributes:
        penalty: of the forest, in nats.
        share: of the synthetic rows that are nearer to the seen half.
        error: standard error of the share, over the exchanged halves or, of one pair, the rows.
        copies_above: rate of exact copies above the base rate and its standard error.
        rows: synthetic rows of the first half-model.
        others: those of the further half-models, in a small table.
        methods: of the columns on which all half-models agree.
        scale: of the log-linear regressions.
        disclosure: gains of attackers, where these are the bar.
        strict: whether the share counts beside the attackers.
    """

    penalty: float
    share: float
    error: float
    copies_above: float
    rows: HalfModelRows
    others: Sequence[HalfModelRows] = ()
    methods: Mapping[str, Method] = field(default_factory=dict)
    scale: float = DEFAULT_SCALE
    disclosure: Disclosure | None = None
    strict: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """Options for the fit on all rows."""
        return {PENALTY: self.penalty, SCALE: self.scale, METHODS: self.methods}

    @property
    def passes(self) -> bool:
        """Whether copies and attackers, or copies and the share, are within their bars."""
        if self.copies_above > 0:
            return False
        if self.disclosure is None:
            return is_within_bar(self.share)
        gained = self.disclosure.practical_passes and self.disclosure.strong_passes
        return gained and (not self.strict or is_within_bar(self.share))


@dataclass(frozen=True)
class _HalvedTable:
    """A table in exchanged halves, and how it is tested.

    Attributes:
        pairs: seen and unseen halves.
        rows: of the whole table.
        strict: whether the share counts beside the attackers.
        progress: called with the share done.
    """

    pairs: Sequence[Halves]
    schema: TableSchema
    order: Sequence[str]
    rows: int
    seed: int
    strict: bool = False
    progress: Progress = no_progress


def tune_privacy(
    table: pa.Table,
    schema: TableSchema,
    order: Sequence[str],
    *,
    seed: int,
    strict: bool = False,
    progress: Progress = no_progress,
) -> PrivacyTuning:
    """Choose the penalty for a clean table; a big table is judged by a sample of its rows.

    strict: the bar of the copying test holds where attackers are the bar, too.

    With many rows, all numbers keep leaves if these pass at `START` or below: fine trees need no
    regression, and a discriminator tells their rows less well from real ones. Otherwise a test per
    column decides which columns follow normal scores or a log-linear regression.
    """
    pairs = exchanged_halves(table, seed=seed, persons=persons_in(table, schema))
    halved = _HalvedTable(pairs, schema, order, table.num_rows, seed, strict, progress)
    if len(pairs) == 1:
        leaves_only = _half_models(halved, dict.fromkeys(order, "trees"))
        found = _search_penalty(halved, leaves_only, PENALTIES[: START + 1])
        if found.passes:
            progress(1.0)
            return found
        models = [model.with_chosen_methods() for model in leaves_only]
    else:
        models = _half_models(halved, {})
    found = _search_penalty(halved, models, PENALTIES)
    progress(1.0)
    return found


def _search_penalty(
    table: _HalvedTable, models: Sequence[ForestModel], penalties: Sequence[float]
) -> PrivacyTuning:
    """Choose one of the penalties, or a scale, for models of the seen halves."""
    choices = [model.methods for model in models]
    methods: dict[str, Method] = {
        name: choice
        for name, choice in choices[0].items()
        if all(other.get(name) == choice for other in choices)
    }
    if "loglinear" in methods.values():
        return _search_scale(table, models, methods)
    done = itertools.count(1)

    def test(i: int) -> PrivacyTuning:
        penalty = penalties[i]
        drawn = _draw(table, models, penalty, DEFAULT_SCALE)
        share, error = _mean_share(drawn, table.schema, table.seed)
        above = float(np.mean([_copies_above(rows, table.schema) for rows in drawn]))
        table.progress(min(next(done) / 5, 0.99))
        return PrivacyTuning(penalty, share, error, above, drawn[0], drawn[1:], methods)

    return search_strength(len(penalties), START, test)


def _half_models(table: _HalvedTable, known: Mapping[str, Method]) -> list[ForestModel]:
    """Return a model of each seen half; known: methods of columns, where decided.

    In a wide table the other halves take the first one's methods: the choice takes as long as the
    fit, and the halves of a battery agree on nearly all columns.
    """
    models: list[ForestModel] = []
    for pair in table.pairs:
        methods = models[0].methods if models and len(table.order) > MAX_COLUMNS else known
        options = {PENALTY: PENALTIES[START], METHODS: methods, TABLE_ROWS: table.rows}
        models.append(FOREST.fit(pair.seen, table.schema, table.order, options=options))
    return models


def _search_scale(
    table: _HalvedTable, models: Sequence[ForestModel], methods: Mapping[str, Method]
) -> PrivacyTuning:
    """Choose the largest scale at which attackers gain no more than the bar allows.

    Practical attackers decide first, by bisection, because their gains rise with the scale. The
    strong attacker takes several times as long, so only scales that passed are shown to him.
    """
    schema, seed = table.schema, table.seed
    drawn: dict[int, list[HalfModelRows]] = {}
    tried: dict[int, PrivacyTuning] = {}

    def try_out(i: int) -> PrivacyTuning:
        if i not in tried:
            scale, penalty = STRENGTHS[i]
            drawn[i] = _draw(table, models, penalty, scale)
            above = float(np.mean([_copies_above(rows, schema) for rows in drawn[i]]))
            share, error = _mean_share(drawn[i], schema, seed) if table.strict else (0.0, 0.0)
            tried[i] = PrivacyTuning(
                penalty,
                share,
                error,
                above,
                drawn[i][0],
                drawn[i][1:],
                methods,
                scale,
                practical_disclosure(drawn[i], schema, seed),
                table.strict,
            )
            table.progress(min(len(tried) / 5, 0.9))
        return tried[i]

    def withstands(i: int) -> bool:
        found = try_out(i)
        gains = strong_disclosure(drawn[i], schema, table.order, seed)
        if gains is not None and found.disclosure is not None:
            strong = replace(found.disclosure, strong=gains[0], published=gains[1])
            tried[i] = replace(found, disclosure=strong)
        return tried[i].passes

    last = len(STRENGTHS) - 1
    low, high = 0, last
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if try_out(middle).passes else (middle + 1, high)
    while not withstands(low) and low < last:
        low += 1
    if not (tried[low].passes or table.strict):
        low = _as_good(tried, low)
    if table.strict:  # every scale has its share
        return tried[low]
    share, error = _mean_share(drawn[low], schema, seed)
    return replace(tried[low], share=share, error=error)


def _as_good(tried: Mapping[int, PrivacyTuning], last: int) -> int:
    """Return the index of the scale to take where none passes.

    In wide tables a smaller scale may lose relations and hardly tell less, because shares and
    loadings tell most. So there it is the largest scale that is about as good as the best.
    """
    excess = {
        i: found.disclosure.excess
        for i, found in tried.items()
        if found.disclosure is not None and found.disclosure.is_wide and found.copies_above <= 0
    }
    return min(
        (i for i, of in excess.items() if of <= min(excess.values()) + TOLERANCE), default=last
    )


def _draw(
    table: _HalvedTable, models: Sequence[ForestModel], penalty: float, scale: float
) -> list[HalfModelRows]:
    """Return the rows of each half-model at this strength."""
    return [
        draw_rows(model.with_strength(penalty, scale), pair, seed=table.seed)
        for model, pair in zip(models, table.pairs, strict=True)
    ]


def _mean_share(
    drawn: Sequence[HalfModelRows], schema: TableSchema, seed: int
) -> tuple[float, float]:
    """Return the DCR share over the half-models, and its error."""
    measured = [_share(rows, schema, seed) for rows in drawn]
    shares = [share for share, _ in measured]
    error = measured[0][1]
    if len(shares) > 1:
        error = float(np.std(shares, ddof=1)) / float(np.sqrt(len(shares)))
    return float(np.mean(shares)), error


def _share(rows: HalfModelRows, schema: TableSchema, seed: int) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    return equal_halves_dcr(rows.halves.seen, rows.halves.unseen, rows.synthetic, schema, rng)


def _copies_above(rows: HalfModelRows, schema: TableSchema) -> float:
    """Return the rate of exact copies above that of unseen real rows plus its standard error.

    The error is that of the rate with one more copy (Laplace): no copy among the unseen rows does
    not prove a rate of 0.
    """
    names = [column.name for column in schema.learned()]
    copies, base = exact_copies(rows.halves.seen, rows.halves.unseen, rows.synthetic, names)
    unseen = rows.halves.unseen.num_rows
    rate = (base * unseen + 1.0) / (unseen + 2.0)
    return copies - base - float(np.sqrt(rate * (1.0 - rate) / unseen))
