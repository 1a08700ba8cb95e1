"""The verdict on privacy, of ordinary and of linked rows, from figures alone."""

from simulacra_schema.base import VerdictLevel as Level
from simulacra_schema.verdict_parts import Verdict, at_most, rounded, worst
from simulacra_schema.worth import Figures

DCR_GOOD = 0.53
"""Highest equal-halves DCR share for `good`, where attackers were not measured."""
DCR_FAIR = 0.55
COPIES_GOOD = (1.5, 0.01)
"""Copies above unseen real rows' share, for `good`: at most this factor or this difference."""
COPIES_FAIR = (2.0, 0.02)
MEMBERSHIP_LIMIT = 0.04
"""Gain that attackers by own values may have; the test of a fit applies it."""
MEMBERSHIP_PEOPLE = 120
"""Respondents from which on they are measured."""
MENDED = "Fit more rows or fewer columns, or fit with epsilon."
TREAT = "Treat generated rows like the table itself, or fit again."
WORDS = ("rare_word_columns", "rare_word_rows", "single_word_columns", "single_word_rows")
"""Figures of words of few respondents, which are of the table."""


def privacy(figures: Figures) -> Verdict:
    """Return whether rows of people in the table come back, or tell who they are.

    It is the verdict of the strongest attacker: good only if all were measured and none gains more
    than its limit.
    """
    copies, base = rounded(figures, "exact_copies", 4), rounded(figures, "exact_base", 4)
    levels = [_copying(copies, base), _nearness(figures)]
    level = worst(levels)
    if level == "unknown":
        sentence = "Copying was not measured: the fit had no unseen real rows to compare with."
    elif levels[0] in ("fair", "poor") and copies is not None and base is not None:
        sentence = (
            f"Rows of the table come back: {100 * copies:.1f} % of generated rows equal a real row,"
            f" where {100 * base:.1f} % of unseen real rows do."
        )
    elif level == "good":
        sentence = f"No sign of copying: {_safe(figures)}."
    else:
        sentence = "Generated rows tell more about people in the table than about others."
    strong = _measured_strong(figures)
    if strong == "fair":
        sentence += " An attacker who has a second survey of the population was not tested."
    own, said = _own_values(figures, "people")
    sentence = _joined(level, sentence, own, said)
    return _private([level, strong, own], sentence, MENDED, figures)


def privacy_of_persons(figures: Figures) -> Verdict:
    """Return whether persons of the table come back in linked rows, by their own tests."""
    copies, base = rounded(figures, "exact_copies", 4), rounded(figures, "exact_base", 4)
    share, passes = rounded(figures, "dcr_share"), figures.get("passes")
    missed: Level = "unknown" if passes is None else "good" if passes else "fair"
    levels = [_copying(copies, base), at_most(share, DCR_GOOD, DCR_FAIR), missed]
    level = worst(levels)
    if level == "unknown":
        sentence = "Copying of persons was not measured."
    elif levels[0] in ("fair", "poor") and copies is not None and base is not None:
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
    own, said = _own_values(figures, "persons")
    sentence = _joined(level, sentence, own, said)
    return _private([level, own], sentence, "Fit more persons or fewer columns.", figures)


def _own_values(figures: Figures, people: str) -> tuple[Level, str]:
    """Return the level of attackers by own numbers and words, with a sentence."""
    passes, measured = figures.get("membership_pass"), figures.get("membership_measured")
    back, pairs = figures.get("rare_numbers_pass"), figures.get("pairs_pass")
    who = f"{people.capitalize()} in the table"
    gain = f"gain {figures.get('membership_gain', 0.0):.2f}, limit {MEMBERSHIP_LIMIT:.2f}"
    if passes == 0:
        return "poor", f"{who} can be told from others by their own values ({gain})."
    if passes is None or measured is None or back is None or pairs is None:
        return "unknown", f"Whether {people} can be told by their own values was not measured."
    if not measured:
        few = f"Whether {people} can be told by their own values was not measured: there are fewer"
        return "fair", f"{few} than {MEMBERSHIP_PEOPLE}."
    if not back:
        return "fair", f"Numbers of one to four {people} come back more often than those of others."
    if not pairs:
        return (
            "fair",
            f"Pairs of answers tell a little of which {people} are in the table ({gain}).",
        )
    chance = f"chance {figures.get('membership_chance', 0.0):.2f}"
    said = f"{who} cannot be told from others by their own values ({gain.split(',')[0]}, {chance})."
    return "good", said


def _joined(level: Level, sentence: str, own: Level, said: str) -> str:
    """Return both sentences, or the one that decides: no sign of copying beside a clear one."""
    if level == own == "unknown":
        return sentence
    return said if (level, own) == ("good", "poor") else f"{sentence} {said}"


def _measured_strong(figures: Figures) -> Level:
    """Return at most fair where attackers were measured without the strong one."""
    measured = figures.get("attacks_measured")
    if measured is None:  # without attackers, the share of near rows decides
        return "unknown" if "attacks_pass" in figures else "good"
    return "good" if measured else "fair"


def _private(levels: list[Level], sentence: str, remedy: str, figures: Figures) -> Verdict:
    """Return the verdict on privacy, with words of fewer than five persons that come back."""
    few, columns = figures.get("rare_word_columns"), figures.get("single_word_columns")
    rows = figures.get("rare_word_rows", 0.0)
    words: Level = "unknown"
    if few or columns:
        words = "poor" if few is None or few else "fair"
    elif few is not None and columns is not None:
        words = "good"
    level, before = worst([*levels, words]), worst(levels)
    if words == "unknown" and before in ("good", "fair"):
        sentence += " Whether words of few respondents come back was not measured."
    elif words == "poor":
        sentence += f" {_told_words(few or columns or 0.0, rows)}"
    elif words == "fair":
        sentence += " Public words that only one respondent gave are among the rows, at random."
    if before == "good" and words in ("fair", "poor"):
        remedy = "The report names these columns: leave them out, or group their rare answers."
    elif "unknown" in (before, words) and "poor" not in levels:
        remedy = TREAT
    if level == "poor":
        sentence += " Do not publish them."
    kept = None if level == "good" else remedy
    return Verdict(code="privacy", level=level, sentence=sentence, remedy=kept)


def _told_words(columns: float, rows: float) -> str:
    places = "1 column holds" if columns == 1 else f"{columns:,.0f} columns hold"
    share = "fewer than 0.1" if rows < 0.001 else f"{100 * rows:.1f}"
    return (
        f"{places} words of fewer than five respondents: {share} % of the generated rows carry one."
    )


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
