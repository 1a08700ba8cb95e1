"""What is known of the answers to a column in the next wave, and how past waves were estimated.

The people of each past wave are first brought to those of the one estimated (Kitagawa, 1955), then
a local level model follows. The same rule estimates past waves from those before; where that errs
more than carrying the wave before forward, the last wave is carried.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit, ndtr

from simulacra_intake.survey_weights import Floats
from simulacra_trainer.cell_keys import NOISE
from simulacra_trainer.segments.certify import FEW, kept_share
from simulacra_trainer.segments.pooling import (
    MAX_STEP,
    OVERALL_VARIANCE,
    RARE,
    STEPS,
    Indices,
    moments,
    pool_shares,
)

FIRST_TOLD = 2
"""Waves before the first past wave that is estimated from those before it."""
WALK_SPREADS = np.array([0.02, 0.04, 0.08, 0.16, 0.32])
NOISE_SPREADS = np.array([0.01, 0.02, 0.04, 0.08, 0.16])
"""Standard deviations on the logit scale: of a step of one wave, and of a wave by itself."""
HALVINGS = 40


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


class Forecast(NamedTuple):
    """Shares of answers in a wave, as logits: a mixture of normals, one for each pair of spreads.

    Attributes:
        center: what is said, float64 [answers].
        probability: of the pairs, float64 [g].
        means, deviations: float64 [answers, g].
    """

    center: Floats
    probability: Floats
    means: Floats
    deviations: Floats

    def shares(self) -> tuple[Floats, Floats]:
        """Return mean and standard error of the shares, float64 [answers] each."""
        total = self.deviations**2 + (self.means - self.center[:, None]) ** 2
        return moments(self.center, np.sqrt(total @ self.probability))

    def interval(self, level: float) -> tuple[Floats, Floats]:
        """Return the ends of the interval of this level around the center, in the logit."""
        apart = self.means - self.center[:, None]
        reach = np.zeros((len(apart), 1))
        step = 4.0 * (np.abs(apart) + self.deviations).max(axis=1, keepdims=True)
        for _ in range(HALVINGS):  # of |logit - center|, whose distribution rises with the reach
            inside = ndtr((reach + step - apart) / self.deviations) - ndtr(
                (-reach - step - apart) / self.deviations
            )
            reach = np.where((inside @ self.probability)[:, None] < level, reach + step, reach)
            step = step / 2.0
        return expit(self.center - reach[:, 0]), expit(self.center + reach[:, 0])

    def carried(self, share: Floats) -> Forecast:
        """Return the same knowledge of the wave around the last share."""
        return self._replace(center=logit(share))


def forecast(shares: Floats, respondents: Floats, times: Floats, ahead: float) -> Forecast:
    """Return the shares of answers at time `ahead`, after all others.

    Args:
        shares: of each answer in each wave, float64 [answers, waves], within RARE and 1 - RARE.
        respondents: effective ones behind them, float64 [answers, waves].
        times: of the waves, ascending, in steps, float64 [waves].
        ahead: the time to tell.
    """
    every = np.append(times, ahead) - times[0]
    walk, apart = np.minimum.outer(every, every), np.eye(every.size)
    walks, noises = (of.ravel() for of in np.meshgrid(WALK_SPREADS**2, NOISE_SPREADS**2))
    covariance = OVERALL_VARIANCE + walks[:, None, None] * walk + noises[:, None, None] * apart
    seen, across = covariance[:, :-1, :-1], covariance[:, :, :-1]
    successes = shares * respondents
    overall = (successes.sum(axis=1) + 0.5) / (respondents.sum(axis=1) + 1.0)
    center, logits = logit(overall)[:, None], logit(shares)
    # Of k answers that make up a whole, k - 1 are free.
    free = 1.0 if len(shares) == 1 else 1.0 - 1.0 / len(shares)
    for _ in range(STEPS):
        share = np.clip(expit(logits), RARE, 1.0 - RARE)
        weight = respondents * share * (1.0 - share)
        residual = logit(share) + (successes - respondents * share) / weight - center
        noisy = seen + (np.eye(times.size) / weight[:, None])[:, None]  # [answers, g, t, t]
        precision = np.linalg.inv(noisy)
        pull = np.einsum("agij,aj->agi", precision, residual)
        fit = np.einsum("agi,ai->ag", pull, residual) + np.linalg.slogdet(noisy)[1]
        likelihood = -0.5 * free * fit.sum(axis=0)
        probability = np.exp(likelihood - likelihood.max())
        probability /= probability.sum()
        by_spread = center[:, None] + np.einsum("gij,agj->agi", across, pull)
        mean = np.einsum("g,agi->ai", probability, by_spread)
        logits = logits + np.clip(mean[:, :-1] - logits, -MAX_STEP, MAX_STEP)
    last = across[:, -1]
    variance = covariance[:, -1, -1] - np.einsum("gi,agij,gj->ag", last, precision, last)
    deviations = np.sqrt(np.maximum(variance, 1e-12))
    return Forecast(mean[:, -1], probability, by_spread[:, :, -1], deviations)
