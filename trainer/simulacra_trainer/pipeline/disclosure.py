"""The privacy bar of small tables: what attackers gain on members of a table beyond controls.

In a small table the share of generated rows that are nearer to seen rows (DCR) measures estimation:
any estimate of few rows is nearer to them. So the bar is what a person could feel. Practical
attackers have the generated rows: none may be shown to gain more than a tolerance. A strong
attacker also has a second survey of the population; he may tell who took part by no more than a cap
or than the tables that a survey publishes anyway (`attackers.published_tables`).

All is measured on exchanged halves. A model of half of the rows tells more of them than a model of
all, so gains are divided by constants.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri  # scipy.stats takes half a second to import

from simulacra_intake.rows_of_persons import one_row_a_person
from simulacra_schema.table import TableSchema
from simulacra_trainer.families.forest import FOREST, METHODS
from simulacra_trainer.pipeline.holdout import HalfModelRows
from simulacra_trainer.report.attackers.attacks import (
    Gain,
    inference,
    linkage,
    nearness,
    points_of,
    pooled,
)
from simulacra_trainer.report.attackers.attacks import auc as auc_of
from simulacra_trainer.report.attackers.published_tables import CAP, membership_by_tables

TOLERANCES = {"nearness": 0.04, "inference": 0.02, "linkage": 0.04}
"""Gains that a practical attacker may have with the rows of the full table."""
HALVES = 2.0**0.5
"""Gains of practical attackers on half of the rows, relative to all rows."""
SIDES = 2.5
"""z of the strong attacker here, where each half's rows stand for the second survey, relative to
that of the full table; the mean of eleven tables is 2.7 (methods-generation.md)."""
CHANCE = 1.64
"""Standard errors that chance exceeds once in twenty."""
ATTACK_ROWS = 2_000
STRONG_COLUMNS = 80
"""In wider tables the strong attacker is not measured: any model with the right shares of each
question gives him more than the cap."""
NOT_MEASURED = (
    f"More than {STRONG_COLUMNS} columns: any model with the right shares of each question tells "
    "an attacker who has a second survey of the population who took part."
)
NAMES = tuple(TOLERANCES)


@dataclass(frozen=True)
class Disclosure:
    """Gains of attackers on one pair of exchanged halves or several.

    Attributes:
        gains: of practical attackers by name, on half of the rows.
        strong: AUC above 1/2 of the strong attacker, both halves known; None if not measured.
        published: the same by the halves' published tables.
        is_wide: whether the table is too wide for the strong attacker.
    """

    gains: Mapping[str, Gain]
    strong: Gain | None = None
    published: Gain | None = None
    is_wide: bool = False

    @property
    def practical_passes(self) -> bool:
        """Whether no practical attacker is shown to gain more than the tolerance."""
        return not any(
            gain.value / HALVES > TOLERANCES[name] and gain.value > CHANCE * gain.error
            for name, gain in self.gains.items()
        )

    @property
    def excess(self) -> float:
        """How far practical attackers gain more than the tolerances, summed, for all rows."""
        beyond = (gain.value / HALVES - TOLERANCES[name] for name, gain in self.gains.items())
        return sum(max(over, 0.0) for over in beyond)

    @property
    def strong_passes(self) -> bool:
        """Whether the strong attacker is not shown to gain more than is allowed."""
        if self.strong is None or self.published is None:
            return True
        value = _of_all_rows(self.strong.value)
        error = _of_all_rows(self.strong.value + self.strong.error) - value
        return value - self.allowed <= CHANCE * error

    @property
    def allowed(self) -> float:
        """AUC that a strong attacker may have."""
        published = 0.5 if self.published is None else _of_all_rows(self.published.value)
        return max(CAP, published)

    def to_json(self) -> dict[str, Any]:
        """Return the figures for the report, on the scale of the full table."""
        found: dict[str, Any] = {
            name: {
                "gain": round(gain.value / HALVES, 4),
                "error": round(gain.error / HALVES, 4),
                "tolerance": TOLERANCES[name],
            }
            for name, gain in self.gains.items()
        }
        if self.strong is not None:
            found["strong"] = {
                "auc": round(_of_all_rows(self.strong.value), 4),
                "allowed": round(self.allowed, 4),
            }
        elif self.is_wide:
            found |= {"strong": None, "reason": NOT_MEASURED}
        return found | {"passes": self.practical_passes and self.strong_passes}


def practical_disclosure(
    drawn: Sequence[HalfModelRows], schema: TableSchema, seed: int
) -> Disclosure:
    """Return what practical attackers gain; drawn: rows of each half-model."""
    names = [column.name for column in schema.learned()]
    found: dict[str, list[Gain]] = {name: [] for name in NAMES}
    for place, rows in enumerate(drawn):
        rng = np.random.default_rng([seed, 24, place])
        seen, unseen = (
            one_row_a_person(half, schema, rng) for half in (rows.halves.seen, rows.halves.unseen)
        )
        synthetic = rows.synthetic.slice(0, ATTACK_ROWS)
        members, controls, points = points_of(seen, [seen, unseen, synthetic], names)
        found["nearness"].append(nearness(members, controls, points))
        found["inference"].append(inference(members, controls, points, rng))
        found["linkage"].append(linkage(members, controls, points, rng))
    gains = {name: pooled(of) for name, of in found.items()}
    return Disclosure(gains, is_wide=len(names) > STRONG_COLUMNS)


def strong_disclosure(
    drawn: Sequence[HalfModelRows], schema: TableSchema, order: Sequence[str], seed: int
) -> tuple[Gain, Gain] | None:
    """Return the gains of the strong attacker and of published tables.

    None for wide tables, and for big ones, whose halves are not exchanged.

    drawn: rows of each half-model; each two in a row have exchanged halves.
    """
    names = [column.name for column in schema.learned()]
    if len(names) > STRONG_COLUMNS or len(drawn) < 2:
        return None
    options = {METHODS: dict.fromkeys(order, "loglinear")}
    strong, published = [], []
    for one, other in zip(drawn[::2], drawn[1::2], strict=True):
        rng = np.random.default_rng([seed, 25])
        people = [one_row_a_person(of.halves.seen, schema, rng) for of in (one, other)]
        first, second = (
            FOREST.fit(of.synthetic.slice(0, ATTACK_ROWS), schema, order, options=options)
            for of in (one, other)
        )
        grids = first.grids
        scores = [
            first.log_likelihood(rows, grids) - second.log_likelihood(rows, grids)
            for rows in people
        ]
        strong.append(auc_of(*scores))
        published.append(membership_by_tables(people[0], people[1], names))
    return pooled(strong), pooled(published)


def _of_all_rows(gain: float) -> float:
    """Return the strong attacker's AUC with the full table from his gain on both halves."""
    return float(ndtr(ndtri(np.clip(0.5 + gain, 1e-6, 1.0 - 1e-6)) / SIDES))
