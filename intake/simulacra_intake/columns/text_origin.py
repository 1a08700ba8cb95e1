"""What the file and the user say about the text of a column."""

from __future__ import annotations

from dataclasses import dataclass


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
