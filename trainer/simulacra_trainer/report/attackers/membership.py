"""Attackers who have generated rows alone and ask of a person: was he in the table?

- values: how often the person's own numbers occur, beside the numbers around them. A generator that
  draws near the numbers it has seen gives them more often than those of others. So the rows are
  counted in the person's own cell, and in windows as wide as 1, 4 and 16 persons take there, over
  the rows in a window ten times as wide. A number that many persons share tells little, and counts
  by one over its persons. Logarithms are summed over the columns, as those of a likelihood ratio
  (Neyman and Pearson, 1933).
- words: how many of the person's own words never occur.

Members are persons whom the model has seen, controls are others of the same population, so any
difference between the two is what the rows tell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.rows_of_persons import Ints
from simulacra_schema.table import ColumnSchema
from simulacra_trainer.report.attackers.attacks import Gain, auc, pooled
from simulacra_trainer.report.comparison.columns import is_category, level_codes, numbers

Floats = npt.NDArray[np.float64]
CELL = "exact"
WINDOWS = {"near_1": 1, "near_4": 4, "near_16": 16}
"""Windows by the number of persons whose width they have."""
VALUES = (CELL, *WINDOWS)
WORDS = "words"
WIDER = 10
"""How many times as wide the window is that a window is compared with."""
AROUND = 20
"""Persons around a cell who say how many rows are expected in it."""
FEW_VALUES = 12
"""Columns of at most this many different numbers are scales, of which each number has many."""
DIGITS = 6
"""Most decimals of a column's unit."""
FALSE_POSITIVES = 0.01


@dataclass(frozen=True)
class PersonRows:
    """Rows of real people; `who`: the person of each row, from 0 on, None if each row is one."""

    rows: pa.Table
    who: Ints | None = None

    @property
    def persons(self) -> int:
        """Number of persons."""
        return self.rows.num_rows if self.who is None else int(self.who.max(initial=-1)) + 1

    def summed(self, of_rows: Floats) -> Floats:
        """Return the sums of each person's rows, float64 [persons]."""
        if self.who is None:
            return of_rows
        return np.bincount(self.who, of_rows, self.persons).astype(np.float64)


@dataclass(frozen=True)
class Advantage:
    """What one attacker gains: AUC above 1/2, and the share of members that he finds.

    found: share of the members whose score exceeds that of all but 1 % of the controls.
    """

    gain: Gain
    found: float


def membership(
    members: PersonRows, controls: PersonRows, drawn: pa.Table, columns: Sequence[ColumnSchema]
) -> dict[str, Advantage]:
    """Return what each attacker gains; an attacker to whom nothing is open is left out.

    members: people whose rows the model has seen; controls: others of the same population.
    """
    people = [members, controls]
    scores = {name: [np.zeros(of.rows.num_rows) for of in people] for name in (*VALUES, WORDS)}
    for column in columns:
        if column.name not in drawn.column_names:
            continue
        for name, parts in column_scores(people, drawn, column.name).items():
            for into, part in zip(scores[name], parts, strict=True):
                into += part
    return {
        name: advantage(*(of.summed(part) for of, part in zip(people, parts, strict=True)))
        for name, parts in scores.items()
        if any(part.any() for part in parts)
    }


def mean_advantage(parts: Sequence[Advantage]) -> Advantage:
    """Return the mean of independent trials, as of exchanged halves."""
    found = float(np.mean([part.found for part in parts]))
    return Advantage(pooled([part.gain for part in parts]), found)


def loose_numbers(tables: Sequence[pa.Table], name: str) -> bool:
    """Return whether a column holds more different numbers than a scale does."""
    if is_category(tables[0], name):
        return False
    known = np.concatenate([numbers(table, name) for table in tables])
    return np.unique(known[~np.isnan(known)]).size > FEW_VALUES


def unit_of(values: Floats) -> float:
    """Return the largest step that all values are multiples of apart; at least 10^-6."""
    known = np.unique(values[~np.isnan(values)])
    for digits in range(DIGITS + 1):
        cells = (known - known[:1]) * 10.0**digits
        whole = np.rint(cells)
        if np.allclose(cells, whole, rtol=1e-12, atol=1e-4) and whole[-1:].max(initial=0) < 2**53:
            return float(max(np.gcd.reduce(whole.astype(np.int64)), 1)) * 10.0**-digits
    return 10.0**-DIGITS


def column_scores(
    people: Sequence[PersonRows], drawn: pa.Table, name: str
) -> Mapping[str, list[Floats]]:
    """Return the scores of the rows of members and controls in one column, by attacker."""
    tables = [of.rows for of in people]
    if is_category(tables[0], name):
        (*own, seen), size = level_codes([*tables, drawn], name)
        never = np.bincount(seen, minlength=size) == 0
        never[0] = False  # missing is no word
        return {WORDS: [-never[codes].astype(np.float64) for codes in own]}
    if not loose_numbers(tables, name):
        return {}
    parts = [numbers(table, name) for table in tables]
    values, rows = np.concatenate(parts), numbers(drawn, name)
    rows = np.sort(rows[~np.isnan(rows)])
    if not rows.size:
        return {}
    known, cut = ~np.isnan(values), parts[0].size
    a_person = rows.size / max(int(np.sum(~np.isnan(parts[0]))), 1)
    found = {}
    for score, of in number_scores(rows, values[known], unit_of(values), a_person).items():
        scored = np.zeros(values.size)
        scored[known] = of
        found[score] = [scored[:cut], scored[cut:]]
    return found


def number_scores(rows: Floats, values: Floats, unit: float, a_person: float) -> dict[str, Floats]:
    """Return how often each value occurs among rows beside its surroundings, in logarithms.

    rows: generated numbers, sorted, none missing; unit: step of the column's grid; a_person:
    generated rows for each person of the table.

    Returns:
        Scores by the width of the window, float64 [n] each.
    """

    def count(reach: Floats | float) -> Floats:
        ends = np.searchsorted(rows, values + reach, "right")
        return np.asarray(ends - np.searchsorted(rows, values - reach, "left"), np.float64)

    place = (np.searchsorted(rows, values) + np.searchsorted(rows, values, "right")) / 2.0

    def width(persons: float) -> Floats:
        half = persons * a_person / 2.0
        first, last = (
            rows[np.clip(place + step, 0, rows.size - 1).astype(np.int64)] for step in (-half, half)
        )
        return np.maximum(last - first, unit)

    own = count(unit / 2.001)
    few = 1.0 / np.maximum(own / a_person / 2.0, 1.0)
    around = width(AROUND)
    others = np.maximum(count(around / 2.0) - own, 0.0)
    expected = others * unit / np.maximum(around - unit, unit)
    found = {CELL: few * np.log((own + 0.5) / (expected + 0.5))}
    for name, persons in WINDOWS.items():
        outer = width(WIDER * persons)
        inner = outer / WIDER
        share = np.where(inner < unit, _cells(inner, unit) / _cells(outer, unit), 1.0 / WIDER)
        ratio = (count(inner / 2.0) + 0.5) / (count(outer / 2.0) * share + 0.5)
        found[name] = few * np.log(ratio)
    return found


def _cells(width: Floats, unit: float) -> Floats:
    """Return the cells of the grid whose middle lies in a window around the middle of one."""
    return np.floor(width / 2.0 / unit) * 2.0 + 1.0


def advantage(members: Floats, controls: Floats) -> Advantage:
    """Return what scores of members and controls, higher for members, tell."""
    found = float(np.mean(members > np.quantile(controls, 1.0 - FALSE_POSITIVES)))
    return Advantage(auc(members, controls), found)
