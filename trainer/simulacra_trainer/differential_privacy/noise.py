"""Exact discrete noise of differential privacy, by OpenDP, and the budget that it costs.

Needs opendp (the extra `private`); without it the import raises ModuleNotFoundError. The digits of
floating-point noise reveal the exact value (Mironov, 2012), so OpenDP samples integers and
fractions. Its randomness is cryptographically secure and ignores our seeds.

In zero-concentrated differential privacy (zCDP) the loss of a query is a number rho, and the losses
of several queries add up (Bun & Steinke, 2016). Two tables are neighbors when they differ in the
content of one row; the number of rows is public.
"""

import math
from typing import Any

import numpy as np
import opendp.prelude as dp

from simulacra_trainer.differential_privacy.domain import Floats, Ints

# OpenDP asks for this consent wherever it has not vetted the written proof of a mechanism.
dp.enable_features("contrib")
STEPS = 200


def gaussian_mechanism(deviation: float) -> dp.Measurement:
    """Return the mechanism that adds discrete Gaussian noise (Canonne, Kamath & Steinke, 2020)."""
    return dp.m.make_gaussian(
        dp.vector_domain(dp.atom_domain(T="i64")), dp.l2_distance(T=float), scale=deviation
    )


def choice_mechanism(scale: float) -> dp.Measurement:
    """Return the exponential mechanism: the index of the largest score after Gumbel noise."""
    scores = dp.vector_domain(dp.atom_domain(T=float, nan=False))
    return dp.m.make_noisy_max(
        scores, dp.linf_distance(T=float), dp.zero_concentrated_divergence(), scale=scale
    )


def noisy_counts(counts: Ints, deviation: float) -> Ints:
    """Return the counts, int64 [n], plus noise of this standard deviation."""
    noisy: Any = gaussian_mechanism(deviation)(counts.tolist())
    return np.array(noisy, np.int64)


def noisy_argmax(scores: Floats, scale: float) -> int:
    """Return a random index, with probability proportional to exp(score / scale)."""
    return int(choice_mechanism(scale)(scores.tolist()))


def delta_of(rho: float, epsilon: float) -> float:
    """Return the smallest delta for which rho-zCDP is known to imply (epsilon, delta)-DP.

    Canonne, Kamath & Steinke, The discrete Gaussian for differential privacy, 2020, corollary 13.
    """
    if rho <= 0:
        return 0.0
    low, high = 1.01, (epsilon + 1.0) / (2.0 * rho) + 2.0
    for _ in range(STEPS):  # bisection: the exponent is convex in the order
        order = (low + high) / 2.0
        if (2.0 * order - 1.0) * rho - epsilon + math.log1p(-1.0 / order) < 0:
            low = order
        else:
            high = order
    exponent = (order - 1.0) * (order * rho - epsilon) + order * math.log1p(-1.0 / order)
    return min(math.exp(min(exponent, 0.0)) / (order - 1.0), 1.0)


def rho_of(epsilon: float, delta: float) -> float:
    """Return the largest rho that implies (epsilon, delta)-DP by `delta_of`."""
    low, high = 0.0, epsilon + 1.0
    for _ in range(STEPS):
        rho = (low + high) / 2.0
        low, high = (rho, high) if delta_of(rho, epsilon) <= delta else (low, rho)
    return low


class Budget:
    """A total rho; every query of the customer's rows spends some of it."""

    def __init__(self, rho: float) -> None:
        self.rho = rho
        self.spent = 0.0

    def spend(self, rho: float) -> None:
        """Record a query that costs rho; ArithmeticError when the budget does not cover it."""
        if self.spent + rho > self.rho * (1.0 + 1e-9):
            raise ArithmeticError("the privacy budget is used up")
        self.spent += rho
