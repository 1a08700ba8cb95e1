"""Closed ranges of numbers and dates."""

import math
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field

from simulacra_schema.base import KubeModel, is_none, optional, ruled

Finite = Annotated[float, Field(allow_inf_nan=False)]
Day = Annotated[
    str,
    Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?)?$", max_length=19),
]
"""An ISO 8601 date, or date and time of day."""
IN_ORDER = (
    "!has(self.min) || !has(self.max) || self.min <= self.max",
    "min is above max, so no row can meet the range; exchange them",
)
DATES_IN_ORDER = (
    "!has(self.earliest) || !has(self.latest) || self.earliest <= self.latest || "
    "self.earliest.startsWith(self.latest)",
    "earliest is after latest, so no row can meet the range; exchange them",
)


class NumericRange(KubeModel):
    """A closed range; an absent end is open. min == max fixes the value."""

    model_config = ruled(
        (
            "(has(self.min) || has(self.max)) != (has(self.earliest) || has(self.latest))",
            "give min, max or both; of a date, earliest, latest or both",
        ),
        IN_ORDER,
        DATES_IN_ORDER,
    )

    min: Finite | None = optional("Lower end, included; open when absent.")
    max: Finite | None = optional("Upper end, included; open when absent.")
    # Readers of an earlier release know no dates.
    earliest: Day | None = optional(
        "Of a date: first day (2024-01-31) or moment, included.", exclude_if=is_none
    )
    latest: Day | None = optional(
        "Of a date: last day (2024-03-31) or moment, included.", exclude_if=is_none
    )

    @property
    def has_numbers(self) -> bool:
        """Whether an end is a number."""
        return self.min is not None or self.max is not None

    @property
    def has_dates(self) -> bool:
        """Whether an end is a date."""
        return self.earliest is not None or self.latest is not None

    def ends(self) -> tuple[float, float]:
        """Return the ends: numbers, or microseconds since 1970 UTC; an open end is infinite.

        The last day counts to its end. ValueError for a day that no calendar has.
        """
        if not self.has_dates:
            low = -math.inf if self.min is None else self.min
            return low, math.inf if self.max is None else self.max
        low = -math.inf if self.earliest is None else _moment(self.earliest)
        return low, math.inf if self.latest is None else _moment(self.latest, last=True)

    def words(self) -> str:
        """Return the range in words."""
        if self.has_dates:
            given = (self.earliest, self.latest)
            low, high = given
        else:
            low, high = (None if end is None else f"{end:.12g}" for end in (self.min, self.max))
        if low is None and high is None:
            return "present"
        if low is None:
            return f"at most {high}"
        if high is None:
            return f"at least {low}"
        return f"equal to {low}" if low == high else f"between {low} and {high}"


def _moment(text: str, *, last: bool = False) -> float:
    """Return microseconds since 1970 of a date and time, or of the last moment of a date."""
    at = datetime.fromisoformat(text).replace(tzinfo=UTC)
    if last and "T" not in text:
        at += timedelta(days=1) - timedelta(microseconds=1)
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)
