"""Questions of one wave as they are matched: names, levels, shares, and tables with others.

All of it can be in a summary that holds no rows.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from simulacra_intake.arrow_values import as_floats

MOST_ANCHORS = 25
"""Questions with which others are tabulated."""
CLASSES = 6
"""Groups of equal size that stand for a number in a table."""
MOST_VALUES = 12
"""Distinct whole numbers that count as levels: codes of a scale, or numbers of children."""
BY_CHANCE = 4.0
BY_CHANCE_OF_FEW = 11.0
"""The same where answers of fewer than five rows are left out."""
QUANTILES = np.linspace(0.05, 0.95, 13)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Question:
    """One question of a wave.

    Attributes:
        name, label: of the column; None without a label.
        levels, shares: of the answers in their order, and their shares of all answers, 0..1;
            empty for numbers.
        quantiles: of a number at QUANTILES; empty for levels.
        chance: rows that a level would have on average, from which on its absence is no chance.
        place: in the questionnaire, 0 first, 1 last.
        missing: share of the rows without an answer.
        rows: with an answer.
        tables: by the name of another question of the wave: rows with both answers, float64
            [own answers, its answers]; a number's are groups or bands in order.
    """

    name: str
    levels: tuple[str, ...]
    shares: tuple[float, ...]
    place: float
    missing: float
    rows: int
    label: str | None = None
    quantiles: tuple[float, ...] = ()
    chance: float = BY_CHANCE
    tables: Mapping[str, Floats] = field(default_factory=dict)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The levels without capitals, spaces and signs."""
        return tuple(map(spelled, self.levels))

    def is_like(self, other: Question) -> bool:
        """Return whether both are numbers, or have the same levels however these are spelled.

        A level that only one wave has counts if chance would leave it out of the other in fewer
        than 2 of 100 samples.
        """
        if self.quantiles or other.quantiles:
            return bool(self.quantiles and other.quantiles)
        return bool(self.keys) and not (self._beside(other) or other._beside(self))

    def _beside(self, other: Question) -> bool:
        own = zip(self.keys, self.shares, strict=True)
        return any(
            key not in other.keys and share * other.rows > other.chance for key, share in own
        )


def quantiles_of_bands(edges: Sequence[float], shares: Sequence[float]) -> tuple[float, ...]:
    """Return the quantiles of a number of which a summary has the shares of bands.

    edges: upper ends of the bands except the last.
    """
    below = np.cumsum(shares)[:-1] / max(float(np.sum(shares)), 1e-300)
    return tuple(np.interp(QUANTILES, below, edges).tolist())


def spelled(level: str) -> str:
    """Return a level without capitals, spaces and signs; numbers as they count, 18-34 as it is."""
    text = "".join(unicodedata.normalize("NFKC", level).casefold().split())
    try:
        return f"{float(text):g}"
    except ValueError:
        bare = "".join(filter(str.isalnum, text))
        return text if bare.isdigit() else bare or text


@dataclass(frozen=True)
class _Coded:
    """A question and the answer of each row, int64 [n], -1 where missing."""

    question: Question
    codes: npt.NDArray[np.int64]
    count: int


@dataclass(frozen=True)
class Rows:
    """The questions of some rows, from which tables can be made."""

    coded: Sequence[_Coded]

    @classmethod
    def of(cls, columns: Mapping[str, pa.Array], labels: Mapping[str, str | None]) -> Rows:
        """Return the questions of columns of a clean table that have any answer.

        columns: dictionaries of levels, or numbers, in the order of the questionnaire.
        """
        last = max(len(columns) - 1, 1)
        found = (
            _coded(name, values, labels.get(name), at / last)
            for at, (name, values) in enumerate(columns.items())
        )
        return cls([one for one in found if one is not None])

    def questions(self, anchors: Collection[str] = ()) -> list[Question]:
        """Return the questions, tabulated with those that `anchors` names."""
        by = [one for one in self.coded if one.question.name in anchors]
        return [
            replace(
                one.question,
                tables={other.question.name: _table(one, other) for other in by if other != one},
            )
            for one in self.coded
        ]


def anchors_of(earlier: Sequence[Question], newest: Sequence[Question]) -> list[str]:
    """Return names of questions that kept name and levels, spread over the questionnaire."""
    by_name = {one.name: one for one in newest}
    kept = [one.name for one in earlier if one.name in by_name and one.is_like(by_name[one.name])]
    return spread(kept)


def spread(names: Sequence[str]) -> list[str]:
    """Return names that are spread evenly over a list, MOST_ANCHORS at most."""
    count = min(len(names), MOST_ANCHORS)
    return [names[at] for at in np.linspace(0, len(names) - 1, count).astype(int).tolist()]


def both_tabulated(earlier: Rows, newest: Rows) -> tuple[list[Question], list[Question]]:
    """Return the questions of two waves, tabulated with those that kept name and levels."""
    anchors = anchors_of(earlier.questions(), newest.questions())
    return earlier.questions(anchors), newest.questions(anchors)


def _coded(name: str, values: pa.Array, label: str | None, place: float) -> _Coded | None:
    missing = values.null_count / max(len(values), 1)
    rows = len(values) - values.null_count
    if not rows:
        return None
    values = few_values(values)
    if pa.types.is_dictionary(values.type):
        codes = values.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        counts = np.bincount(codes[codes >= 0], minlength=len(values.dictionary))
        held = np.flatnonzero(counts)
        levels = [str(values.dictionary[at]) for at in held.tolist()]
        place_of = np.full(counts.size + 1, -1)
        place_of[held] = np.arange(held.size)
        shares = tuple((counts[held] / rows).tolist())
        asked = Question(name, tuple(levels), shares, place, missing, rows, label)
        return _Coded(asked, place_of[codes], held.size)
    numbers = as_floats(values)
    known = ~np.isnan(numbers)
    quantiles = tuple(np.quantile(numbers[known], QUANTILES).tolist())
    asked = Question(name, (), (), place, missing, rows, label, quantiles)
    codes = np.full(numbers.size, -1)
    ranks = np.argsort(np.argsort(numbers[known], kind="stable"), kind="stable")
    codes[known] = ranks * CLASSES // rows
    return _Coded(asked, codes, CLASSES)


def few_values(values: pa.Array) -> pa.Array:
    """Return a few whole numbers as levels in order; others, and levels, as they are."""
    if pa.types.is_dictionary(values.type):
        return values
    found = pc.drop_null(pc.unique(values))
    if len(found) > MOST_VALUES or pa.types.is_temporal(values.type):
        return values
    numbers = np.sort(as_floats(found))
    if np.any(numbers % 1):
        return values
    codes = pc.index_in(values.cast(pa.float64()), value_set=pa.array(numbers))
    return pa.DictionaryArray.from_arrays(codes, pa.array([f"{one:g}" for one in numbers]))


def _table(one: _Coded, other: _Coded) -> Floats:
    both = (one.codes >= 0) & (other.codes >= 0)
    cells = one.codes[both] * other.count + other.codes[both]
    counts = np.bincount(cells, minlength=one.count * other.count)
    return counts.reshape(one.count, other.count).astype(np.float64)
