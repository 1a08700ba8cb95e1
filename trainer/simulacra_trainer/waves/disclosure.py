"""What the tables of a wave summary tell of who took part: the strong attacker's AUC.

He knows a person's whole record and the population, and adds up the log ratios of the person's
cells (Homer et al., 2008). Here one random half of the rows has been published and the other has
not; each stands for the population to the other, so the tables of a half tell more than those of
all rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from simulacra_intake.rows_of_persons import Ints
from simulacra_trainer.report.attackers.attacks import auc
from simulacra_trainer.report.attackers.published_tables import CAP, PRIOR_COUNT
from simulacra_trainer.waves.shares import Bools

CAPS = {"standard": CAP, "strict": 0.60}
"""AUC that the attacker may have, by the model's privacy level."""
SIDES = 2.0
"""z of the attacker on halves relative to that of all rows: a half has twice the share of each of
its persons, and half of what is known of the population is the other half."""
SPLITS = 20
SPLIT_ROWS = 30_000
"""Rows of all splits together; at least two splits are made."""


@dataclass(frozen=True)
class Cells:
    """One table: the cell of each row, int64 [n], -1 where it has none, and what is published."""

    cell: Ints
    told: Bools


def attack(tables: Sequence[Cells], rng: np.random.Generator) -> float:
    """Return the AUC of the attacker on the persons of these tables, 0.5..1."""
    rows = tables[0].cell.size if tables else 0
    if rows < 4:
        return 1.0
    splits = int(np.clip(SPLIT_ROWS // rows, 2, SPLITS))
    found = [_on_halves(tables, rng.permutation(rows) % 2 == 0) for _ in range(splits)]
    z = float(np.mean(ndtri(np.clip(found, 1e-6, 1.0 - 1e-6))))
    return float(ndtr(max(z, 0.0) / SIDES))


def _on_halves(tables: Sequence[Cells], published: Bools) -> float:
    score = np.zeros(published.size)
    for table in tables:
        size = table.told.size
        known = (table.cell >= 0) & table.told[table.cell]
        inside, outside = (
            np.bincount(table.cell[known & half], minlength=size) + PRIOR_COUNT
            for half in (published, ~published)
        )
        score[known] += np.log(inside / outside)[table.cell[known]]
    return auc(score[published], score[~published]).value + 0.5
