"""Accounting in zero-concentrated differential privacy (zCDP): a budget and its epsilon.

The privacy loss of a query is a number rho, and the losses of several queries add up (Bun &
Steinke, 2016). Two tables are neighbors when they differ in the content of one row; the number of
rows is public.
"""

from __future__ import annotations

import math

STEPS = 200


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
