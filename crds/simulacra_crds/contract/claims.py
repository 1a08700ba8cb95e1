"""Figures that a verdict may claim: a point only where the verdict's own words have one."""

from __future__ import annotations

from simulacra_crds.contract.answers import AdjustmentSpan, EffectResult
from simulacra_crds.kinds.base import VerdictKind

POINTED: tuple[VerdictKind, ...] = ("assumed",)
"""Verdicts whose words name a point; a point also says how strong an unseen cause must be."""
SPANNED: tuple[VerdictKind, ...] = ("assumed", "suggested", "open")
"""Verdicts whose words name an interval."""


def claimed(answer: EffectResult) -> EffectResult:
    """Return an answer with only the figures that its verdict may claim.

    assumed: all. suggested, open: intervals without points. contradicted, unanswerable: none but
    the plain difference of averages, which claims no effect.
    """
    kind = answer.verdict.kind
    if kind in POINTED:
        return answer
    hidden: dict[str, None] = {"effect": None, "robustness": None}
    changes: dict[str, object] = {"sensitivity": None, "segments": [], "unshown_segments": []}
    if kind in SPANNED:
        sets = [one.model_dump(exclude={"effect"}) for one in answer.alternatives]
        changes["alternatives"] = [AdjustmentSpan.model_validate(one) for one in sets]
    else:
        changes |= {"union": None, "alternatives": []}
        hidden |= {"low": None, "high": None}
    changes["estimate"] = answer.estimate.model_copy(update=hidden)
    return answer.model_copy(update=changes)
