"""Van Westendorp's price points (1976): curves and their crossings.

Each crossing of two curves is the median of the two columns together, so its interval is
Woodruff's (1952).
"""

import numpy as np
from scipy.optimize import isotonic_regression

from simulacra_intake.arrow_values import as_floats
from simulacra_intake.survey_weights import Floats
from simulacra_schema.prices import STEPS, PriceAnswer, PriceCurve, PricePoint, PriceQuestion
from simulacra_trainer.effects.simultaneous import student_width
from simulacra_trainer.evidence import Z95, coarse
from simulacra_trainer.segments.cells import Bools
from simulacra_trainer.segments.certify import FEW
from simulacra_trainer.segments.price_counts import (
    LEAST,
    TOO_FEW,
    Respondents,
    blocks_of,
    grid,
    shown,
)

PRICES = 30
"""Prices of the curves at most."""
CROSSINGS = (
    ("marginal cheapness", 0, 1),
    ("optimal", 0, 3),
    ("indifference", 1, 2),
    ("marginal expensiveness", 2, 3),
)
"""The falling curve (at least this price) and the rising one (at most) that meet, by column."""
NO_PRICES = "Too few respondents name different prices above 0 to draw a curve."
OTHER_ORDER = (
    "Most respondents gave these prices in another order. Name the columns in the order too cheap,"
    " cheap, expensive, too expensive."
)


def price_points(everyone: Respondents, question: PriceQuestion) -> PriceAnswer | str:
    """Return van Westendorp's curves and their crossings."""
    columns = [as_floats(everyone.trained.table.column(name)) for name in question.columns]
    known: Bools = np.asarray(~np.isnan(columns).any(axis=0))
    rises: Bools = known & (np.diff(columns, axis=0) >= 0).all(axis=0)
    odd, asked = everyone.counts(known & ~rises, known)
    if asked >= LEAST and odd > asked / 2:
        return OTHER_ORDER
    told = odd if odd >= FEW else 0.0
    if asked - odd < LEAST:
        return TOO_FEW.format("all four")
    prices = grid(blocks_of(everyone, columns, rises), PRICES)
    if prices.size < 2:
        return NO_PRICES
    points = [
        _crossing(everyone, name, columns[falling], columns[rising], rises)
        for name, falling, rising in CROSSINGS
    ]
    curves = []
    for at, (step, values) in enumerate(zip(STEPS, columns, strict=True)):
        falls = at < 2
        hits = [rises & (values >= p if falls else values <= p) for p in prices]
        said, of = np.transpose([everyone.counts(hit, rises) for hit in hits])
        shares = isotonic_regression(shown(said, of) / of, increasing=not falls).x
        curves.append(PriceCurve(name=step, values=shares.tolist()))
    return PriceAnswer(
        question=question,
        respondents=asked - told,
        inconsistent=told,
        prices=prices.tolist(),
        curves=curves,
        points=points,
        text="",
    )


def _crossing(
    everyone: Respondents, name: str, falling: Floats, rising: Floats, used: Bools
) -> PricePoint:
    """Return where as many find the price at least `falling` as at most `rising`.

    That is where their distribution functions sum to 1: the median of both columns together.
    """
    found = blocks_of(everyone, [falling, rising], used)
    middle = float(np.interp(0.5, found.middle, found.mean))
    meet = everyone.counts(used & (falling >= middle), used)[0] >= FEW
    if not meet or found.mean.size < 2:
        return PricePoint(name=name)
    # The function at the median is a mean over values: 1 in blocks below, parts in its own two.
    at = int(np.clip(np.searchsorted(found.middle, 0.5) - 1, 0, found.mean.size - 2))
    part = (0.5 - found.middle[at]) / (found.middle[at + 1] - found.middle[at])
    part = float(np.clip(part, 0.0, 1.0))
    below = np.where(np.arange(found.mean.size) < at, 1.0, 0.0)
    below[[at, at + 1]] = (1.0 + part) / 2.0, part / 2.0
    away = np.zeros(used.size)
    away[used] = below[found.of].reshape(2, -1).mean(axis=0) - 0.5
    influence, free = everyone.influences(away[None], used)
    width = float(student_width(Z95, np.array(free + 1.0))) * float(np.sqrt(np.sum(influence**2)))
    ends = np.interp([0.5 - width, 0.5 + width], found.middle, found.mean)
    error = float(ends[1] - ends[0]) / (2.0 * Z95)
    low, price, high = (coarse(one, error) for one in (ends[0], middle, ends[1]))
    return PricePoint(name=name, price=price, low=low, high=high)
