"""Quotas: the shares of cells, as a field department writes them.

    {"where": {"age": {"min": 18, "max": 27}, "segment": {"levels": ["switcher"]}}, "share": 0.3}

A cell is the rows that meet all of `where`. Cells may overlap and nest.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, field_validator

from simulacra_schema.base import ColumnName, Level, Sparse, optional, ruled
from simulacra_schema.ranges import DATES_IN_ORDER, IN_ORDER, NumericRange

MAX_QUOTAS = 200
MAX_COLUMNS = 8
MAX_LEVELS = 100
SHOWN = 5
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class CellPart(Sparse, NumericRange):
    """What a cell asks of one column: one of several levels, or a range."""

    model_config = ruled(
        (
            "[has(self.levels), has(self.min) || has(self.max), "
            "has(self.earliest) || has(self.latest)].filter(one, one).size() == 1",
            "give levels, or min and max of a number, or earliest and latest of a date",
        ),
        IN_ORDER,
        DATES_IN_ORDER,
    )

    levels: list[Level] | None = optional(
        "Levels, of which a row of the cell has one. Of a column of several answers, "
        "one option that the row has.",
        min_length=1,
        max_length=MAX_LEVELS,
    )

    def words(self) -> str:
        """Return the levels or the range in words."""
        if self.levels is None:
            return super().words()
        shown = " or ".join(f'"{level}"' for level in self.levels[:SHOWN])
        more = len(self.levels) - SHOWN
        return shown + (f" or {more} more" if more > 0 else "")


class Quota(Sparse):
    """The share of the rows that a cell has: exactly, or at least and at most."""

    model_config = ruled(
        (
            "has(self.share) != (has(self.min) || has(self.max))",
            "give the share, or its min, max or both",
        ),
        (
            "!has(self.min) || !has(self.max) || self.min <= self.max",
            "min is above max, so no table can meet the quota; exchange them",
        ),
    )

    where: dict[ColumnName, CellPart] = Field(
        min_length=1,
        max_length=MAX_COLUMNS,
        description="The cell, by column: levels, or a range. Rows of the cell meet all of them.",
    )
    share: Share | None = optional("Share of all rows, 0..1. Or min, max.")
    min: Share | None = optional("Least share of all rows, 0..1.")
    max: Share | None = optional("Largest share of all rows, 0..1.")

    @field_validator("where", mode="before")
    @classmethod
    def _short_forms(cls, where: Any) -> Any:
        """Take a level or a list of levels for `levels`."""
        if not isinstance(where, Mapping):
            return where
        return {name: short_part(value) for name, value in where.items()}

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the largest share, 0..1; equal where the share is exact."""
        if self.share is not None:
            return self.share, self.share
        return self.min or 0.0, 1.0 if self.max is None else self.max

    def words(self) -> str:
        """Return the cell in words."""
        return " and ".join(f'"{name}" {part.words()}' for name, part in self.where.items())


def short_part(value: Any) -> Any:
    """Return a level or a list of levels as `levels`; other forms as they are."""
    if isinstance(value, list):
        return {"levels": value}
    return {"levels": [value]} if isinstance(value, str | int | float) else value
