"""What is known of the answers to a column in the next wave, and how past waves were estimated.

The people of each past wave are first brought to those of the one estimated (Kitagawa, 1955), then
a local level model follows. The same rule estimates past waves from those before; where that errs
more than carrying the wave before forward, the last wave is carried.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from simulacra_intake.survey_weights import Floats
from simulacra_trainer.cell_keys import NOISE
from simulacra_trainer.segments.certify import FEW, kept_share
from simulacra_trainer.segments.local_level import Forecast, forecast
from simulacra_trainer.segments.pooling import RARE, Indices, pool_shares

FIRST_TOLD = 2
"""Waves before the first past wave that is estimated from those before it."""


class Estimated(NamedTuple):
    """What is known of the answers to one column; arrays float64 [answers].

    successes, respondents, carried: of the newest wave; earlier: respondents before it; model,
    said: the forecast, and what the answer says; shares: its points; error, carried_error: over
    `tests` past waves.
    """

    levels: Sequence[str]
    successes: Floats
    respondents: Floats
    earlier: float
    model: Forecast
    said: Forecast
    shares: Floats
    carried: Floats
    tests: int
    error: float
    carried_error: float

    @property
    def is_better(self) -> bool:
        """Whether past waves were estimated better than by carrying the one before forward."""
        return self.error < self.carried_error

    def worth(self) -> Floats:
        """Return how many respondents know each share as well, float64 [answers]."""
        return self.shares * (1.0 - self.shares) / self.said.shares()[1] ** 2


def moves(
    inside: Sequence[tuple[Floats, Floats]], groups: Sequence[Indices], makeup: Floats
) -> tuple[Floats, Floats]:
    """Return what the composition of a wave, or of the next one, adds to the shares of a wave.

    Args:
        inside: of each answer, respondents of each cell who gave it, and who gave any.
        groups: of the cells, as in `pool_shares`.
        makeup: shares of the cells in each wave and in the next one, float64 [waves + 1, cells].

    Returns:
        float64 [waves + 1, waves, answers], and standard errors of what is added to the newest wave
        for the next one, float64 [answers].
    """
    pooled = [pool_shares(said, respondents, groups) for said, respondents in inside]
    shares = np.stack([one.share for one in pooled])
    # As in segments, fewer than five are worth one respondent at most.
    few = np.stack([respondents for _, respondents in inside]) < FEW
    errors = np.where(
        few, np.sqrt(shares * (1.0 - shares)), np.stack([one.cautious for one in pooled])
    )
    unsure = np.sqrt(errors**2 @ (makeup[-1] - makeup[-2]) ** 2)
    return (makeup[:, None] - makeup[:-1]) @ shares.T, unsure


def of_column(
    levels: Sequence[str],
    successes: Floats,
    respondents: Floats,
    asked: Indices,
    moved: Floats,
    unsure: Floats,
) -> Estimated:
    """Return what is known of one column.

    Args:
        levels: its answers.
        successes: respondents of each wave who gave each answer, float64 [answers, waves].
        respondents: those who gave any, float64 [answers, waves].
        asked: positions of the waves that asked it, int64 [k].
        moved: what the composition of a wave adds to the shares of another, from `moves`; zeros
            without targets.
        unsure: its standard errors, from `moves`.
    """
    plain = successes[:, asked] / respondents[:, asked]
    kept = (kept_share(successes, respondents, NOISE) * respondents)[:, asked]

    def estimate(count: int, at: int) -> tuple[Forecast, Floats]:
        """Return a wave estimated from the first `count` asked ones, and the last of its people."""
        before = asked[:count]
        shares = np.clip(plain[:, :count] + moved[at, before].T, RARE, 1.0 - RARE)
        known = kept[:, :count]
        return forecast(shares, known, before.astype(np.float64), float(at)), shares[:, -1]

    errors = []
    for count in range(FIRST_TOLD, asked.size):
        past, carried = estimate(count, int(asked[count]))[0].shares()[0], plain[:, count - 1]
        errors.append([(of - plain[:, count]) ** 2 for of in (past, carried)])
    error, carried_error = np.sqrt(np.mean(errors, axis=(0, 2)))
    model, last = estimate(asked.size, respondents.shape[1])
    share = model.shares()[0]
    apart = unsure / (share * (1.0 - share))
    model = model._replace(deviations=np.hypot(model.deviations, apart[:, None]))
    is_better = error < carried_error
    return Estimated(
        levels,
        successes[:, -1],
        respondents[:, -1],
        float(respondents[0, asked[:-1]].sum()),
        model,
        model if is_better else model.carried(last),
        model.shares()[0] if is_better else last,
        last,
        len(errors),
        float(error),
        float(carried_error),
    )
