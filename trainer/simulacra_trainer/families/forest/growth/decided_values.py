"""Values that an earlier column decides, as the answers of people who are not asked a question."""

import numpy as np

from simulacra_intake.rows_of_persons import MIN_PERSONS
from simulacra_trainer.families.codec import Codes, Floats, Indices, Ints
from simulacra_trainer.families.forest.growth.training_rows import TrainingRows

PURE_CHANGES, EXPECTED_IMPURE = 2, 20.0
"""A column decides whether another has a value if no code has both, and this is not chance."""


def decided_values(data: TrainingRows, values: Floats, candidates: Ints) -> Floats:
    """Return the values that one of the candidate columns decides, float64 [k].

    All people with certain codes of the candidate have such a value, and no others. Missing may be
    one. In wide tables only missing is looked at, so that the cost is bounded. Chance is that of
    persons, not of their rows.

    candidates: positions of earlier columns.
    """
    distinct, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    inverse, n = inverse.reshape(-1), values.size
    independent = n / data.rows_a_person
    impure = 2.0 * independent * (counts / n) * (1.0 - counts / n)
    is_open = np.isnan(distinct)
    if data.factors is None:
        people = data.persons_a_group(np.arange(n, dtype=np.int32), inverse, distinct.size)
        is_open |= (impure >= EXPECTED_IMPURE) & (people >= MIN_PERSONS)
    is_open &= counts < n
    size = int(np.count_nonzero(is_open))
    place = np.full(distinct.size, size)
    place[is_open] = np.arange(size)
    found = np.zeros(size, np.bool_)
    for f in candidates if size else ():
        table = _counts_of(data.codes[f], place[inverse], size + 1)
        has_value = table[:, :size] > 0
        is_pure = ~np.any(has_value & (table[:, :size] < table.sum(axis=1)[:, None]), axis=0)
        changes = np.count_nonzero(np.diff(has_value, axis=0), axis=0)
        repeats = max(1.0 - len(table) / independent, 0.0) * impure[is_open]
        found |= is_pure & ((repeats >= EXPECTED_IMPURE) | (changes <= PURE_CHANGES))
    return distinct[is_open][found]


def _counts_of(codes: Codes, group: Indices, groups: int) -> Indices:
    """Return how many rows of each code that occurs are in each group, int64 [codes, groups]."""
    counts = np.bincount(codes.astype(np.int64) * groups + group)
    counts = np.append(counts, np.zeros(-counts.size % groups, np.int64)).reshape(-1, groups)
    return counts[counts.any(axis=1)]
