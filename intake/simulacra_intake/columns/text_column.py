"""What a recognizer gets, the cells of a column of text, and what it gives, a proposal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.columns.build import CleanColumn, level_column
from simulacra_intake.columns.distinct_values import Words
from simulacra_schema.description_parts import FieldDescription
from simulacra_schema.table import ColumnKind

NOTHING = FieldDescription(name="unnamed")
"""What the user says of a column that no description names."""


@dataclass(frozen=True)
class TextOrigin:
    """The source of a column, which decides how its text is read.

    Attributes:
        csv: the source has no types, so the content decides the type.
        decimal: the decimal sign that other columns or the delimiter suggest, or None.
        doubles: the source stores all numbers as doubles, so whole ones are written as int64.
        day_first: whether the day stands before the month in dates that leave it open.
        names: of all columns.
        ordinary: the user says that the column identifies nothing.
        writes_na: columns of the file write NA for a missing value.
    """

    csv: bool = False
    decimal: str | None = None
    doubles: bool = False
    day_first: bool | None = None
    names: frozenset[str] = frozenset()
    ordinary: bool = False
    writes_na: bool = False


@dataclass(frozen=True)
class TextColumn:
    """The cells of a column, and what file and user say about them.

    Attributes:
        name: of the column.
        words: its distinct cells.
        storage: its Arrow type in the file.
        origin: what the file says.
        said: the properties that the user states.
        asked: the kind or type by which the user asks for one recognizer; None to detect it.
    """

    name: str
    words: Words
    storage: str
    origin: TextOrigin = field(default_factory=TextOrigin)
    said: FieldDescription = field(default_factory=lambda: NOTHING)
    asked: str | None = None

    def levels(
        self, kind: ColumnKind, order: npt.NDArray[np.int64], storage: str | None = None
    ) -> CleanColumn:
        """Return a column of the words at these places, in this order."""
        words = self.words.levels.take(pa.array(order)).to_pylist()
        codes = self.words.restricted(order)
        return level_column(self.name, kind, words, codes, storage or self.storage)

    def unlike(self, properties: tuple[str, ...], detail: str) -> Proposal | None:
        """Return the error of a description that asks for what the cells are not.

        Where nobody asks, the cells are something else: None.
        """
        return Proposal(faults=(Fault(properties, detail),)) if self.asked else None


@dataclass(frozen=True)
class Fault:
    """An error of a description, at the first of these properties that is stated."""

    properties: tuple[str, ...]
    detail: str


@dataclass(frozen=True)
class Proposal:
    """What the cells are, by one recognizer.

    Attributes:
        column: None if the cells leave open how to read them.
        doubt: what they leave open, a note of the column that they become instead.
        faults: what of the user's properties the cells contradict.
    """

    column: CleanColumn | None = None
    doubt: str = ""
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class Recognizer:
    """Knows one form of cells.

    Attributes:
        name: of the form.
        propose: returns what the cells are, None if they have another form.
        kinds: types and kinds of a description by which the user asks for it.
    """

    name: str
    propose: Callable[[TextColumn], Proposal | None]
    kinds: tuple[str, ...] = ()
