"""Skip patterns: questions that a filter question leaves out, whose gaps are no gaps.

The form of a split questionnaire leaves out questions as well, and these are to be filled. A form
is assigned at random, and each of its values leaves out something; a filter question is answered,
and so depends on other answers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simulacra_intake.rows_of_persons import MIN_PERSONS
from simulacra_trainer.completion.cells import Booleans, Skip
from simulacra_trainer.families.codec import Codes, ColumnCodec, Floats
from simulacra_trainer.graph.skips import chance

MISSING = 0.95
"""Share of a value's rows without an answer, from which it skips the question."""
ANSWERED = 0.3
"""Share of the other rows with an answer, at least."""
MAX_VALUES = 30
UNLIKELY = 0.001
BY_CHANCE = 1e-6
"""Probability below which gaps of a value are no chance, given the share of gaps elsewhere."""


def find_skips(
    codecs: Sequence[ColumnCodec], values: Sequence[Floats], codes: Codes
) -> dict[int, Skip]:
    """Return the filter question of each column that has one, by place.

    Args:
        codecs: of the columns, in the order of the table.
        values: of the donors, float64 [p][n].
        codes: of the donors, uint8 [p, n].
    """
    missing = np.stack([np.isnan(of) for of in values])
    found: dict[int, list[tuple[int, Skip]]] = {}
    for s, codec in enumerate(codecs):
        known = np.unique(values[s][~missing[s]])
        if not 1 < known.size <= MAX_VALUES or not (codec.is_category or codec.few is not None):
            continue
        for j in range(s + 1, len(codecs)):
            skip = _skip(s, values[s], known, missing[s], missing[j])
            if skip is not None:
                found.setdefault(s, []).append((j, skip))
    best: dict[int, Skip] = {}
    for s, skips in found.items():
        if _is_form(s, values[s], [skip for _, skip in skips], missing, codes):
            continue
        for j, skip in skips:
            rows = int((skip.rows(values[s]) & missing[j]).sum())
            held = best.get(j)
            if held is None or rows > int((held.rows(values[held.filter]) & missing[j]).sum()):
                best[j] = skip
    return best


def _skip(
    place: int, values: Floats, known: Floats, unasked: Booleans, missing: Booleans
) -> Skip | None:
    """Return the values of a filter at which a column is missing; None if it is no filter."""
    if missing.sum() < MIN_PERSONS:
        return None
    at = [(value, values == value) for value in known]
    skipped = [v for v, rows in at if rows.sum() >= MIN_PERSONS and missing[rows].mean() >= MISSING]
    others = ~np.isin(values, skipped) & ~unasked
    if not skipped or others.sum() < MIN_PERSONS or (~missing[others]).mean() < ANSWERED:
        return None
    base = max(float(missing[others].mean()), 0.02)
    skipped = [v for v, rows in at if v in skipped and base ** rows.sum() < BY_CHANCE]
    if not skipped:
        return None
    of_missing = unasked.sum() >= MIN_PERSONS and missing[unasked].mean() >= MISSING
    return Skip(place, tuple(skipped), bool(of_missing))


def _is_form(
    place: int, values: Floats, skips: Sequence[Skip], missing: Booleans, codes: Codes
) -> bool:
    """Return whether a column is the form of a split questionnaire."""
    skipping = {value for skip in skips for value in skip.values}
    if skipping != set(np.unique(values[~np.isnan(values)]).tolist()):
        return False
    asked_all = [j for j in range(len(codes)) if j != place and missing[j].mean() < 1 - MISSING]
    if not asked_all:
        return False
    tables = (_counts(codes[place], codes[j]) for j in asked_all)
    return all(
        chance(table) >= UNLIKELY / len(asked_all) for table in tables if min(table.shape) > 1
    )


def _counts(first: Codes, other: Codes) -> Floats:
    """Return how often values meet, with numbers in groups of about a tenth of the rows."""
    ranks = np.unique(other, return_inverse=True)[1].reshape(-1)
    if ranks.max(initial=0) > 10:
        share = np.cumsum(np.bincount(ranks)) / ranks.size
        ranks = np.minimum((share * 10).astype(np.int64), 9)[ranks]
    counts = np.zeros((int(first.max(initial=0)) + 1, int(ranks.max(initial=0)) + 1))
    np.add.at(counts, (first, ranks), 1)
    return counts[counts.any(axis=1)][:, counts.any(axis=0)]
