"""What may be claimed of an effect: the first rule that fires.

unanswerable, contradicted, that of a stated design (instrument, parallel trends), assumed,
suggested, usual order, open. Wider intervals, an open column more or a statement less never raise a
verdict above open (test_effects_verdict.py, test_usual_order.py). What a statement itself took away
comes back without it: as open or as usual order, or as suggested if half-samples point that way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulacra_schema.answers import AdjustmentEffect, Sensitivity, Span, Verdict
from simulacra_schema.base import VerdictKind
from simulacra_schema.questions.effect import Precision
from simulacra_trainer.effects.column_timing import ColumnTiming
from simulacra_trainer.effects.overlap.support import MIN_EFFECTIVE
from simulacra_trainer.effects.words import beyond, figure, interval, listed, percent, sentence
from simulacra_trainer.evidence import Z95

if TYPE_CHECKING:
    from simulacra_trainer.effects.findings import Findings
    from simulacra_trainer.effects.scores import Interval

MAX_TRIED = 3
"""With more open columns not all of their subsets are adjusted for, so nothing is suggested: a set
that nobody tried may turn the answer, and an open column more must never raise a verdict."""
SUGGESTED_ERRORS = 3.0
"""Standard errors between 0 and each effect that a suggestion needs. At two, one in 20 effects of 0
would be suggested; where most are 0, those are a large part of all suggestions."""
ALARM = 0.01
"""Share of the people asked about without counterparts, from which an answer leaves some out."""
THIN = 0.5
VERY_THIN = 0.2
"""Effective share of an arm's rows below which an answer is thin, or very thin."""


@dataclass(frozen=True)
class Evidence:
    """What a verdict is judged by.

    Attributes:
        treatment, outcome: as asked.
        timing: what was stated.
        found: effects, none without an answer, and what speaks against them.
        otherwise: of a usual order, the union whatever comes first.
    """

    treatment: str
    outcome: str
    timing: ColumnTiming
    found: Findings
    otherwise: Span | None = None


def judge(evidence: Evidence) -> Verdict:
    """Return the verdict with its text."""
    timing = evidence.timing
    if evidence.found.missing is not None:
        return Verdict(kind="unanswerable", text=f"No answer: {evidence.found.missing}")
    if timing.order == "reversed":
        first = f"You said that {evidence.outcome} comes before {evidence.treatment}"
        reason = f"{first}, so {evidence.treatment} cannot change it."
        return _verdict(evidence, "contradicted", f"Do not use. {reason}")
    if evidence.found.failure is not None:
        return _verdict(evidence, "contradicted", f"Do not use. {evidence.found.failure}")
    if evidence.found.claim is not None:
        return _verdict(evidence, *evidence.found.claim)
    span = union(evidence.found.effects)
    if timing.presumes and _is_answered(evidence):
        return _verdict(evidence, "usual order", _usual(evidence, span))
    if timing.presumes:
        return _verdict(evidence, "open", _open(evidence, span))
    if timing.order == "stated" and not timing.unknown:
        return _verdict(evidence, "assumed", _assumed(evidence, span))
    if _is_suggested(evidence):
        return _verdict(evidence, "suggested", _suggested(evidence, span))
    return _verdict(evidence, "open", _open(evidence, span))


def _is_suggested(evidence: Evidence) -> bool:
    """Return whether every set was tried, would be answered alone, and has the same sure sign."""
    is_tried = len(evidence.timing.unknown) <= MAX_TRIED and evidence.found.is_sure
    return is_tried and _is_answered(evidence) and has_sure_sign(evidence.found.effects)


def _is_answered(evidence: Evidence) -> bool:
    """Return whether every set would be answered alone."""
    return min(effect.effective_rows for effect in evidence.found.effects) >= MIN_EFFECTIVE


def union(effects: Sequence[AdjustmentEffect]) -> Span:
    """Return the union of the intervals."""
    return Span(low=min(e.low for e in effects), high=max(e.high for e in effects))


def has_sure_sign(effects: Sequence[AdjustmentEffect | Interval]) -> bool:
    """Return whether all effects lie SUGGESTED_ERRORS from 0 on the same side, by their widths."""
    widen = SUGGESTED_ERRORS / Z95
    lows = [e.effect - widen * (e.effect - e.low) for e in effects]
    highs = [e.effect + widen * (e.high - e.effect) for e in effects]
    return min(lows) > 0 or max(highs) < 0


def precision(span: Span | None, effective_share: float, support: float = 1.0) -> Precision:
    """Return the first of very thin, not significant, thin support and clear that holds.

    Args:
        span: of the answer; None without one.
        effective_share: the smaller share, of the two arms, of rows that their weights are worth;
            at most support.
        support: share of the people asked about who have counterparts.
    """
    if span is None or effective_share < VERY_THIN:
        return "very thin"
    if span.low <= 0 <= span.high:
        return "not significant"
    is_thin = effective_share < THIN or support < 1.0 - ALARM
    return "thin support" if is_thin else "clear"


def question(evidence: Evidence) -> str | None:
    """Return the column whose place would narrow the union most on average; None without one.

    It is the outcome where the outcome may cause the treatment.
    """
    if any(effect.reverses for effect in evidence.found.effects):
        return evidence.outcome
    widths: dict[str, float] = {}
    for name in evidence.timing.unknown:
        sides = [
            [effect for effect in evidence.found.effects if (name in effect.adjustment) is inside]
            for inside in (True, False)
        ]
        if all(sides):
            spans = [union(side) for side in sides]
            widths[name] = sum(span.high - span.low for span in spans)
    return min(widths, key=widths.__getitem__) if widths else None


def _verdict(evidence: Evidence, kind: VerdictKind, text: str) -> Verdict:
    asks = question(evidence) if kind in ("suggested", "open") else None
    presumes = evidence.timing.presumes if kind == "usual order" else None
    said = evidence.timing.statements
    return Verdict(kind=kind, text=text, rests_on=said, asks=asks, presumes=presumes)


def _assumed(evidence: Evidence, span: Span) -> str:
    t, y, before = evidence.treatment, evidence.outcome, evidence.timing.before
    is_zero = span.low <= 0 <= span.high
    effect = f"{figure(evidence.found.effects[0].effect)} {interval(span.low, span.high)}"
    claim = beyond(span.low, span.high) if is_zero else effect
    whom = "" if evidence.found.answered is None else f", for {evidence.found.answered.text}"
    parts = [
        f"If {t} comes before {y}, as you said, and nothing unseen moves both{whom}: {claim}.",
        *_others(evidence),
    ]
    said = f"Before {t} came, you said: {listed(before)}."
    parts.append(said if before else f"You said that no column came before {t}.")
    found = evidence.found.sensitivity
    if found is not None and not is_zero:
        unseen = f"An unseen cause that explains {percent(found.robustness)} of what is left of"
        parts.append(f"{unseen} both would bring this to 0.")
        parts += _as_strong(found)
    return " ".join(parts)


def _others(evidence: Evidence) -> list[str]:
    """Return what is known of those whom the answer leaves out."""
    return [] if evidence.found.answered is None else [evidence.found.answered.why]


def _as_strong(found: Sensitivity) -> Iterator[str]:
    """Yield the interval with an unseen cause as strong as a stated column."""
    if found.unseen is None:
        return
    one = found.yardsticks[0]
    yield (
        f"Even with an unseen cause as strong as {one.column}"
        f" ({percent(one.of_outcome or 0.0)} of what is left of the outcome,"
        f" {percent(one.of_weights or 0.0)} of the weights):"
        f" {interval(found.unseen.low, found.unseen.high)}."
    )


def _suggested(evidence: Evidence, span: Span) -> str:
    direction = "more" if span.low > 0 else "less"
    timing, whom = evidence.timing, evidence.found.answered
    suggested = f"the data suggest {direction}, between {figure(span.low)} and {figure(span.high)}"
    start = suggested if whom is None else f"for {whom.text} {suggested}"
    suggestion = " ".join([f"{sentence(start)}.", *_others(evidence)])
    if timing.order == "unstated":
        return (
            f"{suggestion} Nobody said what comes first; in tests with known answers one in three"
            " such directions was wrong. State the order to rely on it."
        )
    return (
        f"{suggestion} You left open what comes before {evidence.treatment}:"
        f" {listed(timing.unknown)}. State it to rely on it."
    )


def _usual(evidence: Evidence, span: Span) -> str:
    """Return what the answer presumes, that nobody confirmed it, and both intervals."""
    t, timing = evidence.treatment, evidence.timing
    before, after = timing.usual
    sides = [f"{listed(before)} before {t}"] if before else []
    sides += [f"{listed(after)} after {t}"] if after else []
    if timing.unknown:
        sides.append(f"{listed(timing.unknown)}, in one block with {t}, all before it or all after")
    order = "; ".join(sides)
    ask = "Is that the order? State it as blocks, or correct it."
    if not (before or after):
        ask = f"To rely on it, state which of them came before {t}."
    whom = "" if evidence.found.answered is None else f" for {evidence.found.answered.text}"
    parts = [
        f"This presumes the usual order: {order}. You have not confirmed it.",
        f"If it holds and nothing unseen moves both{whom}: {_ends(span)}.",
        *_others(evidence),
    ]
    if evidence.otherwise is not None:
        parts.append(f"Whatever comes first: {_ends(evidence.otherwise)}.")
    return " ".join([*parts, ask])


def _ends(span: Span) -> str:
    return f"between {figure(span.low)} and {figure(span.high)}"


def _open(evidence: Evidence, span: Span) -> str:
    t, y = evidence.treatment, evidence.outcome
    whom = "" if evidence.found.answered is None else f"for {evidence.found.answered.text} "
    spread = f"Open: {whom}{_ends(span)}, depending on what comes"
    reverses = any(effect.reverses for effect in evidence.found.effects)
    spread += f" first; or none, if {y} causes {t}." if reverses else " first."
    spread = " ".join([spread, *_others(evidence)])
    if (count := len(evidence.timing.unknown)) > MAX_TRIED:
        spread += f" Nobody placed {count} columns; not every choice among them was tried."
    asked = question(evidence)
    if asked is None:
        return spread
    return f"{spread} What would settle most: does {asked} come before or after {t}?"
