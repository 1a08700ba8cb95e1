"""The rule of support: who must have a value before anything is claimed of setting it.

Effects, sheets, rows under do() and pairs all ask `unsupported`, so none claims what another says
cannot be answered.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from simulacra_intake.rows_of_persons import MIN_PERSONS
from simulacra_trainer.evidence import two_digits

MIN_ARM = 20
"""Least rows with a value."""
MIN_EFFECTIVE = 30.0
"""Least rows that those with the value are worth, weighted to everybody; a person's rows count as
one."""


@dataclass(frozen=True)
class Held:
    """Who has a value, or all of several values.

    Attributes:
        values: by column.
        in_range: whether each number lies within the observed range.
        rows: that have them, with the noise of their persons' keys.
        effective: what these are worth, weighted to everybody (Kish); None if not yet known.
    """

    values: dict[str, float | str]
    in_range: bool
    rows: int
    effective: float | None = None

    @property
    def worth(self) -> float:
        """Rows that count, of which there must be enough."""
        return float(self.rows) if self.effective is None else self.effective

    @property
    def is_enough(self) -> bool:
        """Whether enough rows have the values."""
        return self.worth >= (MIN_ARM if self.effective is None else MIN_EFFECTIVE)


@dataclass(frozen=True)
class Support:
    """What stands behind rows under do().

    Attributes:
        respondents: that the rows with the values are worth; None where they are too few.
        missing: why nothing may be claimed, as `unsupported`; None if something may.
        share: of the people who have counterparts with all values that are set, 0..1; None where
            nobody is counted.
    """

    respondents: float | None = None
    missing: str | None = None
    share: float | None = None


def unsupported(asked: Sequence[Held]) -> str | None:
    """Return why nothing can be said of values, as the rest of a sentence; None if it can.

    asked: all values that are set or compared.
    """
    for one in asked:
        if not one.in_range:
            names = " and ".join(one.values)
            return f"{named(one.values.values())} lies outside the observed values of {names}."
    least = min(asked, key=lambda one: one.worth)
    if least.is_enough:
        return None
    values = named(least.values.values())
    count = f"{two_digits(least.worth):.0f}" if least.worth >= MIN_PERSONS else "fewer than 5"
    return f"too few people like the others have {values} ({count} effective rows)."


def named(values: Iterable[float | str]) -> str:
    """Return values in quotes."""
    return " and ".join(f"'{_plain(value)}'" for value in values)


def _plain(value: float | str) -> float | str:
    """Return a number with at most six digits, a whole one without its point."""
    if isinstance(value, str):
        return value
    return int(value) if float(value).is_integer() else float(f"{value:.6g}")
