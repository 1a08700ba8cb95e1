"""Shares of the answers to a question one wave ahead, from the waves before: a local level model.

The logit of a wave's share is a random walk plus a noise of the wave (Harvey, 1989): a mean of many
waves where little moves, the last wave where much does. As in `pooling`, the two spreads are not
chosen but integrated over a grid, and the binomial likelihood is approximated around the current
logits. The answers to one question have the same spreads: a single one has too few waves to tell.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit, ndtr

from simulacra_intake.survey_weights import Floats
from simulacra_trainer.segments.pooling import (
    MAX_STEP,
    OVERALL_VARIANCE,
    RARE,
    STEPS,
    moments,
)

WALK_SPREADS = np.array([0.02, 0.04, 0.08, 0.16, 0.32])
NOISE_SPREADS = np.array([0.01, 0.02, 0.04, 0.08, 0.16])
"""Standard deviations on the logit scale: of a step of one wave, and of a wave by itself."""
HALVINGS = 40


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
