"""Body of the request for a draft."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from simulacra_api.http.field_types import Seed
from simulacra_schema.conditions import ConditionSet


class DraftRequest(BaseModel, extra="forbid"):
    """What to draw."""

    description: dict[str, Any] = Field(
        description="All columns (Data Package v2): categories, constraints.minimum and maximum of"
        " numbers and dates, x-simulacra.askedIf of skipped questions."
    )
    row_count: Annotated[int, Field(strict=True)] = Field(
        default=500, description="Number of rows, 1 to 10,000; fewer with many columns or quotas."
    )
    conditions: ConditionSet = Field(
        default_factory=ConditionSet, description="Stated shares, ranges and quotas."
    )
    seed: Seed = Field(default=0, description="The same one gives the same rows.")
