"""The copying test of linked rows: persons, not rows, are compared.

A person is its attributes, its number of rows, and of each column that varies the mean and the
spread, or the shares of levels. A model of one half of the persons draws persons; no more of them
may be copies, or nearer to the seen half, than chance allows (`attackers.neighbors`).
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.families.base import Progress, no_progress
from simulacra_trainer.families.codec import Floats
from simulacra_trainer.families.forest import PENALTY, SCALE
from simulacra_trainer.linked.history import MARK, Ints, Mean
from simulacra_trainer.linked.model import LinkedModel, Methods, fit_linked
from simulacra_trainer.linked.tables import ROWS, LinkedTables, whole_numbers
from simulacra_trainer.report import equal_halves_dcr, exact_copies, is_within_bar
from simulacra_trainer.strengths import search_strength

STRENGTHS = (
    (1.0, 1.0), (2.0, 1.0), (3.0, 1.0), (5.0, 0.7), (8.0, 0.5), (15.0, 0.35), (40.0, 0.35)
)  # fmt: skip
"""Penalty of the forests and scale of their log-linear regressions, weakest first."""
START = 2
USUAL_TESTS = 3
"""Of strengths, until the weakest that passes is found."""
MAX_HALF_ROWS = 10_000
PERSONS_DRAWN = 4
"""Synthetic persons a person of the seen half, up to MAX_DRAWN."""
MAX_DRAWN = 4_000
SPLIT_TWICE_BELOW = 250
"""Halves of fewer persons than this are split twice, because chance weighs more."""


@dataclass(frozen=True)
class LinkedTrial:
    """Persons of both halves, and those that a model of the seen ones draws, with their rows.

    who: the person of each drawn event, as a row of `subjects`, int64 [events].
    """

    seen: LinkedTables
    unseen: LinkedTables
    subjects: pa.Table
    events: pa.Table
    who: Ints


@dataclass(frozen=True)
class LinkedTuning:
    """The chosen strength and what the copying test of persons says at it.

    Attributes:
        penalty, scale: options of the forests.
        share, error: DCR share of persons, and its standard error.
        copies, base: share of synthetic and of unseen real persons that equal a seen one.
        passes: whether both are within their bars.
        methods: of the columns, as the first half-model chose them.
        trials: what the half-models draw.
    """

    penalty: float
    scale: float
    share: float
    error: float
    copies: float
    base: float
    passes: bool
    methods: Methods
    trials: Sequence[LinkedTrial] = ()

    @property
    def options(self) -> Mapping[str, Any]:
        """Options for the fit on all persons."""
        return {PENALTY: self.penalty, SCALE: self.scale}

    def to_json(self) -> dict[str, Any]:
        """Return what the report says of linked rows."""
        return {
            "penalty_nats": self.penalty,
            "dcr_share": self.share,
            "dcr_standard_error": self.error,
            "exact_copies": self.copies,
            "exact_base": self.base,
            "passes": self.passes,
        }


def tune_linked(
    tables: LinkedTables, order: Sequence[str], *, seed: int, progress: Progress = no_progress
) -> LinkedTuning:
    """Choose the weakest strength that passes, by bisection from a medium one.

    tables: of all persons, of whom a part is tested if they are many; order: the learned columns of
    the upload; progress: also of the fit on all persons, which follows.
    """
    pairs = _pairs(tables, seed)
    options = {PENALTY: STRENGTHS[START][0], SCALE: STRENGTHS[START][1]}
    steps = len(pairs) + USUAL_TESTS + 1
    first = fit_linked(pairs[0][0], order, options, None)
    models = [first]
    for seen, _ in pairs[1:]:
        progress(len(models) / steps)
        models.append(fit_linked(seen, order, options, first.methods))
    tests = itertools.count()

    def test(i: int) -> LinkedTuning:
        progress(min(len(pairs) + next(tests), steps - 1) / steps)
        return _tested(models, pairs, STRENGTHS[i], first.methods, seed)

    return search_strength(len(STRENGTHS), START, test)


def _pairs(tables: LinkedTables, seed: int) -> list[tuple[LinkedTables, LinkedTables]]:
    """Return the seen and unseen halves of each half-model; few persons are split twice."""
    rng = np.random.default_rng([seed, 41])
    persons = tables.subjects.num_rows
    counts = np.bincount(tables.who, minlength=persons)
    pairs = []
    for _ in range(2 if persons < 2 * SPLIT_TWICE_BELOW else 1):
        order = rng.permutation(persons)
        rows = np.cumsum(counts[order])
        half = max(int(np.searchsorted(rows, 2 * MAX_HALF_ROWS, "right")) // 2, 1)
        a, b = (tables.of_persons(np.sort(one)) for one in (order[:half], order[half : 2 * half]))
        pairs += [(a, b), (b, a)]
    return pairs


def _tested(
    models: Sequence[LinkedModel],
    pairs: Sequence[tuple[LinkedTables, LinkedTables]],
    strength: tuple[float, float],
    methods: Methods,
    seed: int,
) -> LinkedTuning:
    """Test the half-models at a strength, each against the persons that it has not seen."""
    found, trials = [], []
    for i, (model, (seen, unseen)) in enumerate(zip(models, pairs, strict=True)):
        rng = np.random.default_rng([seed, 42, i])
        persons = min(PERSONS_DRAWN * seen.subjects.num_rows, MAX_DRAWN)
        grown = model.with_strength(*strength)
        subjects = grown.subjects.sample(persons, rng)
        trial = LinkedTrial(seen, unseen, subjects, *grown.histories(subjects, rng))
        trials.append(trial)
        drawn = person_table(seen, subjects, trial.events, trial.who)
        near, far = (
            person_table(half, half.subjects, half.events, half.who) for half in (seen, unseen)
        )
        share, error = equal_halves_dcr(near, far, drawn, person_schema(seen, drawn), rng)
        copies, base = exact_copies(near, far, drawn, drawn.column_names)
        found.append((share, error, copies, base))
    share, error, copies, base = np.mean(found, axis=0).tolist()
    persons = sum(unseen.subjects.num_rows for _, unseen in pairs[:2])
    rate = (base * persons + 1.0) / (persons + 2.0)
    few = copies - base <= float(np.sqrt(rate * (1.0 - rate) / persons))
    passes = few and is_within_bar(share)
    return LinkedTuning(*strength, share, error, copies, base, passes, methods, trials)


def person_table(tables: LinkedTables, subjects: pa.Table, events: pa.Table, who: Ints) -> pa.Table:
    """Return a row a person: attributes, number of rows, and summaries of the rest.

    tables: say what is summarized; who: the person of each row of `events`, int64 [rows].
    """
    persons = subjects.num_rows
    columns = {name: subjects.column(name) for name in tables.attributes}
    columns[ROWS] = whole_numbers(np.bincount(who, minlength=persons))
    averaged: dict[str, list[Mean]] = {mean.column: [] for mean in tables.history.means}
    for mean in tables.history.means:
        averaged[mean.column].append(mean)
    for name, codec in tables.history.codecs.items():
        values = codec.values(events.column(name))
        for mean in averaged.get(name, []):
            center, spread = _moments(mean.of(values), who, persons)
            columns[mean.name] = _rounded(center)
            if mean.level is None:
                columns[f"{MARK}spread{MARK}{name}"] = _rounded(spread)
        if name not in averaged:  # dates
            columns[f"{MARK}mean{MARK}{name}"] = _rounded(_moments(values, who, persons)[0])
    return pa.table(columns).combine_chunks()


def person_schema(tables: LinkedTables, table: pa.Table) -> TableSchema:
    """Return the schema of what `person_table` returns."""
    known = {column.name: column for column in tables.subject_schema.learned()}
    columns = [
        known.get(name) or ColumnSchema(name=name, kind="numeric", storage="double")
        for name in table.column_names
    ]
    return TableSchema(rows=table.num_rows, columns=columns)


def _moments(values: Floats, who: Ints, persons: int) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of each person, float64 [persons]; NaN without values."""
    known = ~np.isnan(values)
    count = np.bincount(who[known], minlength=persons)
    with np.errstate(invalid="ignore", divide="ignore"):
        center = np.bincount(who[known], values[known], minlength=persons) / count
        apart = (values[known] - center[who[known]]) ** 2
        return center, np.sqrt(np.bincount(who[known], apart, minlength=persons) / count)


def _rounded(values: Floats) -> pa.Array:
    """Return numbers to 9 significant digits, so that equal sums are equal."""
    with np.errstate(divide="ignore", invalid="ignore"):
        digits = 8 - np.floor(np.log10(np.maximum(np.abs(values), 1e-12)))
        rounded = np.round(values * 10**digits) / 10**digits
    return pa.array(rounded, pa.float64(), mask=np.isnan(values))
