"""Answers to price questions, from the respondents in the model's clean table."""

from collections.abc import Iterator

from simulacra_schema.price_columns import asked_price
from simulacra_schema.prices import STEPS, PriceAnswer, PricePoint, PriceQuestion
from simulacra_schema.questions.segments import SegmentSummary
from simulacra_schema.segment_shares import SegmentResult
from simulacra_trainer.segments.answers import percent
from simulacra_trainer.segments.cells import segmentation
from simulacra_trainer.segments.price_counts import Respondents
from simulacra_trainer.segments.price_demand import price_demand
from simulacra_trainer.segments.price_points import price_points
from simulacra_trainer.trained_model import TrainedModel

TITLES = {
    "marginal cheapness": "Point of marginal cheapness",
    "optimal": "Optimal price point",
    "indifference": "Indifference price point",
    "marginal expensiveness": "Point of marginal expensiveness",
    "best revenue": "Price of the highest revenue, of these",
}
APART = "the curves do not meet: fewer than five respondents on either side"


def answer_prices(trained: TrainedModel, asked: PriceQuestion) -> SegmentResult:
    """Return the answer to a price question that fits the schema; or why there is none."""
    question = asked_price(asked, trained.schema)
    assert isinstance(question, PriceQuestion)
    everyone = Respondents(trained, segmentation(trained.table, trained.schema, []))
    answer = price_points if question.method == "van_westendorp" else price_demand
    found = answer(everyone, question)
    if isinstance(found, str):
        empty = SegmentSummary(intervals=0, boosted=0, slightly=0, no_better=0)
        return SegmentResult(summary=empty, reason=found)
    spans = sum(len(curve.low) for curve in found.curves) + len(found.elasticities)
    spans += sum(point.price is not None for point in found.points)
    summary = SegmentSummary(intervals=spans, boosted=0, slightly=0, no_better=0)
    told = found.model_copy(update={"text": price_text(found)})
    return SegmentResult(summary=summary, price_answer=told)


def price_text(answer: PriceAnswer) -> str:
    """Return who answered, each point with its interval, and what the intervals are, in lines."""
    lines = _sensitivity if answer.question.method == "van_westendorp" else _demand
    return "\n".join(lines(answer))


def _sensitivity(answer: PriceAnswer) -> Iterator[str]:
    named = zip(STEPS, answer.question.columns, strict=True)
    yield f"Van Westendorp: {', '.join(f'{step} = {name}' for step, name in named)}."
    odd = f"{answer.inconsistent:,.0f}" if answer.inconsistent else "Fewer than five"
    yield (
        f"{answer.respondents:,.0f} respondents count. {odd} gave prices in another order and are"
        " left out."
    )
    points = {point.name: point for point in answer.points}
    for name, title in TITLES.items():
        if name in points:
            yield f"{title}: {_span(points[name])}"
    low, high = points["marginal cheapness"].price, points["marginal expensiveness"].price
    if low is not None and high is not None:
        yield f"Acceptable prices: {low:,g} to {high:,g}."
    yield "Each interval holds by itself with 95 %."


def _demand(answer: PriceAnswer) -> Iterator[str]:
    yield f"Gabor and Granger: {', '.join(answer.question.columns)}."
    if answer.question.buys:
        yield f"Counted as buying: {', '.join(answer.question.buys)}."
    yield f"{answer.respondents:,.0f} respondents count."
    if len(answer.question.columns) > 1:
        odd = f"{answer.inconsistent:,.0f}" if answer.inconsistent else "Fewer than five"
        yield f"{odd} would buy at a price but not at a lower one; they count as they answered."
    demand = answer.curves[0]
    for price, *shares in zip(answer.prices, demand.values, demand.low, demand.high, strict=True):
        share, low, high = map(percent, shares)
        yield f"At {price:,g}: {share} would buy ({low} to {high})."
    for point in answer.points:
        yield f"{TITLES[point.name]}: {_span(point)}"
    for one in answer.elasticities:
        yield (
            f"Elasticity from {one.start:,g} to {one.end:,g}: {one.elasticity:,g}"
            f" ({one.low:,g} to {one.high:,g})."
        )
    yield "Shares hold together with 95 %; best price and each elasticity by themselves."


def _span(point: PricePoint) -> str:
    if point.price is None or point.low is None or point.high is None:
        return f"{APART}."
    return f"{point.price:,g} ({point.low:,g} to {point.high:,g})."
