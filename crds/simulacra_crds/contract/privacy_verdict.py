"""The verdict on privacy, of ordinary and of linked rows, from figures alone."""

from __future__ import annotations

from simulacra_crds.contract.verdict_parts import Verdict, at_most, rounded, worst
from simulacra_crds.contract.worth import Figures
from simulacra_crds.kinds.base import VerdictLevel as Level

DCR_GOOD = 0.53
"""Highest equal-halves DCR share for `good`, where attackers were not measured."""
DCR_FAIR = 0.55
COPIES_GOOD = (1.5, 0.01)
"""Copies above unseen real rows' share, for `good`: at most this factor or this difference."""
COPIES_FAIR = (2.0, 0.02)
TREAT = "Treat generated rows like the table itself, or fit again."
WORDS = ("single_word_columns", "single_word_rows")
"""Figures of words that one respondent gave, which are of the table."""


def privacy(figures: Figures) -> Verdict:
    """Return whether rows of people in the table come back, by copies, attackers and rare words."""
    copies, base = rounded(figures, "exact_copies", 4), rounded(figures, "exact_base", 4)
    levels = [_copying(copies, base), _nearness(figures)]
    level = worst(levels)
    if level == "unknown":
        sentence = "Copying was not measured: the fit had no unseen real rows to compare with."
        return _private(level, sentence, TREAT, figures)
    if levels[0] in ("fair", "poor") and copies is not None and base is not None:
        sentence = (
            f"Rows of the table come back: {100 * copies:.1f} % of generated rows equal a real row,"
            f" where {100 * base:.1f} % of unseen real rows do."
        )
    elif level == "good":
        sentence = f"No sign of copying: {_safe(figures)}."
    else:
        sentence = "Generated rows tell more about people in the table than about others."
    return _private(
        level, sentence, "Fit more rows or fewer columns, or fit with epsilon.", figures
    )


def _private(level: Level, sentence: str, remedy: str, figures: Figures) -> Verdict:
    """Return the verdict on privacy: at most fair where rows carry words that one person gave."""
    columns, rows = figures.get("single_word_columns"), figures.get("single_word_rows", 0.0)
    words: Level = "unknown" if columns is None else "fair" if columns else "good"
    both = worst([level, words])
    if words == "unknown" and level in ("good", "fair"):
        sentence += " Whether words that only one respondent gave come back was not measured."
        remedy = TREAT
    elif words == "fair":
        places = "1 column holds" if columns == 1 else f"{columns:,.0f} columns hold"
        share = "fewer than 0.1" if rows < 0.001 else f"{100 * rows:.1f}"
        sentence += (
            f" {places} words that only one respondent gave: {share} % of the generated rows"
        )
        sentence += " carry one."
        if level == "good":
            remedy = "The report names these columns: leave them out, or group their rare answers."
    if both == "poor":
        sentence += " Do not publish them."
    kept = None if both == "good" else remedy
    return Verdict(code="privacy", level=both, sentence=sentence, remedy=kept)


def privacy_of_persons(figures: Figures) -> Verdict:
    """Return whether persons of the table come back in linked rows, by their own test."""
    copies, base = rounded(figures, "exact_copies", 4), rounded(figures, "exact_base", 4)
    share, passes = rounded(figures, "dcr_share"), figures.get("passes")
    missed: Level = "unknown" if passes is None else "good" if passes else "fair"
    levels = [_copying(copies, base), at_most(share, DCR_GOOD, DCR_FAIR), missed]
    level = worst(levels)
    if level == "unknown":
        return _private(level, "Copying of persons was not measured.", TREAT, figures)
    if levels[0] in ("fair", "poor") and copies is not None and base is not None:
        sentence = (
            f"Persons of the table come back: {100 * copies:.1f} % of generated persons equal a"
            f" real one, where {100 * base:.1f} % of unseen persons do."
        )
    elif level == "good":
        sentence = "No sign of copying: generated persons are hardly nearer to persons in the table"
        sentence += " than to others."
    else:
        near = "" if share is None else f" ({100 * share:.0f} % are nearer; 50 % is chance)"
        sentence = f"Generated persons are nearer to persons in the table than to others{near}."
    return _private(level, sentence, "Fit more persons or fewer columns.", figures)


def _nearness(figures: Figures) -> Level:
    """Return the level of attackers, or of the DCR share where they were not measured."""
    share, passes = rounded(figures, "dcr_share"), figures.get("attacks_pass")
    by_share = at_most(share, DCR_GOOD, DCR_FAIR)
    if passes is None:  # a scale is chosen by what attackers gain, and by nothing else
        return "unknown" if by_share != "poor" and "scale" in figures else by_share
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
