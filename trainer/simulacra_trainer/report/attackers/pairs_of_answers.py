"""An attacker who counts the rows that come near a person in two columns at once.

Joint answers may be kept where the numbers of each column tell nothing: so each pair of columns
counts by the logarithm of the rows near the person in both, over those that either tells.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulacra_intake.arrow_values import sample_rows
from simulacra_trainer.report.attackers.membership import Advantage, PersonRows, advantage
from simulacra_trainer.report.comparison.columns import is_category, level_codes, numbers

Floats = npt.NDArray[np.float64]
NEAR = 0.02
"""Share of the generated rows on either side of a person's number that are near it."""
PEOPLE, ROWS, COLUMNS = 500, 5_000, 24
"""At most, half a second."""
AT_A_TIME = 64


def membership_by_pairs(
    members: PersonRows, controls: PersonRows, drawn: pa.Table, names: Sequence[str]
) -> Advantage:
    """Return what pairs of answers tell; people, rows and columns are samples of many."""
    rng = np.random.default_rng(27)
    chosen = [name for name in names if name in drawn.column_names]
    if len(chosen) > COLUMNS:
        chosen = [chosen[at] for at in np.sort(rng.permutation(len(chosen))[:COLUMNS])]
    people = [_some(of, rng) for of in (members, controls)]
    rows = sample_rows(drawn, ROWS, rng)
    return advantage(*(of.summed(pair_scores(of.rows, rows, chosen)) for of in people))


def _some(people: PersonRows, rng: np.random.Generator) -> PersonRows:
    """Return at most PEOPLE persons."""
    if people.who is None:
        return PersonRows(sample_rows(people.rows, PEOPLE, rng))
    some = np.flatnonzero(people.who < PEOPLE)
    return PersonRows(people.rows.take(pa.array(some)), people.who[some])


def pair_scores(people: pa.Table, drawn: pa.Table, names: Sequence[str]) -> Floats:
    """Return the sum over all pairs of columns of each person's logarithms, float64 [n]."""
    columns = [_reach(people, drawn, name) for name in names]
    scores = np.zeros(people.num_rows)
    one, other = np.triu_indices(len(columns), 1)
    near = np.empty((AT_A_TIME, len(columns), drawn.num_rows), np.float32)
    for begin in range(0, people.num_rows, AT_A_TIME):
        block = slice(begin, min(begin + AT_A_TIME, people.num_rows))
        near = near[: block.stop - begin]
        for place, (rows, low, high) in enumerate(columns):
            if low is high:  # a level
                near[:, place] = rows == low[block, None]
            else:
                near[:, place] = (rows >= low[block, None]) & (rows <= high[block, None])
        both = near @ near.transpose(0, 2, 1)
        single = np.diagonal(both, axis1=1, axis2=2)
        expected = single[:, one] * single[:, other] / drawn.num_rows
        ratio = np.log((both[:, one, other] + 1.0) / (expected + 1.0))
        scores[block] = ratio.sum(axis=1)
    return scores


def _reach(people: pa.Table, drawn: pa.Table, name: str) -> tuple[Floats, Floats, Floats]:
    """Return a column's rows as places, and what is near to each person: from, to."""
    if is_category(people, name):
        codes, _ = level_codes([people, drawn], name)
        same, others = (of.astype(np.float64) for of in codes)
        return others, same, same
    own, rows = numbers(people, name), numbers(drawn, name)
    known = np.sort(rows[~np.isnan(rows)])
    if not known.size:
        return rows, own, own
    place, half = np.searchsorted(known, own), NEAR * known.size
    low, high = (
        known[np.clip(place + step, 0, known.size - 1).astype(np.int64)] for step in (-half, half)
    )
    return rows, np.minimum(low, own), np.maximum(high, own)
