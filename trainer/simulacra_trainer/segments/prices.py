"""Answers to price questions, from the respondents in the model's clean table."""

from __future__ import annotations

from simulacra_schema.price_columns import asked_price
from simulacra_schema.prices import PriceQuestion
from simulacra_schema.questions.segments import SegmentSummary
from simulacra_schema.segment_shares import SegmentResult
from simulacra_trainer.segments.cells import segmentation
from simulacra_trainer.segments.price_counts import Respondents
from simulacra_trainer.segments.price_demand import price_demand
from simulacra_trainer.segments.price_points import price_points
from simulacra_trainer.segments.price_words import price_text
from simulacra_trainer.trained_model import TrainedModel


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
