"""Demand by price as Gabor and Granger (1966) ask for it.

Demand falls with the price (isotonic regression), in a band that holds for all prices. The best
price has a set of prices that are not worse beyond chance (Hsu, 1984).
"""

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import ndtr, stdtrit

from simulacra_intake.arrow_values import as_floats
from simulacra_intake.survey_weights import Floats
from simulacra_schema.price_columns import buying
from simulacra_schema.prices import (
    ArcElasticity,
    PriceAnswer,
    PriceCurve,
    PricePoint,
    PriceQuestion,
)
from simulacra_trainer.cell_keys import NOISE
from simulacra_trainer.design import design_of
from simulacra_trainer.effects.simultaneous import (
    LEVEL,
    critical_value,
    normal_draws,
    student_width,
)
from simulacra_trainer.evidence import Z95, coarse
from simulacra_trainer.segments.cells import Bools, in_steps, level_codes
from simulacra_trainer.segments.certify import FEW, kept_share, wilson
from simulacra_trainer.segments.price_counts import (
    LEAST,
    TOO_FEW,
    Respondents,
    blocks_of,
    grid,
    shown,
)

PRICES = 15
"""Prices of the curve at most, where people named their own."""
NO_PRICES = (
    "Too few respondents name different prices above 0. Name the column with the highest price that"
    " they accept."
)
RISES = (
    "More people buy at the highest price than at the lowest. Check the prices, or name the answers"
    " that mean buying in buys."
)


def _bought(everyone: Respondents, question: PriceQuestion) -> tuple[Floats, Floats]:
    """Return the prices, ascending, and who buys at each, float64 [prices, n]: 1, 0 or nan.

    A price that was not asked about follows from the others: who does not buy at a lower one does
    not, else who buys at a higher one does.
    """
    table, schema = everyone.trained.table, everyone.trained.schema
    if len(question.columns) == 1:
        highest = as_floats(table.column(question.columns[0]))
        known = ~np.isnan(highest)
        prices = np.zeros(0)
        if known.any():
            prices = grid(blocks_of(everyone, [highest], known), PRICES)
        return prices, np.where(known, highest >= prices[:, None], np.nan)
    rows = []
    for name in question.columns:
        column = schema.column(name)
        levels = column.level_values()
        codes = level_codes(table, name, levels)
        buys = np.isin(codes, [levels.index(one) for one in buying(column, question.buys)])
        special = [at for at, level in enumerate(column.levels) if level.special]
        rows.append(np.where((codes < 0) | np.isin(codes, special), np.nan, buys))
    order = np.argsort(question.prices)
    found = np.array(rows)[order]
    refused = np.maximum.accumulate(found == 0, axis=0)
    agreed = np.maximum.accumulate((found == 1)[::-1], axis=0)[::-1]
    filled = np.where(refused, 0.0, np.where(agreed, 1.0, np.nan))
    return np.array(question.prices)[order], np.where(np.isnan(found), filled, found)


def price_demand(everyone: Respondents, question: PriceQuestion) -> PriceAnswer | str:
    """Return demand, revenue and elasticity by price."""
    prices, bought = _bought(everyone, question)
    if prices.size < 2:
        return NO_PRICES
    known: Bools = np.asarray(~np.isnan(bought).any(axis=0))
    odd, asked = everyone.counts(known & (np.diff(bought, axis=0) > 0).any(axis=0), known)
    if asked < LEAST:
        return TOO_FEW.format("for all prices")
    said = np.array([everyone.counts(row == 1, known)[0] for row in bought])
    if said[-1] - said[0] > Z95 * np.sqrt(asked):
        return RISES
    counts = shown(said, np.full(said.size, asked))
    plain = counts / asked
    demand = isotonic_regression(plain, increasing=False).x
    mean = np.average(bought[:, known], axis=1, weights=everyone.cells.weights[known])
    influence, free = everyone.influences(bought - mean[:, None], known)
    apart = np.ones(prices.size)
    if design_of(everyone.trained.table, everyone.trained.schema) is not None:
        # In steps, as in segments: an exact design effect would tell an exact count.
        variance = np.maximum(np.sum(influence**2, axis=1), 1e-12)
        apart = np.where(counts == said, in_steps(mean * (1.0 - mean) / variance / asked), 1.0)
    worth = asked * apart * kept_share(counts, np.full(said.size, asked), NOISE)
    critical = student_width(critical_value(list(influence), 0), np.array(free + 1.0))
    z = round(float(critical), 2)
    low, high = wilson(plain, worth, z)
    low, high = np.where(said < FEW, 0.0, low), np.where(asked - said < FEW, 1.0, high)
    low = np.minimum(np.maximum.accumulate(low[::-1])[::-1], demand)
    high = np.maximum(np.minimum.accumulate(high), demand)
    revenue = prices * demand
    best = int(np.argmax(revenue))
    as_good = _as_good(prices[:, None] * influence, revenue, free)
    return PriceAnswer(
        question=question.model_copy(update={"buys": _buys(everyone, question)}),
        respondents=asked,
        inconsistent=odd if odd >= FEW else 0.0,
        prices=prices.tolist(),
        curves=[
            _curve("would buy", demand, low, high),
            _curve("revenue", revenue, prices * low, prices * high),
        ],
        points=[
            PricePoint(
                name="best revenue",
                price=float(prices[best]),
                low=float(prices[as_good].min()),
                high=float(prices[as_good].max()),
            )
        ],
        elasticities=_elasticities(prices, demand, plain, influence, counts == said, free),
        text="",
    )


def _buys(everyone: Respondents, question: PriceQuestion) -> list[str]:
    """Return the answers that count as buying, where they are those of a scale."""
    column = everyone.trained.schema.column(question.columns[0])
    is_scale = len(question.columns) > 1 and len(column.levels) > 2
    return buying(column, question.buys) if is_scale else question.buys


def _curve(name: str, values: Floats, low: Floats, high: Floats) -> PriceCurve:
    return PriceCurve(name=name, values=values.tolist(), low=low.tolist(), high=high.tolist())


def _as_good(influence: Floats, revenue: Floats, free: int) -> Bools:
    """Return which prices may have the highest revenue: a set with 95 % (Hsu, 1984).

    influence: of units on the revenue at each price, float64 [prices, units].
    """
    found: Bools = np.zeros(revenue.size, np.bool_)
    rng = np.random.default_rng(0)
    for at in range(revenue.size):
        others = np.arange(revenue.size) != at
        more = influence[others] - influence[at]
        error = np.sqrt(np.maximum(np.sum(more**2, axis=1), 1e-300))
        largest = normal_draws((more @ more.T) / np.outer(error, error), rng).max(axis=1)
        critical = -stdtrit(free, ndtr(-np.quantile(largest, LEVEL)))
        found[at] = bool(np.all(revenue[others] - revenue[at] <= critical * error))
    return found


def _elasticities(
    prices: Floats, demand: Floats, plain: Floats, influence: Floats, told: Bools, free: int
) -> list[ArcElasticity]:
    """Return the arc elasticity between neighbors, by midpoints; the delta method gives its error.

    None where fewer than five buy, or do not. No interval goes above 0: demand falls.
    """
    width, found = float(student_width(Z95, np.array(free + 1.0))), []
    for a in range(prices.size - 1):
        b = a + 1
        if not (told[a] and told[b]):
            continue
        step = 2.0 * (prices[b] - prices[a]) / (prices[a] + prices[b])
        both = plain[a] + plain[b]
        error = 4.0 * np.sqrt(np.sum((plain[a] * influence[b] - plain[b] * influence[a]) ** 2))
        error = float(error / both**2 / step)
        raw = 2.0 * (plain[b] - plain[a]) / both / step
        value = 2.0 * (demand[b] - demand[a]) / (demand[a] + demand[b]) / step
        low, high = raw - width * error, min(raw + width * error, 0.0)
        ends = (coarse(one, error) for one in (value, min(low, value), max(high, value)))
        start, end = float(prices[a]), float(prices[b])
        elasticity, low, high = ends
        found.append(ArcElasticity(start=start, end=end, elasticity=elasticity, low=low, high=high))
    return found
