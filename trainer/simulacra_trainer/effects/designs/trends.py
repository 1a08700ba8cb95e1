"""Difference-in-differences: how a group's outcome changed since a wave, less another group's.

Rows are of four cells: of the group or of the other one, since the wave or before it. Those of the
group since then are compared with each of the other three, which are weighted to be like them in
the adjustment columns, by the cross-fitted scores of an effect on the treated. What they differ by
from their own past, plus from the other group now, less from the other group's past, is the effect.
It is doubly robust (Sant'Anna & Zhao, Journal of Econometrics 219, 2020), and stays so where other
people are asked in each wave (Sant'Anna & Xu, Difference-in-differences with compositional changes,
2023). Errors are those of persons or clusters, so what the answers of a person share cancels.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from simulacra_intake.arrow_values import as_floats, places_of
from simulacra_intake.errors import invalid_request
from simulacra_intake.persons.waves import MAX_WAVES
from simulacra_intake.rows_of_persons import Ints
from simulacra_schema.conditions import level_in
from simulacra_trainer.effects.aipw import aipw_scores, predict
from simulacra_trainer.effects.checks import effective_shares
from simulacra_trainer.effects.estimator import CROSS_FITS, Estimator
from simulacra_trainer.effects.models.base_choice import Bases
from simulacra_trainer.effects.models.contrast import Arm, Contrast, Flags
from simulacra_trainer.effects.models.features import Floats
from simulacra_trainer.effects.overlap.counterparts import without_counterparts
from simulacra_trainer.effects.overlap.support import MIN_ARM
from simulacra_trainer.effects.scores import (
    Interval,
    Part,
    combine,
    effective_rows,
    part_of,
    row_influence,
    summed,
    units_worth,
)
from simulacra_trainer.effects.simultaneous import critical_value, student_width
from simulacra_trainer.evidence import Z95

OTHERS = ((1, 1.0), (2, 1.0), (3, -1.0))
"""The cells that the first is compared with: its own past, the other group now, its past; and how
each comparison counts."""
MOST_TESTS = 2
"""Spans of earlier waves, each compared with the last wave before the treatment."""
PANEL = 0.5
"""Share of the rows, of persons who answered before and since, from which these alone count."""


@dataclass(frozen=True)
class Change:
    """How much more a group's outcome changed than another's.

    Attributes:
        interval: of the difference.
        influence: by unit, of the last cross-fit.
        worth: persons or clusters that the smallest cell's weights are worth.
        effective_rows, effective_share: of the cell whose weights leave least.
        support: share of the first cell with counterparts in the others.
    """

    interval: Interval
    influence: Floats
    worth: float
    effective_rows: float
    effective_share: float
    support: float


@dataclass(frozen=True)
class EarlierTest:
    """The change of two groups before any was treated: between waves, and their labels."""

    first: str
    last: str
    change: Change

    @property
    def z(self) -> float:
        """The change's distance from 0 in standard errors."""
        return abs(self.change.interval.effect) / max(self.change.interval.error, 1e-300)


@dataclass(frozen=True)
class Trends:
    """Two groups over the waves that both were asked in.

    Attributes:
        columns: adjusted for.
        wave: of each row, int64 [n], -1 where the row does not count.
        since: the first wave with the treatment, as a position.
        persons: of each row, int64 [n], where the rows are those of a panel; else None.
    """

    estimator: Estimator
    columns: list[str]
    wave: Ints
    labels: list[str]
    since: int
    persons: Ints | None

    def cells(self, last: Flags, first: Flags) -> Flags:
        """Return the cells of two sets of waves, bool [waves]: bool [4, n]."""
        contrast, known = self.estimator.contrast, self.wave >= 0
        return np.array(
            [
                arm.rows & known & waves[self.wave]
                for arm in (contrast.value, contrast.baseline)
                for waves in (last, first)
            ]
        )

    @property
    def main(self) -> Flags:
        """The cells of the effect, bool [4, n]."""
        is_since = np.arange(len(self.labels)) >= self.since
        return self.cells(is_since, ~is_since)

    def earlier(self) -> Iterator[tuple[str, str, Flags]]:
        """Yield spans of earlier waves: first and last label, and the cells of their test."""
        before = [at for at in np.unique(self.wave[self.wave >= 0]) if at < self.since]
        if len(before) < 2:
            return
        every = np.arange(len(self.labels))
        for span in np.array_split(before[:-1], min(len(before) - 1, MOST_TESTS)):
            cells = self.cells(every == before[-1], np.isin(every, span))
            yield self.labels[span[0]], self.labels[before[-1]], cells

    def least(self, cells: Flags) -> list[int]:
        """Return how many rows each cell has, with the noise of their persons' keys.

        Of a panel: how many persons who answered on both sides.
        """
        if self.persons is not None:
            chosen = np.isin(np.arange(self.wave.size), self._changes(cells, self.persons)[0])
            cells = np.array([arm & chosen for arm in cells[[1, 1, 3, 3]]])
        return [self.estimator.counted(rows) for rows in cells]

    def change(self, cells: Flags, runs: int) -> Change:
        """Return how much more the first group changed, from as many cross-fits."""
        estimator, contrast, n = self.estimator, self.estimator.contrast, self.wave.size
        features = estimator.features(self.columns)
        influences, effects = np.zeros((runs, n)), np.zeros(runs)
        lacking, touched = np.zeros((2, n), np.bool_)
        left: list[tuple[float, float, float]] = []
        for own, sign in self._comparisons(cells):
            rows, bases = own.rows, Bases()
            fits = [
                predict(own, features.rows(rows), None, estimator.seed + run, bases)
                for run in range(runs)
            ]
            scored = [aipw_scores(own, fit, "treated") for fit in fits]
            touched[rows] = True
            lacking[rows] |= without_counterparts(own, fits, "treated")[1]
            for run, scores in enumerate(scored):
                effects[run] += sign * part_of(scores).effect
                influences[run, rows] += sign * row_influence(scores)
            share = min(effective_shares(scored[0]))
            left.append((units_worth(scored), effective_rows(scored), share))
        units, shifts = contrast.units, contrast.shifts
        parts = [
            Part(float(effect), summed(influence, units, shifts))
            for effect, influence in zip(effects, influences, strict=True)
        ]
        worth, effective, share = (min(of) for of in zip(*left, strict=True))
        critical = float(student_width(Z95, np.array(worth), shifts))
        found = Interval(*combine(parts), int(cells.sum()), critical)
        asked = cells[0] if self.persons is None else cells[1] & touched
        missed = contrast.mean(lacking.astype(np.float64), asked)
        return Change(found, parts[-1].influence, worth, effective, share, 1.0 - missed)

    def tests(self) -> list[EarlierTest]:
        """Return the tests of earlier waves, whose intervals hold together."""
        found = [
            EarlierTest(first, last, self.change(cells, 1 if self.persons is None else CROSS_FITS))
            for first, last, cells in self.earlier()
            if min(self.least(cells)) >= MIN_ARM
        ]
        together = critical_value([one.change.influence for one in found], self.estimator.seed)
        shifts = self.estimator.contrast.shifts
        return [replace(one, change=_widened(one.change, together, shifts)) for one in found]

    def _comparisons(self, cells: Flags) -> Iterator[tuple[Contrast, float]]:
        """Yield the contrasts whose sum is the change, on rows of the estimator, and their signs.

        Of a panel that is one: how persons changed, by group, in the last row of each before.
        """
        contrast = self.estimator.contrast
        if self.persons is not None:
            rows, change = self._changes(cells, self.persons)
            yield _between(contrast, rows, cells[1], change), 1.0
            return
        contrast = replace(contrast, weights=self._weights(cells))
        for at, sign in OTHERS:
            rows = np.flatnonzero(cells[0] | cells[at])
            yield _between(contrast, rows, cells[0], contrast.outcome), sign

    def _changes(self, cells: Flags, persons: Ints) -> tuple[Ints, Floats]:
        """Return the last row before of each person on both sides, and changes of means, [n]."""
        outcome, weights, means = self.estimator.contrast.outcome, self._weights(cells), []
        for rows in (cells[0] | cells[2], cells[1] | cells[3]):
            count = np.bincount(persons, weights * rows)
            sums = np.bincount(persons, weights * rows * outcome)
            means.append(np.where(count > 0, sums / np.maximum(count, 1e-300), np.nan))
        change = (means[0] - means[1])[persons]
        rows = np.flatnonzero((cells[1] | cells[3]) & ~np.isnan(change))
        rows = rows[np.argsort(-self.wave[rows], kind="stable")]
        return np.sort(rows[np.unique(persons[rows], return_index=True)[1]]), change

    def _weights(self, cells: Flags) -> Floats:
        """Return weights with which each wave counts as much in the second group as in the first.

        Else a wave that asked more of one group would count as a change of it.
        """
        survey = self.estimator.contrast.survey
        found, size = survey.copy(), len(self.labels)
        for own, other in ((0, 2), (1, 3)):
            mass = [np.bincount(self.wave[cells[k]], survey[cells[k]], size) for k in (own, other)]
            ratio = (
                mass[0] / np.maximum(mass[1], 1e-300) * (mass[1].sum() / max(mass[0].sum(), 1e-300))
            )
            found[cells[other]] *= ratio[self.wave[cells[other]]]
        return found


def trends_of(estimator: Estimator, columns: list[str]) -> Trends:
    """Return the groups of a question over its waves.

    Waves that only one of the groups was asked in do not count, nor do persons who changed group,
    nor rows without weight: they cannot be weighted to a wave of the other group.
    Of a panel those count who answered before and since.

    Raises:
        InputError: more waves than MAX_WAVES.
    """
    contrast = estimator.contrast
    wave, labels, since = _waves(estimator)
    arms = (contrast.value.rows, contrast.baseline.rows)
    wave = np.where((arms[0] | arms[1]) & (contrast.survey > 0), wave, -1)
    persons = contrast.persons
    if persons is not None:
        inside = [np.bincount(persons, arm) * np.bincount(persons, ~arm) for arm in arms]
        stays = inside[0] + inside[1] == 0
        sides = [
            np.bincount(persons, side) > 0 for side in (wave >= since, (wave >= 0) & (wave < since))
        ]
        both = (stays & sides[0] & sides[1])[persons]
        is_panel = float(both[wave >= 0].mean()) >= PANEL if (wave >= 0).any() else False
        wave = np.where(both if is_panel else stays[persons], wave, -1)
        persons = persons if is_panel else None
    asked = [np.isin(np.arange(len(labels)), wave[arm & (wave >= 0)]) for arm in arms]
    wave = np.where((wave >= 0) & (asked[0] & asked[1])[wave], wave, -1)
    return Trends(estimator, columns, wave, labels, since, persons)


def _waves(estimator: Estimator) -> tuple[Ints, list[str], int]:
    """Return each row's wave, -1 if unknown, the labels, and the first one with the treatment."""
    ((name, since),) = estimator.request.parallel_trends.items()
    column, table = estimator.schema.column(name), estimator.table
    if not column.is_numeric:
        labels = column.level_values()
        place = {label: at for at, label in enumerate(labels)}
        at = places_of(table.column(name), place, unknown=-1, missing=-1)
        return at, labels, place[level_in(since, labels) or ""]
    values = as_floats(table.column(name))
    known = ~np.isnan(values)
    waves = np.unique(values[known])
    if waves.size > MAX_WAVES:
        message = f"The waves have more than {MAX_WAVES} values."
        detail = f"{message} Name a column of waves, or of years."
        raise invalid_request(message, detail, f"/parallel_trends/{name}")
    at = np.where(known, np.searchsorted(waves, values), -1)
    return at, [f"{wave:.12g}" for wave in waves], int(np.searchsorted(waves, float(since)))


def _between(contrast: Contrast, rows: Ints, value: Flags, outcome: Floats) -> Contrast:
    """Return the contrast of those with a value, bool [n], with the other ones of these rows."""
    of: dict[str, Any] = {
        name: None if (values := getattr(contrast, name)) is None else values[rows]
        for name in ("weights", "persons", "units", "shifts")
    }
    return replace(
        contrast,
        rows=rows,
        value=Arm(value[rows], None),
        baseline=Arm(~value[rows], None),
        outcome=outcome[rows],
        **of,
    )


def _widened(change: Change, together: float, shifts: Floats | None) -> Change:
    critical = float(student_width(together, np.array(change.worth), shifts))
    return replace(change, interval=replace(change.interval, critical=critical))
