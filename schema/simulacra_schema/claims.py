"""Figures that a verdict may claim: a point only where the verdict's own words have one."""

from simulacra_schema.answers import AdjustmentSpan, EffectResult, SegmentEffect
from simulacra_schema.base import VerdictKind

POINTED: tuple[VerdictKind, ...] = ("assumed", "instrument", "parallel trends")
"""Verdicts whose words name a point; if assumed, it says how strong an unseen cause must be."""
SPANNED: tuple[VerdictKind, ...] = (*POINTED, "suggested", "usual order", "open")
"""Verdicts whose words name an interval."""


def mask_unclaimed(answer: EffectResult) -> EffectResult:
    """Return an answer with only the figures that its verdict may claim.

    assumed, instrument, parallel trends: all. A weak instrument, suggested, usual order, open:
    intervals without points, by segment too.
    contradicted, unanswerable: none but the plain difference of averages, which claims no effect.
    """
    kind = answer.verdict.kind
    is_weak = any(one.name == "first stage" and one.outcome == "failed" for one in answer.checks)
    if kind in POINTED and not is_weak:
        return answer
    hidden: dict[str, None] = {"effect": None, "robustness": None}
    changes: dict[str, object] = {"sensitivity": None}
    if kind in SPANNED:
        sets = [one.model_dump(exclude={"effect"}) for one in answer.alternatives]
        changes["alternatives"] = [AdjustmentSpan.model_validate(one) for one in sets]
        changes["elasticity"] = answer.elasticity and answer.elasticity.model_copy(
            update={"value": None}
        )
        changes["segments"] = [_without_point(one) for one in answer.segments]
    else:
        changes |= {"union": None, "answered": None}
        changes |= {"alternatives": [], "segments": [], "unshown_segments": []}
        changes |= {"groups_differ": None, "elasticity": None}
        hidden |= dict.fromkeys(("low", "high", "everybody_low", "everybody_high"))
    changes["estimate"] = answer.estimate.model_copy(update=hidden)
    return answer.model_copy(update=changes)


def _without_point(one: SegmentEffect) -> SegmentEffect:
    """Return a segment's intervals; they already cover every adjustment set left open."""
    gap = one.difference and one.difference.model_copy(update={"effect": None})
    return one.model_copy(update={"effect": None, "difference": gap})
