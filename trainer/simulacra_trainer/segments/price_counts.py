"""Respondents of a price question: noisy counts, errors of the design, and means of 20 persons.

Distribution functions are linear between means of BLOCK persons or more (mid-distribution
functions; Ma, Genton & Parzen, 2011), so no figure is one person's.
"""

from dataclasses import dataclass

import numpy as np

from simulacra_intake.rows_of_persons import Ints
from simulacra_intake.survey_weights import Floats
from simulacra_trainer.design import influences
from simulacra_trainer.segments.cells import Bools, Segmentation
from simulacra_trainer.segments.certify import FEW
from simulacra_trainer.trained_model import TrainedModel

BLOCK = 20
"""Persons of a mean, which is all that is said of a price."""
LEAST = 50
"""Respondents of a price question."""
TOO_FEW = (
    f"Fewer than {LEAST} respondents answered {{}} without contradiction. A price question needs"
    " more."
)


@dataclass(frozen=True)
class Respondents:
    """The rows of a price question, as one cell."""

    trained: TrainedModel
    cells: Segmentation

    def counts(self, hit: Bools, known: Bools) -> tuple[float, float]:
        """Return the effective respondents with an answer, and with any, with a noise."""
        said, asked = self.cells.noisy_counts(hit, known)
        return float(said[0]), float(asked[0])

    def influences(self, away: Floats, known: Bools) -> tuple[Floats, int]:
        """Return `influences` of the rows' distances to means, float64 [k, n]."""
        total = float(self.cells.weights[known].sum())
        return influences(
            np.where(known, away, 0.0), total, self.trained.table, self.trained.schema
        )


@dataclass(frozen=True)
class Blocks:
    """Blocks of neighboring values, of BLOCK persons or more.

    Attributes:
        of: block of each value, int64 [m].
        mean: of each block, float64 [blocks].
        middle: share of all below it and half of its own, float64 [blocks].
    """

    of: Ints
    mean: Floats
    middle: Floats


def blocks_of(everyone: Respondents, columns: list[Floats], used: Bools) -> Blocks:
    """Return the blocks of the values of columns, one column after the other."""
    values = np.concatenate([column[used] for column in columns])
    persons = np.tile(everyone.cells.persons[used], len(columns))
    weights = np.tile(everyone.cells.weights[used], len(columns))
    distinct, which = np.unique(values, return_inverse=True)
    order = np.argsort(which, kind="stable")
    ends = np.cumsum(np.bincount(which))
    block, seen, number, start = np.zeros(distinct.size, np.int64), set[int](), 0, 0
    for at, end in enumerate(ends.tolist()):
        block[at] = number
        seen.update(persons[order[start:end]].tolist())
        start = end
        if len(seen) >= BLOCK:
            number, seen = number + 1, set()
    of = np.minimum(block, max(number - 1, 0))[which]  # the last few belong to the block before
    heavy = np.bincount(of, weights)
    mean = np.bincount(of, weights * values) / heavy
    return Blocks(of, mean, (np.cumsum(heavy) - heavy / 2.0) / heavy.sum())


def grid(blocks: Blocks, most: int) -> Floats:
    """Return round prices from the lowest to the highest mean of a block, `most` at most."""
    low, high = float(blocks.mean[0]), float(blocks.mean[-1])
    power = 10.0 ** np.floor(np.log10(max(high - low, 1e-9) / most))
    step = next(n for n in (1.0, 2.0, 5.0, 10.0, 20.0) if (high - low) / (n * power) < most)
    found = np.arange(np.ceil(low / (step * power)), np.floor(high / (step * power)) + 1)
    prices: Floats = np.array([float(f"{one * step * power:.12g}") for one in found])
    return prices[prices > 0]


def shown(said: Floats, of: Floats) -> Floats:
    """Return counts, in which one of fewer than five, or of all but so few, stands for the few."""
    few = np.where(said < FEW, FEW / 2.0, said)
    return np.clip(np.where(of - said < FEW, of - FEW / 2.0, few), 0.0, of)
