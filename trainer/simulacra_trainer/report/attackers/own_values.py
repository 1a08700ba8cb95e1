"""What own numbers and words tell of the people in a table: the bar, and the part of the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from simulacra_schema.privacy_verdict import MEMBERSHIP_LIMIT, MEMBERSHIP_PEOPLE
from simulacra_schema.table import ColumnSchema
from simulacra_trainer.report.attackers.membership import (
    Advantage,
    PersonRows,
    mean_advantage,
    membership,
)
from simulacra_trainer.report.attackers.pairs_of_answers import membership_by_pairs
from simulacra_trainer.report.attackers.rare_numbers import NumbersBack, numbers_back

CHANCE = 2.33
"""Standard errors that chance exceeds in one of four windows, or by pairs, once in twenty."""
PAIRS = "pairs"
HALVES = 2.0**0.5
"""Gains on half of the rows, relative to all rows (`pipeline.disclosure`)."""
Gains = Mapping[str, Advantage]
Trial = tuple[PersonRows, PersonRows, pa.Table]
"""Seen and unseen people, and rows that a model of the seen ones draws."""


@dataclass(frozen=True)
class OwnValues:
    """Gains of the attackers on half of the rows, and numbers of few persons that come back.

    Attributes:
        respondents: behind the table; Kish's number with weights.
        attackers: by name, with rows as they come.
        numbers: of one to four persons.
        under_range: gains with rows in a range; empty where there is none.
        lead: the column of the range.
    """

    respondents: float
    attackers: Gains
    numbers: NumbersBack
    under_range: Gains
    lead: str | None

    @property
    def is_measured(self) -> bool:
        """Whether there are enough people to see a gain."""
        return self.respondents >= MEMBERSHIP_PEOPLE

    @property
    def passes(self) -> bool:
        """Whether no attacker is shown to gain more than the tolerance; twice as much by pairs."""
        single = [one for name, one in self.attackers.items() if name != PAIRS]
        every = [*single, *self.under_range.values()]
        by_pairs = PAIRS in self.attackers and _fails(self.attackers[PAIRS], 2.0 * MEMBERSHIP_LIMIT)
        return not (by_pairs or any(_fails(one) for one in every))

    @property
    def pairs_pass(self) -> bool:
        """Whether pairs of answers are not shown to tell more than the tolerance."""
        return PAIRS not in self.attackers or not _fails(self.attackers[PAIRS])

    def to_json(self) -> dict[str, Any]:
        """Return the figures for the report, on the scale of the full table."""
        return {
            "respondents": round(self.respondents, 1),
            "measured": self.is_measured,
            "tolerance": MEMBERSHIP_LIMIT,
            "attackers": _listed(self.attackers),
            "under_range": {"column": self.lead, "attackers": _listed(self.under_range)},
            "rare_numbers": {
                "back": round(self.numbers.share, 4),
                "base": round(self.numbers.base, 4),
                "error": round(self.numbers.error, 4),
                "passes": self.numbers.passes,
            },
            "pairs_pass": self.pairs_pass,
            "passes": self.passes,
        }


def own_values(
    trials: Sequence[Trial],
    columns: Sequence[ColumnSchema],
    respondents: float,
    under_range: Sequence[Gains] = (),
    lead: str | None = None,
) -> OwnValues:
    """Return what attackers by own numbers and words gain, on average over the trials.

    under_range: what they gain with rows in a range, by half-model; lead: the column of the range.
    """
    names = [column.name for column in columns]
    found = [
        {**membership(*trial, columns), PAIRS: membership_by_pairs(*trial, names)}
        for trial in trials
    ]
    counted = NumbersBack()
    for trial in trials:
        counted += numbers_back(*trial, columns)
    return OwnValues(
        respondents, _mean(found), counted, _mean(under_range), lead if under_range else None
    )


def figures_of_values(found: Mapping[str, Any] | None) -> dict[str, float]:
    """Return the figures of the test without names, for a status."""
    if found is None:
        return {}
    every = [*found["attackers"].values(), *found["under_range"]["attackers"].values()]
    most = max(every, key=lambda one: float(one["gain"]), default={"gain": 0.0, "error": 0.0})
    return {
        "membership_pass": float(found["passes"]),
        "membership_measured": float(found["measured"]),
        "membership_gain": float(most["gain"]),
        "membership_chance": round(CHANCE * float(most["error"]), 4),
        "pairs_pass": float(found["pairs_pass"]),
        "rare_numbers_pass": float(found["rare_numbers"]["passes"]),
    }


def _mean(found: Sequence[Mapping[str, Advantage]]) -> dict[str, Advantage]:
    """Return the mean of each attacker over the half-models."""
    names = dict.fromkeys(name for one in found for name in one)
    return {name: mean_advantage([one[name] for one in found if name in one]) for name in names}


def _fails(one: Advantage, limit: float = MEMBERSHIP_LIMIT) -> bool:
    gain = round(one.gain.value / HALVES, 2)  # as it is said
    return gain > limit and one.gain.value > CHANCE * one.gain.error


def _listed(found: Mapping[str, Advantage]) -> dict[str, dict[str, float]]:
    return {
        name: {
            "gain": round(one.gain.value / HALVES, 4),
            "error": round(one.gain.error / HALVES, 4),
            "found": round(one.found, 4),
        }
        for name, one in found.items()
    }
