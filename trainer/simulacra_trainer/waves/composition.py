"""A change of a share, split: the sample is made up differently, or people answer otherwise.

Each wave is weighted to the other's shares of the background columns (raking; Deming & Stephan,
1940), and the two directions are averaged (Kitagawa, 1955; DiNardo, Fortin & Lemieux, 1996). Errors
are those of resampled sampling points or rows (Rao & Wu, 1988) or of the replicate weights, with
raking repeated.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from simulacra_intake.rows_of_persons import Ints
from simulacra_intake.survey_design import crossed
from simulacra_intake.survey_weights import Floats
from simulacra_trainer.waves.shares import Bools, Estimate, Sample

DRAWS = 100
ROUNDS = 12
LARGEST = 8.0
"""Times the mean that a weight may be: else few rows of a rare group would decide."""


class Parts(NamedTuple):
    """What the composition and the answers of people alike add to a change of a share."""

    composition: Estimate
    answers: Estimate


class _Cells(NamedTuple):
    """Combinations of the background columns, and what is needed of the rows of two waves.

    codes: of each combination, int64 [columns, cells]; cell: of each row, times two, plus one in
    the newer wave.
    """

    codes: Ints
    cell: Ints


def split(
    sample: Sample,
    background: Sequence[Ints],
    waves: tuple[int, int],
    answers: Sequence[tuple[Bools, Bools]],
    freedom: Sequence[float],
    rng: np.random.Generator,
) -> list[Parts]:
    """Return the parts of the change of each answer between two waves.

    background: codes of each column, int64 [n], -1 where it is missing; waves: the older and the
    newer one; answers: rows with any answer, and with the answer, bool [n] each; freedom: degrees
    of freedom of each change.
    """
    rows = np.flatnonzero(np.isin(sample.wave, waves))
    taken = [of[rows] for of in background]
    cell = crossed(taken, rows.size)
    first = np.unique(cell, return_index=True)[1]
    codes = np.stack([np.unique(of, return_inverse=True)[1].reshape(-1)[first] for of in taken])
    cells = _Cells(codes, 2 * cell + (sample.wave[rows] == waves[1]))
    asked = [(known[rows], hit[rows]) for known, hit in answers]
    weights = sample.weights[rows]
    found = _parts(cells, weights, asked)
    if sample.replicates is not None:
        draws = np.stack([_parts(cells, weights * of, asked) for of in sample.replicates[rows].T])
        errors = np.sqrt(sample.scale * np.sum((draws - found) ** 2, axis=0))
    else:
        resample = _resampling(sample, rows, rng)
        draws = np.stack([_parts(cells, weights * resample(), asked) for _ in range(DRAWS)])
        errors = draws.std(axis=0, ddof=1)
    return _as_parts(found, errors, freedom)


class Margin(NamedTuple):
    """A background column: codes of the newest rows, and its shares in an earlier wave.

    codes: of each row of the table, int64 [n], -1 where missing; shares: of each level, float64
    [levels]; worth: effective rows of that wave.
    """

    codes: Ints
    shares: Floats
    worth: float


def split_one_way(
    sample: Sample,
    margins: Sequence[Margin],
    wave: int,
    answers: Sequence[tuple[Bools, Bools]],
    before: Sequence[Estimate],
    freedom: Sequence[float],
    rng: np.random.Generator,
) -> list[Parts]:
    """Return the parts of the change of each answer since a wave of which only margins are known.

    The newest rows are weighted to those margins; the other direction needs the earlier rows.

    sample: the newest rows; margins: of each background column; wave: the newer one, in the sample;
    answers, freedom: as in `split`; before: the earlier share of each answer.
    """
    rows = np.flatnonzero(sample.wave == wave)
    taken = [one.codes[rows] + 1 for one in margins]
    cell = crossed(taken, rows.size)
    codes = np.stack(taken)[:, np.unique(cell, return_index=True)[1]]
    said = np.stack([of[rows] & hit[rows] for of, hit in answers])
    asked = np.stack([of[rows] for of, _ in answers])

    def parts(weights: Floats, earlier: Sequence[Floats]) -> Floats:
        have = np.bincount(cell, weights, codes.shape[1]).astype(np.float64)
        missing = [float(have[of == 0].sum()) / max(float(have.sum()), 1e-300) for of in codes]
        pairs = zip(missing, earlier, strict=True)
        wanted = [np.append(none, (1.0 - none) * shares / shares.sum()) for none, shares in pairs]
        alike = weights * _raked_to(codes, have, wanted)[cell]
        plain, as_older = ((said @ of) / np.maximum(asked @ of, 1e-300) for of in (weights, alike))
        return np.stack([plain - as_older, as_older - [one.value for one in before]], axis=1)

    weights = sample.weights[rows]
    found = parts(weights, [one.shares for one in margins])
    resample = _resampling(sample, rows, rng)
    draws = np.stack(
        [parts(weights * resample(), [_drawn(one, rng) for one in margins]) for _ in range(DRAWS)]
    )
    errors = draws.std(axis=0, ddof=1)
    errors[:, 1] = np.hypot(errors[:, 1], [one.error for one in before])
    return _as_parts(found, errors, freedom)


def _drawn(margin: Margin, rng: np.random.Generator) -> Floats:
    """Return how many rows each level of another sample of the earlier wave has, float64."""
    found = rng.multinomial(int(margin.worth), margin.shares / margin.shares.sum())
    return found.astype(np.float64)


def _as_parts(found: Floats, errors: Floats, freedom: Sequence[float]) -> list[Parts]:
    return [
        Parts(*(Estimate(value, error, df, error) for value, error in zip(of, by, strict=True)))
        for of, by, df in zip(found.tolist(), errors.tolist(), freedom, strict=True)
    ]


def _resampling(sample: Sample, rows: Ints, rng: np.random.Generator) -> Callable[[], Floats]:
    """Return what draws sampling points again, and tells how often each row is drawn, float64 [n].

    Of each stratum and set of waves, one point fewer is drawn than there are.
    """
    units, of_row = np.unique(sample.clusters[rows], return_inverse=True)
    groups = crossed([sample.strata[units], sample.visits[units]], units.size)
    order, ends = np.argsort(groups, kind="stable"), np.cumsum(np.bincount(groups))

    def resample() -> Floats:
        times = np.ones(groups.size)
        for members in np.split(order, ends[:-1]):
            size = members.size
            if size > 1:
                drawn = np.bincount(rng.integers(0, size, size - 1), minlength=size)
                times[members] = drawn * size / (size - 1)
        return times[of_row.reshape(-1)]

    return resample


def _parts(cells: _Cells, weights: Floats, answers: Sequence[tuple[Bools, Bools]]) -> Floats:
    """Return composition and answers of each change, float64 [answers, 2]."""
    older, newer = _totals(cells, weights)
    as_newer, as_older = _raked(cells.codes, older, newer), _raked(cells.codes, newer, older)
    found = []
    for known, hit in answers:
        said, asked = _totals(cells, weights * hit), _totals(cells, weights * known)
        plain = [_share(of, all_of) for of, all_of in zip(said, asked, strict=True)]
        alike = plain[1] - _share(said[0] * as_newer, asked[0] * as_newer)
        alike += _share(said[1] * as_older, asked[1] * as_older) - plain[0]
        found.append((plain[1] - plain[0] - alike / 2.0, alike / 2.0))
    return np.array(found)


def _totals(cells: _Cells, weights: Floats) -> Floats:
    """Return the weights by wave and cell, float64 [2, cells]."""
    found = np.bincount(cells.cell, weights, 2 * cells.codes.shape[1]).astype(np.float64)
    return found.reshape(-1, 2).T


def _share(said: Floats, asked: Floats) -> float:
    return float(said.sum() / max(float(asked.sum()), 1e-300))


def _raked(codes: Ints, have: Floats, want: Floats) -> Floats:
    """Return the factor of each cell's weights, float64 [cells], of mean 1 over the weights.

    codes: of each cell, int64 [columns, cells]; have, want: the cells' weights, float64 [cells].
    """
    return _raked_to(codes, have, [np.bincount(of, want) / want.sum() for of in codes])


def _raked_to(codes: Ints, have: Floats, wanted: Sequence[Floats]) -> Floats:
    """Return the same for shares of each column's levels, float64 [levels] each."""
    factor = np.ones(have.size)
    for _ in range(ROUNDS):
        for of, then in zip(codes, wanted, strict=True):
            now = np.bincount(of, have * factor, then.size)
            step = np.divide(then * now.sum(), now, out=np.ones_like(now), where=now > 0)
            factor = factor * step[of]
    factor = factor * have.sum() / max(float((have * factor).sum()), 1e-300)
    return np.minimum(factor, LARGEST)
