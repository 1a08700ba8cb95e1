"""Results of effect estimates, segment estimates and answer sheets as the trainer stores them."""

from __future__ import annotations

from typing import Any

from simulacra_schema.answers import VERDICT_KINDS, Answered, EffectResult
from simulacra_schema.claims import SPANNED, mask_unclaimed
from simulacra_schema.questions.sheet import SheetSummary
from simulacra_schema.sheets import SheetResult

FIGURES = {"effect": -0.4, "low": -0.6, "high": -0.2, "rows": 100, "support": 0.9}
WHOM = "the 90 % with region other than 'north'"
WHY = (
    "Of the others almost nobody has '9', so the data cannot say. For everybody it is between -0.8"
    " and 0.3 if, with the value that they lack, the others' mean lies in the middle 90 % of those"
    " who have it."
)
ANSWERED = {
    "share": 0.9,
    "text": WHOM,
    "why": WHY,
    "leftOut": [[{"column": "region", "test": "=", "value": "north"}]],
    "everybody": {"low": -0.8, "high": 0.3},
}
PARTLY = {
    "assumed": "If price comes before segment, as you said, and nothing unseen moves both, for"
    f" {WHOM}: -0.4. {WHY}",
    "open": f"Open: for {WHOM} between -0.6 and -0.2, depending on what comes first. {WHY}",
}
TEXTS = {
    "assumed": "If price comes before segment, as you said, and nothing unseen moves both: -0.4.",
    "instrument": "If region is as good as random and moves segment only through price: -0.4.",
    "parallel trends": "If without the treatment segment had changed for both groups alike: -0.4.",
    "suggested": "The data suggest less, between -0.6 and -0.2.",
    "usual order": "This presumes the usual order: region before price. You have not confirmed it.",
    "open": "Open: between -0.6 and -0.2, depending on what comes first.",
    "contradicted": "Do not use. Two adjustments that should agree differ by 0.3.",
    "unanswerable": "No answer: too few people like the others have '9' (4 effective rows).",
}


SHARE = {
    "segment": [{"column": "region", "level": "north"}],
    "question": "segment",
    "answer": "loyal",
    "respondents": 42.0,
    "share": 0.35,
    "low": 0.25,
    "high": 0.46,
    "worth": 76.0,
    "verdict": "boosted",
    "own": None,
    "helped": None,
    "change": None,
    "text": "region = north: 42 respondents. segment = loyal: 35 % (25 % to 46 %).",
}
"""A certified share; the figures of its respondents alone are not shown."""


def effect_result(kind: str = "assumed") -> EffectResult:
    """Return a result with a verdict of this kind and with every field filled."""
    stated = {"earlier": ["region"], "later": ["price"], "origin": "request", "author": "client"}
    alternative: dict[str, Any] = FIGURES | {"adjustment": ["region"], "effectiveRows": 41.5}
    del alternative["rows"]
    fields: dict[str, Any] = {
        "treatment": "price",
        "value": 9,
        "baseline": 5,
        "outcome": "segment",
        "outcomeLevel": "loyal",
        "verdict": {
            "kind": kind,
            "text": TEXTS[kind],
            "restsOn": [stated],
            "asks": None if kind == "assumed" else "region",
        },
        "precision": "clear",
        "estimate": FIGURES
        | {
            "identified": kind == "assumed",
            "verdict": kind,
            "precision": "clear",
            "effectiveRows": 41.5,
            "robustness": 0.1,
        },
        "union": {"low": -0.6, "high": -0.2},
        "effectiveRows": 41.5,
        "naive": -0.5,
        "method": "aipw",
        "adjustment": ["region"],
        "alternatives": [alternative, alternative | {"adjustment": [], "effect": -0.5}],
        "dontKnow": ["id"],
        "checks": [{"name": "placebo", "outcome": "passed", "detail": "0.01 [-0.1, 0.1]"}],
        "sensitivity": {
            "robustness": 0.1,
            "robustnessNear": 0.07,
            "yardsticks": [
                {
                    "column": "region",
                    "shift": 0.06,
                    "strength": 0.02,
                    "ofOutcome": 0.28,
                    "ofWeights": 0.08,
                    "move": 0.07,
                }
            ],
            "unseen": {"low": -0.67, "high": -0.13},
        },
        "segment": "segment",
        "segments": [
            FIGURES
            | {
                "level": "loyal",
                "effectiveRows": 41.5,
                "thinSupport": True,
                "alone": {"low": -0.55, "high": -0.25},
            },
            FIGURES
            | {
                "level": "switcher",
                "effectiveRows": 88.0,
                "difference": {"effect": 0.5, "low": 0.1, "high": 0.9},
            },
        ],
        "unshownSegments": ["new"],
        "groupsDiffer": {"p": 0.02, "text": "The effect differs between groups (p = 0.02)."},
        "elasticity": {
            "value": -0.71,
            "low": -0.95,
            "high": -0.31,
            "text": "Semi-elasticity (percentage points of segment for 1 % more price)",
        },
        "warnings": ["few rows"],
    }
    return EffectResult.model_validate(fields)


def partly_answered(kind: str = "assumed") -> EffectResult:
    """Return a result that leaves out people without counterparts."""
    found = effect_result(kind)
    text = PARTLY.get(kind, found.verdict.text)
    ends = {"everybody_low": -0.8, "everybody_high": 0.3}
    changes = {
        "answered": Answered.model_validate(ANSWERED),
        "verdict": found.verdict.model_copy(update={"text": text}),
        "estimate": found.estimate.model_copy(update=ends),
    }
    return found.model_copy(update=changes)


def sheet_result(kind: str = "assumed", result: EffectResult | None = None) -> SheetResult:
    """Return an answer sheet with one lever, whose verdict is of this kind.

    result: its answer; None for that of `effect_result`.
    """
    is_ranked = kind == "assumed"
    named = {name.replace(" ", "_"): int(name == kind) for name in VERDICT_KINDS}
    counts = {name: one for name, one in named.items() if name in SheetSummary.model_fields}
    lever: dict[str, Any] = {
        "rank": 1 if is_ranked else None,
        "unranked": None if is_ranked else "not ranked: open until somebody says what comes first",
        "near": 0.2 if kind in SPANNED else 0.0,
        "alone": {"low": -0.5, "high": -0.3} if kind in SPANNED else None,
        "answer": mask_unclaimed(result or effect_result(kind)).model_dump(
            mode="json", by_alias=True
        ),
        "propensities": {"value": [0] * 9 + [4], "baseline": [4] + [0] * 9},
        "curve": {
            "points": [{"at": 5.0, "mean": 1.5, "low": 1.0, "high": 2.0, "effectiveRows": 40}]
        },
    }
    fields: dict[str, Any] = {
        "outcome": "segment",
        "outcomeLevel": "loyal",
        "text": "Ranked: 1 of 1 contrasts.",
        "critical": 1.96,
        "intervals": 1,
        "levers": [lever],
        "leftOut": [{"column": "id", "reason": "Nearly everybody has the same value."}],
        "rows": 200,
        "missing": [{"column": "price", "share": 0.0}],
        "seed": 0,
        "version": "1.0",
        "modelSha256": "a" * 64,
        "summary": {"levers": 1, "ranked": int(is_ranked), **counts},
    }
    return SheetResult.model_validate(fields)
