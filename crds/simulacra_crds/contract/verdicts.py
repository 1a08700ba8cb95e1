"""Three verdicts on generated rows: likeness, privacy and worth, in words and from figures alone.

The figures are those of `Model.status.figures`, so every door gives the same verdict. They hold no
names. Figures are rounded to two digits before they meet a limit: no limit is both kept and missed.
A figure that is absent never makes a verdict better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel

from simulacra_crds.kinds.base import VerdictLevel as Level
from simulacra_crds.kinds.base import VerdictLevels

Code = Literal["likeness", "privacy", "worth"]
Figures = Mapping[str, float]

AUC_GOOD = 0.60
"""Highest AUC of a classifier that tells generated from real rows, for `good`."""
AUC_FAIR = 0.75
KEPT_GOOD = 0.80
"""Lowest share of the relations' evidence that a model kept, for `good`; `kept` in the report."""
KEPT_FAIR = 0.40
DCR_GOOD = 0.53
"""Highest equal-halves DCR share for `good`, where attackers were not measured."""
DCR_FAIR = 0.55
COPIES_GOOD = (1.5, 0.01)
"""Copies above unseen real rows' share, for `good`: at most this factor or this difference."""
COPIES_FAIR = (2.0, 0.02)
MANY_ROWS = 10_000
"""Generated rows that the worth of a model assumes."""


class Verdict(BaseModel):
    """A judgment of one property of generated rows.

    Attributes:
        code: what is judged.
        level: `unknown` where a figure that decides was not measured.
        sentence: the verdict in words.
        remedy: what would help, or how to use the rows all the same.
    """

    code: Code
    level: Level
    sentence: str
    remedy: str | None = None


def verdicts(figures: Figures) -> list[Verdict]:
    """Return the verdicts on likeness, privacy and worth of a model's rows, in this order."""
    return [likeness(figures), privacy(figures), _worth_of_many(figures)]


def verdicts_of_rows(
    figures: Figures, worth: float | None, rows: int, *, in_pairs: bool = False
) -> list[Verdict]:
    """Return the verdicts on the rows of one generation: of their model, with a worth of their own.

    Conditions and do() change rows by design, so likeness and privacy are those of the model.

    Args:
        figures: of the model; empty if it is not known.
        worth: respondents that the rows are worth; None if not measured.
        rows: their number.
        in_pairs: they are counterfactual pairs; the worth is that of the rows of one world.
    """
    own = worth_verdict(worth, rows // 2 if in_pairs else rows, figures.get("kept_ratio"))
    return [likeness(figures), privacy(figures), own]


def levels(found: Sequence[Verdict]) -> VerdictLevels:
    """Return verdicts on all three properties in one word each, for a status."""
    return VerdictLevels.model_validate({one.code: one.level for one in found})


def likeness(figures: Figures) -> Verdict:
    """Return how hard generated rows are to tell from real ones, and what relations they keep."""
    auc, kept = _rounded(figures, "c2st_auc"), _rounded(figures, "kept_ratio")
    levels = [_at_most(auc, AUC_GOOD, AUC_FAIR), _level_of_kept(kept)]
    sentence, remedy = f"{_told_apart(auc)} {_related(kept)}", None
    level = _worst(levels)
    if level in ("fair", "poor"):
        remedy = "Use shares of single questions, and check each crosstab in the report."
    return Verdict(code="likeness", level=level, sentence=sentence, remedy=remedy)


def privacy(figures: Figures) -> Verdict:
    """Return whether rows of people in the table come back, by copies and by attackers."""
    copies, base = _rounded(figures, "exact_copies", 4), _rounded(figures, "exact_base", 4)
    levels = [_copying(copies, base), _nearness(figures)]
    level = _worst(levels)
    if level == "unknown":
        sentence = "Copying was not measured: the fit had no unseen real rows to compare with."
        treat = "Treat generated rows like the table itself."
        return Verdict(code="privacy", level=level, sentence=sentence, remedy=treat)
    remedy = None if level == "good" else "Fit more rows or fewer columns, or fit with epsilon."
    if levels[0] in ("fair", "poor") and copies is not None and base is not None:
        sentence = (
            f"Rows of the table come back: {100 * copies:.1f} % of generated rows equal a real row,"
            f" where {100 * base:.1f} % of unseen real rows do."
        )
    elif level == "good":
        sentence = f"No sign of copying: {_safe(figures)}."
    else:
        sentence = "Generated rows tell more about people in the table than about others."
    if level == "poor":
        sentence += " Do not publish them."
    return Verdict(code="privacy", level=level, sentence=sentence, remedy=remedy)


def worth_verdict(worth: float | None, rows: int, kept: float | None) -> Verdict:
    """Return how many respondents some rows are worth.

    Args:
        worth: in respondents; None if not measured.
        rows: generated rows.
        kept: share of the evidence on relations that the model kept, 0..1; None if not measured.
    """
    if worth is None or kept is None:
        sentence = "What the rows are worth was not measured."
        avoid = "Do not compute intervals or tests from generated rows."
        return Verdict(code="worth", level="unknown", sentence=sentence, remedy=avoid)
    sentence = f"{rows:,} rows are worth {worth:,.0f} respondents: intervals need evidence_weight."
    level = _level_of_kept(round(kept, 2))
    remedy = None if level == "good" else "Use shares of single questions rather than relations."
    return Verdict(code="worth", level=level, sentence=sentence, remedy=remedy)


def worth_of(evidence: float, rows: float, ratio: float = 1.0) -> float:
    """Return the respondents that `rows` generated rows are worth (ADR 0056).

    Args:
        evidence: respondents behind the model, for this request.
        rows: independent draws; infinity for the limit of many rows.
        ratio: share of the evidence that the model kept of dependences, 0..1.
    """
    kept = ratio * evidence
    if kept <= 0 or rows <= 0:
        return 0.0
    return 1.0 / (1.0 / kept + 1.0 / rows)


def _worth_of_many(figures: Figures) -> Verdict:
    """Return the verdict on the worth of `MANY_ROWS` rows."""
    respondents, kept = figures.get("respondents"), figures.get("kept_ratio")
    if respondents is None or kept is None or kept * respondents <= 0:
        return worth_verdict(None, MANY_ROWS, None)
    return worth_verdict(worth_of(respondents, MANY_ROWS, kept), MANY_ROWS, kept)


def _told_apart(auc: float | None) -> str:
    if auc is None:
        return "Likeness was not measured: the fit had no unseen real rows to compare with."
    found = {
        "good": "Generated rows are hard to tell from yours",
        "fair": "Generated rows can often be told from yours",
        "poor": "Generated rows are easy to tell from yours",
    }
    return f"{found[_at_most(auc, AUC_GOOD, AUC_FAIR)]} (AUC {auc:.2f}; 0.50 is chance)."


def _related(kept: float | None) -> str:
    if kept is None:
        return "How relations between questions are kept was not measured."
    found = {
        "good": "Relations between questions are kept",
        "fair": "Relations between questions are weakened",
        "poor": "Most of the relations between questions are lost",
    }
    return f"{found[_level_of_kept(kept)]} ({100 * kept:.0f} % of their evidence)."


def _nearness(figures: Figures) -> Level:
    """Return the level of attackers, or of the DCR share where they were not measured."""
    share, passes = _rounded(figures, "dcr_share"), figures.get("attacks_pass")
    by_share = _at_most(share, DCR_GOOD, DCR_FAIR)
    if passes is None:
        return by_share
    return "good" if passes and (by_share == "good" or not figures.get("strict")) else "poor"


def _safe(figures: Figures) -> str:
    if "attacks_pass" in figures:
        return "attackers gain hardly more on people in the table than on others"
    return "generated rows are hardly nearer to the table than to people who are not in it"


def _copying(copies: float | None, base: float | None) -> Level:
    if copies is None or base is None:
        return "unknown"
    for level, (factor, beyond) in (("good", COPIES_GOOD), ("fair", COPIES_FAIR)):
        if copies <= max(factor * base, base + beyond):
            return "good" if level == "good" else "fair"
    return "poor"


def _rounded(figures: Figures, name: str, digits: int = 2) -> float | None:
    value = figures.get(name)
    return None if value is None else round(value, digits)


def _at_most(value: float | None, good: float, fair: float) -> Level:
    if value is None:
        return "unknown"
    return "good" if value <= good else "fair" if value <= fair else "poor"


def _level_of_kept(kept: float | None) -> Level:
    return _at_most(None if kept is None else -kept, -KEPT_GOOD, -KEPT_FAIR)


def _worst(levels: list[Level]) -> Level:
    """Return the worst level; what is known to be poor stays poor beside what is unknown."""
    return next(level for level in ("poor", "unknown", "fair", "good") if level in levels)
