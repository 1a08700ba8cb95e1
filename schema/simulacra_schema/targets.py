"""Targets: shares of the population that the rows of an upload are weighted to (raking).

    {"categorical": {"region": {"north": 0.3, "south": 0.7}},
     "quotas": [{"where": {"age": {"max": 27}, "sex": {"levels": ["f"]}}, "share": 0.1}], "trim": 5}

They have the words of conditions. A share is one of those who answered.
"""

from operator import not_
from typing import Annotated

from pydantic import Field

from simulacra_schema.base import ColumnName, KubeModel, LevelName, optional, optional_list
from simulacra_schema.quotas import MAX_QUOTAS, Quota, Share

MAX_TARGETS = 32
Shares = Annotated[dict[LevelName, Share], Field(min_length=1, max_length=200)]


class TargetedShares(KubeModel):
    """Shares of levels, and of cells of several columns, that hold together."""

    categorical: Annotated[dict[ColumnName, Shares], Field(max_length=MAX_TARGETS)] = Field(
        default_factory=dict,
        description="Shares (0..1) of levels, by column; levels that are not named share the rest.",
        exclude_if=not_,
    )
    quotas: Annotated[list[Quota], Field(max_length=MAX_QUOTAS)] = optional_list(
        "Shares of cells: a range, a level, or several at once.", exclude_if=not_
    )

    def columns(self) -> list[str]:
        """Return the columns that have a target."""
        of_quotas = (name for quota in self.quotas for name in quota.where)
        return [*dict.fromkeys([*self.categorical, *of_quotas])]


class Targets(TargetedShares):
    """Shares of levels, and of cells of several columns, that hold together."""

    trim: Annotated[float, Field(gt=1.0, le=1_000.0)] | None = optional(
        "Largest weight, as a multiple of the mean weight.", exclude_if=not_
    )
